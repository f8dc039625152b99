"""Request units and bytes on the Cosmos DB emulator: each operation, two sizes of a tenant, a sampled first sync.

Nothing here is timed. The units follow from the formulas of `tests/cosmos_emulator/charges.py`: they are computed, not
billed.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import mean
from typing import Any, Final

from benchmarks import costs, people
from benchmarks.report import Section
from tests.contract.cosmos import in_process
from tests.contract.write_models import write_model
from tests.cosmos.costs import GROUP, ROWS, USER, Given, Service, service, user_id

_TITLE: Final = "On Cosmos DB"
_SMALL, _LARGE, _VERY_LARGE = 1_000, 10_000, 1_000_000
_USERS, _GROUPS, _JOINED, _AT_ONCE = 500, 25, 10, 100
_PARTITION_BYTES: Final = 20 * 1024**3
_KINDS: Final = (("item.read", "read", "reads"), ("query", "query", "queries"), ("batch", "batch", "batches"))
_INDEXED: Final = ("tenant", "type", "key", "group", "member", "f", "s")
_NO_GROUPS: Final = {"excludedAttributes": "groups"}


@dataclass(frozen=True, slots=True)
class Bytes:
    """An item as the service stores it, and what of it the indexing policy includes."""

    item: int
    indexed: int

    @property
    def both(self) -> int:
        """What counts towards storage if an index entry takes as much as the value that it is for."""
        return self.item + self.indexed


def run(rounds: int) -> Section:  # noqa: ARG001 - nothing is timed, so once is enough
    """Send every row of the table of costs, and what the sizes need; writes `docs/costs.md` too."""
    return Section(_TITLE, asyncio.run(_text()))


async def _text() -> str:
    tenants = [*(row.id for row in ROWS), "small", "large", "sample"]
    async with service(tenants) as running:
        units, lines = await _operations(running)
        growth = await _growth(running)
        sizes = _sizes(running)
        sample = await _sample(running, units)
    units = {**units, **await _claim()}
    costs.write(units, {name: size.both for name, size in sizes.items()})
    stored = "\n".join(f"| {name} | {size.item:,} | {size.indexed:,} |" for name, size in sizes.items())
    return f"""The service through the real SDK on the emulator of the tests, an account with Strong consistency. Request units (RU)
are **computed** by the emulator from the formulas that Microsoft documents and from a few assumed ones
([charges.py](../tests/cosmos_emulator/charges.py) names both); no account was asked and nothing was billed. Calls are counted where they arrive; `make test`
fails when one is above its ceiling. [docs/costs.md](../docs/costs.md) turns this into money.

| operation | RU | calls | ceiling |
|---|--:|---|---|
{lines}

As a tenant grows, in RU; what a million costs is drawn on as a straight line:

| request | {_SMALL:,} users | {_LARGE:,} users | {_VERY_LARGE:,} users |
|---|--:|--:|--:|
{growth}

Bytes of an item, and of what the indexing policy includes of it:

| item | bytes | indexed |
|---|--:|--:|
{stored}

