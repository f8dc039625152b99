"""Every bend from the RFCs that Entra ID (or Okta) makes necessary, one named function each.

The request that made a function necessary is recorded in `tests/recorded/` under the name that its docstring gives.
Without this file the service would be a strict RFC client's server. Each function notes when it was needed, so that the
log can name it beside the request.
"""

from collections.abc import Set
from contextvars import ContextVar
from typing import Final

from scim.protocol.json import Json, JsonObject

_USED: ContextVar[set[str] | None] = ContextVar("tolerances", default=None)


def begin() -> set[str]:
    """The names of the functions that are needed from now on, in this context."""
    used: set[str] = set()
    _USED.set(used)
    return used


def _note(name: str) -> None:
    used = _USED.get()
    if used is not None:
        used.add(name)


def unquoted_value(word: str) -> str:
    """A filter's value without quotes is a string: `externalId eq jyoung`.

    Recorded as `filter-without-quotes`; Microsoft's documentation shows the request in this form.
    """
    _note("unquoted_value")
    return word


_BOOLEANS: Final = {"true": True, "false": False}


def boolean(value: Json) -> Json:
    """A boolean as a string in any letter case is the boolean: `"active": "False"`, `primary eq "True"`.

    Recorded as `disable-with-a-string` and `quoted-boolean-in-a-value-path`; other values are returned as they are.
    """
    if not isinstance(value, str) or value.lower() not in _BOOLEANS:
        return value
    _note("boolean")
    return _BOOLEANS[value.lower()]


def dot_before_extension_attribute(urn: str | None, attribute: str, sub: str) -> tuple[str, str]:
    """`urn:…:enterprise:2.0:User.department`, which reads as `User` with a sub-attribute, means `…User:department`.

    Takes the parts that the grammar sees, gives the URN and the attribute. Recorded as `dot-before-extension-attribute`
    (jobs of the old `customappsso` kind).
    """
    _note("dot_before_extension_attribute")
    return f"{urn}:{attribute}", sub


def complex_from_text(value: Json) -> Json:
    """A bare string, where a complex value with a `value` sub-attribute is due, is that sub-attribute.

    `"manager": "123456"` is `{"value": "123456"}`. Recorded as `manager-as-a-string`.
    """
    if not isinstance(value, str):
        return value
    _note("complex_from_text")
    return {"value": value}


def single_from_list(value: Json) -> Json:
    """An array of one, where a single value is due, is that value: `"manager": [{"value": "…"}]`.

    Recorded as `manager-as-a-list-of-one`.
    """
    if not isinstance(value, list) or len(value) != 1:
        return value
    _note("single_from_list")
    return value[0]


def list_from_single(value: Json) -> Json:
    """A single value, where an array is due, is an array of one: `"value": {"type": "work", "value": "…"}`.

    Recorded as `single-object-for-a-multi-valued-attribute`.
    """
    if isinstance(value, list):
        return value
    _note("list_from_single")
    return [value]


def unassigned(value: Json) -> bool:
    """`null`, `""` and `[]` mean unassigned wherever an attribute's value is due.

    Entra clears an attribute by replacing it with `""`. RFC 7643 §2.5 gives only `null` and `[]` that meaning.
    Recorded as `clear-with-empty-text` and `clear-with-null`.
    """
    if value == "":
        _note("unassigned")
        return True
    return value is None or value == []


def role_display_name(element: JsonObject) -> JsonObject:
    """`displayName` in an element that has a `display` sub-attribute is `display`, unless `display` is there too.

    Entra's AppRoleAssignmentsComplex sends it in `roles`. Recorded as `roles-complex-on-create`.
    """
    names = {name.lower() for name in element}
    if "display" in names or "displayname" not in names:
        return element
    _note("role_display_name")
    return {("display" if name.lower() == "displayname" else name): value for name, value in element.items()}


def operation(op: str) -> str:
    """`op` in any letter case: Entra sends `Add`, `Replace` and `Remove`. Recorded as `op-with-a-capital`."""
    lowered = op.lower()
    if lowered != op:
        _note("operation")
    return lowered


def envelope(message: JsonObject, names: Set[str]) -> JsonObject:
    """The members of a message in any letter case and order; others are left out.

    RFC 7644 has attribute names case-insensitive, and clients send `operations` too. Recorded as
    `operations-before-schemas`.
    """
    by_name = {name.lower(): name for name in names}
    if any(key.lower() in by_name and key not in names for key in message):
        _note("envelope")
    return {by_name[key.lower()]: value for key, value in message.items() if key.lower() in by_name}
