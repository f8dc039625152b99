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
    """A customer: its numbers of users and groups, and the maximum throughput of autoscale in RU/s."""

    users: int
    groups: int
    maximum: int


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
    return f"""# Costs of Cosmos DB

This page estimates the costs of the database: request units (RU) of each request, storage, and the price of a month at three sizes. The
[glossary](glossary.md) defines the terms.

**These are estimates.** No Azure account was used, and the prices are assumptions that have not been checked against a price list. The
emulator of the tests computes request units and bytes from documented formulas and a few assumed ones
(`tests/cosmos_emulator/charges.py`). `make bench ARGS="cosmos"` writes this page. Use your own figures in the formulas: the formulas are
more reliable than the figures.

The costs of Azure Functions, logs, traffic and backups are not included. The cost of Functions depends on the memory of an instance and on the
number of its concurrent requests, which follows from that memory and the larger body limit
([limits](limits.md#limits-of-the-functions-host)). Flex Consumption may ignore the host's limits, and may start more instances than the
configured maximum ([azure-functions-host#11790](https://github.com/Azure/azure-functions-host/issues/11790)).

All figures are for an account with Strong consistency, which doubles the price of every read, and for users with Entra's default attributes.

## Request units

The names in brackets are those in the [formulas](#formulas).

| request | RU |
|---|--:|
| filter for a user, no match (`no_match`) | {named.miss:.1f} |
| filter for a user, one match with 10 `groups` (`match`) | {named.hit:.1f} |
| the same with `excludedAttributes=groups` | {units["filter-user-name-hit"]:.1f} |
| filter for a group, without `members` (`group_match`) | {named.group_hit:.1f} |
| GET a user, without `groups` | {units["get-user"]:.1f} |
| GET a user in one group, with `groups` | {units["get-user-1-groups"]:.1f} |
| POST a user (`create_user`) | {named.create_user:.1f} |
| POST a group without members (`create_group`) | {named.create_group:.1f} |
| PATCH or PUT a user (`change`) | {named.change:.1f} |
| PATCH a user without a change | {units["patch-user-no-op"]:.1f} |
| PATCH a group with one member (`member`) | {named.member:.1f} |
| PATCH a group with n members | {touch:.1f} × ⌈n/98⌉ + {step:.2f} × n |
| DELETE a user in 10 groups (`delete`) | {named.delete:.1f} |
| bulk request: the sum of its operations; with 100 POSTs of users | {units["bulk-create-100"]:,.1f} |
| list users by cursor, first page of 100 of 250, without `groups` | {units["cursor-first"]:.1f} |
| each further page | {units["cursor-next"]:.1f} |
| each unique value besides the key: created, changed, released | {units["claim-made"]:.1f}, {units["claim-changed"]:.1f}, {units["claim-released"]:.1f} |
| discovery; a request with a made-up token | 0 |

The cost of most requests doesn't depend on the number of users or on the size of the group. This applies to filters with `eq`, to reads
without `members` and `groups`, and to changes of named members. `members` or `groups` in a response cost about 2 queries for each 1,000
values. The cost of the following requests grows with the customer or the group; Entra ID sends none of them:
- `replace` of `members`, `remove` of `members` without `value` or with a filter, and PUT of a group with `members`: 1 point read, and
  1 query for each 1,000 members of the group.
- A full page with `totalResults`: about 0.2 RU more for each 100 resources that match.
- A page by `startIndex` far from the start: the database reads all resources before it.
- Filters with `co`, `sw`, `ew`, `ne`, `gt` and similar operators.

A client that reads a million users should page by cursor. The first page counts all of them. Each further page is one query that continues
after the page before, and costs the same at every position ([benchmarks/report.md](../benchmarks/report.md) has the figures). An instance
reads the cursor key when it creates or decrypts its first cursor, which costs 1 point read. The first such request of a deployment
also creates the key.

## Storage

| item | bytes, index included |
|---|--:|
| user | {stored["User"]:,} |
| group | {stored["Group"]:,} |
| member of a group | {stored["member"]:,} |
| a user in 10 groups | {_per_user(stored):,} |

An index entry is assumed to have the size of its value; Cosmos DB may need less. A customer is one logical partition with at most 20 GB:
20 × 2³⁰ / {_per_user(stored):,} ≈ {20 * 2**30 / _per_user(stored) / 1e6:.1f} million users in 10 groups each. Its throughput is at most 10,000 RU per second: {10_000 / step:,.0f} members
or {10_000 / named.create_user:,.0f} new users per second.

## Assumptions

| name | value | meaning |
|---|--:|---|
| `serverless` | {SERVERLESS_PER_MILLION_RU} USD | per million RU |
| `storage` | {STORAGE_PER_GB_MONTH} USD | per GB and month |
| `autoscale` | {AUTOSCALE_PER_100_RUS_HOUR} USD | per 100 RU/s and hour in one region; at least a tenth of the maximum is billed in every hour |
| `memberships` | {_JOINED} | groups of each user |
| `changed` | {_CHANGED:.0%} | share of the users with a changed attribute in a month |
| `joining`, `leaving` | {_COME:.0%}, {_GO:.0%} | shares of the users who join and leave in a month; users who leave are disabled, then deleted |
| `moved` | {_MOVED:.0%} | share of the memberships that change in a month; each change is a PATCH request of its own, the most expensive case |
| restarts | 1 | restarts of the provisioning job in a month; each one searches for every user and group |
| `cycles` | {_CYCLES:,} | cycles of 40 minutes in a month, each with two searches even without changes |

## Formulas

```
first   = users × (no_match + create_user) + groups × (no_match + create_group) + users × memberships × member
changes = users × changed × (match + change)
joiners = users × joining × (no_match + create_user + memberships × member)
leavers = users × leaving × (match + change + delete)
members = users × memberships × moved × (group_match + member)
restart = users × match + groups × group_match
idle    = cycles × 2 × no_match
month   = changes + joiners + leavers + members + restart + idle

GB          = (users × (bytes of a user) + groups × (bytes of a group) + users × memberships × (bytes of a member)) / 2³⁰
serverless  = month / 10⁶ × {SERVERLESS_PER_MILLION_RU} + GB × {STORAGE_PER_GB_MONTH}
busy        = month / (maximum × 3600)                      hours at the maximum RU/s
autoscale   = maximum / 100 × {AUTOSCALE_PER_100_RUS_HOUR} × (0.1 × ({_HOURS} − busy) + busy) + GB × {STORAGE_PER_GB_MONTH}
```

## A month at three sizes

| | {" | ".join(f"{size.users:,} users, {size.groups:,} groups" for size in _SIZES)} |
|---|--:|--:|--:|
{_table(named, stored)}

## Which billing to choose

With serverless, you pay only for requests and storage: a customer with {_SIZES[0].users:,} users costs cents a month. With autoscale, a minimum is
billed even without requests, but all customers in the container share it. The formula assumes that all work runs at the maximum
throughput, and that only the minimum is billed in the other hours. Choose autoscale

- if all customers together use more than {_even():,.0f} million RU a month, with a maximum of 1,000 RU/s (with a higher maximum, the amount grows
  in proportion); or
- if the throughput of serverless is too low for the first sync.
"""


