"""What the property tests are fed with: bodies, resources, filters and operations, small and prone to collide."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from unicodedata import normalize

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from scim.protocol import validate
from scim.protocol.filter import syntax
from scim.protocol.filter.syntax import And, Compare, Filter, Not, Number, Or, Path, Present, ValuePath
from scim.protocol.json import JsonObject
from scim.protocol.messages import PatchOperation
from scim.protocol.schema.model import Attribute, ResourceType
from scim.protocol.schema.registry import core

RESOURCE_TYPES: Final = core().resource_types
USER: Final = RESOURCE_TYPES["User"]
GROUP: Final = RESOURCE_TYPES["Group"]
ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
CREATED: Final = "2026-01-31T09:30:00.000000Z"
ID: Final = "01900000-0000-7000-8000-000000000001"

# --- values ---

ANY_TEXT: Final = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
# Alike but for letter case, normal form, a part; and what query languages stumble over.
WORDS: Final = st.sampled_from(
    [
        "a",
        "A",
        "b",
        "ab",
        "aB c",
        "work",
        "Work",
        "home",
        "é",
        "É",
        "é",
        "100%",
        "a_b",
        "'",
        '"',
        "\\",
        "\x01",
        "🎉",
        "True",
        "false",
        "1",
        "null",
        "[]",
        " ",
        "z" * 300,
        "ß",
        "SS",
        "é" * 600,
    ]
)
TEXTS: Final = st.one_of(WORDS, ANY_TEXT.filter(bool))
TYPES: Final = st.sampled_from(["work", "home", "Work", "other"])
# Addresses that scim2-models takes, and alike.
EMAILS: Final = st.sampled_from(["a@example.com", "A@example.com", "b@example.com", "a@example.org"])
URLS: Final = st.sampled_from(["https://example.com/a", "https://example.com/A", "https://example.com/b"])
BASE64: Final = st.sampled_from(["YQ==", "YWI=", "////"])
INSTANTS: Final = st.sampled_from(
    [
        "2026-01-31T09:30:00Z",
        "2026-01-31T10:30:00+01:00",
        "2025-12-31T23:59:59.5Z",
        "2026-01-31T09:30:00.000001Z",
        "2026-01-31T09:30:00.0000001Z",
    ]
)

JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | WORDS, inner, max_size=3),
    max_leaves=8,
)


def value_of(attribute: Attribute) -> SearchStrategy[Any]:
    """Proper values of an attribute that isn't complex, or of one sub-attribute."""
    if attribute.name == "type":
        return TYPES
    match attribute.type:
        case "boolean":
            return st.booleans()
        case "dateTime":
            return INSTANTS
        case "binary":
            return BASE64
        case "reference":
            return URLS
    return TEXTS


def element_of(attribute: Attribute) -> SearchStrategy[JsonObject]:
    """Proper complex values, never empty."""
    subs = {
        sub.name: EMAILS if (attribute.name, sub.name) == ("emails", "value") else value_of(sub)
        for sub in attribute.by_name.values()
        if sub.mutability != "readOnly" and sub.name != "$ref"
    }
    return some_of(subs)


def some_of(fields: dict[str, SearchStrategy[Any]]) -> SearchStrategy[JsonObject]:
    """Objects with at least one of these."""
    return st.sampled_from(sorted(fields)).flatmap(
        lambda first: st.fixed_dictionaries(
            {first: fields[first]}, optional={name: value for name, value in fields.items() if name != first}
        )
    )


def _one_primary(elements: list[JsonObject]) -> list[JsonObject]:
    first = next((e for e in elements if e.get("primary") is True), None)
    return [e if e is first or e.get("primary") is not True else {**e, "primary": False} for e in elements]


def same(element: Any) -> object:
    """What elements that count as one (RFC 7643 §2.4) have in common, and some others with them."""
    if not isinstance(element, dict):
        return normalize("NFKC", str(element)).casefold()
    if "value" not in element:
        return repr(sorted((name, value) for name, value in element.items() if name != "primary"))
    return same(element.get("type")), same(element["value"])


def attribute_value(attribute: Attribute) -> SearchStrategy[Any]:
    """Proper values of any attribute."""
    if attribute.type != "complex":
        return value_of(attribute)
    if not attribute.multi_valued:
        return element_of(attribute)
    return st.lists(element_of(attribute), min_size=1, max_size=3, unique_by=same).map(_one_primary)


