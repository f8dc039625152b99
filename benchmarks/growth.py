"""What a request costs as the store grows: the same service at two sizes, both alive in one process."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from time import process_time
from typing import Final

from benchmarks import people
from benchmarks.measure import Batch, Figure, Side, compare, growth
from benchmarks.report import Section, microseconds, verdict
from benchmarks.served import Call, Ours, call

_USERS: Final = (1_000, 100_000)
_MEMBERS: Final = (10, 200_000)
_MEMBERS_AT_ONCE: Final = 1_000
_TARGET: Final = 1.5
_PAGE: Final = 100
_BY_CURSOR: Final = "by cursor, last : second"
_BY_CURSOR_FIRST: Final = "by cursor, last : first"
_HELD: Final = {_BY_CURSOR, _BY_CURSOR_FIRST}
# Steps through the users in an order that hits all of them and looks random to caches.
_STRIDE: Final = 7_919


@dataclass(frozen=True, slots=True)
class Filled:
    """A service with so many users, or with one group of so many members; `ids` are theirs."""

    server: Ours
    size: int
    ids: Sequence[str]
    seconds: float
    """CPU that filling took, through the handler."""


type Load = Callable[[Filled], Batch]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a kind of request costs at the two sizes."""

    name: str
    small: Figure
    large: Figure


def run(rounds: int) -> Section:
    """Fill, measure; the section of the report."""
    pages: list[Outcome] = []
    of_users, filling_users = _measured(
        _USERS, _with_users, _OF_USERS, rounds, 100, lambda large: pages.extend(_paged(large, rounds))
    )
    of_members, filling_members = _measured(_MEMBERS, _with_members, _OF_MEMBERS, rounds, 10)
    lines = [
        "The handler on stores in memory of two sizes, both alive in one process. Medians of CPU per request over",
        f"{rounds} rounds in which the two sizes take turns. Every request is for another user.",
        "",
        *_ratios("users", _USERS, of_users),
        "",
        *_ratios("members of the group", _MEMBERS, of_members),
        "",
        *last_pages(pages),
        "",
        "Microseconds of CPU per request, with the middle half of the rounds in brackets:",
        "",
        "| request | small | large |",
        "|---|--:|--:|",
        *(f"| {o.name} | {microseconds(o.small)} | {microseconds(o.large)} |" for o in (*of_users, *of_members)),
        "",
        f"Filling through the handler: {filling_users.size:,} users, one POST each, took {filling_users.seconds:.0f} s of CPU;",
        f"{filling_members.size:,} members, {_MEMBERS_AT_ONCE:,} in each PATCH, took {filling_members.seconds:.1f} s.",
    ]
    return Section("As the store grows", "\n".join(lines))


def _ratios(what: str, sizes: tuple[int, int], outcomes: Sequence[Outcome]) -> list[str]:
    return [
        f"| request | CPU at {sizes[1]:,} {what} : at {sizes[0]:,} | target | |",
        "|---|--:|--:|---|",
        *(
            f"| {o.name} | {growth(o.small, o.large):.2f} | ≤ {_TARGET} | {verdict(growth(o.small, o.large) <= _TARGET)} |"
            for o in outcomes
        ),
    ]


def last_pages(outcomes: Sequence[Outcome]) -> list[str]:
    """How the last page of a list compares with the one that the client got before it."""
    return [
        f"A page of {_PAGE} of {_USERS[1]:,} users, without `groups`. By index no page has a target: it walks to where it begins.",
        "",
        "| the last page : an earlier one | CPU | target | | µs, earlier | µs, last |",
        "|---|--:|--:|---|--:|--:|",
        *(
            f"| {o.name} | {growth(o.small, o.large):.2f} | {f'≤ {_TARGET}' if o.name in _HELD else ''} | "
            f"{verdict(growth(o.small, o.large) <= _TARGET) if o.name in _HELD else ''} "
            f"| {microseconds(o.small)} | {microseconds(o.large)} |"
            for o in outcomes
        ),
    ]


def _measured(
    sizes: tuple[int, int],
    fill: Callable[[int], Filled],
    loads: dict[str, Load],
    rounds: int,
    number: int,
    then: Callable[[Filled], None] = lambda large: None,  # noqa: ARG005 - nothing more to do
) -> tuple[list[Outcome], Filled]:
    small, large = (fill(size) for size in sizes)

    try:
        outcomes = []
        for name, load in loads.items():
            sides = {"small": Side(load(small), number), "large": Side(load(large), number)}
            figures = compare(sides, rounds)
            outcomes.append(Outcome(name, figures["small"], figures["large"]))
        then(large)
    finally:
        small.server.close()
        large.server.close()
    return outcomes, large


# --- filling ---


