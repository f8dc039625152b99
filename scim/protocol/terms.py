"""Derives the values of an element from the filter of a value path. Knows no resource."""

from scim.protocol import filter as syntax
from scim.protocol.errors import NoTarget
from scim.protocol.json import Json, JsonObject
from scim.protocol.schema import Attribute
from scim.protocol.values import value as canonical


def described(tree: syntax.Filter, attribute: Attribute) -> JsonObject:
    """Return the values of an element that a value path creates. Raises `NoTarget` if the filter says none."""
    terms = eq_terms(tree, attribute)
    if not terms and attribute.type == "complex":
        raise NoTarget(
            f"No element of '{attribute.label}' matches the filter, and the filter has no 'eq' comparison to create one "
            "from."
        )
    return terms


def eq_terms(tree: syntax.Filter, attribute: Attribute) -> JsonObject:
    """Return the values that the filter's `eq` terms give to an element that it would pick (Entra relies on that)."""
    terms: JsonObject = {}
    for term in tree.terms if isinstance(tree, syntax.And) else (tree,):
        if isinstance(term, syntax.And):
            terms.update(eq_terms(term, attribute))
        elif isinstance(term, syntax.Compare) and term.op == "eq" and term.value is not None:
            sub = attribute.sub(term.path.attribute)
            literal: Json = term.value
            if isinstance(literal, syntax.Number):
                literal = _number(literal) if sub is not None and sub.type in {"integer", "decimal"} else literal.text
            value = canonical(literal, sub) if sub is not None else None
            if sub is not None and value is not None:
                terms[sub.name] = value
    return terms


def _number(literal: syntax.Number) -> Json:
    """Return the number as a body would have it: a filter may write a whole number with an exponent, a body may not."""
    value = literal.value
    return int(value) if isinstance(value, float) and value.is_integer() else value
