"""Selects the attributes of a representation: `attributes`, `excludedAttributes` and `returned`.

Every representation passes through here, so attributes with `returned: never` are removed in one place. Source: RFC
7644 §3.9, RFC 7643 §7 ("returned").
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, NamedTuple, cast

from scim.protocol.filter.binding import locate
from scim.protocol.filter.syntax import attribute_path
from scim.protocol.json import Json, JsonObject
from scim.protocol.schema.model import Attribute, Place, ResourceType


class Named(NamedTuple):
    """How a parameter names an attribute: as a whole, by some of its sub-attributes, or both."""

    whole: bool
    subs: frozenset[str] = frozenset()


type Names = Mapping[str, Named]
"""The named attributes of one level, by canonical name."""
type Levels = Mapping[str | None, Names]
"""The named attributes by extension URN; `None` is the core schema."""

_NONE: Final[Names] = {}
NOTHING: Final[Levels] = {}
_UNNAMED: Final = Named(whole=False)
_WHOLE: Final = Named(whole=True)


@dataclass(frozen=True)
class Projection:
    """The attributes to keep and to leave out."""

    resource_type: ResourceType
    kept: Levels | None
    """`None` keeps all attributes that are returned by default."""
    left_out: Levels
    sent: Levels
    """The attributes that the request wrote. They are returned even if they have `returned: request`."""

    def carries(self, name: str) -> bool:
        """Return whether a core attribute with `returned: default` is in the representation, in whole or in part."""
        if self.kept is not None and name not in self.kept.get(None, _NONE):
            return False
        return not self.left_out.get(None, _NONE).get(name, _UNNAMED).whole

    def names(self, name: str) -> bool:
        """Return whether `attributes` names this core attribute."""
        return self.kept is not None and self.carries(name)

    def apply(self, resource: JsonObject) -> JsonObject:
        """Return the resource with the selected attributes; the same object if all of them are selected."""
        if self.kept is None and not self.left_out:
            withheld = _withheld(self.resource_type)
            if withheld.isdisjoint(resource):
                return resource
            kept = {name: value for name, value in resource.items() if name not in withheld}
            return {**kept, **self._some({name: resource[name] for name in withheld if name in resource})}
        return self._some(resource)

    def values(self, name: str, values: list[JsonObject]) -> list[JsonObject]:
        """Return some values of a multi-valued, complex core attribute with the selected sub-attributes."""
        if self.kept is None and not self.left_out and name not in _withheld(self.resource_type):
            return values
        level = self._level({name: values}, None, self.resource_type.by_name)
        return cast("list[JsonObject]", level.get(name, []))

    def _some(self, resource: JsonObject) -> JsonObject:
        projected: JsonObject = {}
        for name, value in resource.items():
            if name in self.resource_type.extensions:
                inner = self._level(value, name, self.resource_type.extensions[name].by_name)
                if inner:
                    projected[name] = inner
        return {**self._level(resource, None, self.resource_type.by_name), **projected}

    def _level(self, values: JsonObject, urn: str | None, attributes: Mapping[str, Attribute]) -> JsonObject:
        kept = None if self.kept is None else self.kept.get(urn, _NONE)
        left_out, sent = self.left_out.get(urn, _NONE), self.sent.get(urn, _NONE)
        level: JsonObject = {}
        always = _always(self.resource_type)[urn]
        for name, value in values.items():
            if kept is not None and name not in kept and name not in always:
                continue
            attribute = attributes.get(name)
            if attribute is None or attribute.returned == "never":
                continue
            if attribute.returned == "always" and not attribute.sub_attributes:
                level[name] = value
                continue
            requested = (
                kept.get(name, _UNNAMED) if kept is not None else _by_default(attribute, sent.get(name, _UNNAMED))
            )
            away = left_out.get(name, _UNNAMED)
            if attribute.returned == "always":
                requested, away = Named(whole=True, subs=requested.subs), Named(whole=False, subs=away.subs)
            cut = _cut(value, attribute, requested, away)
            if cut not in (None, {}, []):
                level[name] = cut
        return level


def projection(
    attributes: Iterable[str], excluded: Iterable[str], resource_type: ResourceType, sent: Levels = NOTHING
) -> Projection:
    """Return the projection of a request. Ignores unknown names.

    `sent` are the attributes that the request wrote (`everything`, `written`): RFC 7643 §7 returns them.
    """
    wanted, unwanted = list(attributes), list(excluded)
    if not (wanted or unwanted or sent):
        return _plain(resource_type)
    return Projection(
        resource_type,
        _names(wanted, resource_type, excluding=False) if wanted else None,
        _names(unwanted, resource_type, excluding=True),
        sent,
    )


@cache
def _plain(resource_type: ResourceType) -> Projection:
    """Return the projection of a request without parameters. Cached, because most requests have none."""
    return Projection(resource_type, None, NOTHING, NOTHING)


@cache
def everything(resource_type: ResourceType) -> Levels:
    """Return the attributes that a POST or a PUT writes. Only those with `returned: request` matter."""
    places = [
        (urn, attribute)
        for urn, schema in ((None, resource_type.schema), *resource_type.extensions.items())
        for attribute in schema.attributes.values()
    ]
    return written((Place(urn, attribute), sub) for urn, attribute in places for sub in (None, *_on_request(attribute)))


def written(places: Iterable[tuple[Place, Attribute | None]]) -> Levels:
    """Return the attributes that a PATCH writes, or their sub-attributes."""
    levels: dict[str | None, dict[str, Named]] = {}
    for (urn, attribute), sub in places:
        if attribute.returned == "request" or (sub is not None and sub.returned == "request"):
            _add(levels.setdefault(urn, {}), attribute.name, None if sub is None else sub.name)
    return levels


def _on_request(attribute: Attribute) -> list[Attribute]:
    return [sub for sub in attribute.sub_attributes.values() if sub.returned == "request"]


@cache
def _withheld(resource_type: ResourceType) -> frozenset[str]:
    """Return the top-level names that aren't returned by default, in whole or in part."""
    core = {name for name, attribute in resource_type.schema.by_name.items() if _withholds(attribute)}
    extensions = {urn for urn, s in resource_type.extensions.items() if any(map(_withholds, s.attributes.values()))}
    return frozenset(core | extensions)


