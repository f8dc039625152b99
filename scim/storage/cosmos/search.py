"""Searches the resources in Cosmos DB, and looks up types and names by id. Writes no item.

How it works: a filter that requires one id is a point read, evaluated in this process. Any other filter is a query.
Behind a key, Cosmos DB seeks the start of a page in its index; with an offset, it reads and charges all items before
it. The total is counted by a second query, unless the page itself determines it.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Final

from scim.protocol.filter.binding import TRUE, All, Bound, Test
from scim.protocol.filter.evaluate import matches
from scim.protocol.json import Json, JsonObject
from scim.storage.cosmos.calls import Calls
from scim.storage.cosmos.filter_sql import condition, property_path
from scim.storage.cosmos.items import resource_id, stored
from scim.storage.cosmos.members import PAGE, in_parameters
from scim.storage.interface import ResourceName, Search, SearchPage, Stored, Take

_UUID_LENGTH: Final = 36
"""The length of resource ids, which are UUIDs. Clients may send any other text as the value of a member."""


class ItemSearch:
    """Searches the resources of one container."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def search(self, customer: str, type_name: str, search: Search, take: Take | None) -> SearchPage:
        """Return a page of the matches. With `take`, the page has only the total: `take` gets the items and keys, and
        may stop it.

        Raises `StoreError`.
        """
        items: list[Stored] = []
        keys: list[str] = []

        def keep(item: Stored, key: str) -> bool:
            items.append(item)
            keys.append(key)
            return True

        total = await self._read(customer, type_name, search, take or keep)
        return SearchPage(items, total, tuple(keys))

    async def _read(self, customer: str, type_name: str, search: Search, take: Take) -> int:
        """Pass the items of the page to `take`. Return the total, or 0 unless the search asks for it.

        Raises `StoreError`.
        """
        bound = search.filter or TRUE
        id = _required_id(bound)
        if id is not None:
            return await self._search_by_id(customer, type_name, bound, id, search, take)
        where = condition(bound)
        parameters = [*where.parameters, {"name": "@type", "value": type_name}]
        from_where = f'FROM c WHERE c["type"] = @type AND {where.sql}'
        read, complete = 0, True
        if search.limit:
            async with aclosing(self._read_page(customer, from_where, parameters, search)) as rows:
                async for row in rows:
                    item = stored(row)
                    read += 1
                    if not take(item, row.get("sortKey", "") if search.sort else item.id):
                        complete = False
                        break
        total = search.offset + read if search.counted else 0
        is_total_unknown = (
            search.after is not None or not complete or read == search.limit or (not read and search.offset)
        )
        if search.counted and is_total_unknown:
            # The page leaves the total open: it is full, was stopped, starts behind a key, or is empty at an offset.
            counts = await self._calls.query(customer, f"SELECT VALUE COUNT(1) {from_where}", parameters, page=PAGE)
            total = sum(counts)
        return total

    def _read_page(
        self, customer: str, from_where: str, parameters: Sequence[dict[str, Json]], search: Search
    ) -> AsyncGenerator[Json]:
        path = property_path('c["s"]', [search.sort]) if search.sort else 'c["f"]["id"]'
        direction, comparison = ("DESC", "<") if search.descending else ("ASC", ">")
        selected = f", {path} AS sortKey" if search.sort else ""
        after_condition = ""
        all_parameters = [
            *parameters,
            {"name": "@offset", "value": search.offset},
            {"name": "@limit", "value": search.limit},
        ]
        if search.after is not None:
            after_condition = f"AND {path} {comparison} @after "
            all_parameters.append({"name": "@after", "value": search.after})
        return self._calls.results(
            customer,
            f'SELECT c["id"], c["_etag"], c["v"], c["resource"]{selected} {from_where} {after_condition}'
            f"ORDER BY {path} {direction} OFFSET @offset LIMIT @limit",
            all_parameters,
            page=search.limit,
        )

    async def _search_by_id(
        self, customer: str, type_name: str, bound: Bound, id: str, search: Search, take: Take
    ) -> int:
        """Search with a filter that requires this id. It is a point read, which costs less than any query.

        Raises `StoreError`.
        """
        item = await self._calls.read(customer, resource_id(type_name, id)) if _is_possible_id(id) else None
        if item is None or not matches(bound, item["f"]):
            return 0
        key = item["s"].get(search.sort, "") if search.sort else id
        is_after = search.after is None or (key < search.after if search.descending else key > search.after)
        if search.limit and not search.offset and is_after:
            take(stored(item), key)
        return 1 if search.counted else 0

    async def types(self, customer: str, type_names: Sequence[str], ids: Sequence[str]) -> Mapping[str, str]:
        """Return the type, by id, of the resources of these types that exist. The ids may be any text.

        Raises `StoreError`.
        """
        ids = [id for id in ids if len(id) == _UUID_LENGTH]
        return {id: type_name for id, type_name, _ in await self._existing(customer, type_names, ids, 'c["id"]')}

    async def names(self, customer: str, type_names: Sequence[str], ids: Sequence[str]) -> Mapping[str, ResourceName]:
        """Return type and name, by id, of the resources of these types that exist. Raises `StoreError`."""
        rows = await self._existing(customer, type_names, ids, 'c["id"], c["resource"]["displayName"]')
        return {id: ResourceName(type_name, row.get("displayName")) for id, type_name, row in rows}

    async def _existing(
        self, customer: str, type_names: Sequence[str], ids: Sequence[str], selected: str
    ) -> list[tuple[str, str, JsonObject]]:
        """Return id, type and selected properties of the resources of these types that exist. Raises `StoreError`."""
        existing: list[tuple[str, str, JsonObject]] = []
        valid_ids = [id for id in ids if _is_possible_id(id)] if type_names else []
        for start in range(0, len(valid_ids), PAGE):
            names, parameters = in_parameters(valid_ids[start : start + PAGE])
            rows = await self._calls.query(
                customer, f'SELECT {selected} FROM c WHERE c["f"]["id"] IN ({names})', parameters, page=PAGE
            )
            for row in rows:
                type_name, _, id = row["id"].partition(":")
                if type_name in type_names:
                    existing.append((id, type_name, row))
        return existing


def _required_id(bound: Bound) -> str | None:
    """Return the id that each match must have, or `None` if the filter doesn't require one."""
    terms = bound.terms if isinstance(bound, All) else (bound,)
    for term in terms:
        if isinstance(term, Test) and term.where == ("id",) and term.op == "eq" and not term.negated:
            return str(term.value)
    return None


def _is_possible_id(id: str) -> bool:
    return id.replace("-", "").isalnum() and id.isascii() and len(id) <= 64