def writable(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    """The attributes that a client assigns and sees again; members are the service's business."""
    return {
        a.name: a
        for a in attributes.values()
        if a.mutability == "readWrite" and a.returned != "never" and a.name != "members"
    }


def bodies(resource_type: ResourceType = USER) -> SearchStrategy[JsonObject]:
    """Bodies of a POST, with some of all attributes."""
    core_ = writable(resource_type.attributes)
    required = {name: attribute_value(a) for name, a in core_.items() if a.required}
    optional = {name: attribute_value(a) for name, a in core_.items() if not a.required}
    for urn, schema in resource_type.extensions.items():
        inner = {name: attribute_value(a) for name, a in writable(schema.attributes).items()}
        optional[urn] = some_of(inner)
    # A few at a time, so that there is something to collide on.
    few = st.lists(st.sampled_from(sorted(optional)), max_size=6, unique=True)
    return few.flatmap(lambda names: st.fixed_dictionaries({**required, **{name: optional[name] for name in names}}))


def resource(
    body: JsonObject, resource_type: ResourceType = USER, *, id: str = ID, modified: str = CREATED
) -> JsonObject:
    """The resource as the service would store it."""
    new = validate.resource(body, resource_type)
    new["id"] = id
    new["meta"] = {"resourceType": resource_type.name, "created": CREATED, "lastModified": modified}
    return new


def resources(resource_type: ResourceType = USER) -> SearchStrategy[JsonObject]:
    return st.builds(
        lambda body, modified: resource(body, resource_type, modified=modified), bodies(resource_type), INSTANTS
    )


# --- filters ---

OPERATORS: Final = st.sampled_from(["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"])
_NAMES: Final = st.one_of(st.just("$ref"), st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,8}", fullmatch=True)).filter(
    lambda name: name.lower() != "not"  # `not (` begins a negation
)
_URNS: Final = st.one_of(
    st.none(), st.just(ENTERPRISE), st.from_regex(r"urn:[a-z0-9.:/_-]{1,12}[a-z0-9]", fullmatch=True)
)
_NUMBERS: Final = st.from_regex(r"-?(0|[1-9][0-9]{0,8})(\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?", fullmatch=True).map(
    Number
)
_PATHS: Final = st.builds(Path, _URNS, _NAMES, st.none() | _NAMES)
_LEAVES: Final = st.one_of(
    st.builds(Present, _PATHS),
    st.builds(Compare, _PATHS, OPERATORS, st.one_of(ANY_TEXT, st.booleans(), st.none(), _NUMBERS)),
)


def joined(leaf: SearchStrategy[Filter], *, leaves: int = 5) -> SearchStrategy[Filter]:
    """Trees over these leaves."""
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds(Not, inner),
            st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
            st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        ),
        max_leaves=leaves,
    )


TREES: Final = joined(st.one_of(_LEAVES, st.builds(ValuePath, _PATHS, joined(_LEAVES))))


def literal_for(attribute: Attribute) -> SearchStrategy[Any]:
    """What a filter would compare this attribute with."""
    if attribute.type == "complex":
        return literal_for(attribute.value) if attribute.value is not None else TEXTS
    if attribute.name == "value":
        return st.one_of(EMAILS, TEXTS)
    return value_of(attribute)


def comparisons(path: Path, attribute: Attribute) -> SearchStrategy[Filter]:
    compare: SearchStrategy[Filter] = st.builds(Compare, st.just(path), OPERATORS, literal_for(attribute))
    null: SearchStrategy[Filter] = st.builds(Compare, st.just(path), st.sampled_from(["eq", "ne"]), st.none())
    return st.one_of(compare, compare, compare, st.just(Present(path)), null)


def _targets(resource_type: ResourceType) -> Iterator[tuple[Path, Attribute]]:
    levels: list[tuple[str | None, Mapping[str, Attribute]]] = [(None, resource_type.attributes)]
    levels += [(urn, schema.attributes) for urn, schema in resource_type.extensions.items()]
    for urn, attributes in levels:
        for attribute in attributes.values():
            if attribute.name == resource_type.relation:
                continue
            yield Path(urn, attribute.name), attribute
            for sub in attribute.by_name.values():
                yield Path(urn, attribute.name, sub.name), sub


def filters(resource_type: ResourceType = USER) -> SearchStrategy[Filter]:
    """Filters that make sense for a resource type."""
    simple = st.sampled_from([*_targets(resource_type)]).flatmap(lambda target: comparisons(*target))
    return joined(st.one_of(simple, simple, value_paths(resource_type)), leaves=4)


def filters_about(new: JsonObject, resource_type: ResourceType = USER) -> SearchStrategy[Filter]:
    """Filters that make sense for this resource: most of them ask for what it has, or for something like it."""
    there = [*_values(new, resource_type)]
    about = st.sampled_from(there).flatmap(
        lambda found: st.builds(Compare, st.just(found[0]), OPERATORS, _variants(found[1]))
    )
    chosen = [
        st.sampled_from(element).flatmap(lambda f: st.builds(Compare, st.just(f[0]), OPERATORS, _variants(f[1])))
        for element in ([*_subs(e, a)] for a, e in _elements(new, resource_type))
        if element
    ]
    paths = [a.name for a, e in _elements(new, resource_type) if [*_subs(e, a)]]
    picked = [
        st.builds(ValuePath, st.just(Path(None, name)), joined(leaf, leaves=3))
        for name, leaf in zip(paths, chosen, strict=True)
    ]
    simple = st.sampled_from([*_targets(resource_type)]).flatmap(lambda target: comparisons(*target))
    return joined(st.one_of(about, about, simple, value_paths(resource_type), *picked[:2]), leaves=4)


