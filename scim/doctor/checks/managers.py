"""The manager, in every form in which Entra sets it and clears it."""

from functools import partial
from typing import Any, Final

from scim.doctor.catalogue import ESCROW, SILENT, Check
from scim.doctor.expect import ENTERPRISE, at, same
from scim.doctor.verdicts import Skip
from scim.doctor.visit import Visit

_PATH: Final = f"{ENTERPRISE}:manager"
_VALUE: Final = f"{ENTERPRISE}.manager.value"


def _set(visit: Visit, label: str, path: str, form: str) -> None:
    user, boss = visit.user(label), visit.user("boss")
    reference = {"$ref": f"{visit.client.endpoint}/Users/{boss}", "value": boss}
    value: Any = {"string": boss, "object": {"value": boss}, "array": [reference]}[form]
    found = visit.changed(user, {"op": "Add", "path": path, "value": value})
    same(found, _VALUE, boss)


def _clear(visit: Visit, label: str, operation: dict[str, Any]) -> None:
    user, boss = visit.user(label), visit.user("boss")
    given = {"op": "replace", "path": _PATH, "value": {"value": boss}}
    visit.objects.patch("Users", user, [given])
    if at(visit.read("Users", user), _VALUE) != boss:
        raise Skip("the server doesn't keep a manager given as an object")
    same(visit.changed(user, operation), _VALUE, None)


_SET: Final = (
    ("manager-string", "A manager given as a string", _PATH, "string", 'Read a string as {"value": string}.'),
    ("manager-object", "A manager given as an object", _PATH, "object", "Store value, and show it as manager.value."),
    (
        "manager-array",
        "A manager given as an array of one, at the path manager",
        "manager",
        "array",
        "Take the one element of an array for the value, and a bare manager for the enterprise extension's.",
    ),
)
_CLEAR: Final = (
    ("manager-clear-empty", '""', {"op": "replace", "path": _PATH, "value": ""}),
    ("manager-clear-object", '{"value": ""}', {"op": "replace", "path": _PATH, "value": {"value": ""}}),
    ("manager-clear-null", "null", {"op": "replace", "path": _PATH, "value": None}),
    ("manager-clear-remove", "Remove", {"op": "Remove", "path": _PATH}),
)
_WRITES: Final = partial(Check, only="write", needs=("user-create",))

CHECKS: Final = (
    *(
        _WRITES(id, title, ESCROW, fix, partial(_set, label=id, path=path, form=form))
        for id, title, path, form, fix in _SET
    ),
    *(
        _WRITES(
            id,
            f"A manager cleared by {how}",
            SILENT,
            "Take the manager away for an empty string, an object with an empty value, null and Remove alike.",
            partial(_clear, label=id, operation=operation),
        )
        for id, how, operation in _CLEAR
    ),
)
