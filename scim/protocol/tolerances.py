"""Every bend from the RFCs that Entra ID (or Okta) makes necessary, one named function each.

The request that made a function necessary is recorded in `tests/recorded/` under the name that its docstring gives.
Without this file the service would be a strict RFC client's server.
"""

from collections.abc import Sequence
from typing import Final

from scim.protocol.json import Json, JsonObject


def unquoted_value(word: str) -> str:
    """A filter's value without quotes is a string: `externalId eq jyoung`.

    Recorded as `filter-without-quotes`; Microsoft's documentation shows the request in this form.
    """
    return word


_BOOLEANS: Final = {"true": True, "false": False}


def boolean(value: Json) -> Json:
    """A boolean as a string in any letter case is the boolean: `"active": "False"`, `primary eq "True"`.

    Recorded as `disable-with-a-string` and `quoted-boolean-in-a-value-path`; other values are returned as they are.
    """
    return _BOOLEANS.get(value.lower(), value) if isinstance(value, str) else value


def dot_before_extension_attribute(urn: str | None, attribute: str, sub: str) -> tuple[str, str]:
    """`urn:…:enterprise:2.0:User.department`, which reads as `User` with a sub-attribute, means `…User:department`.

    Takes the parts that the grammar sees, gives the URN and the attribute. Recorded as `dot-before-extension-attribute`
    (jobs of the old `customappsso` kind).
    """
    return f"{urn}:{attribute}", sub


def complex_from_text(value: Json) -> Json:
    """A bare string, where a complex value with a `value` sub-attribute is due, is that sub-attribute.

    `"manager": "123456"` is `{"value": "123456"}`. Recorded as `manager-as-a-string`.
    """
    return {"value": value} if isinstance(value, str) else value


def single_from_list(value: Json) -> Json:
    """An array of one, where a single value is due, is that value: `"manager": [{"value": "…"}]`.

    Recorded as `manager-as-a-list-of-one`.
    """
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def list_from_single(value: Json) -> Json:
    """A single value, where an array is due, is an array of one: `"value": {"type": "work", "value": "…"}`.

    Recorded as `single-object-for-a-multi-valued-attribute`.
    """
    return value if isinstance(value, list) else [value]


def unassigned(value: Json) -> bool:
    """`null`, `""` and `[]` mean unassigned wherever an attribute's value is due.

    Entra clears an attribute by replacing it with `""`. RFC 7643 §2.5 gives only `null` and `[]` that meaning.
    Recorded as `clear-with-empty-text` and `clear-with-null`.
    """
    return value is None or value in ("", [])


def role_display_name(element: JsonObject) -> JsonObject:
    """`displayName` in an element that has a `display` sub-attribute is `display`, unless `display` is there too.

    Entra's AppRoleAssignmentsComplex sends it in `roles`. Recorded as `roles-complex-on-create`.
    """
    if any(name.lower() == "display" for name in element):
        return element
    return {("display" if name.lower() == "displayname" else name): value for name, value in element.items()}


def operation(op: str) -> str:
    """`op` in any letter case: Entra sends `Add`, `Replace` and `Remove`. Recorded as `op-with-a-capital`."""
    return op.lower()


def envelope(message: JsonObject, names: Sequence[str]) -> JsonObject:
    """The members of a message in any letter case and order; others are left out.

    RFC 7644 has attribute names case-insensitive, and clients send `operations` too. Recorded as
    `operations-before-schemas`.
    """
    by_name = {name.lower(): name for name in names}
    return {by_name[key.lower()]: value for key, value in message.items() if key.lower() in by_name}