def _values(new: JsonObject, resource_type: ResourceType) -> Iterator[tuple[Path, Any]]:
    """Each simple value of a resource, with the path that leads to it."""
    levels = [
        (None, new, resource_type.by_name),
        *((u, new.get(u, {}), e.by_name) for u, e in resource_type.extensions.items()),
    ]
    for urn, values, attributes in levels:
        for name, value in values.items():
            if name not in attributes:
                continue
            for item in value if isinstance(value, list) else [value]:
                if not isinstance(item, dict):
                    yield Path(urn, name), item
                    continue
                for sub, inner in item.items():
                    yield Path(urn, name, sub), inner


def _elements(new: JsonObject, resource_type: ResourceType) -> Iterator[tuple[Attribute, JsonObject]]:
    for name, value in new.items():
        if isinstance(value, list) and name in resource_type.by_name:
            yield from ((resource_type.by_name[name], element) for element in value if isinstance(element, dict))


def _subs(element: JsonObject, attribute: Attribute) -> Iterator[tuple[Path, Any]]:
    return ((Path(None, n), v) for n, v in element.items() if attribute.by_name[n].type != "binary")


def _variants(value: Any) -> SearchStrategy[Any]:
    """The value, or one that is close to it."""
    if not isinstance(value, str):
        return st.booleans()
    return st.sampled_from([value, value, value.swapcase(), value[:2], value[-2:], value + "a"])


def value_paths(resource_type: ResourceType) -> SearchStrategy[Filter]:
    several = [
        a
        for a in resource_type.attributes.values()
        if a.multi_valued and a.sub_attributes and a.name != resource_type.relation
    ]
    if not several:
        return st.nothing()
    return st.sampled_from(several).flatmap(
        lambda a: st.builds(ValuePath, st.just(Path(None, a.name)), element_filters(a))
    )


def element_filters(attribute: Attribute) -> SearchStrategy[Filter]:
    """What may stand in the brackets of a multi-valued attribute."""
    subs = [sub for sub in attribute.by_name.values() if sub.type != "binary"]
    return joined(
        st.sampled_from(subs).flatmap(lambda sub: comparisons(Path(None, sub.name), sub)),
        leaves=3,
    )


# --- PATCH ---


def operations(resource_type: ResourceType = USER) -> SearchStrategy[PatchOperation]:
    """Operations that make sense for a resource type, on each form of path."""
    levels: list[tuple[str | None, Attribute]] = [(None, a) for a in writable(resource_type.attributes).values()]
    levels += [(u, a) for u, schema in resource_type.extensions.items() for a in writable(schema.attributes).values()]
    # Half of them on a few attributes, so that operations meet.
    favourites = [(u, a) for u, a in levels if a.name in {"emails", "name", "title", "manager", "addresses", "roles"}]
    place = st.one_of(st.sampled_from(levels), st.sampled_from(favourites)) if favourites else st.sampled_from(levels)
    return st.one_of(
        place.flatmap(lambda found: _on(*found)),
        st.builds(PatchOperation, st.sampled_from(["add", "replace"]), st.none(), bodies(resource_type)),
    )


def _on(urn: str | None, attribute: Attribute) -> SearchStrategy[PatchOperation]:
    path = str(Path(urn, attribute.name))
    write = st.sampled_from(["add", "replace"])
    forms = [
        st.builds(PatchOperation, write, st.just(path), attribute_value(attribute)),
        st.builds(PatchOperation, st.just("remove"), st.just(path), st.none()),
    ]
    subs = [sub for sub in attribute.by_name.values() if sub.mutability == "readWrite" and sub.name != "$ref"]
    for sub in subs:
        dotted = f"{path}.{sub.name}"
        value = EMAILS if (attribute.name, sub.name) == ("emails", "value") else value_of(sub)
        forms.append(st.builds(PatchOperation, write, st.just(dotted), value))
        forms.append(st.builds(PatchOperation, st.just("remove"), st.just(dotted), st.none()))
    if attribute.multi_valued and subs:
        tree = st.one_of(TYPES.map(lambda t: Compare(Path(None, "type"), "eq", t)), element_filters(attribute))
        picked = tree.map(lambda tree: f"{path}[{tree}]")
        forms += [
            st.builds(PatchOperation, write, picked, element_of(attribute)),
            st.builds(PatchOperation, st.just("remove"), picked, st.none()),
            st.builds(PatchOperation, st.just("remove"), st.just(path), attribute_value(attribute)),
        ]
        forms += [
            st.builds(
                PatchOperation,
                write,
                st.builds(lambda base, name=sub.name: f"{base}.{name}", picked),
                EMAILS if (attribute.name, sub.name) == ("emails", "value") else value_of(sub),
            )
            for sub in subs
        ]
        forms.append(st.builds(PatchOperation, st.just("remove"), picked.map(lambda base: f"{base}.type"), st.none()))
    return st.one_of(forms)


def parsed(tree: Filter) -> str:
    """The text of a tree, which is known to be read as that tree."""
    text = str(tree)
    assert syntax.parse(text) == tree
    return text
