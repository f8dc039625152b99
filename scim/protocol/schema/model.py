"""Compiled schemas and resource types, for fast look-up of names in any case. Knows no resources."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal, NamedTuple

from scim.protocol.json import JsonObject

type AttributeType = Literal["string", "boolean", "decimal", "integer", "dateTime", "binary", "reference", "complex"]
type MutabilityKind = Literal["readOnly", "readWrite", "immutable", "writeOnly"]
type Returned = Literal["always", "never", "default", "request"]

SCHEMAS: Final = "schemas"


@dataclass(frozen=True, eq=False)
class Attribute:
    """An attribute or sub-attribute with its characteristics (RFC 7643 §2.2, §7)."""

    name: str
    type: AttributeType = "string"
    multi_valued: bool = False
    required: bool = False
    case_exact: bool = False
    mutability: MutabilityKind = "readWrite"
    returned: Returned = "default"
    uniqueness: str = "none"
    reference_types: tuple[str, ...] = ()
    sortable: bool = False
    sub_attributes: Mapping[str, "Attribute"] = field(default_factory=dict)
    """By lower-case name; empty unless the type is complex."""
    label: str = ""
    """The path of the attribute in errors, such as `emails.type` or `urn:...:User:department`."""

    def __post_init__(self) -> None:
        if not self.label:
            object.__setattr__(self, "label", self.name)

    def sub(self, name: str) -> "Attribute | None":
        """Return the sub-attribute with this name in any case; `None` if there is none."""
        return self.sub_attributes.get(name) or self.sub_attributes.get(name.lower())

    @cached_property
    def value(self) -> "Attribute | None":
        """The sub-attribute `value`, which stands for the complex value in comparisons and short forms."""
        return self.sub_attributes.get("value")

    @cached_property
    def by_name(self) -> "Mapping[str, Attribute]":
        """The sub-attributes by canonical name."""
        return {sub.name: sub for sub in self.sub_attributes.values()}

    @cached_property
    def required_subs(self) -> "Sequence[Attribute]":
        """The required sub-attributes."""
        return [sub for sub in self.sub_attributes.values() if sub.required]

    @cached_property
    def is_text(self) -> bool:
        """Whether its values are strings without a format."""
        return self.type in {"string", "reference"}

    @cached_property
    def is_taken(self) -> bool:
        """Whether a value from a client is used. A `$ref` isn't, because it follows from the id."""
        return self.mutability != "readOnly" and self.name != "$ref"


@dataclass(frozen=True)
class Schema:
    """A schema: its URN, and its attributes by lower-case name. `source` is the form that `/Schemas` returns."""

    id: str
    name: str
    attributes: Mapping[str, Attribute]
    source: JsonObject

    @cached_property
    def by_name(self) -> Mapping[str, Attribute]:
        """The attributes by canonical name."""
        return {attribute.name: attribute for attribute in self.attributes.values()}


class Place(NamedTuple):
    """The position of an attribute: in an extension (its URN), or in the core schema (`None`)."""

    extension: str | None
    attribute: Attribute


