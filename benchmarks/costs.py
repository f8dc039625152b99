"""`docs/costs.md`: what was counted on the emulator, turned into storage and money by formulas that the page shows."""

# ruff: noqa: RUF001 - the formulas have the signs that people write by hand

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parent.parent / "docs" / "costs.md"

SERVERLESS_PER_MILLION_RU: Final = 0.25
STORAGE_PER_GB_MONTH: Final = 0.25
AUTOSCALE_PER_100_RUS_HOUR: Final = 0.012
_HOURS: Final = 730
_JOINED: Final = 10
_CHANGED, _COME, _GO, _MOVED = 0.05, 0.02, 0.02, 0.10
_CYCLES: Final = round(_HOURS * 60 / 40)


@dataclass(frozen=True, slots=True)
class Size:
    """A customer: so many users and groups, and the highest throughput that autoscale may go up to."""

    users: int
    groups: int
    highest: int


_SIZES: Final = (Size(1_000, 20, 1_000), Size(20_000, 400, 1_000), Size(1_000_000, 20_000, 4_000))


@dataclass(frozen=True, slots=True)
class Units:
    """Request units of one request, by the name that the formulas give it."""

    miss: float
    hit: float
    group_hit: float
    create_user: float
    create_group: float
    change: float
    member: float
    delete: float

    def first(self, size: Size) -> float:
        """The first sync."""
        users = size.users * (self.miss + self.create_user)
        return users + size.groups * (self.miss + self.create_group) + size.users * _JOINED * self.member

    def parts(self, size: Size) -> Mapping[str, float]:
        """A month after it, by what happens."""
        links = size.users * _JOINED
        return {
            "changes": size.users * _CHANGED * (self.hit + self.change),
            "joiners": size.users * _COME * (self.miss + self.create_user + _JOINED * self.member),
            "leavers": size.users * _GO * (self.hit + self.change + self.delete),
            "members": links * _MOVED * (self.group_hit + self.member),
            "restart": size.users * self.hit + size.groups * self.group_hit,
            "idle": _CYCLES * 2 * self.miss,
        }


def write(units: Mapping[str, float], stored: Mapping[str, int]) -> None:
    """Write the page from request units by row of the table of costs and bytes, index included, by type of item."""
    named = Units(
        miss=units["filter-user-name-none"],
        hit=units["filter-with-groups"],
        group_hit=units["filter-display-name"],
        create_user=units["create-user"],
        create_group=units["create-group"],
        change=units["patch-user-one-change"],
        member=units["patch-group-add-1"],
        delete=units["delete-user-10"],
    )
    PAGE.write_text(_page(named, units, stored), encoding="utf-8")