def _withholds(attribute: Attribute) -> bool:
    return any(a.returned in {"never", "request"} for a in (attribute, *attribute.sub_attributes.values()))


def _by_default(attribute: Attribute, sent: Named) -> Named:
    if attribute.returned == "request" and sent == _UNNAMED:
        return _UNNAMED
    return Named(whole=True, subs=sent.subs) if sent.subs else _WHOLE


def _names(texts: Iterable[str], resource_type: ResourceType, *, excluding: bool) -> Levels:
    levels: dict[str | None, dict[str, Named]] = {}
    for text in texts:
        urn = resource_type.urns.get(text.lower())
        if urn is not None:
            schema = resource_type.extension(urn)
            level = levels.setdefault(None if schema is None else urn, {})
            for attribute in (schema or resource_type.schema).attributes.values():
                # The URN of a schema doesn't name an attribute, as `returned: request` requires.
                if excluding or attribute.returned != "request":
                    _add(level, attribute.name, None)
            continue
        path = attribute_path(text)
        located = locate(path, resource_type) if path is not None else None
        if located is not None:
            (extension, attribute), sub = located
            _add(levels.setdefault(extension, {}), attribute.name, None if sub is None else sub.name)
    return levels


def _add(level: dict[str, Named], name: str, sub: str | None) -> None:
    whole, subs = level.get(name, _UNNAMED)
    level[name] = Named(whole or sub is None, subs if sub is None else subs | {sub})


def _cut(value: Json, attribute: Attribute, kept: Named, left_out: Named) -> Json:
    """Return the selected part of a value, or of each element of a list."""
    names = _shown_subs(attribute, kept, left_out)
    if names is None:
        return value if kept.whole and not left_out.whole else None
    if isinstance(value, list):
        return [cut for element in value if (cut := {n: v for n, v in element.items() if n in names})]
    return {name: sub for name, sub in value.items() if name in names}


@cache
def _always(resource_type: ResourceType) -> Mapping[str | None, frozenset[str]]:
    """Return the names at each level that are always returned, in whole or in part."""
    levels = [
        (None, resource_type.by_name),
        *((urn, extension.by_name) for urn, extension in resource_type.extensions.items()),
    ]
    return {
        urn: frozenset(
            name
            for name, attribute in attributes.items()
            if any(a.returned == "always" for a in (attribute, *attribute.sub_attributes.values()))
        )
        for urn, attributes in levels
    }


@lru_cache(maxsize=1024)
def _shown_subs(attribute: Attribute, kept: Named, left_out: Named) -> frozenset[str] | None:
    """Return the selected sub-attributes; `None` if the whole value is selected."""
    subs = attribute.by_name
    if not subs or (kept.whole and left_out == _UNNAMED and not _withholds(attribute)):
        return None
    shown = set()
    for name, sub in subs.items():
        wanted = name in kept.subs or (kept.whole and sub.returned == "default")
        if sub.returned == "always":
            # Returned with its attribute; also without it, unless the attribute has `returned: request`.
            wanted = attribute.returned != "request" or kept != _UNNAMED
        elif sub.returned == "never" or left_out.whole or name in left_out.subs:
            wanted = False
        if wanted:
            shown.add(name)
    return frozenset(shown)
