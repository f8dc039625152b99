"""A filter that Cosmos DB refuses as too complex is an error of the client, not of the database."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from azure.cosmos.aio import ContainerProxy

from scim.protocol.filter.binding import bind
from scim.protocol.filter.syntax import parse
from scim.protocol.limits import Limits
from scim.storage.cosmos.calls import Calls
from scim.storage.errors import QueryRefused, StoreUnavailable
from scim.storage.interface import Search
from tests.conftest import PortClient
from tests.contract.cosmos import in_process
from tests.contract.write_models import RESOURCE_TYPES
from tests.cosmos_emulator import Emulator
from tests.cosmos_emulator.faults import Answer, Fault
from tests.cosmos_emulator.sql_parse import MAX_SUBQUERIES


def every(number: int) -> str:
    return " and ".join(f'emails.value sw "{n}"' for n in range(number))


def test_a_filter_that_is_too_complex_is_always_an_invalid_filter(cosmos_client: PortClient) -> None:
    for _ in range(2):
        for path in ("/Users/.search", "/.search"):
            answer = cosmos_client.post(path, {"filter": every(MAX_SUBQUERIES + 1)})
            assert (answer.status, answer.json["scimType"]) == (400, "invalidFilter")
            assert "fewer comparisons" in answer.json["detail"]
    assert cosmos_client.post("/Users/.search", {"filter": every(MAX_SUBQUERIES)}).status == 200


@pytest.mark.parametrize(
    "text",
    [
        " or ".join(f'emails.value eq "{n}"' for n in range(100)),
        " and ".join(f'not (emails.value co "{n}")' for n in range(100)),
        "not (" + " or ".join(f'emails.value co "{n}"' for n in range(100)) + ")",
        " or ".join(f'emails[type eq "work" and value sw "{n}"]' for n in range(50)),
    ],
    ids=["or", "none", "not any", "brackets"],
)
def test_alternatives_on_one_attribute_are_one_subquery(cosmos_client: PortClient, text: str) -> None:
    """So the longest filter stays within the limits of the database."""
    assert cosmos_client.post("/Users/.search", {"filter": text}).status == 200


def test_only_errors_in_the_query_text_are_invalid_filters() -> None:
    """A 400 for another reason, such as a missing index, is a problem for the operator."""

    def calls(container: Callable[[], Awaitable[ContainerProxy]], emulator: Emulator) -> Calls:
        emulator.faults.append(Fault("query", Answer(400)))
        return Calls(container)

    async def searched(text: str) -> None:
        async with in_process(calls) as (store, _):
            tree = bind(parse(text, Limits()), RESOURCE_TYPES["User"])
            with pytest.raises(StoreUnavailable) as raised:
                await store.search("t", "User", Search(tree, 0, 1))
            assert not isinstance(raised.value, QueryRefused)
            with pytest.raises(QueryRefused, match="SC3002"):
                await store.search("t", "User", Search(bind(parse(every(60)), RESOURCE_TYPES["User"]), 0, 1))

    asyncio.run(searched("title pr"))