def _page(named: Units, units: Mapping[str, float], stored: Mapping[str, int]) -> str:
    step = (units["patch-group-add-98"] - units["patch-group-add-1"]) / 97
    touch = units["patch-group-add-1"] - step
    return f"""# What it costs on Cosmos DB

Prices are assumptions that were not checked against a live price list, and no Azure account was used. Written by
`make bench ARGS="cosmos"`: request units (RU) and bytes are computed by the emulator of the tests from documented formulas
and a few assumed ones (`tests/cosmos_emulator/charges.py`), not billed. Put your own figures into the formulas; the shape is
what can be relied on. Azure Functions, logs, traffic and backups are not in it. What Functions cost depends on the memory of an instance
and on how many requests it takes at once, which follows from that memory and from the largest body ([limits](limits.md#azures-own));
Flex Consumption may heed neither of the host's limits and start more instances than were asked for
([azure-functions-host#11790](https://github.com/Azure/azure-functions-host/issues/11790)).

All figures are for an account with Strong consistency, which doubles the price of every read, and for users with Entra's
default attributes.

## Request units

| operation | RU |
|---|--:|
| look a user up, nobody has the name (`miss`) | {named.miss:.1f} |
| look a user up, with 10 `groups` (`hit`) | {named.hit:.1f} |
| the same with `excludedAttributes=groups` | {units["filter-user-name-hit"]:.1f} |
| look a group up without `members` (`group_hit`) | {named.group_hit:.1f} |
| GET a user, without `groups` | {units["get-user"]:.1f} |
| GET a user in one group, with `groups` | {units["get-user-1-groups"]:.1f} |
| POST a user (`create_user`) | {named.create_user:.1f} |
| POST a group without members (`create_group`) | {named.create_group:.1f} |
| PATCH or PUT a user (`change`) | {named.change:.1f} |
| PATCH a user, nothing changes | {units["patch-user-no-op"]:.1f} |
| PATCH a group, one member (`member`) | {named.member:.1f} |
| PATCH a group, n members | {touch:.1f} × ⌈n/98⌉ + {step:.2f} × n |
| DELETE a user in 10 groups (`delete`) | {named.delete:.1f} |
| a bulk: what its operations cost; 100 POSTs of users | {units["bulk-create-100"]:,.1f} |
| list users by cursor, first page of 100 of 250, without `groups` | {units["cursor-first"]:.1f} |
| the next page, and any that follows | {units["cursor-next"]:.1f} |
| each further unique value of a resource: made, changed, released | {units["claim-made"]:.1f}, {units["claim-changed"]:.1f}, {units["claim-released"]:.1f} |
| discovery, a refused token | 0 |

No lookup by equality, read or write of what it names grows with the tenant or with the group. What does grow: a `replace`, a
`remove` without `value` or by a filter, and a PUT of `members` (1 point read, and 1 query for each 1,000 members that the
group has); the `totalResults` of a page that is full (about 0.2 RU more for each 100 resources that match), a page by `startIndex` far from the start (each resource
before it is gone through), and filters with `co`, `sw`, `ew`, `ne`, `gt` and the like. Entra ID sends none of these. A client
that goes through a million users should page by cursor: the first page counts them all, each one after it is one query that
begins where the last one ended, and costs the same wherever that is ([benchmarks/report.md](../benchmarks/report.md) has the
figures). An instance that gives out or opens its first cursor reads the key that they are sealed with, 1 point read; the first
of the whole deployment writes it as well.

## Storage

| item | bytes, index included |
|---|--:|
| user | {stored["User"]:,} |
| group | {stored["Group"]:,} |
| member of a group | {stored["member"]:,} |
| a user in 10 groups | {_per_user(stored):,} |

The index is counted as if an entry took as much as the value that it is for; the service may need less. A tenant is one
logical partition of at most 20 GB: 20 × 2³⁰ / {_per_user(stored):,} ≈ {20 * 2**30 / _per_user(stored) / 1e6:.1f} million users in 10 groups each. It takes at most 10,000 RU per
second: {10_000 / step:,.0f} members or {10_000 / named.create_user:,.0f} new users per second.

## Assumptions

| name | value | |
|---|--:|---|
| `serverless` | {SERVERLESS_PER_MILLION_RU} USD | per million RU |
| `storage` | {STORAGE_PER_GB_MONTH} USD | per GB and month |
| `autoscale` | {AUTOSCALE_PER_100_RUS_HOUR} USD | per 100 RU/s and hour, one region; each hour at least a tenth of the highest |
| `joined` | {_JOINED} | groups of a user |
| `changed` | {_CHANGED:.0%} | of the users have an attribute changed in a month |
| `come`, `go` | {_COME:.0%}, {_GO:.0%} | of the users come and go: leavers are disabled, then deleted |
| `moved` | {_MOVED:.0%} | of the memberships change in a month, each in a PATCH of its own, the dearest way |
| restarts | 1 | a month, in which every user and group is looked up |
| `cycles` | {_CYCLES:,} | idle cycles of 40 minutes, two lookups each |

## Formulas

```
first   = users × (miss + create_user) + groups × (miss + create_group) + users × joined × member
changes = users × changed × (hit + change)
joiners = users × come × (miss + create_user + joined × member)
leavers = users × go × (hit + change + delete)
members = users × joined × moved × (group_hit + member)
restart = users × hit + groups × group_hit
idle    = cycles × 2 × miss
month   = changes + joiners + leavers + members + restart + idle

GB          = (users × user + groups × group + users × joined × membership) / 2³⁰
serverless  = month / 10⁶ × {SERVERLESS_PER_MILLION_RU} + GB × {STORAGE_PER_GB_MONTH}
busy        = month / (highest × 3600)                      hours at the highest throughput
autoscale   = highest / 100 × {AUTOSCALE_PER_100_RUS_HOUR} × (0.1 × ({_HOURS} − busy) + busy) + GB × {STORAGE_PER_GB_MONTH}
```

## A month at three sizes

| | {" | ".join(f"{size.users:,} users, {size.groups:,} groups" for size in _SIZES)} |
|---|--:|--:|--:|
{_table(named, stored)}

A customer of {_SIZES[0].users:,} users costs cents with serverless: the price follows the changes. Autoscale is reckoned as if all work came
at the highest throughput and the floor were paid for the other hours. Its floor is paid even when nothing happens, but
all customers in the container share it: it is worth it when together they pass {_even():,.0f} million RU a month, at a highest of
1,000 RU/s, and it is needed where serverless has too little throughput for the first sync.
"""


def _table(named: Units, stored: Mapping[str, int]) -> str:
    rows: dict[str, list[str]] = {}
    for size in _SIZES:
        parts = named.parts(size)
        month = sum(parts.values())
        gigabytes = _gigabytes(size, stored)
        kept = gigabytes * STORAGE_PER_GB_MONTH
        busy = month / (size.highest * 3600)
        hours = 0.1 * (_HOURS - busy) + busy
        autoscale = size.highest / 100 * AUTOSCALE_PER_100_RUS_HOUR * hours
        first = named.first(size)
        for name, value in {
            **{f"{name}, million RU": f"{part / 1e6:,.3f}" for name, part in parts.items()},
            "month, million RU": f"{month / 1e6:,.2f}",
            "storage, GB": f"{gigabytes:,.3f}",
            "**serverless, USD a month**": f"**{month / 1e6 * SERVERLESS_PER_MILLION_RU + kept:,.2f}**",
            "highest throughput for autoscale, RU/s": f"{size.highest:,}",
            "**autoscale, USD a month**": f"**{autoscale + kept:,.2f}**",
            "first sync, million RU, once": f"{first / 1e6:,.2f}",
            "first sync, serverless USD, once": f"{first / 1e6 * SERVERLESS_PER_MILLION_RU:,.2f}",
            "first sync, hours at 4,000 RU/s": f"{first / 4_000 / 3600:,.2f}",
        }.items():
            rows.setdefault(name, []).append(value)
    return "\n".join(f"| {name} | {' | '.join(values)} |" for name, values in rows.items())


def _per_user(stored: Mapping[str, int]) -> int:
    return stored["User"] + _JOINED * stored["member"]


def _gigabytes(size: Size, stored: Mapping[str, int]) -> float:
    return (size.users * _per_user(stored) + size.groups * stored["Group"]) / 2**30


def _even() -> float:
    """Million RU a month at which serverless costs as much as autoscale with a highest of 1,000 RU/s."""
    floor = 10 * AUTOSCALE_PER_100_RUS_HOUR * 0.1 * _HOURS
    per_million = 10 * AUTOSCALE_PER_100_RUS_HOUR * 0.9 * 1e6 / (1_000 * 3600)
    return floor / (SERVERLESS_PER_MILLION_RU - per_million)