{sample}"""


async def _operations(running: Service) -> tuple[Mapping[str, float], str]:
    units: dict[str, float] = {}
    lines: dict[str, str] = {}
    for row in ROWS:
        running.fill(row.id, row.given)
        answer, calls, units[row.id] = await running.cost(row)
        if answer.status != row.status:
            raise RuntimeError(f"{row.id} was answered {answer.status}")
        named = f"{row.operation} (`{row.id}`)"
        lines[row.id] = f"| {named} | {units[row.id]:,.1f} | {_written(calls)} | {row.formula} |"
    return units, "\n".join(lines.values())


def _written(calls: Mapping[str, int]) -> str:
    named = [
        f"{calls[resource_type]} {one if calls[resource_type] == 1 else many}"
        for resource_type, one, many in _KINDS
        if calls.get(resource_type)
    ]
    return ", ".join(named) or "none"


async def _claim() -> Mapping[str, float]:
    """What one unique value adds to the request that makes, changes or releases it."""
    path = "urn:example:params:scim:schemas:extension:campus:2.0:User:badge"
    found: list[list[float]] = []
    async with in_process() as (store, emulator):
        for number, values in enumerate(((None, None), ("1", "2"))):
            plain = write_model("User", people.user(number), id=user_id(number))
            before, after = ({} if value is None else {path: value} for value in values)
            emulator.requests.clear()
            version = await store.create("t", replace(plain, unique_values=before))
            charges = [emulator.charge()]
            emulator.requests.clear()
            await store.replace("t", replace(plain, unique_values=after), expected=version, old_unique_values=before)
            charges.append(emulator.charge())
            emulator.requests.clear()
            await store.delete("t", "User", plain.id)
            found.append([*charges, emulator.charge()])
    without, with_one = found
    names = ("claim-made", "claim-changed", "claim-released")
    return {name: one - other for name, one, other in zip(names, with_one, without, strict=True)}


async def _growth(running: Service) -> str:
    sizes = {"small": _SMALL, "large": _LARGE}
    for tenant, size in sizes.items():
        running.fill(tenant, Given(users=size, groups=20, members=size, memberships=_JOINED))
    cursors = {tenant: await _last_cursor(running, tenant) for tenant in sizes}
    lines = []
    for name, method, path, body, query in _requests():
        # What a size decides is told by the tenant; `{last}` and `{cursor}` are behind all users but a hundred.
        found = []
        for tenant, size in sizes.items():
            asked = {k: v.format(last=size - 99, cursor=cursors[tenant]) for k, v in query.items()}
            found.append(await _charge(running, tenant, method, path, body, asked))
        slope = (found[1] - found[0]) / (_LARGE - _SMALL)
        found.append(found[1] + slope * (_VERY_LARGE - _LARGE))
        lines.append(f"| {name} | {' | '.join(f'{one:,.1f}' for one in found)} |")
    return "\n".join(lines)


async def _last_cursor(running: Service, tenant: str) -> str:
    """What leads to the last page of 100 users."""
    last, cursor = "", ""
    while cursor is not None:
        page = await running.send(tenant, "GET", "/Users", query={**_NO_GROUPS, "cursor": cursor})
        last, cursor = cursor, json.loads(page.body).get("nextCursor")
    return last


def _requests() -> Iterable[tuple[str, str, str, Any, Mapping[str, str]]]:
    changed = people.one_change(1)
    hit = {"filter": f'userName eq "{people.user_name(500)}"', **_NO_GROUPS}
    yield "GET a user without `groups`", "GET", f"/Users/{USER}", None, _NO_GROUPS
    yield 'filter `userName eq "…"`', "GET", "/Users", None, hit
    yield "PATCH a user", "PATCH", f"/Users/{USER}", changed, {}
    yield (
        "PATCH adding one member to a group of all users",
        "PATCH",
        f"/Groups/{GROUP}",
        people.adding(user_id(10**9)),
        {},
    )
    yield "POST a user", "POST", "/Users", people.user(10**9), {}
    yield "list, first page of 100, without `groups`", "GET", "/Users", None, _NO_GROUPS
    yield "list, last page of 100, without `groups`", "GET", "/Users", None, {**_NO_GROUPS, "startIndex": "{last}"}
    yield "by cursor, first page of 100, without `groups`", "GET", "/Users", None, {**_NO_GROUPS, "cursor": ""}
    yield "by cursor, last page of 100, without `groups`", "GET", "/Users", None, {**_NO_GROUPS, "cursor": "{cursor}"}
    yield 'filter `userName co "…"`, no hit', "GET", "/Users", None, {"filter": 'userName co "nobody"', **_NO_GROUPS}


def _sizes(running: Service) -> Mapping[str, Bytes]:
    """The mean of each type of item."""
    found: dict[str, list[Bytes]] = {}
    for item in running.emulator.container().partition("small").items():
        found.setdefault(str(item.document["type"]), []).append(Bytes(item.size, _indexed(item.document)))
    return {
        name: Bytes(round(mean(one.item for one in all_)), round(mean(one.indexed for one in all_)))
        for name, all_ in found.items()
    }


def _indexed(document: Mapping[str, Any]) -> int:
    kept = {name: document[name] for name in _INDEXED if name in document}
    return len(json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode())


async def _sample(running: Service, units: Mapping[str, float]) -> str:
    """A first sync as Entra does it: look each one up, create it, then put members into groups."""
    charges = {"users": 0.0, "groups": 0.0, "members": 0.0}
    users: list[str] = []
    groups: list[str] = []
    for number in range(_USERS):
        hit = {"filter": f'userName eq "{people.user_name(number)}"'}
        charges["users"] += await _charge(running, "sample", "GET", "/Users", None, hit)
        charges["users"] += await _charge(running, "sample", "POST", "/Users", people.user(number), {}, into=users)
    for number in range(_GROUPS):
        hit = {"filter": f'displayName eq "Group {number}"', "excludedAttributes": "members"}
        charges["groups"] += await _charge(running, "sample", "GET", "/Groups", None, hit)
        charges["groups"] += await _charge(running, "sample", "POST", "/Groups", people.group(number), {}, into=groups)
    links = [(number % _GROUPS, users[number // _JOINED]) for number in range(_USERS * _JOINED)]
    for number, group in enumerate(groups):
        members = [user for at, user in links if at == number]
        for start in range(0, len(members), _AT_ONCE):
            body = people.adding(*members[start : start + _AT_ONCE])
            charges["members"] += await _charge(running, "sample", "PATCH", f"/Groups/{group}", body, {})
    stored = running.emulator.container().partition("sample").items()
    kept = [Bytes(item.size, _indexed(item.document)) for item in stored]
    user = sum(b.both for b in kept) / _USERS
    return f"""A first sync of {_USERS} users and {_GROUPS} groups, each user in {_JOINED} of them, {_AT_ONCE} members in a PATCH, everything through the
service: {charges["users"] / _USERS:.1f} RU per user (looked up and created), {charges["groups"] / _GROUPS:.1f} RU per group, {charges["members"] / len(links):.2f} RU per member, {sum(charges.values()) / _USERS:.1f} RU per user in
all. The rows above foretell {units["filter-user-name-none"] + units["create-user"]:.1f}, {units["filter-display-name-none"] + units["create-group"]:.1f} and {units["patch-group-add-98"] / 98:.2f}. Stored: {user:,.0f} bytes per user with its {_JOINED} memberships, index
included as if an entry took as much as its value: {_PARTITION_BYTES / user / 1e6:.1f} million such users fill the 20 GB of a partition."""


async def _charge(
    running: Service,
    tenant: str,
    method: str,
    path: str,
    body: Any,
    query: Mapping[str, str],
    into: list[str] | None = None,
) -> float:
    """The request units of a request, which must succeed; the id of what it made goes `into` the list."""
    running.emulator.requests.clear()
    answer = await running.send(tenant, method, path, body, query)
    if answer.status not in {200, 201, 204}:
        raise RuntimeError(f"{method} {path} was answered {answer.status}")
    if into is not None:
        into.append(json.loads(answer.body)["id"])
    return running.emulator.charge()