def _with_users(number: int) -> Filled:
    server = Ours()
    before = process_time()
    answers = (server.send(call("POST", "/Users", people.user(n))) for n in range(number))
    ids = [answer.json["id"] for answer in answers]
    return Filled(server, number, ids, process_time() - before)


def _with_members(number: int) -> Filled:
    server = Ours()
    before = process_time()
    group = server.send(call("POST", "/Groups", people.group(0))).json["id"]
    for first in range(0, number, _MEMBERS_AT_ONCE):
        members = [people.member(n) for n in range(first, min(first + _MEMBERS_AT_ONCE, number))]
        server.spend([call("PATCH", f"/Groups/{group}", people.adding(*members))])
    return Filled(server, number, [group], process_time() - before)


# --- the last page of a list ---


def _paged(filled: Filled, rounds: int) -> list[Outcome]:
    """What the last page costs beside the first, which counts them all, and beside the second, which doesn't."""

    def listed(**parameters: str | int) -> Call:
        return call("GET", "/Users", count=_PAGE, excludedAttributes="groups", **parameters)

    cursor, full = "", list[str]()
    while cursor is not None:
        page = filled.server.send(listed(cursor=cursor)).json
        full += [cursor] * (page["itemsPerPage"] == _PAGE)  # a shorter last page would cost less than it should
        cursor = page.get("nextCursor")
    pages = {
        _BY_CURSOR: (listed(cursor=full[1]), listed(cursor=full[-1])),
        _BY_CURSOR_FIRST: (listed(cursor=""), listed(cursor=full[-1])),
        "by index, last : first": (listed(), listed(startIndex=(len(full) - 1) * _PAGE + 1)),
    }
    outcomes = []
    for name, asked in pages.items():
        earlier, last = (Side(partial(_repeated, filled, request), 10) for request in asked)
        figures = compare({"earlier": earlier, "last": last}, rounds)
        outcomes.append(Outcome(name, figures["earlier"], figures["last"]))
    return outcomes


def _repeated(filled: Filled, request: Call, number: int) -> float:
    return filled.server.spend([request] * number)


# --- the loads ---


def _sent(filled: Filled, requests: Iterator[Call]) -> Batch:
    return lambda n: filled.server.spend([next(requests) for _ in range(n)])


def _numbers(filled: Filled) -> Iterator[int]:
    return (n * _STRIDE % filled.size for n in count(1))


def _by_user_name(filled: Filled) -> Batch:
    return _sent(
        filled, (call("GET", "/Users", filter=f'userName eq "{people.user_name(n)}"') for n in _numbers(filled))
    )


def _by_external_id(filled: Filled) -> Batch:
    asked = "externalId eq"
    return _sent(filled, (call("GET", "/Users", filter=f'{asked} "{people.external_id(n)}"') for n in _numbers(filled)))


def _by_work_email(filled: Filled) -> Batch:
    asked = 'emails[type eq "work"].value eq'
    return _sent(filled, (call("GET", "/Users", filter=f'{asked} "{people.work_email(n)}"') for n in _numbers(filled)))


def _create(filled: Filled) -> Batch:
    return _sent(filled, (call("POST", "/Users", people.user(n)) for n in count(filled.size)))


def _patch_user(filled: Filled) -> Batch:
    turns = enumerate(_numbers(filled))
    return _sent(filled, (call("PATCH", f"/Users/{filled.ids[n]}", people.one_change(turn)) for turn, n in turns))


def _add_member(filled: Filled) -> Batch:
    """Adds members one by one; what takes them out again doesn't count."""
    return lambda n: _there_and_back(filled, n)[0]


def _remove_member(filled: Filled) -> Batch:
    """Removes members one by one; what puts them in before doesn't count."""
    return lambda n: _there_and_back(filled, n)[1]


def _there_and_back(filled: Filled, n: int) -> tuple[float, float]:
    path = f"/Groups/{filled.ids[0]}"
    others = [people.member(filled.size + k) for k in range(n)]
    adding = filled.server.spend([call("PATCH", path, people.adding(other)) for other in others])
    return adding, filled.server.spend([call("PATCH", path, people.removing(other)) for other in others])


def _without_members(filled: Filled) -> Batch:
    request = call("GET", f"/Groups/{filled.ids[0]}", excludedAttributes="members")
    return lambda n: filled.server.spend([request] * n)


# A PATCH of a user changes nothing that the filters before it ask for.
_OF_USERS: Final[dict[str, Load]] = {
    'filter `userName eq "…"`': _by_user_name,
    'filter `externalId eq "…"`': _by_external_id,
    'filter `emails[type eq "work"].value eq "…"`': _by_work_email,
    "PATCH a user": _patch_user,
    "create a user": _create,
}
_OF_MEMBERS: Final[dict[str, Load]] = {
    "PATCH adding one member": _add_member,
    "PATCH removing one member": _remove_member,
    "GET a group with `excludedAttributes=members`": _without_members,
}
