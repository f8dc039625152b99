"""Any schema that the rules allow can be served: resources of it come back as they were sent, and every store finds them."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import Phase, event, given, settings, strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from scim.app import build
from scim.protocol.filter import syntax
from scim.protocol.filter.syntax import Compare, Filter, Number, Path as Named, Present, ValuePath
from scim.protocol.json import JsonObject
from scim.protocol.schema.model import Attribute, ResourceType
from scim.protocol.schema.registry import Registry, read
from scim.settings import Settings
from tests.conftest import TOKEN, HandlerClient, Loop
from tests.properties.strategies import BASE64, INSTANTS, OPERATORS, TEXTS, URLS, joined, same, some_of
from tests.properties.test_stores_agree import World, bound, draft, new_world

SCHEMA: Final = "urn:ietf:params:scim:schemas:core:2.0:Schema"
RESOURCE_TYPE: Final = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
THING: Final = "urn:example:params:scim:schemas:1.0:Thing"
EXTRA: Final = "urn:example:params:scim:schemas:extension:1.0:Thing"

NUMBERS: Final = st.one_of(st.integers(-3, 3), st.sampled_from([10, -10, 1_000_000, 2**40, -(2**40)]))
DECIMALS: Final = st.one_of(NUMBERS, st.sampled_from([0.5, -0.5, 1.25, 1e-7, 1e15, -1e15]))
TAGS: Final = st.sampled_from(["a", "A", "ab", "b", "É", "z"])
# Names that mean something elsewhere are among them.
NAMES: Final = (
    "active",
    "and",
    "displayName",
    "emails",
    "groups",
    "members",
    "number",
    "or",
    "pr",
    "tags-2",
    "userName",
    "x_1",
)
SUBS: Final = ("value", "type", "display", "primary", "note", "size")
TYPES: Final = ("string", "boolean", "decimal", "integer", "dateTime", "binary", "reference")


# --- schemas ---


@st.composite
def attributes(draw: DrawFn, name: str, *, sub: bool = False, many: bool = False) -> JsonObject:
    """Definitions of one attribute, or of a sub-attribute of one that has many values or not."""
    resource_type = draw(st.sampled_from(TYPES if sub else (*TYPES, "complex", "complex")))
    if name == "primary":
        resource_type = "boolean"
    source: JsonObject = {"name": name, "type": resource_type, "caseExact": draw(st.booleans())}
    several = not sub and draw(st.booleans())
    hidden = False
    if not sub:
        source["multiValued"] = several
        source["returned"] = draw(st.sampled_from(["default", "default", "always", "request", "never"]))
        hidden = source["returned"] == "never"
        source["mutability"] = draw(
            st.sampled_from(["readWrite", "readWrite", "immutable", *(["writeOnly"] if hidden else [])])
        )
        source["required"] = not hidden and draw(st.integers(0, 5)) == 0
    if resource_type == "reference":
        source["referenceTypes"] = ["external"]
    if resource_type == "complex":
        names = draw(st.lists(st.sampled_from(SUBS), min_size=1, max_size=4, unique=True))
        source["subAttributes"] = [draw(attributes(sub_name, sub=True, many=several)) for sub_name in names]
        if hidden:
            for inner in source["subAttributes"]:
                inner.pop("sortable", None)
    value = next((s for s in source.get("subAttributes", ()) if s["name"] == "value"), {"type": "binary"})
    can_sort = (several and value["type"] != "binary") if resource_type == "complex" else resource_type != "binary"
    if can_sort and not hidden and not many:
        source["sortable"] = draw(st.booleans())
    if resource_type in {"string", "reference", "integer", "dateTime"} and not (sub or several or hidden):
        source["uniqueness"] = draw(st.sampled_from(["none", "none", "server", "global"]))
    return source


@st.composite
def folders(draw: DrawFn) -> list[JsonObject]:
    """What a file may hold: a type Device with a schema, and an extension of it maybe."""
    lists = st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True)
    schemas = [
        {"schemas": [SCHEMA], "id": urn, "attributes": [draw(attributes(name)) for name in draw(lists)]}
        for urn in ([THING, EXTRA] if draw(st.booleans()) else [THING])
    ]
    resource_type: JsonObject = {"schemas": [RESOURCE_TYPE], "name": "Device", "endpoint": "/Devices", "schema": THING}
    if len(schemas) > 1:
        resource_type["schemaExtensions"] = [{"schema": EXTRA, "required": draw(st.booleans())}]
    return draw(st.permutations([*schemas, resource_type]))


def written(documents: list[JsonObject], folder: Path) -> Path:
    (folder / "thing.json").write_text(json.dumps(documents), encoding="utf-8")
    return folder


def registry(documents: list[JsonObject]) -> Registry:
    with tempfile.TemporaryDirectory() as folder:
        return read(written(documents, Path(folder)))


# --- resources and filters of them ---


def values(attribute: Attribute) -> SearchStrategy[Any]:
    """Proper values of one attribute, or of one of its elements."""
    match attribute.type:
        case "boolean":
            return st.booleans()
        case "integer":
            return NUMBERS
        case "decimal":
            return DECIMALS
        case "dateTime":
            return INSTANTS
        case "binary":
            return BASE64
        case "reference":
            return URLS
        case "complex":
            subs = {name: values(sub) for name, sub in attribute.by_name.items()}
            return some_of(subs).map(
                lambda element: {n: v for n, v in element.items() if n != "primary"} or {"primary": False}
            )
    return st.one_of(TAGS, TEXTS)


def whole(attribute: Attribute) -> SearchStrategy[Any]:
    one = values(attribute)
    return st.lists(one, min_size=1, max_size=3, unique_by=same) if attribute.multi_valued else one


def bodies(resource_type: ResourceType) -> SearchStrategy[JsonObject]:
    levels: dict[str | None, Mapping[str, Attribute]] = {None: resource_type.schema.attributes}
    levels |= {urn: schema.attributes for urn, schema in resource_type.extensions.items()}
    made = {urn: _level(found, whole_=urn in resource_type.required_extensions) for urn, found in levels.items()}
    needed = {urn: level for urn, level in made.items() if urn in resource_type.required_extensions}
    optional = {
        urn: level for urn, level in made.items() if urn is not None and urn not in resource_type.required_extensions
    }
    extensions = st.fixed_dictionaries(needed, optional=optional)
    return st.builds(
        lambda own, others: {**own, **{str(urn): level for urn, level in others.items()}}, made[None], extensions
    )


def _level(found: Mapping[str, Attribute], *, whole_: bool) -> SearchStrategy[JsonObject]:
    """Values of a level; of a required extension all of them, so that something of it is kept."""
    required = {a.name: whole(a) for a in found.values() if a.required or whole_}
    optional = {a.name: whole(a) for a in found.values() if a.name not in required}
    return st.fixed_dictionaries(required, optional=optional)


def filters(resource_type: ResourceType) -> SearchStrategy[Filter]:
    leaves: list[SearchStrategy[Filter]] = []
    for urn, schema in ((None, resource_type.schema), *resource_type.extensions.items()):
        for attribute in schema.attributes.values():
            leaves.append(_leaf(Named(urn, attribute.name), attribute))
            subs = [_leaf(Named(None, sub.name), sub) for sub in attribute.by_name.values()]
            leaves += [_leaf(Named(urn, attribute.name, sub.name), sub) for sub in attribute.by_name.values()]
            if subs:
                leaves.append(
                    st.builds(ValuePath, st.just(Named(urn, attribute.name)), joined(st.one_of(subs), leaves=2))
                )
    return joined(st.one_of(leaves), leaves=3)


def _leaf(path: Named, attribute: Attribute) -> SearchStrategy[Filter]:
    if attribute.type == "complex":
        return st.just(Present(path))
    literals = values(attribute)
    if attribute.type in {"integer", "decimal"}:
        literals = literals.map(lambda number: Number(json.dumps(number)))
    return st.one_of(st.builds(Compare, st.just(path), OPERATORS, literals), st.just(Present(path)))


# --- what holds ---


@given(folders())
def test_a_schema_within_the_rules_compiles_and_its_own_description_describes_it(documents: list[JsonObject]) -> None:
    first = registry(documents)
    resource_type = first.resource_types["Device"]
    for urn, schema in ((None, resource_type.schema), *resource_type.extensions.items()):
        for attribute in schema.attributes.values():
            for name in (attribute.name, attribute.name.upper()):
                place = resource_type.find_in(schema.id.upper(), name)
                assert place is not None
                assert (place.extension, place.attribute) == (urn, attribute)
    shown = [*(schema.source for schema in first.schemas.values()), resource_type.source]
    again = registry(shown)
    assert [schema.source for schema in again.schemas.values()] == [schema.source for schema in first.schemas.values()]
    assert again.resource_types["Device"].source == resource_type.source
    assert (again.resource_types["Device"].unique, len(resource_type.unique_attributes)) == (
        resource_type.unique,
        len(again.resource_types["Device"].unique_attributes),
    )


# Without making a failure smaller, as below: that takes minutes.
@settings(max_examples=40, phases=[Phase.generate])
@given(folders(), st.data())
def test_a_resource_comes_back_as_it_was_sent(loop: Loop, documents: list[JsonObject], data: st.DataObject) -> None:
    resource_type = registry(documents).resource_types["Device"]
    body = data.draw(bodies(resource_type))
    with tempfile.TemporaryDirectory() as folder:
        service = build(Settings(schemas=written(documents, Path(folder))), tokens={TOKEN: "default"})
    client = HandlerClient(service.handler, loop)
    try:
        created = client.post("/Devices", body)
        assert created.status == 201, created.body
        got = client.get(f"/Devices/{created.json['id']}")
        for urn, schema in ((None, resource_type.schema), *resource_type.extensions.items()):
            sent = body if urn is None else body.get(urn, {})
            level = got.json if urn is None else got.json.get(urn, {})
            shown = {name for name, a in schema.by_name.items() if a.returned in {"default", "always"}}
            expected = {name: sent[name] for name in shown & sent.keys()}
            if urn is None and resource_type.has_active and "active" in shown:
                expected.setdefault("active", True)
            assert {name: level[name] for name in shown & level.keys()} == expected
            assert not {name for name, a in schema.by_name.items() if a.returned in {"request", "never"}} & level.keys()
            # The answer to the POST has what is returned on request too, because the body named it (RFC 7643 §7).
            first = created.json if urn is None else created.json.get(urn, {})
            asked = {name for name, a in schema.by_name.items() if a.returned == "request" and name in sent}
            assert {name: first[name] for name in schema.by_name.keys() & first.keys()} == {
                **{name: level[name] for name in schema.by_name.keys() & level.keys()},
                **{name: sent[name] for name in asked},
            }
        event(f"{len(body)} attributes")
    finally:
        loop.run(service.close())


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with new_world() as made:
        yield made


@settings(max_examples=15, phases=[Phase.generate])
@given(folders(), st.data())
def test_all_stores_and_the_evaluator_agree_on_any_schema(
    world: World, documents: list[JsonObject], data: st.DataObject
) -> None:
    resource_type = registry(documents).resource_types["Device"]
    some = data.draw(st.lists(bodies(resource_type), min_size=2, max_size=5))
    people = [draft(resource_type, body, number) for number, body in enumerate(some)]
    trees = [
        tree
        for found in data.draw(st.lists(filters(resource_type), min_size=6, max_size=6))
        if (tree := bound(found, resource_type))
    ]
    event(f"{len(trees)} filters")
    world.agree(resource_type, people, trees)


@given(folders(), st.data())
def test_a_filter_is_read_as_it_was_written(documents: list[JsonObject], data: st.DataObject) -> None:
    """Whatever the schemas are called, a path with their names is one that the parser understands."""
    tree = data.draw(filters(registry(documents).resource_types["Device"]))
    assert syntax.parse(str(tree)) == tree