@dataclass(frozen=True, eq=False)
class ResourceType:
    """A resource type (RFC 7643 §6): its endpoint, schema and extensions, and the look-up of their attributes."""

    name: str
    endpoint: str
    schema: Schema
    extensions: Mapping[str, Schema]
    """By URN as registered."""
    required_extensions: frozenset[str]
    """The URNs of required extensions."""
    relation: str
    """The attribute that is derived from memberships: `members` of a group, `groups` of a user; empty if there is none."""
    source: JsonObject

    @cached_property
    def attributes(self) -> Mapping[str, Attribute]:
        """Core and common attributes by lower-case name."""
        return {**COMMON, **self.schema.attributes}

    @cached_property
    def by_name(self) -> Mapping[str, Attribute]:
        """Core and common attributes by canonical name."""
        return {attribute.name: attribute for attribute in self.attributes.values()}

    @cached_property
    def unique(self) -> str | None:
        """The required core attribute with `uniqueness: server` that is the key; `None` if the id is the key."""
        return next((attribute.name for attribute in self.schema.attributes.values() if _can_be_key(attribute)), None)

    @cached_property
    def unique_attributes(self) -> tuple[Place, ...]:
        """The other attributes whose values are unique within a customer: simple and single-valued (RFC 7643 §7)."""
        return tuple(
            Place(urn, attribute)
            for urn, attribute in self._levels
            if attribute.uniqueness in {"server", "global"}
            and attribute.type != "complex"
            and not attribute.multi_valued
            and (urn is not None or attribute.name != self.unique)
        )

    @cached_property
    def sort_paths(self) -> Mapping[str, tuple[str, ...]]:
        """The canonical paths for `sortBy`, each with the names that lead to its value in the search fields."""
        paths = {path: tuple(path.split(".")) for path in _SORTABLE_COMMON}
        for urn, attribute in self._levels:
            for sub in (None, *attribute.sub_attributes.values()):
                if (attribute if sub is None else sub).sortable:
                    names = (attribute.name,) if sub is None else (attribute.name, sub.name)
                    paths[sort_path(urn, *names)] = names if urn is None else (urn, *names)
        return dict(sorted(paths.items()))

    @property
    def _levels(self) -> Iterator[tuple[str | None, Attribute]]:
        """Yield every attribute of the schemas with the URN of its extension."""
        for urn, schema in ((None, self.schema), *self.extensions.items()):
            for attribute in schema.attributes.values():
                yield urn, attribute

    @cached_property
    def has_active(self) -> bool:
        """Whether this type has the boolean attribute `active`."""
        active = self.by_name.get("active")
        return active is not None and active.type == "boolean" and not active.multi_valued

    def is_active(self, place: Place) -> bool:
        """Return whether this is the attribute `active` of this type."""
        return self.has_active and place.extension is None and place.attribute.name == "active"

    @cached_property
    def references(self) -> Sequence[tuple[str | None, str, str]]:
        """The single-valued references to one resource type, such as `manager`: extension, name, resource type."""
        levels = [(None, self.schema), *self.extensions.items()]
        return [
            (urn, attribute.name, target)
            for urn, schema in levels
            for attribute in schema.attributes.values()
            if not attribute.multi_valued and attribute.value is not None and "$ref" in attribute.by_name
            for target in attribute.by_name["$ref"].reference_types[:1]
        ]

    @cached_property
    def urns(self) -> Mapping[str, str]:
        """The URNs of all schemas of this type: lower case -> as registered."""
        return {urn.lower(): urn for urn in (self.schema.id, *self.extensions)}

    @cached_property
    def _places(self) -> Mapping[str, Place]:
        """The places of bare names, by lower-case and by canonical name."""
        core = {name: Place(None, attribute) for name, attribute in self.attributes.items()}
        places = {**self._bare, **core}
        return {**places, **{place.attribute.name: place for place in places.values()}}

    @cached_property
    def _places_in(self) -> Mapping[str, Mapping[str, Place]]:
        """The same for each schema URN as registered."""
        extensions = {urn: (urn, extension.attributes) for urn, extension in self.extensions.items()}
        levels: dict[str, tuple[str | None, Mapping[str, Attribute]]] = {
            self.schema.id: (None, self.attributes),
            **extensions,
        }
        by_urn: dict[str, dict[str, Place]] = {}
        for urn, (extension, attributes) in levels.items():
            places = {name: Place(extension, attribute) for name, attribute in attributes.items()}
            by_urn[urn] = {**places, **{place.attribute.name: place for place in places.values()}}
        return by_urn

    @cached_property
    def _bare(self) -> Mapping[str, Place]:
        # A bare name that only one extension has means the attribute of that extension (Entra sends `manager`, `department`).
        by_name: dict[str, list[Place]] = {}
        for urn, extension in self.extensions.items():
            for name, attribute in extension.attributes.items():
                by_name.setdefault(name, []).append(Place(urn, attribute))
        return {name: places[0] for name, places in by_name.items() if len(places) == 1}

    def find(self, name: str) -> Place | None:
        """Return the place of a bare name in any case; `None` if unknown. The core schema takes precedence over
        extensions.
        """
        return self._places.get(name) or self._places.get(name.lower())

    def find_in(self, urn: str, name: str) -> Place | None:
        """Return the place of the attribute `urn:name`, both in any case; `None` if unknown."""
        places = self._places_in.get(urn) or self._places_in.get(self.urns.get(urn.lower(), ""), {})
        return places.get(name) or places.get(name.lower())

    def extension(self, urn: str) -> Schema | None:
        """Return the extension schema with this URN in any case; `None` if unknown."""
        return self.extensions.get(self.urns.get(urn.lower(), ""))


def by_lower_name(*attributes: Attribute) -> dict[str, Attribute]:
    """Return the attributes by lower-case name."""
    return {attribute.name.lower(): attribute for attribute in attributes}


# RFC 7643 §3.1: common attributes, which every resource has and no schema lists.
COMMON: Final[Mapping[str, Attribute]] = by_lower_name(
    Attribute(
        SCHEMAS,
        "reference",
        multi_valued=True,
        required=True,
        case_exact=True,
        mutability="readOnly",
        returned="always",
    ),
    Attribute("id", case_exact=True, mutability="readOnly", returned="always", uniqueness="server"),
    Attribute("externalId", case_exact=True),
    Attribute(
        "meta",
        "complex",
        mutability="readOnly",
        sub_attributes=by_lower_name(
            Attribute("resourceType", case_exact=True, mutability="readOnly", label="meta.resourceType"),
            Attribute("created", "dateTime", mutability="readOnly", label="meta.created"),
            Attribute("lastModified", "dateTime", mutability="readOnly", label="meta.lastModified"),
            Attribute("location", "reference", case_exact=True, mutability="readOnly", label="meta.location"),
            Attribute("version", case_exact=True, mutability="readOnly", label="meta.version"),
        ),
    ),
)


_SORTABLE_COMMON: Final = ("externalId", "meta.created", "meta.lastModified")


def sort_path(urn: str | None, name: str, sub: str | None = None) -> str:
    """Return the sort path of an attribute or a sub-attribute, such as `name.familyName` or `urn:department`."""
    return f"{'' if urn is None else f'{urn}:'}{name}{'' if sub is None else f'.{sub}'}"


def _can_be_key(attribute: Attribute) -> bool:
    return attribute.type == "string" and attribute.required and attribute.uniqueness == "server"
