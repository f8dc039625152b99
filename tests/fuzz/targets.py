"""What the fuzzing feeds: each target takes bytes, and lets nothing out but what is a fault.

A `ScimError` is an answer and stays inside; whatever else comes out is a fault, and so is a broken promise: a tree that
doesn't print itself, a resource that can't be written down as JSON. Knows no fuzzing engine: Hypothesis, atheris and the
corpus all call these functions.
"""

from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from scim.app import build
from scim.edge.bodies import parsed
from scim.edge.handler import Handler
from scim.edge.http import Request
from scim.protocol import bulk, messages, patch, search_fields, validate
from scim.protocol.errors import ScimError
from scim.protocol.filter import binding, syntax
from scim.protocol.filter.evaluate import matches
from scim.protocol.limits import DEFAULT
from scim.protocol.messages import Op, PatchOperation
from scim.protocol.projection import projection
from scim.protocol.schema.model import ResourceType
from scim.protocol.schema.registry import Registry
from scim.service.cursors import Cursors
from scim.settings import Settings
from scim.storage.cosmos import filter_sql as cosmos_sql
from scim.storage.sqlite import filter_sql as sqlite_sql
from tests.unit.tables import ENTERPRISE, RESOURCE_TYPES, whole

type Target = Callable[[bytes], None]

SAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "User": {
        "userName": "bjensen",
        "active": True,
        "name": {"givenName": "Barbara"},
        "emails": [
            {"type": "work", "value": "b@example.com", "primary": True},
            {"type": "home", "value": "b@b.example"},
        ],
        "addresses": [{"type": "work", "country": "US"}],
        ENTERPRISE: {"department": "Tours", "manager": {"value": "26118915"}},
    },
    "Group": {"displayName": "Tour Guides", "members": [{"value": "a", "type": "User"}, {"value": "b"}]},
    "Gadget": {
        "serial": "G-1",
        "batch": "7",
        "tags": ["a", "b"],
        "count": 3,
        "weight": 1.5,
        "seen": "2026-01-31T09:30:00Z",
        "maker": {"name": "Acme", "origin": "US"},
        "readings": [{"value": 1, "type": "cold"}, {"value": 2.5}],
    },
}
RESOURCES: Final = {name: whole(values, RESOURCE_TYPES[name]) for name, values in SAMPLES.items()}
FOLDED: Final = {name: search_fields.build(resource, RESOURCE_TYPES[name]) for name, resource in RESOURCES.items()}
PATCHED_WITH: Final[tuple[Any, ...]] = (
    "x",
    None,
    True,
    [],
    {"value": "x", "type": "work"},
    [{"value": "y", "primary": True}],
    1,
)
OPS: Final[tuple[Op, ...]] = ("add", "replace", "remove")


def _handler() -> Handler:
    handler = build(Settings(dev_token="a-token-for-fuzzing")).handler
    assert isinstance(handler, Handler)
    return handler


HANDLER: Final = _handler()


@contextmanager
def answered() -> Iterator[None]:
    """A SCIM error is as good an answer as any, if it can be written down."""
    try:
        yield
    except ScimError as error:
        orjson.dumps(error.body())


def text_of(data: bytes) -> str:
    """The text that a query string or a body might hold; neither hands on what isn't UTF-8."""
    return data.decode("utf-8", "replace")


def filters(data: bytes) -> None:
    """A filter: parsed, printed, bound to every resource type, evaluated, and put as SQL."""
    with answered():
        tree = syntax.parse(text_of(data))
        assert syntax.parse(str(tree)) == tree, "the tree doesn't print itself"
        for resource_type in RESOURCE_TYPES.values():
            with answered():
                _evaluated(binding.bind(tree, resource_type), resource_type)
            with answered():
                _evaluated(binding.bind(tree, resource_type, unknown=set()), resource_type)


def _evaluated(bound: binding.Bound, resource_type: ResourceType) -> None:
    # Members and groups are items of their own: no evaluator knows them before they have been looked up.
    if "RelatedTo(" in repr(bound):
        return
    assert matches(bound, FOLDED[resource_type.name]) in {True, False}
    cosmos_sql.condition(bound)
    sqlite_sql.index_lookups(bound)
    sqlite_sql.condition(bound)


def paths(data: bytes) -> None:
    """A PATCH path: parsed, located, and applied with each operation; the same as names for `attributes`."""
    text = text_of(data)
    with answered():
        syntax.parse_path(text)
        for resource_type in RESOURCE_TYPES.values():
            for at, op in enumerate(OPS):
                with answered():
                    # Another value for each operation and each text: all of them for all texts would take its time.
                    _patched(
                        [PatchOperation(op, text, PATCHED_WITH[(sum(data) + at) % len(PATCHED_WITH)])], resource_type
                    )
            with answered():
                _patched([PatchOperation("add", None, {text: "x"})], resource_type)
    for resource_type in RESOURCE_TYPES.values():
        path = syntax.attribute_path(text)
        if path is not None:
            binding.locate(path, resource_type)
        projection((text,), (), resource_type).apply(RESOURCES[resource_type.name])
        projection((), text.split(","), resource_type).apply(RESOURCES[resource_type.name])


def _patched(operations: list[PatchOperation], resource_type: ResourceType) -> None:
    before = RESOURCES[resource_type.name]
    _stored(patch.apply(before, patch.changes(operations, resource_type), resource_type), resource_type)


