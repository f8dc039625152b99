"""Schemas and resource types, compiled once for fast look-up by any letter case. Knows no resource."""

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
    """One attribute or sub-attribute with its characteristics (RFC 7643 §2.2, §7)."""

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
    """How an error names it, if not by its name: `emails.type`, `urn:…:User:department`."""

    def __post_init__(self) -> None:
        if not self.label:
            object.__setattr__(self, "label", self.name)

    def sub(self, name: str) -> "Attribute | None":
        """The sub-attribute of that name in any letter case."""
        return self.sub_attributes.get(name) or self.sub_attributes.get(name.lower())

    @cached_property
    def value(self) -> "Attribute | None":
        """The `value` sub-attribute, which stands for the whole in comparisons and in short forms."""
        return self.sub_attributes.get("value")

    @cached_property
    def by_name(self) -> "Mapping[str, Attribute]":
        """The sub-attributes by canonical name."""
        return {sub.name: sub for sub in self.sub_attributes.values()}

    @cached_property
    def required_subs(self) -> "Sequence[Attribute]":
        """The sub-attributes that a value must have."""
        return [sub for sub in self.sub_attributes.values() if sub.required]

    @cached_property
    def is_text(self) -> bool:
        """Whether its values are strings without a form of their own."""
        return self.type in {"string", "reference"}

    @cached_property
    def is_taken(self) -> bool:
        """Whether a value that a client sends is looked at: `$ref` follows from the id, so it isn't."""
        return self.mutability != "readOnly" and self.name != "$ref"


@dataclass(frozen=True)
class Schema:
    """One schema: its URN and its attributes by lower-case name. `source` is what `/Schemas` returns."""

    id: str
    name: str
    attributes: Mapping[str, Attribute]
    source: JsonObject

    @cached_property
    def by_name(self) -> Mapping[str, Attribute]:
        """The attributes by canonical name."""
        return {attribute.name: attribute for attribute in self.attributes.values()}


class Place(NamedTuple):
    """Where an attribute lives: in an extension (its URN) or at the top level (`None`)."""

    extension: str | None
    attribute: Attribute


@dataclass(frozen=True, eq=False)
class ResourceType:
    """A resource type: endpoint, schema, extensions, and the names that lead to its attributes (RFC 7643 §6)."""

    name: str
    endpoint: str
    schema: Schema
    extensions: Mapping[str, Schema]
    """By URN as registered."""
    required_extensions: frozenset[str]
    """The URNs of those that every resource must have."""
    relation: str
    """The attribute that is derived from member items: `members` of a group, `groups` of a user; empty: none is."""
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
        """The required, `uniqueness: server` core attribute that is the key within a tenant; `None`: the id is."""
        return next((attribute.name for attribute in self.schema.attributes.values() if _can_be_key(attribute)), None)

    @cached_property
    def claimed(self) -> tuple[Place, ...]:
        """Single-valued, simple attributes besides the key whose values are unique within a tenant (RFC 7643 §7)."""
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
        """The canonical paths that `sortBy` takes, each with the names that lead to its value in the folded copy."""
        paths = {path: tuple(path.split(".")) for path in _SORTABLE_COMMON}
        for urn, attribute in self._levels:
            for sub in (None, *attribute.sub_attributes.values()):
                if (attribute if sub is None else sub).sortable:
                    names = (attribute.name,) if sub is None else (attribute.name, sub.name)
                    paths[sort_path(urn, *names)] = names if urn is None else (urn, *names)
        return dict(sorted(paths.items()))

    @property
    def _levels(self) -> Iterator[tuple[str | None, Attribute]]:
        """Every attribute of the schemas with the URN of the extension that it is in."""
        for urn, schema in ((None, self.schema), *self.extensions.items()):
            for attribute in schema.attributes.values():
                yield urn, attribute

    @cached_property
    def has_active(self) -> bool:
        """Whether resources of this type are switched on and off by a boolean `active`."""
        active = self.by_name.get("active")
        return active is not None and active.type == "boolean" and not active.multi_valued

    def is_active(self, place: Place) -> bool:
        """Return whether this is the `active` that switches resources of this type on and off."""
        return self.has_active and place.extension is None and place.attribute.name == "active"

    @cached_property
    def references(self) -> Sequence[tuple[str | None, str, str]]:
        """Single-valued references to one resource type, such as `manager`: extension, name, resource type."""
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
        """Every schema URN of this type: lower case -> as registered."""
        return {urn.lower(): urn for urn in (self.schema.id, *self.extensions)}

    @cached_property
    def _places(self) -> Mapping[str, Place]:
        """Where a bare name leads, by lower-case and by canonical name."""
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
        found: dict[str, dict[str, Place]] = {}
        for urn, (extension, attributes) in levels.items():
            places = {name: Place(extension, attribute) for name, attribute in attributes.items()}
            found[urn] = {**places, **{place.attribute.name: place for place in places.values()}}
        return found

    @cached_property
    def _bare(self) -> Mapping[str, Place]:
        # A bare name that only one extension has means that one (Entra sends `manager`, `department`).
        found: dict[str, list[Place]] = {}
        for urn, extension in self.extensions.items():
            for name, attribute in extension.attributes.items():
                found.setdefault(name, []).append(Place(urn, attribute))
        return {name: places[0] for name, places in found.items() if len(places) == 1}

    def find(self, name: str) -> Place | None:
        """The attribute of that bare name, in any letter case; the core comes before the extensions."""
        return self._places.get(name) or self._places.get(name.lower())

    def find_in(self, urn: str, name: str) -> Place | None:
        """The attribute `urn:name`, both in any letter case."""
        places = self._places_in.get(urn) or self._places_in.get(self.urns.get(urn.lower(), ""), {})
        return places.get(name) or places.get(name.lower())

    def extension(self, urn: str) -> Schema | None:
        """The extension schema of that URN in any letter case."""
        return self.extensions.get(self.urns.get(urn.lower(), ""))


def by_lower_name(*attributes: Attribute) -> dict[str, Attribute]:
    """The attributes as those of a level are kept."""
    return {attribute.name.lower(): attribute for attribute in attributes}


# RFC 7643 §3.1: attributes that every resource has and no schema lists.
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
    """How an attribute, or a sub-attribute, is named among the `sort_paths`: `name.familyName`, `urn:department`."""
    return f"{'' if urn is None else f'{urn}:'}{name}{'' if sub is None else f'.{sub}'}"


def _can_be_key(attribute: Attribute) -> bool:
    return attribute.type == "string" and attribute.required and attribute.uniqueness == "server"
