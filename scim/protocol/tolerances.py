"""The deviations from the RFCs for Entra ID, Okta and other clients: one named function each.

The docstring of a function names the case in `tests/recorded/` with the request that needs it. Without these functions
the service would be a strict server. Each function notes its use, so that the log line names it.
"""

from collections.abc import Sequence, Set
from contextvars import ContextVar
from typing import Final

from scim.protocol.json import Json, JsonObject


class Used(set[str]):
    """The names of the tolerances that a request needed."""

    ignored_operations = 0
    """The number of skipped PATCH operations."""


_USED: ContextVar[Used | None] = ContextVar("tolerances", default=None)


def begin() -> Used:
    """Start to collect the tolerances that are used in this context; return the collection, which later calls update."""
    used = Used()
    _USED.set(used)
    return used


def _note(name: str) -> None:
    used = _USED.get()
    if used is not None:
        used.add(name)


def unquoted_value(word: str) -> str:
    """Accept a filter value without quotes as a string: `externalId eq jyoung`.

    Recorded as `filter-without-quotes`. Microsoft's documentation shows the request in this form.
    """
    _note("unquoted_value")
    return word


_BOOLEANS: Final = {"true": True, "false": False}


def boolean(value: Json) -> Json:
    """Accept a boolean as a string in any case: `"active": "False"`, `primary eq "True"`. Return other values
    unchanged.

    Recorded as `disable-with-a-string` and `quoted-boolean-in-a-value-path`.
    """
    if not isinstance(value, str) or value.lower() not in _BOOLEANS:
        return value
    _note("boolean")
    return _BOOLEANS[value.lower()]


def dot_before_extension_attribute(urn: str | None, attribute: str, sub: str) -> tuple[str, str]:
    """Accept a dot before the attribute of an extension: `urn:...:enterprise:2.0:User.department` means
    `...User:department`.

    Takes the parts of the path as the grammar reads them, and returns the URN and the attribute. Recorded as
    `dot-before-extension-attribute` (sent by old `customappsso` jobs).
    """
    _note("dot_before_extension_attribute")
    return f"{urn}:{attribute}", sub


def filter_after_brackets[T](elements: T, comparison: T) -> tuple[T, T]:
    """Accept a comparison after brackets: `emails[type eq "work"].value eq "x"`. One element must satisfy both.

    The grammar of RFC 7644 §3.4.2.2 ends a value path with its bracket. Recorded as `comparison-behind-brackets`.
    """
    _note("filter_after_brackets")
    return elements, comparison


def unknown_attribute() -> None:
    """Skip a PATCH operation on an unknown attribute or extension if another operation of the request is valid.

    RFC 7644 §3.5.2 requires all operations or none. But then an attribute that is mapped for another application would
    undo the `active: false` beside it. `SCIM_UNKNOWN_PATHS=refuse` switches this off. Recorded as
    `unknown-attribute-beside-active`.
    """
    _note("unknown_attribute")
    used = _USED.get()
    if used is not None:
        used.ignored_operations += 1


def path_as_key(name: str) -> str:
    """Accept a path as a key of a body, or of the value of a PATCH without path: `"name.givenName"`,
    `"roles[...].value"`.

    RFC 7643 §2.1 allows attribute names only. Recorded as `paths-as-keys` and `brackets-as-keys`.
    """
    _note("path_as_key")
    return name


def created_by_value_path(terms: JsonObject) -> JsonObject:
    """Create an element if a value path matches none, with the `eq` terms of the filter as its values.

    RFC 7644 §3.5.2.3 requires `noTarget`. Recorded as `value-path-that-creates`.
    """
    _note("created_by_value_path")
    return terms


def listed_for_removal(value: Json) -> Json:
    """Accept a `value` in a `remove` on `members` or another multi-valued attribute: only its elements are removed.

    RFC 7644 §3.5.2.2 has no such `value`; by its rules all elements would be removed. Recorded as `remove-with-a-list`.
    """
    _note("listed_for_removal")
    return value


