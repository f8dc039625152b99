"""The Functions host's routing, as far as it decides which function gets a request.

The host sorts the functions by name and the first route that matches wins; a literal has no precedence over a
parameter. Knows templates whose segments are a literal, `{name}` (`?`, `=default` and constraints are allowed) or
`{*name}`; constraints are read as if they let everything through. An empty segment, as in `a//b`, matches nothing but
the inside of a `{*name}` (ASP.NET's `RoutePatternMatcher`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import chain, product
from urllib.parse import quote, unquote_to_bytes

# The host sorts names as text of a culture. These two orders differ in where `_` stands among letters; what holds in
# both holds in any culture, as long as names are letters, digits and underscores.
ORDERS: dict[str, Callable[[str], str]] = {"underscore before letters": str.lower, "underscore after": str.upper}
UNHEARD_OF = "unheard-of"

_ENCODED = re.compile(r"(?:%(?!2f)[0-9a-f]{2})+", re.IGNORECASE)
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def decoded(path: str) -> str:
    """A path as the server in front of the host hands it on: decoded but for `%2F`, and then without dot segments.

    What isn't UTF-8 stays encoded (Kestrel's `UrlDecoder` and `PathNormalizer`).
    """

    def text(found: re.Match[str]) -> str:
        try:
            return unquote_to_bytes(found[0]).decode()
        except UnicodeDecodeError:
            return found[0]

    kept: list[str] = []
    parts = _ENCODED.sub(text, path).split("/")
    for part in parts:
        if part == "..":
            del kept[max(len(kept) - 1, 1) :]  # the empty part before the first slash stays
        elif part != ".":
            kept.append(part)
    return "/".join(kept) + ("/" if parts[-1] in (".", "..") else "")


def encoded(path: str) -> str:
    """A decoded path as it stands in the URL that the worker gets (`PathString.ToUriComponent`).

    What looks percent-encoded stays as it is, so `%252F` and `%2F` come out the same.
    """
    return quote(_LONE_PERCENT.sub("%25", path), safe="!$&'()*+,-./:;=@_~%")


def segments(route: str) -> list[str]:
    return [segment for segment in route.split("/") if segment]


def match(route: str, path: str) -> dict[str, str] | None:
    """The route parameters when the decoded `path` matches, else None. An empty value has no key.

    The case of literals doesn't matter; a trailing slash doesn't either, but `{*rest}` has it in its value.
    """
    parts = path.removeprefix("/").split("/")
    last = len(parts) - (parts[-1] == "")
    found: dict[str, str] = {}
    templates = segments(route)
    for number, segment in enumerate(templates):
        name = segment.strip("{}")
        if number < last and not parts[number]:
            return None
        if name.startswith("*"):
            return found | ({name.lstrip("*"): "/".join(parts[number:])} if number < last else {})
        if number >= last:
            if segment.endswith("?}") or "=" in segment:
                continue
            return None
        if segment != name:
            found[name.partition(":")[0].partition("=")[0].rstrip("?")] = parts[number]
        elif parts[number].lower() != segment.lower():
            return None
    return None if last > len(templates) else found


def first_match(
    routes: Mapping[str, str], path: str, order: Callable[[str], str] = str.lower
) -> tuple[str, dict[str, str]] | None:
    """The name of the function that gets the decoded `path`, of those in `routes`, and its route parameters."""
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
