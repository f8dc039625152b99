"""The Functions host's routing, as far as it decides which function gets a request.

The host sorts the functions by name and the first route that matches wins; a literal has no precedence over a
parameter. Knows templates whose segments are a literal, `{name}` (`?`, `=default` and constraints are allowed) or
`{*name}`; constraints are read as if they let everything through. No function gets a path with an empty segment:
ASP.NET's matcher refuses `a//b` for every route, and the host answers an empty 404 itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain, product
from urllib.parse import unquote

# The host sorts names as text of a culture. These two orders differ in where `_` stands among letters; what holds in
# both holds in any culture, as long as names are letters, digits and underscores.
ORDERS: dict[str, Callable[[str], str]] = {"underscore before letters": str.lower, "underscore after": str.upper}
UNHEARD_OF = "unheard-of"


def segments(route: str) -> list[str]:
    return [segment for segment in route.split("/") if segment]


def match(route: str, path: str) -> dict[str, str] | None:
    """The route parameters when `path` (still percent-encoded) matches, else None. An empty value has no key.

    The case of literals doesn't matter; a trailing slash doesn't either.
    """
    parts = path.strip("/").split("/") if path.strip("/") else []
    if path.startswith("//") or path.endswith("//") or "" in parts:
        return None
    found: dict[str, str] = {}
    for segment in segments(route):
        name = segment.strip("{}")
        if name.startswith("*"):
            return found | ({name.lstrip("*"): unquote("/".join(parts))} if parts else {})
        if not parts:
            if segment.endswith("?}") or "=" in segment:
                continue
            return None
        part = unquote(parts.pop(0))
        if segment != name:
            found[name.partition(":")[0].partition("=")[0].rstrip("?")] = part
        elif part.lower() != segment.lower():
            return None
    return None if parts else found


def first_match(
    routes: Mapping[str, str], path: str, order: Callable[[str], str] = str.lower
) -> tuple[str, dict[str, str]] | None:
    """The name of the function that gets `path`, of those in `routes`, and its route parameters."""
    for name in sorted(routes, key=order):
        if (found := match(routes[name], path)) is not None:
            return name, found
    return None


def telling_paths(routes: Iterable[str]) -> set[str]:
    """Paths enough to tell any two of `routes` apart, and to find each place where two of them meet.

    A parameter takes every literal there is and a word that is none of them, a `{*rest}` nothing, one and two of those.
    """
    routes = list(routes)
    literals = {s.lower() for s in chain.from_iterable(map(segments, routes)) if not s.startswith("{")}
    words = [UNHEARD_OF, *sorted(literals)]

    def choices(segment: str) -> list[str]:
        if segment.startswith("{*"):
            return ["", *words, *(f"{UNHEARD_OF}/{word}" for word in words)]
        if segment.endswith("?}"):
            return ["", *words]
        return words if segment.startswith("{") else [segment]

    return {"/".join(filter(None, chosen)) for route in routes for chosen in product(*map(choices, segments(route)))}


def shadowed(routes: Mapping[str, str], order: Callable[[str], str]) -> list[tuple[str, str]]:
    """The pairs `(first, later)` where `first` takes requests that `later` is there for.

    Where two routes meet, the narrower one has to come first: the one whose every path the other one matches too.
    """
    paths = telling_paths(routes.values())
    taken = {name: {path for path in paths if match(route, path) is not None} for name, route in routes.items()}
    names = sorted(routes, key=order)
    pairs = ((first, later) for i, first in enumerate(names) for later in names[i + 1 :])
    return [(first, later) for first, later in pairs if taken[first] & taken[later] and not taken[first] < taken[later]]
