"""Which attributes of a resource an answer carries: `attributes`, `excludedAttributes` and `returned`.

Whatever leaves for a client comes through here, so that what is `returned: never` is cut out in one place.
Source: RFC 7644 §3.9, RFC 7643 §7 ("returned").
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, NamedTuple, cast

from scim.protocol.filter import attribute_path
from scim.protocol.json import Json, JsonObject
from scim.protocol.query import locate
from scim.protocol.schema import Attribute, Place, ResourceType


class Named(NamedTuple):
    """How an attribute is named: as a whole, by some of its sub-attributes, or both."""

    whole: bool
    subs: frozenset[str] = frozenset()


type Names = Mapping[str, Named]
"""What is named at one level, by canonical name."""
type Levels = Mapping[str | None, Names]
"""The levels by extension URN (`None`: the core)."""

_NONE: Final[Names] = {}
NOTHING: Final[Levels] = {}
_UNNAMED: Final = Named(whole=False)
_WHOLE: Final = Named(whole=True)


@dataclass(frozen=True)
class Projection:
    """What to keep and what to leave out."""

    kind: ResourceType
    kept: Levels | None
    """`None`: everything that is returned by default."""
    left_out: Levels
    sent: Levels
    """What the request has written: it is shown by default, even if it is `returned: request`."""

    def carries(self, name: str) -> bool:
        """Whether a core attribute that is returned by default is part of the answer, in whole or in part."""
        if self.kept is not None and name not in self.kept.get(None, _NONE):
            return False
        return not self.left_out.get(None, _NONE).get(name, _UNNAMED).whole

    def names(self, name: str) -> bool:
        """Whether `attributes` asks for this core attribute."""
        return self.kept is not None and self.carries(name)

    def apply(self, resource: JsonObject) -> JsonObject:
        """A new resource with what the answer carries, or the same one if that is all of it."""
        if self.kept is None and not self.left_out:
            withheld = _withheld(self.kind)
            if withheld.isdisjoint(resource):
                return resource
            kept = {name: value for name, value in resource.items() if name not in withheld}
            return {**kept, **self._some({name: resource[name] for name in withheld if name in resource})}
        return self._some(resource)

    def values(self, name: str, values: list[JsonObject]) -> list[JsonObject]:
        """Project some of the values of a multi-valued, complex core attribute."""
        if self.kept is None and not self.left_out and name not in _withheld(self.kind):
            return values
        level = self._level({name: values}, None, self.kind.by_name)
        return cast("list[JsonObject]", level.get(name, []))

    def _some(self, resource: JsonObject) -> JsonObject:
        projected: JsonObject = {}
        for name, value in resource.items():
            if name in self.kind.extensions:
                inner = self._level(value, name, self.kind.extensions[name].by_name)
                if inner:
                    projected[name] = inner
        return {**self._level(resource, None, self.kind.by_name), **projected}

    def _level(self, values: JsonObject, urn: str | None, attributes: Mapping[str, Attribute]) -> JsonObject:
        kept = None if self.kept is None else self.kept.get(urn, _NONE)
        left_out, sent = self.left_out.get(urn, _NONE), self.sent.get(urn, _NONE)
        level: JsonObject = {}
        always = _always(self.kind)[urn]
        for name, value in values.items():
            if kept is not None and name not in kept and name not in always:
                continue
            attribute = attributes.get(name)
            if attribute is None or attribute.returned == "never":
                continue
            if attribute.returned == "always" and not attribute.sub_attributes:
                level[name] = value
                continue
            asked = kept.get(name, _UNNAMED) if kept is not None else _by_default(attribute, sent.get(name, _UNNAMED))
            away = left_out.get(name, _UNNAMED)
            if attribute.returned == "always":
                asked, away = Named(whole=True, subs=asked.subs), Named(whole=False, subs=away.subs)
            cut = _cut(value, attribute, asked, away)
            if cut not in (None, {}, []):
                level[name] = cut
        return level


def projection(
    attributes: Iterable[str], excluded: Iterable[str], kind: ResourceType, sent: Levels = NOTHING
) -> Projection:
    """The projection that a request asks for; names that the schemas don't know are ignored.

    `sent` is what the request has written (`everything`, `written`): RFC 7643 §7 shows it in the answer.
    """
    wanted, unwanted = list(attributes), list(excluded)
    if not (wanted or unwanted or sent):
        return _plain(kind)
    return Projection(
        kind, _names(wanted, kind, excluding=False) if wanted else None, _names(unwanted, kind, excluding=True), sent
    )


@cache
def _plain(kind: ResourceType) -> Projection:
    """What most requests ask for: nothing in particular."""
    return Projection(kind, None, NOTHING, NOTHING)


@cache
def everything(kind: ResourceType) -> Levels:
    """What a POST or a PUT has written: all there is, of which only what is `returned: request` counts."""
    places = [
        (urn, attribute)
        for urn, schema in ((None, kind.schema), *kind.extensions.items())
        for attribute in schema.attributes.values()
    ]
    return written((Place(urn, attribute), sub) for urn, attribute in places for sub in (None, *_on_request(attribute)))


def written(places: Iterable[tuple[Place, Attribute | None]]) -> Levels:
    """What a PATCH has written: attributes, or sub-attributes of them."""
    levels: dict[str | None, dict[str, Named]] = {}
    for (urn, attribute), sub in places:
        if attribute.returned == "request" or (sub is not None and sub.returned == "request"):
            _add(levels.setdefault(urn, {}), attribute.name, None if sub is None else sub.name)
    return levels


def _on_request(attribute: Attribute) -> list[Attribute]:
    return [sub for sub in attribute.sub_attributes.values() if sub.returned == "request"]


@cache
def _withheld(kind: ResourceType) -> frozenset[str]:
    """The names at the top of a resource of which something isn't returned by default."""
    core = {name for name, attribute in kind.schema.by_name.items() if _withholds(attribute)}
    extensions = {urn for urn, s in kind.extensions.items() if any(map(_withholds, s.attributes.values()))}
    return frozenset(core | extensions)


