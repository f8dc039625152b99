"""Fills a server and makes the requests that are measured on it, as identity providers send them."""

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any, Final

from benchmarks import people
from benchmarks.served import Call, Served, call

USERS: Final = 1_000
LISTED: Final = 100
MEMBERS: Final = 10_000
# Steps through the users in an order that hits all of them and looks random to caches.
_STRIDE: Final = 7_919

type Load = Callable[[Served], Iterator[Call]]
"""Fills a server and returns the requests to measure, without end."""


def created(server: Served, path: str, bodies: Sequence[dict[str, Any]]) -> list[str]:
    """Create resources; their ids."""
    ids: list[str] = []
    for body in bodies:
        answer = server.send(call("POST", path, body))
        if answer.status != 201:
            raise RuntimeError(f"filling failed: {answer.status} {answer.body[:500]!r}")
        ids.append(answer.json["id"])
    return ids


def users(server: Served, number: int = USERS) -> list[str]:
    """Create users; their ids."""
    return created(server, "/Users", [people.user(n) for n in range(number)])


def group(server: Served, members: int) -> str:
    """Create a group with so many members, ids that the store doesn't know; its id."""
    return group_of(server, [people.member(n) for n in range(members)])


def group_of(server: Served, ids: Sequence[str]) -> str:
    """Create a group with these members; its id."""
    listed = [{"value": id} for id in ids]
    return created(server, "/Groups", [{**people.group(0), "members": listed}])[0]


def create(server: Served) -> Iterator[Call]:
    """Create one user after another."""
    users(server)
    return (call("POST", "/Users", people.user(n)) for n in count(USERS))


def get(server: Served) -> Iterator[Call]:
    """Read a user."""
    ids = users(server)
    return (call("GET", f"/Users/{ids[n * _STRIDE % len(ids)]}") for n in count())


def filter_hit(server: Served) -> Iterator[Call]:
    """Find a user by `userName`."""
    users(server)
    names = (people.user_name(n * _STRIDE % USERS) for n in count())
    return (call("GET", "/Users", filter=f'userName eq "{name}"', count=10) for name in names)


def five_operations(server: Served) -> Iterator[Call]:
    """PATCH a user with five operations that all change something."""
    ids = users(server)
    return (call("PATCH", f"/Users/{ids[n * _STRIDE % len(ids)]}", people.five_changes(n)) for n in count())


def page(server: Served) -> Iterator[Call]:
    """List all users of a store that has no more than the page: scim2-server sorts all that it has for each page."""
    users(server, LISTED)
    return (call("GET", "/Users", count=LISTED) for _ in count())


def add_member(server: Served) -> Iterator[Call]:
    """Add one member after another to a large group."""
    path = f"/Groups/{group(server, MEMBERS)}"
    return (call("PATCH", path, people.adding(people.member(n))) for n in count(MEMBERS))