def empty_state_ignored(current: Json) -> Json:
    """Keep `active` if it is sent as `""` or `null`, because `active eq` would not find a user without a value.

    By RFC 7643 §2.5 it would be unassigned, as `remove` still does. Recorded as `active-without-a-value`.
    """
    _note("empty_state_ignored")
    return current


def first_primary(places: Sequence[int]) -> int:
    """Return the first index, if one value marks several elements as `primary`.

    RFC 7643 §2.4 allows one. PingOne marks two if one of two addresses is empty. Recorded as `two-primary-emails`.
    """
    _note("first_primary")
    return places[0]


def simple_from_object(value: JsonObject) -> Json:
    """Accept an object as a simple value, if it has a `value`: `[{"value": "1"}]` for an attribute with several
    strings.

    Entra sends custom multi-valued attributes in this form, and `{}` for no change, which is no value. Microsoft's
    library adds `$ref`. Returns other objects unchanged. Recorded as `simple-values-as-objects`.
    """
    names = {name.lower(): name for name in value}
    if "value" not in names and any(value[name] is not None and name.lower() != "$ref" for name in value):
        return value
    _note("simple_from_object")
    return value[names["value"]] if "value" in names else None


def complex_from_text(value: Json) -> Json:
    """Accept a string as a complex value that has the sub-attribute `value`: `"manager": "123456"` is `{"value":
    "123456"}`.

    Recorded as `manager-as-a-string`.
    """
    if not isinstance(value, str):
        return value
    _note("complex_from_text")
    return {"value": value}


def single_from_list(value: Json) -> Json:
    """Accept an array of one element as a single value: `"manager": [{"value": "..."}]`.

    Recorded as `manager-as-a-list-of-one`.
    """
    if not isinstance(value, list) or len(value) != 1:
        return value
    _note("single_from_list")
    return value[0]


def list_from_single(value: Json) -> Json:
    """Accept a single value as an array of one element: `"value": {"type": "work", "value": "..."}`.

    Recorded as `single-object-for-a-multi-valued-attribute`.
    """
    if isinstance(value, list):
        return value
    _note("list_from_single")
    return [value]


def unassigned(value: Json) -> bool:
    """Return whether the value means unassigned: `null`, `""` or `[]`.

    Entra clears an attribute by replacing it with `""`. In RFC 7643 §2.5 only `null` and `[]` mean unassigned. Recorded
    as `clear-with-empty-text` and `clear-with-null`.
    """
    if value == "":
        _note("unassigned")
        return True
    return value is None or value == []


def role_display_name(element: JsonObject) -> JsonObject:
    """Accept `displayName` as `display` in an element that has a sub-attribute `display`, unless `display` is also
    sent.

    Entra's AppRoleAssignmentsComplex sends it in `roles`. Recorded as `roles-complex-on-create`.
    """
    names = {name.lower() for name in element}
    if "display" in names or "displayname" not in names:
        return element
    _note("role_display_name")
    return {("display" if name.lower() == "displayname" else name): value for name, value in element.items()}


def operation(op: str) -> str:
    """Accept `op` in any case: Entra sends `Add`, `Replace` and `Remove`. Recorded as `op-with-a-capital`."""
    lowered = op.lower()
    if lowered != op:
        _note("operation")
    return lowered


def envelope(message: JsonObject, names: Set[str]) -> JsonObject:
    """Return the members of a message by their names in any case and order, without unknown ones.

    Attribute names are case-insensitive in RFC 7643, and clients send `operations` too. Recorded as
    `operations-before-schemas`.
    """
    by_name = {name.lower(): name for name in names}
    if any(key.lower() in by_name and key not in names for key in message):
        _note("envelope")
    return {by_name[key.lower()]: value for key, value in message.items() if key.lower() in by_name}
