"""Requests within the limits that take long: made from a few numbers, and changed at random to find the worst.

A recipe says what is stored and what is sent. `setting` and `request` write it out, never beyond the limits: what would be
too long is cut.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from types import CodeType
from typing import Any, Final

from scim.protocol.limits import DEFAULT

FILE: Final = Path(__file__).with_name("expensive.json")
_TOOL: Final = sys.monitoring.PROFILER_ID

TEXTS: Final[Mapping[str, str]] = {
    "ascii": "a",
    "capitals": "Ä",
    "ligature": "\ufdfa",
    "marks": "\u0301\u0316",
    "hangul": "\u1100\u1161\u11a8",
    "half-width": "\uff76\uff9e",
    "astral": "\U0001d400",
}
SUBS: Final = ("value", "type", "display", "primary")
OPERATIONS: Final = (
    "replace-picked-sub",
    "remove-picked-sub",
    "replace-picked",
    "add-picked",
    "remove-picked",
    "primary-picked",
    "replace-every",
    "remove-every",
    "add",
    "replace",
    "remove-listed",
    "remove-listed-by-names",
    "no-path",
    "bracket-keys",
    "unknown",
)
REQUESTS: Final = ("post", "put", "patch", "bulk", "filter", "search", "members")
COMPARISONS: Final = ("eq", "ne", "co", "sw", "ew", "pr")
ATTRIBUTES: Final = ("emails", "phoneNumbers", "ims", "roles", "entitlements")


@dataclass(frozen=True)
class Recipe:
    """One request, and the resource that it meets."""

    request: str = "patch"
    attribute: str = "emails"
    stored: int = 100
    """Elements, or members, that are stored."""
    text: str = "ascii"
    length: int = 10
    """How often the text comes in each value."""
    subs: int = 1
    """How many sub-attributes each element has."""
    operations: tuple[str, ...] = ("replace-picked-sub",)
    """In turn."""
    times: int = 100
    comparison: str = "eq"
    terms: int = 1
    literal: int = 5
    distinct: bool = True
    values: int = 1
    """Elements that an operation, a POST or a PUT brings."""

    @property
    def place(self) -> str:
        """Recipes of one place compete with one another."""
        return f"{self.request}-{self.operations[0]}" if self.request in {"patch", "bulk", "members"} else self.request


def changed(recipe: Recipe, random: Random) -> Recipe:
    """A recipe that differs in one or two things."""
    for _ in range(random.randint(1, 2)):
        what = random.choice(list(asdict(recipe)))
        match what:
            case "request":
                recipe = replace(recipe, request=random.choice(REQUESTS))
            case "attribute":
                recipe = replace(recipe, attribute=random.choice(ATTRIBUTES))
            case "text":
                recipe = replace(recipe, text=random.choice(list(TEXTS)))
            case "comparison":
                recipe = replace(recipe, comparison=random.choice(COMPARISONS))
            case "subs":
                recipe = replace(recipe, subs=random.randint(1, len(SUBS)))
            case "distinct":
                recipe = replace(recipe, distinct=not recipe.distinct)
            case "operations":
                named = tuple(random.choice(OPERATIONS) for _ in range(random.randint(1, 3)))
                recipe = replace(recipe, operations=named)
            case number:
                old = getattr(recipe, number)
                factor = random.choice((0.5, 0.9, 1.1, 2, 4, 16))
                recipe = replace(recipe, **{number: min(100_000, max(1, round(old * factor) + random.randint(-1, 1)))})
    return recipe


def setting(recipe: Recipe) -> tuple[str, Any]:
    """The endpoint of what must be there, and its body."""
    if recipe.request == "members":
        members = _fitting([_member(recipe, at) for at in range(min(recipe.stored, DEFAULT.members))], 900_000)
        return "/Groups", {"displayName": "all", "members": members}
    stored = _fitting([_element(recipe, at) for at in range(recipe.stored)], DEFAULT.resource_bytes - 20_000)
    return "/Users", {"userName": "somebody", recipe.attribute: stored}


def request(recipe: Recipe, at: str) -> tuple[str, str, Any, dict[str, str]]:
    """Method, path, body and parameters of the request to the resource at `at`."""
    most = DEFAULT.body_bytes - 10_000
    match recipe.request:
        case "post" | "put":
            brought = _fitting([_element(recipe, at) for at in range(recipe.values * recipe.times)], most)
            body = {"userName": "somebody", recipe.attribute: brought}
            return (
                ("POST", "/Users", {**body, "userName": "else"}, {})
                if recipe.request == "post"
                else ("PUT", at, body, {})
            )
        case "filter":
            return "GET", "/Users", None, {"filter": _filter(recipe, f"{recipe.attribute}.", 0)}
        case "search":
            return "POST", "/.search", {"filter": f"{recipe.attribute}[{_filter(recipe, '', 0)}]"}, {}
    operations = _fitting(
        [_operation(recipe, name, number) for number in range(min(recipe.times, DEFAULT.patch_operations))
         for name in [recipe.operations[number % len(recipe.operations)]]],
        most,
    )  # fmt: skip
    body = {"Operations": operations}
    if recipe.request == "bulk":
        return "POST", "/Bulk", {"Operations": [{"method": "PATCH", "path": at, "data": body}]}, {}
    return "PATCH", at, body, {}


def _fitting(parts: list[Any], most: int) -> list[Any]:
    """As many of the parts as have room in so many bytes of JSON."""
    size = 0
    for number, part in enumerate(parts):
        size += len(json.dumps(part, ensure_ascii=False).encode()) + 1
        if size > most:
            return parts[:number]
    return parts


def _value(recipe: Recipe, number: int) -> str:
    return TEXTS[recipe.text] * min(recipe.length, 50_000) + f"{number:x}"


def _element(recipe: Recipe, number: int) -> dict[str, Any]:
    whole = {"value": _value(recipe, number), "type": f"{number % 7}", "display": f"d{number}", "primary": number == 0}
    return {name: whole[name] for name in SUBS[: recipe.subs]}


def _member(recipe: Recipe, number: int) -> dict[str, Any]:
    return {"value": f"{number:x}", "display": TEXTS[recipe.text] * min(recipe.length, 80) + f"{number:x}"}


def _filter(recipe: Recipe, prefix: str, number: int) -> str:
    name = "display" if recipe.request == "members" else "value"
    literal = "x" * min(recipe.literal, 500) + (f"{number:x}" if recipe.distinct else "")
    term = f"{prefix}{name} {recipe.comparison}" + ("" if recipe.comparison == "pr" else f' "{literal}"')
    most = DEFAULT.filter_characters - 100
    return " or ".join([term] * max(1, min(recipe.terms, most // (len(term) + 4))))


def _operation(recipe: Recipe, name: str, number: int) -> dict[str, Any]:
    attribute = "members" if recipe.request == "members" else recipe.attribute
    make = _member if recipe.request == "members" else _element
    picked = f"{attribute}[{_filter(recipe, '', number)}]"
    varied = f"{number:x}" if recipe.distinct else "x"
    brought = [make(recipe, number * recipe.values + at) for at in range(min(recipe.values, 20_000))]
    match name:
        case "replace-picked-sub":
            return {"op": "replace", "path": f"{picked}.display", "value": varied}
        case "remove-picked-sub":
            return {"op": "remove", "path": f"{picked}.display"}
        case "replace-picked" | "add-picked":
            return {"op": name.partition("-")[0], "path": picked, "value": brought}
        case "remove-picked":
            return {"op": "remove", "path": picked}
        case "primary-picked":
            return {"op": "replace", "path": f"{picked}.primary", "value": True}
        case "replace-every":
            return {"op": "replace", "path": f"{attribute}.display", "value": varied}
        case "remove-every":
            return {"op": "remove", "path": f"{attribute}.display"}
        case "add" | "replace":
            return {"op": name, "path": attribute, "value": brought}
        case "remove-listed":
            return {"op": "remove", "path": attribute, "value": brought}
        case "remove-listed-by-names":
            return {
                "op": "remove",
                "path": attribute,
                "value": [{n: v for n, v in e.items() if n != "value"} for e in brought],
            }
        case "no-path":
            return {"op": "replace", "value": {attribute: brought}}
        case "bracket-keys":
            return {"op": "add", "value": {f"{picked}.display": varied, "title": "x"}}
    return {"op": "add", "path": f"nothing{number}.at", "value": varied}


class Steps:
    """Counts what the interpreter does while it is open: functions begun, calls, and rounds of loops, C code's own apart."""

    def __init__(self) -> None:
        self.taken = 0

    def __enter__(self) -> "Steps":
        events = sys.monitoring.events
        sys.monitoring.use_tool_id(_TOOL, "tests.soak")
        for event in (events.PY_START, events.CALL, events.JUMP):
            sys.monitoring.register_callback(_TOOL, event, self._step)
        sys.monitoring.set_events(_TOOL, events.PY_START | events.CALL | events.JUMP)
        return self

    def __exit__(self, *raised: object) -> None:
        sys.monitoring.set_events(_TOOL, sys.monitoring.events.NO_EVENTS)
        sys.monitoring.free_tool_id(_TOOL)

    def _step(self, code: CodeType, *rest: object) -> None:
        self.taken += 1


def kept() -> list[Recipe]:
    """The most expensive that earlier searches have found."""
    rows = json.loads(FILE.read_text(encoding="ascii")) if FILE.exists() else []
    return [Recipe(**{**row, "operations": tuple(row["operations"])}) for row in rows]


def keep(recipes: Iterator[Recipe]) -> None:
    """Keep these and no others."""
    rows = [json.dumps(asdict(recipe)) for recipe in sorted(recipes, key=lambda recipe: recipe.place)]
    FILE.write_text("[\n " + ",\n ".join(rows) + "\n]\n", encoding="ascii")


def climb(
    best: dict[str, tuple[int, Recipe]], measure: Callable[[Recipe], int], random: Random, rounds: int
) -> dict[str, tuple[int, Recipe]]:
    """Change one of the best recipes in each round, and keep the result if it takes more steps than the best of its place."""
    best = dict(best)
    for _ in range(rounds):
        _, parent = random.choice(list(best.values()))
        child = changed(parent, random)
        steps = measure(child)
        if steps > best.get(child.place, (0, child))[0]:
            best[child.place] = steps, child
    return best
