"""Every bend from the RFCs that Entra ID (or Okta) makes necessary, one named function each.

The request that made a function necessary is recorded in `tests/recorded/` under the name that its docstring gives.
Without this file the service would be a strict RFC client's server. Each function notes when it was needed, so that the
log can name it beside the request.
"""

from collections.abc import Sequence, Set
from contextvars import ContextVar
from typing import Final

from scim.protocol.json import Json, JsonObject


class Used(set[str]):
    """The names of the functions that a request needed."""

    ignored_operations = 0
    """PATCH operations that were skipped."""


_USED: ContextVar[Used | None] = ContextVar("tolerances", default=None)


def begin() -> Used:
    """Collect what is needed from now on, in this context."""
    used = Used()
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


def filter_after_brackets[T](elements: T, comparison: T) -> tuple[T, T]:
    """Join a comparison behind brackets, `emails[type eq "work"].value eq "x"`, to the filter inside: one element satisfies both.

    The grammar of RFC 7644 §3.4.2.2 ends a value path with its bracket. Recorded as `comparison-behind-brackets`.
    """
    _note("filter_after_brackets")
    return elements, comparison


def unknown_attribute() -> None:
    """Skip a PATCH operation on an unknown attribute or extension, if another operation of the request can be applied.

    RFC 7644 §3.5.2 has all operations or none; but a custom attribute mapped for another application would then undo the
    `active: false` beside it. `SCIM_UNKNOWN_PATHS=refuse` switches it off. Recorded as `unknown-attribute-beside-active`.
    """
    _note("unknown_attribute")
    used = _USED.get()
    if used is not None:
        used.ignored_operations += 1


def path_as_key(name: str) -> str:
    """Accept a path as a key, in a body or in the value of a PATCH without path: `"name.givenName"`, `"roles[…].value"`.

    RFC 7643 §2.1 has names of attributes only. Recorded as `paths-as-keys` and `brackets-as-keys`.
    """
    _note("path_as_key")
    return name


def created_by_value_path(terms: JsonObject) -> JsonObject:
    """Create an element where a value path matches none: the filter's `eq` terms are its values.

    RFC 7644 §3.5.2.3 has `noTarget` there. Recorded as `value-path-that-creates`.
    """
    _note("created_by_value_path")
    return terms


def listed_for_removal(value: Json) -> Json:
    """Read the `value` of a `remove` on `members`, or another multi-valued attribute, as the elements to remove.

    RFC 7644 §3.5.2.2 knows no such `value`; by its rules all elements would go. Recorded as `remove-with-a-list`.
    """
    _note("listed_for_removal")
    return value


def empty_state_ignored(current: Json) -> Json:
    """Keep `active` as it is when it is sent as `""` or `null`: without a value no `active eq` would find the user.

    RFC 7643 §2.5 has it unassigned, which `remove` still does. Recorded as `active-without-a-value`.
    """
    _note("empty_state_ignored")
    return current


def first_primary(places: Sequence[int]) -> int:
    """Choose the first of several elements that one value marks as `primary`; takes and returns places in a list.

    RFC 7643 §2.4 allows one. PingOne marks two when one of two addresses is empty. Recorded as `two-primary-emails`.
    """
    _note("first_primary")
    return places[0]


def simple_from_object(value: JsonObject) -> Json:
    """Read an object, where a simple value is due, as its `value`: `[{"value": "1"}]` for an attribute with several strings.

    Entra sends custom multi-valued attributes in this form, and `{}` when nothing has changed, which is no value;
    Microsoft's library sends `$ref` beside it. Other objects are returned as they are. Recorded as
    `simple-values-as-objects`.
    """
    names = {name.lower(): name for name in value}
    if "value" not in names and any(value[name] is not None and name.lower() != "$ref" for name in value):
        return value
    _note("simple_from_object")
    return value[names["value"]] if "value" in names else None


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
