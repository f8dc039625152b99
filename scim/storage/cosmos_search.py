"""Searches in Cosmos DB: a page of what a filter holds for, by its number or from behind a key on; and what ids are of."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Final

from scim.protocol.json import Json, JsonObject
from scim.protocol.match import matches
from scim.protocol.query import TRUE, All, Bound, Test
from scim.storage.cosmos_calls import Calls
from scim.storage.cosmos_filter import condition, property_path
from scim.storage.cosmos_items import resource_id, stored
from scim.storage.cosmos_members import PAGE, listed
from scim.storage.interface import Found, Name, Search, Stored, Take

_ID_LENGTH: Final = 36
"""Of the id of a resource, a UUID; a client may give anything else as the value of a member."""


class ItemSearch:
    """Searches the resources of one container."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def found(self, tenant: str, kind: str, search: Search, take: Take | None) -> Found:
        """Read a page. Behind a key, the index leads to where it begins; an offset is walked through and charged for."""
        items: list[Stored] = []
        keys: list[str] = []

        def keep(item: Stored, key: str) -> bool:
            items.append(item)
            keys.append(key)
            return True

        total = await self._read(tenant, kind, search, take or keep)
        return Found(items, total, tuple(keys))

    async def _read(self, tenant: str, kind: str, search: Search, take: Take) -> int:
        """Hand over the page; the total, if that is asked for."""
        bound = search.filter or TRUE
        only = _only_id(bound)
        if only is not None:
            return await self._only(tenant, kind, bound, only, search, take)
        where = condition(bound)
        parameters = [*where.parameters, {"name": "@type", "value": kind}]
        from_where = f'FROM c WHERE c["type"] = @type AND {where.sql}'
        read, complete = 0, True
        if search.limit:
            async with aclosing(self._page(tenant, from_where, parameters, search)) as rows:
                async for row in rows:
                    item = stored(row)
                    read += 1
                    if not take(item, row.get("sortKey", "") if search.sort else item.id):
                        complete = False
                        break
        total = search.offset + read if search.counted else 0
        unknown = search.after is not None or not complete or read == search.limit or (not read and search.offset)
        if search.counted and unknown:
            # The page is full, or it isn't known what is before it: only now is it worth counting.
            counted = await self._calls.query(tenant, f"SELECT VALUE COUNT(1) {from_where}", parameters, page=PAGE)
            total = sum(counted)
        return total

    def _page(
        self, tenant: str, from_where: str, parameters: Sequence[dict[str, Json]], search: Search
    ) -> AsyncGenerator[Json]:
        path = property_path('c["s"]', [search.sort]) if search.sort else 'c["f"]["id"]'
        direction, beyond = ("DESC", "<") if search.descending else ("ASC", ">")
        selected = f", {path} AS sortKey" if search.sort else ""
        behind = ""
        given = [*parameters, {"name": "@offset", "value": search.offset}, {"name": "@limit", "value": search.limit}]
        if search.after is not None:
            behind = f"AND {path} {beyond} @after "
            given.append({"name": "@after", "value": search.after})
        return self._calls.results(
            tenant,
            f'SELECT c["id"], c["_etag"], c["v"], c["resource"]{selected} {from_where} {behind}'
            f"ORDER BY {path} {direction} OFFSET @offset LIMIT @limit",
            given,
            page=search.limit,
        )

    async def _only(self, tenant: str, kind: str, bound: Bound, id: str, search: Search, take: Take) -> int:
        """Search by a filter that names the id: a point read costs less than any query."""
        item = await self._calls.read(tenant, resource_id(kind, id)) if _is_plain(id) else None
        if item is None or not matches(bound, item["f"]):
            return 0
        key = item["s"].get(search.sort, "") if search.sort else id
        behind = search.after is None or (key < search.after if search.descending else key > search.after)
        if search.limit and not search.offset and behind:
            take(stored(item), key)
        return 1 if search.counted else 0

    async def types(self, tenant: str, kinds: Sequence[str], ids: Sequence[str]) -> Mapping[str, str]:
        """Return the type of those of the resources that exist, among these types; the ids may be any text."""
        ids = [id for id in ids if len(id) == _ID_LENGTH]
        return {id: kind for id, kind, _ in await self._known(tenant, kinds, ids, 'c["id"]')}

    async def names(self, tenant: str, kinds: Sequence[str], ids: Sequence[str]) -> Mapping[str, Name]:
        """Type and name of those of the resources that exist, among these types."""
        found = await self._known(tenant, kinds, ids, 'c["id"], c["resource"]["displayName"]')
        return {id: Name(kind, row.get("displayName")) for id, kind, row in found}

    async def _known(
        self, tenant: str, kinds: Sequence[str], ids: Sequence[str], selected: str
    ) -> list[tuple[str, str, JsonObject]]:
        """Id, type and what is selected of each of the resources that exist, among these types."""
        found: list[tuple[str, str, JsonObject]] = []
        plain = [id for id in ids if _is_plain(id)] if kinds else []
        for start in range(0, len(plain), PAGE):
            marks, parameters = listed(plain[start : start + PAGE])
            rows = await self._calls.query(
                tenant, f'SELECT {selected} FROM c WHERE c["f"]["id"] IN ({marks})', parameters, page=PAGE
            )
            for row in rows:
                kind, _, id = row["id"].partition(":")
                if kind in kinds:
                    found.append((id, kind, row))
        return found


def _only_id(bound: Bound) -> str | None:
    """The id that every match must have."""
    terms = bound.terms if isinstance(bound, All) else (bound,)
    for term in terms:
        if isinstance(term, Test) and term.where == ("id",) and term.op == "eq" and not term.negated:
            return str(term.value)
    return None


def _is_plain(id: str) -> bool:
    return id.replace("-", "").isalnum() and id.isascii() and len(id) <= 64