def _stored(resource: Any, resource_type: ResourceType) -> None:
    """What the service makes of a resource before a store sees it."""
    orjson.dumps(resource)
    f = search_fields.build(resource, resource_type)
    orjson.dumps([f, search_fields.sort_keys({"id": "i", **resource}, {"id": "i", **f}, resource_type)])
    search_fields.key({"id": "i", **resource}, resource_type).encode()


REGISTRY: Final = Registry(
    {resource_type.schema.id: resource_type.schema for resource_type in RESOURCE_TYPES.values()}, RESOURCE_TYPES
)


def bodies(data: bytes) -> None:
    """A body: read as the handler does, then taken for each message and for each resource."""
    with answered():
        body = parsed(Request("POST", "/scim/v2/Users", {}, {}, data, "https://scim.example.com"), DEFAULT.body_bytes)
        for resource_type in RESOURCE_TYPES.values():
            with answered():
                _stored(validate.resource(body, resource_type), resource_type)
            with answered():
                _stored(validate.replacement(body, RESOURCES[resource_type.name], resource_type), resource_type)
            with answered():
                _patched(messages.patch_request(body, DEFAULT), resource_type)
        with answered():
            _searched(messages.search_request(body, DEFAULT))
        with answered():
            _worked_through(bulk.bulk_request(body, DEFAULT))
        if isinstance(body, dict) and all(isinstance(value, str) for value in body.values()):
            with answered():
                _searched(messages.search_parameters(body, DEFAULT))


def _worked_through(request: bulk.BulkRequest) -> None:
    """What a bulk does with its operations, but for the stores: every reference leads to what it is told to."""
    target = bulk.targets(REGISTRY)
    for operation in request.operations:
        with answered():
            place = target(operation.path)
            bulk.location("https://scim.example.com/scim/v2", place, place.id)
            resource_type = bulk.check(operation, place)
            names = bulk.references(operation, place)
            data = bulk.resolved(operation, dict.fromkeys(names, "01890a5d-ac96-774b-bcce-000000000001"))
            if operation.method == "PATCH":
                _patched(messages.patch_request(bulk.patch_body(data), DEFAULT), resource_type)
            elif operation.method != "DELETE":
                _stored(validate.resource(data, resource_type), resource_type)


def _searched(request: messages.SearchRequest) -> None:
    assert request.start >= 1
    assert request.count is None or 0 <= request.count <= DEFAULT.page
    for resource_type in RESOURCE_TYPES.values():
        projection(request.attributes, request.excluded, resource_type).apply(RESOURCES[resource_type.name])
    if request.filter is not None:
        for resource_type in RESOURCE_TYPES.values():
            with answered():
                binding.bind(syntax.parse(request.filter), resource_type)


NOW: Final = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
QUERY: Final = "what a cursor is bound to"


# Sealed by the key below at the time above: for a page in the middle and for the first, too long ago, for another query.
SEALED: Final = (
    "gAAAAABpfcuYxBZ0hRdM44LekgPq5UdjDpRDntZRLinxp0GDYAbMBpYCiXCs_C40k5CDERkRLjtwA-k3Hy60Y4yj5X_tm5-hyzHlyJO37n7o8S_akXMN2CVKsS2ikCoikD_CzI45hePrNnTPcWqDDp29MTgMUhXP6B_QysWfoVNkUEhSkbyTYFguMvWszxqC6ScJ5H2WTLDO",
    "gAAAAABpfcuYiKPclO8UJgcnXq8gV27Oburz4AlWrx3x73JH5eufBgmSiXPnAjo7NmMPturYIgw4GzsoATPsCSwYfhnCj4XUBi7-vx0oPtQ3rg_43lnw_pTM4JEWmnx48Tpsj4Z0Hx5x",
    "gAAAAABpfb2HEOsz2s51xMHSaGdnhk5RFYIr6jsj585fD3_51C5yF6PcpWP2n6eRHJ-atqaDKCSfJOlyZXcKamBI-LJkbvhcRZwXXVREgD1FihxYVNtOyceO7-DLwAHwULwHC-5YJp50vla0nL3B2x1YvxBPN9p6YZwULVQpKoKymHLGl1xAjIjv3Bfab5qxgCU3TQBNQJ75",
    "gAAAAABpfcuYZGxq9K1oIwbgBAllGA7BOdsPfvoLhzRfClACbkHMaf2ktGMsd0xdPYEkB7vwmnnMsYcF91pouGTkvvmjq0tzF_1De_UnjvywrfM5JgZtbCJbOPguHOLpfKHejKp-_-7EQ3HW_jT2ktvvieZ7DBV-dPXfRApw-9JM_F_QAb29jjE",
)


async def _key(doubted: bytes | None = None, /) -> bytes:
    return b"k" * 32


CURSORS: Final = Cursors(_key, lambda: NOW, seconds=3_600)


def cursors(data: bytes) -> None:
    """A cursor: taken from a parameter and from a message, and opened; none opens but those that were sealed."""
    text = text_of(data)
    with answered():
        messages.search_parameters({"cursor": text, "count": text}, DEFAULT)
    with answered():
        messages.search_request({"cursor": text}, DEFAULT)
    with answered():
        cursor = _at_once(CURSORS.decrypt(text, QUERY))
        assert text in SEALED[:2], "a cursor opens that nobody sealed"
        assert cursor.count == 100


def _at_once[T](work: Coroutine[Any, Any, T]) -> T:
    """The result of what has nothing to wait for."""
    try:
        work.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    raise TypeError("there was something to wait for")


TARGETS: Final[Mapping[str, Target]] = {"filters": filters, "paths": paths, "bodies": bodies, "cursors": cursors}
