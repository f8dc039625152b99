"""Derives the values of an element from the filter of a value path. Knows no resources."""

from scim.protocol.errors import NoTarget
from scim.protocol.filter import syntax
from scim.protocol.json import Json, JsonObject
from scim.protocol.schema.model import Attribute
from scim.protocol.values import value as canonical


def created_values(tree: syntax.Filter, attribute: Attribute) -> JsonObject:
    """Return the values of the element that a value path creates. Raises `NoTarget` if the filter has no `eq`
    comparison.
    """
    terms = eq_terms(tree, attribute)
    if not terms and attribute.type == "complex":
        raise NoTarget(
            f"No element of '{attribute.label}' matches the filter, and the filter has no 'eq' comparison to create one "
            "from."
        )
    return terms


def eq_terms(tree: syntax.Filter, attribute: Attribute) -> JsonObject:
    """Return the values that the `eq` terms of the filter require of an element. Entra relies on them as defaults."""
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
    """Return the number as a body can have it: a filter may write a whole number with an exponent, a body may not."""
    value = literal.value
    return int(value) if isinstance(value, float) and value.is_integer() else value