def _withholds(attribute: Attribute) -> bool:
    return any(a.returned in {"never", "request"} for a in (attribute, *attribute.sub_attributes.values()))


def _by_default(attribute: Attribute, sent: Named) -> Named:
    if attribute.returned == "request" and sent == _UNNAMED:
        return _UNNAMED
    return Named(whole=True, subs=sent.subs) if sent.subs else _WHOLE


def _names(texts: Iterable[str], kind: ResourceType, *, excluding: bool) -> Levels:
    levels: dict[str | None, dict[str, Named]] = {}
    for text in texts:
        urn = kind.urns.get(text.lower())
        if urn is not None:
            schema = kind.extension(urn)
            level = levels.setdefault(None if schema is None else urn, {})
            for attribute in (schema or kind.schema).attributes.values():
                # The name of a schema isn't that of an attribute, which is what `request` waits for.
                if excluding or attribute.returned != "request":
                    _add(level, attribute.name, None)
            continue
        path = attribute_path(text)
        found = locate(path, kind) if path is not None else None
        if found is not None:
            (extension, attribute), sub = found
            _add(levels.setdefault(extension, {}), attribute.name, None if sub is None else sub.name)
    return levels


def _add(level: dict[str, Named], name: str, sub: str | None) -> None:
    whole, subs = level.get(name, _UNNAMED)
    level[name] = Named(whole or sub is None, subs if sub is None else subs | {sub})


def _cut(value: Json, attribute: Attribute, kept: Named, left_out: Named) -> Json:
    """What is shown of a value, or of each element of a list: of a complex one, some of its sub-attributes."""
    names = _shown_subs(attribute, kept, left_out)
    if names is None:
        return value if kept.whole and not left_out.whole else None
    if isinstance(value, list):
        return [cut for element in value if (cut := {n: v for n, v in element.items() if n in names})]
    return {name: sub for name, sub in value.items() if name in names}


@cache
def _always(kind: ResourceType) -> Mapping[str | None, frozenset[str]]:
    """The names at each level of which something is always returned."""
    levels = [(None, kind.by_name), *((urn, extension.by_name) for urn, extension in kind.extensions.items())]
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
    """The sub-attributes to be shown; `None` if that is a matter of the whole value."""
    subs = attribute.by_name
    if not subs or (kept.whole and left_out == _UNNAMED and not _withholds(attribute)):
        return None
    shown = set()
    for name, sub in subs.items():
        wanted = name in kept.subs or (kept.whole and sub.returned == "default")
        if sub.returned == "always":
            # It goes with its attribute, and is there without it too unless that one waits to be asked for.
            wanted = attribute.returned != "request" or kept != _UNNAMED
        elif sub.returned == "never" or left_out.whole or name in left_out.subs:
            wanted = False
        if wanted:
            shown.add(name)
    return frozenset(shown)