def _table(named: Units, stored: Mapping[str, int]) -> str:
    rows: dict[str, list[str]] = {}
    for size in _SIZES:
        parts = named.parts(size)
        month = sum(parts.values())
        gigabytes = _gigabytes(size, stored)
        kept = gigabytes * STORAGE_PER_GB_MONTH
        busy = month / (size.maximum * 3600)
        hours = 0.1 * (_HOURS - busy) + busy
        autoscale = size.maximum / 100 * AUTOSCALE_PER_100_RUS_HOUR * hours
        first = named.first(size)
        for name, value in {
            **{f"{name}, million RU": f"{part / 1e6:,.3f}" for name, part in parts.items()},
            "month, million RU": f"{month / 1e6:,.2f}",
            "storage, GB": f"{gigabytes:,.3f}",
            "**serverless, USD a month**": f"**{month / 1e6 * SERVERLESS_PER_MILLION_RU + kept:,.2f}**",
            "maximum throughput for autoscale, RU/s": f"{size.maximum:,}",
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
    """Return the million RU a month at which serverless costs as much as autoscale with a maximum of 1,000 RU/s."""
    floor = 10 * AUTOSCALE_PER_100_RUS_HOUR * 0.1 * _HOURS
    per_million = 10 * AUTOSCALE_PER_100_RUS_HOUR * 0.9 * 1e6 / (1_000 * 3600)
    return floor / (SERVERLESS_PER_MILLION_RU - per_million)
