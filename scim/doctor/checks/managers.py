"""Checks setting and clearing the manager in every form that Entra sends."""

from functools import partial
from typing import Any, Final

from scim.doctor.assertions import ENTERPRISE, has_value, value_at
from scim.doctor.catalogue import Check
from scim.doctor.check_context import CheckContext
from scim.doctor.effects import CHANGE
from scim.doctor.verdicts import Skip

_PATH: Final = f"{ENTERPRISE}:manager"
_VALUE: Final = f"{ENTERPRISE}.manager.value"


def _set(context: CheckContext, label: str, path: str, form: str) -> None:
    user, boss = context.user(label), context.user("boss")
    reference = {"$ref": f"{context.client.endpoint}/Users/{boss}", "value": boss}
    value: Any = {"string": boss, "object": {"value": boss}, "array": [reference]}[form]
    found = context.changed(user, {"op": "Add", "path": path, "value": value})
    has_value(found, _VALUE, boss)


def _clear(context: CheckContext, label: str, operation: dict[str, Any]) -> None:
    user, boss = context.user(label), context.user("boss")
    given = {"op": "replace", "path": _PATH, "value": {"value": boss}}
    context.objects.patch("Users", user, [given])
    if value_at(context.read("Users", user), _VALUE) != boss:
        raise Skip("the server doesn't keep a manager given as an object", needs="manager-object")
    has_value(context.changed(user, operation), _VALUE, None)


_SET: Final = (
    ("manager-object", "A manager given as an object", _PATH, "object", "Store value, and show it as manager.value."),
    ("manager-string", "A manager given as a string", _PATH, "string", 'Read a string as {"value": string}.'),
    (
        "manager-array",
        "A manager given as an array of one, at the path manager",
        "manager",
        "array",
        "Read an array of one element as that element, and the path manager as the enterprise extension's manager.",
    ),
)
_CLEAR: Final = (
    ("manager-clear-empty", '""', {"op": "replace", "path": _PATH, "value": ""}, ("manager-string",)),
    ("manager-clear-object", '{"value": ""}', {"op": "replace", "path": _PATH, "value": {"value": ""}}, ()),
    ("manager-clear-null", "null", {"op": "replace", "path": _PATH, "value": None}, ()),
    ("manager-clear-remove", "Remove", {"op": "Remove", "path": _PATH}, ()),
)
_WRITES: Final = partial(Check, only="write", needs=("user-create",))

CHECKS: Final = (
    *(
        _WRITES(
            id,
            title,
            CHANGE,
            fix,
            partial(_set, label=id, path=path, form=form),
            needs=("user-create", "patch-add"),
        )
        for id, title, path, form, fix in _SET
    ),
    *(
        _WRITES(
            id,
            f"A manager cleared by {how}",
            CHANGE,
            "Clear the manager for an empty string, an object with an empty value, null and Remove alike.",
            partial(_clear, label=id, operation=operation),
            needs=("user-create", *needs),
        )
        for id, how, operation, needs in _CLEAR
    ),
)
