"""Binds a filter to a resource type: resolves names, converts values, and pushes `not` to the leaves. Knows no store.

How it works: a bound filter is evaluated on search fields (`search_fields`). Every leaf is true or false there: a
comparison with a missing value is false, and a negated leaf is its exact complement. `ne` is a negated `eq`. `evaluate`
evaluates these trees, and the stores compile them to SQL.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from scim.protocol import datetimes, folding, search_fields, tolerances
from scim.protocol.errors import InvalidFilter
from scim.protocol.filter import syntax
from scim.protocol.schema.model import Attribute, Place, ResourceType

type Where = tuple[str, ...]
"""The names that lead from the search fields, or from an element, to a value; empty for the element itself."""

type TestOperator = Literal["eq", "co", "sw", "ew", "gt", "ge", "lt", "le"]


@dataclass(frozen=True, slots=True)
class Test:
    """A comparison of a value in the search fields."""

    where: Where
    op: TestOperator
    value: str | bool | int | float
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Exists:
    """A value exists."""

    where: Where
    negated: bool = False


@dataclass(frozen=True, slots=True)
class AnyElement:
    """An element of the list satisfies `inner`, whose leaves start at the element."""

    where: Where
    inner: "Bound"
    negated: bool = False


@dataclass(frozen=True, slots=True)
class RelatedTo:
    """A membership joins the resource to the one with the id `value`: `members eq` or `groups eq`."""

    value: str


@dataclass(frozen=True, slots=True)
class IdIn:
    """The resource has one of these ids. The service replaces each `RelatedTo` by this before a store gets the tree."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class All:
    """All terms are true; true without terms."""

    terms: tuple["Bound", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one term is true; false without terms."""

    terms: tuple["Bound", ...]


type Bound = Test | Exists | AnyElement | RelatedTo | IdIn | All | AnyOf

TRUE: Final = All(())
FALSE: Final = AnyOf(())

_ORDER: Final = frozenset({"gt", "ge", "lt", "le"})
_TEXT: Final = frozenset({"co", "sw", "ew"})
# Not in the search fields, because the store assigns them, or they depend on the URL of the request.
_UNFILTERABLE: Final = frozenset({("meta", "location"), ("meta", "version")})


def bind(tree: syntax.Filter, resource_type: ResourceType, *, unknown: set[str] | None = None) -> Bound:
    """Return the filter bound to a resource type. Raises `InvalidFilter`.

    With `unknown`, for queries of several resource types (RFC 7644 §3.4.2.1), an attribute that this type doesn't have
    counts as an attribute without a value, and its name is added to `unknown`.
    """
    return _Binder(resource_type, unknown).bind(tree, negated=False)


class _Binder:
    def __init__(self, resource_type: ResourceType, unknown: set[str] | None) -> None:
        self._resource_type = resource_type
        self._unknown = unknown

    def bind(self, tree: syntax.Filter, *, negated: bool) -> Bound:
        match tree:
            case syntax.Not(inner):
                return self.bind(inner, negated=not negated)
            case syntax.And(terms) | syntax.Or(terms):
                return _joined(tree, tuple(self.bind(term, negated=negated) for term in terms), negated)
            case syntax.Compare(path) | syntax.Present(path) | syntax.ValuePath(path):
                return self._leaf(tree, path, negated)

    def _leaf(
        self, tree: syntax.Compare | syntax.Present | syntax.ValuePath, path: syntax.Path, negated: bool
    ) -> Bound:
        urn = self._resource_type.extension(str(path))
        if urn is not None:
            if not isinstance(tree, syntax.Present):
                raise InvalidFilter("An extension as a whole can only be tested with 'pr'.")
            return Exists((urn.id,), negated)
        located = locate(path, self._resource_type)
        if located is None:
            if self._unknown is None:
                raise InvalidFilter(f"{self._resource_type.name} has no attribute '{path}'.")
            self._unknown.add(str(path).lower())
            return _without_value(tree, negated)
        place, sub = located
        attribute = place.attribute
        if place.extension is None and attribute.name == self._resource_type.relation:
            return _linked(tree, attribute, sub, negated)
        prefix = (attribute.name,) if place.extension is None else (place.extension, attribute.name)
        return _attribute(tree, attribute, sub, prefix, negated)


def _joined(tree: syntax.And | syntax.Or, terms: tuple[Bound, ...], negated: bool) -> Bound:
    # De Morgan: the complement of "all" is "any complement".
    every = isinstance(tree, syntax.And) is not negated
    terms = _merged(terms, negated=every)
    return All(terms) if every else AnyOf(terms)


def _merged(terms: tuple[Bound, ...], *, negated: bool) -> tuple[Bound, ...]:
    """Return the terms with those `AnyElement` merged that have the same path and (not) `negated`.

    "An element is A or an element is B" equals "an element is A or B", and likewise for the complements. The store then
    reads the elements once, and Cosmos DB limits the subqueries of a query.
    """
    inner: dict[Where, list[Bound]] = {}
    for term in terms:
        if isinstance(term, AnyElement) and term.negated is negated:
            inner.setdefault(term.where, []).append(term.inner)
    if all(len(several) == 1 for several in inner.values()):
        return terms
    merged: dict[Bound | Where, Bound] = {}
    for term in terms:
        if isinstance(term, AnyElement) and term.negated is negated:
            merged[term.where] = AnyElement(term.where, AnyOf(tuple(inner[term.where])), negated)
        else:
            merged[term] = term
    return tuple(merged.values())


def locate(path: syntax.Path, resource_type: ResourceType) -> tuple[Place, Attribute | None] | None:
    """Return the attribute of a path, and the sub-attribute if the path has one; `None` if the resource type has no
    such attribute.
    """
    place = resource_type.find_in(path.urn, path.attribute) if path.urn else resource_type.find(path.attribute)
    if place is None and path.urn is not None and path.sub is not None:
        place = resource_type.find_in(*tolerances.dot_before_extension_attribute(path.urn, path.attribute, path.sub))
        return None if place is None else (place, None)
    if place is None:
        return None
    if path.sub is None:
        return place, None
    sub = place.attribute.sub(path.sub)
    return None if sub is None else (place, sub)


def elements(tree: syntax.Filter, attribute: Attribute) -> Bound:
    """Return a value filter (the filter in brackets) bound to the elements of `attribute`. Raises `InvalidFilter`."""
    return _bind_inner(tree, _scope(attribute, ()), negated=False)


def leaves(bound: Bound) -> int:
    """Return the largest number of comparisons that the filter makes; at least one."""
    match bound:
        case All(terms) | AnyOf(terms):
            return max(1, sum(map(leaves, terms)))
        case AnyElement(_, inner):
            return leaves(inner)
    return 1


type _Scope = Mapping[str, tuple[Where, Attribute]]


def _scope(attribute: Attribute, where: Where) -> _Scope:
    """Return the names that a filter in the brackets of `attribute` can use."""
    if attribute.type == "complex":
        return {name: ((*where, sub.name), sub) for name, sub in attribute.sub_attributes.items()}
    # RFC 7643 §2.4: an element of a simple multi-valued attribute is called `value`.
    return {"value": (where, replace(attribute, multi_valued=False))}


def _attribute(
    tree: syntax.Compare | syntax.Present | syntax.ValuePath,
    attribute: Attribute,
    sub: Attribute | None,
    where: Where,
    negated: bool,
) -> Bound:
    """Return the leaf for `attribute`, whose path in the search fields is `where`. Raises `InvalidFilter`."""
    if attribute.returned == "never" or (sub is not None and sub.returned == "never"):
        raise InvalidFilter(f"'{tree.path}' is never returned, so it can't be searched.")
    if isinstance(tree, syntax.ValuePath):
        if sub is not None or (attribute.type != "complex" and not attribute.multi_valued):
            raise InvalidFilter(f"'{tree.path}' is not multi-valued or complex, so it can't have a filter in brackets.")
        if not attribute.multi_valued:
            return _bind_inner(tree.filter, _scope(attribute, where), negated=negated)
        return AnyElement(where, elements(tree.filter, attribute), negated)
    if (where if sub is None else (*where, sub.name)) in _UNFILTERABLE:
        raise InvalidFilter(f"'{tree.path}' can't be part of a filter.")
    if isinstance(tree, syntax.Present) or tree.value is None:
        negated ^= _is_null_test(tree)
        if attribute.multi_valued and sub is not None:
            return AnyElement(where, Exists((sub.name,)), negated)
        return Exists((*where, sub.name) if sub is not None else where, negated)
    if attribute.type == "complex" and sub is None:
        sub = attribute.value
        if sub is None:
            raise InvalidFilter(f"'{tree.path}' is complex: a comparison needs one of its sub-attributes.")
    if attribute.multi_valued:
        inner = _test(tree, sub or attribute, () if sub is None else (sub.name,), negated=False)
        return AnyElement(where, inner, negated)
    return _test(tree, sub or attribute, where if sub is None else (*where, sub.name), negated)


def _bind_inner(tree: syntax.Filter, scope: _Scope, *, negated: bool) -> Bound:
    match tree:
        case syntax.Not(inner):
            return _bind_inner(inner, scope, negated=not negated)
        case syntax.And(terms) | syntax.Or(terms):
            return _joined(tree, tuple(_bind_inner(term, scope, negated=negated) for term in terms), negated)
        case syntax.ValuePath():
            raise InvalidFilter("Brackets can't stand within brackets.")
        case syntax.Compare(path) | syntax.Present(path):
            known = scope.get(path.attribute.lower()) if path.urn is None and path.sub is None else None
            if known is None:
                raise InvalidFilter(f"'{path}' is not a sub-attribute of the attribute before the brackets.")
            where, attribute = known
            return _attribute(tree, attribute, None, where, negated)


def _is_null_test(tree: syntax.Compare | syntax.Present) -> bool:
    """Return whether the leaf is `x eq null`, which means `not (x pr)`; `x ne null` means `x pr`. Raises
    `InvalidFilter` for other operators.
    """
    if isinstance(tree, syntax.Present):
        return False
    if tree.op not in {"eq", "ne"}:
        raise InvalidFilter(f"'{tree.op}' can't compare with null.")
    return tree.op == "eq"


def _test(tree: syntax.Compare, attribute: Attribute, where: Where, negated: bool) -> Bound:
    op = tree.op
    value = _literal(tree, attribute)
    if op == "ne":
        return Test(where, "eq", value, not negated)
    if op in _TEXT and value == "":
        return Exists(where, negated)  # every string contains the empty string
    return Test(where, op, value, negated)


def _literal(tree: syntax.Compare, attribute: Attribute) -> str | bool | int | float:
    """Return the comparison value in the form that values of this attribute have in the search fields. Raises
    `InvalidFilter`.
    """
    op, value, data_type = tree.op, tree.value, attribute.type
    if data_type == "boolean":
        value = tolerances.boolean(value)
        if not isinstance(value, bool) or op in _ORDER | _TEXT:
            raise InvalidFilter(f"'{tree.path}' is a boolean: it compares by eq and ne with true and false.")
        return value
    if data_type in {"binary", "complex"}:
        raise InvalidFilter(f"'{tree.path}' is {data_type}: it can only be tested with 'pr'.")
    if data_type in {"integer", "decimal"}:
        if not isinstance(value, syntax.Number) or op in _TEXT:
            raise InvalidFilter(f"'{tree.path}' is a number: it compares with numbers, by eq, ne, gt, ge, lt and le.")
        return search_fields.number(value.value)
    if isinstance(value, syntax.Number | syntax.Bare):
        value = tolerances.unquoted_value(str(value))
    if not isinstance(value, str):
        raise InvalidFilter(f"'{tree.path}' compares with a string.")
    if data_type == "dateTime" and op not in _TEXT:
        moment = datetimes.normal(value)
        if moment is None:
            raise InvalidFilter(f"'{tree.path}' compares with a dateTime such as 2026-01-31T09:30:00Z.")
        return moment
    literal = value if attribute.case_exact or data_type == "dateTime" else folding.fold(value)
    if len(literal.encode()) > search_fields.MAX_BYTES:
        raise InvalidFilter(
            f"'{tree.path}' can't be compared with a value of more than {search_fields.MAX_BYTES} bytes."
        )
    return literal


def _linked(
    tree: syntax.Compare | syntax.Present | syntax.ValuePath, relation: Attribute, sub: Attribute | None, negated: bool
) -> Bound:
    """Return the leaf for `members` or `groups`. Only equality with one id is possible without reading all memberships.
    Raises `InvalidFilter`.
    """
    if not negated and isinstance(tree, syntax.ValuePath) and sub is None:
        terms = tree.filter.terms if isinstance(tree.filter, syntax.Or) else (tree.filter,)
        if all(isinstance(t, syntax.Compare) and str(t.path).lower() == "value" for t in terms):
            return AnyOf(tuple(_linked(t, relation, None, negated) for t in terms if isinstance(t, syntax.Compare)))
    by_value = isinstance(tree, syntax.Compare) and tree.op == "eq" and (sub is None or sub.name == "value")
    if by_value and not negated and isinstance(tree, syntax.Compare) and relation.value and tree.value is not None:
        return RelatedTo(str(_literal(tree, relation.value)))
    raise InvalidFilter(f"'{relation.name}' can only be asked for one value: {relation.name} eq \"id\", without 'not'.")


def _without_value(tree: syntax.Compare | syntax.Present | syntax.ValuePath, negated: bool) -> Bound:
    """Return the leaf for an attribute that the resource type doesn't have."""
    if isinstance(tree, syntax.Compare):
        holds = tree.op == ("eq" if tree.value is None else "ne")
    else:
        holds = False
    return TRUE if holds is not negated else FALSE
