# ruff: noqa: RUF001 - folding is about letters that look alike
"""Where this service and scim2-models answer differently by design, each with its reason and an example.

The property tests leave these cases out and nothing else. A row whose example no longer differs fails a test, so that
a row can't outlive its reason.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from unicodedata import normalize

from scim.protocol import datetimes, folding, search_fields
from scim.protocol.errors import InvalidFilter
from scim.protocol.filter import binding, syntax
from scim.protocol.filter.evaluate import matches
from scim.protocol.filter.syntax import And, Compare, Filter, Not, Or, Present, ValuePath
from scim.protocol.json import JsonObject
from scim.protocol.messages import PatchOperation
from scim.protocol.schema.model import Attribute
from tests.properties.strategies import ENTERPRISE, USER

TEXT: Final = {"co", "sw", "ew"}
LONG: Final = "x" * 1025


@dataclass(frozen=True)
class Asked:
    """A leaf of a filter and what it meets in a resource."""

    op: str
    literal: Any
    whole: Attribute
    sub: Attribute | None
    in_brackets: bool
    values: list[Any]

    @property
    def compared(self) -> Attribute:
        """The attribute whose values are compared."""
        return self.sub or self.whole.value or self.whole

    @property
    def several(self) -> bool:
        """Whether the leaf asks about several values at once."""
        return self.whole.multi_valued and not self.in_brackets

    @property
    def compares(self) -> bool:
        return self.op != "pr" and self.literal is not None

    @property
    def texts(self) -> list[str]:
        return [text for text in [self.literal, *self.values] if isinstance(text, str)]


def _never(_: Asked) -> bool:
    return False


@dataclass(frozen=True)
class FilterDifference:
    """A kind of leaf that is answered differently."""

    name: str
    reason: str
    filter: str
    user: Mapping[str, Any]
    ours: bool | str
    theirs: bool | str
    holds: Callable[[Asked], bool] = field(default=_never)
    """Which generated leaves are of this kind; never, where none are generated."""


def _folds_differently(asked: Asked) -> bool:
    if asked.compared.type not in {"string", "reference"} or not asked.compares:
        return False
    for text in asked.texts:
        composed = normalize("NFC", text)
        theirs = composed if asked.compared.case_exact else normalize("NFC", composed.lower())
        if theirs != (text if asked.compared.case_exact else folding.fold(text)):
            return True
    return False


EMAIL: Final = {"type": "work", "value": "a@example.com"}

FILTERS: Final = (
    FilterDifference(
        "ne on several values",
        "RFC 7644 §3.4.2.2: a multi-valued attribute matches if any of its values does; theirs asks that none equals",
        'emails.type ne "work"',
        {"emails": [EMAIL, {"type": "home", "value": "b@example.com"}]},
        True,
        False,
        lambda a: a.several and a.op == "ne" and a.compares,
    ),
    FilterDifference(
        "ne on no values",
        "the same rule without any value: no value differs, so nothing matches",
        'emails.type ne "work"',
        {},
        False,
        True,
        lambda a: a.several and a.op == "ne" and a.compares,
    ),
    FilterDifference(
        "null for a sub-attribute of several values",
        "`x eq null` is `not (x pr)` everywhere; theirs holds if one of the values lacks it",
        "emails.display eq null",
        {"emails": [EMAIL, {"type": "home", "display": "x"}]},
        False,
        True,
        lambda a: a.several and a.sub is not None and a.op != "pr" and a.literal is None,
    ),
    FilterDifference(
        "a complex attribute that has no value",
        "there is nothing to compare, so the filter is wrong; theirs answers",
        'name eq "x"',
        {},
        "error",
        False,
        lambda a: a.compares and a.sub is None and a.whole.type == "complex" and a.whole.value is None,
    ),
    FilterDifference(
        "meta.location and meta.version",
        "they depend on the address and on the store, so they aren't searched; an answer would be a wrong one",
        "meta.version pr",
        {},
        "error",
        False,
        lambda a: a.whole.name == "meta" and a.sub is not None and a.sub.name in {"location", "version"},
    ),
    FilterDifference(
        "an attribute that is never returned",
        "a filter on a password would tell about it; theirs takes eq and ne",
        'password eq "x"',
        {},
        "error",
        False,
        lambda a: a.whole.returned == "never",
    ),
    FilterDifference(
        "binary values",
        "they aren't in the folded copy and can only be tested with pr (docs/semantics.md: no gt on binary; nothing asks for eq)",
        'x509Certificates.value eq "YQ=="',
        {"x509Certificates": [{"value": "YQ=="}]},
        "error",
        True,
        lambda a: a.compares and a.compared.type == "binary",
    ),
    FilterDifference(
        "the form of an address or a URL in a filter",
        "a comparison with a text of another form is false, not an error; Entra asks for whatever the directory holds",
        'emails.value eq "not an address"',
        {},
        False,
        "error",
        lambda a: (
            a.compares
            and a.op not in TEXT
            and (a.compared.type == "reference" or (a.whole.name == "emails" and a.compared.name == "value"))
        ),
    ),
    FilterDifference(
        "full- and half-width letters and the final sigma",
        "docs/adr/0024: texts compare by RFC 8265 §3.3; theirs compares in NFC and lower case",
        'title eq "ABC"',
        {"title": "ＡＢＣ"},
        True,
        False,
        _folds_differently,
    ),
    FilterDifference(
        "normal forms of what is case exact",
        "a case-exact text compares as it is; theirs compares in NFC",
        'externalId eq "\u00e9"',
        {"externalId": "e\u0301"},
        False,
        True,
        _folds_differently,
    ),
    FilterDifference(
        "letter case of the URNs in schemas",
        "RFC 7643 §2.3.7: a reference is case exact; theirs compares without regard to case",
        'schemas co "SCHEMAS:core"',
        {},
        False,
        True,
        lambda a: a.whole.name == "schemas" and a.compares,
    ),
    FilterDifference(
        "parts of a date",
        "a date compares as the text of its moment in UTC; theirs has no texts for dates",
        'meta.created co "2026-01"',
        {},
        True,
        False,
        lambda a: a.compared.type == "dateTime" and a.op in TEXT,
    ),
    FilterDifference(
        "the seventh digit of a second",
        "Entra writes seven; theirs keeps six",
        'meta.lastModified eq "2026-01-31T09:30:00.0000001Z"',
        {},
        False,
        True,
        lambda a: a.compared.type == "dateTime" and any("." in t and len(t.partition(".")[2]) > 7 for t in a.texts),
    ),
    FilterDifference(
        "what is no date",
        "a date compares with dateTimes as RFC 7643 §2.3.5 writes them; theirs takes numbers and other forms too",
        'meta.created gt "20"',
        {},
        "error",
        True,
        lambda a: a.compares and a.compared.type == "dateTime" and datetimes.normal(str(a.literal)) is None,
    ),
    FilterDifference(
        "a date without a zone",
        "it is taken as UTC; theirs can't compare it",
        'meta.created lt "2027-01-01T00:00:00"',
        {},
        True,
        False,
    ),
    FilterDifference(
        "a literal of more than 1 KB",
        "docs/adr/0005: so long a text isn't indexed, so asking for it is an error",
        f'title eq "{LONG}"',
        {"title": LONG},
        "error",
        True,
        lambda a: (
            a.compares
            and any(
                len(folding.fold(t).encode()) > search_fields.MAX_BYTES or len(t.encode()) > search_fields.MAX_BYTES
                for t in a.texts
            )
        ),
    ),
    FilterDifference(
        "a stored text of more than 1 KB",
        "it is there, but isn't compared",
        'title sw "x"',
        {"title": LONG},
        False,
        True,
        lambda a: (
            a.compares
            and any(
                len(folding.fold(t).encode()) > search_fields.MAX_BYTES or len(t.encode()) > search_fields.MAX_BYTES
                for t in a.texts
            )
        ),
    ),
    FilterDifference(
        "a bare name of an extension",
        "docs/semantics.md: a name that only one extension has means that one",
        'department eq "x"',
        {ENTERPRISE: {"department": "x"}},
        True,
        "error",
    ),
    FilterDifference(
        "a dot before an extension's attribute",
        "jobs of Entra's older kind write it so",
        f'{ENTERPRISE}.department eq "x"',
        {ENTERPRISE: {"department": "x"}},
        True,
        "error",
    ),
    FilterDifference(
        "brackets on an attribute with one value",
        "it has an obvious meaning and costs nothing",
        'name[familyName eq "x"]',
        {"name": {"familyName": "x"}},
        True,
        "error",
    ),
    FilterDifference(
        "a text without quotes",
        "Microsoft's documentation shows `externalId eq jyoung`",
        "externalId eq jyoung",
        {"externalId": "jyoung"},
        True,
        "error",
    ),
    FilterDifference(
        "a number where a text is due",
        "a text without quotes may look like a number",
        "externalId eq 12",
        {"externalId": "12"},
        True,
        "error",
    ),
    FilterDifference(
        "a whole extension",
        "`pr` on the URN asks whether there is anything of the extension",
        f"{ENTERPRISE} pr",
        {ENTERPRISE: {"department": "x"}},
        True,
        "error",
    ),
)


def excused(tree: Filter, resource: JsonObject) -> FilterDifference | None:
    """The first row that a leaf of the filter falls under."""
    for asked in _asked(tree, resource):
        for row in FILTERS:
            if row.holds(asked):
                return row
    return None


def _asked(tree: Filter, resource: JsonObject) -> Iterator[Asked]:
    match tree:
        case Not(inner):
            yield from _asked(inner, resource)
        case And(terms) | Or(terms):
            for term in terms:
                yield from _asked(term, resource)
        case ValuePath(path, inner):
            found = binding.locate(path, USER)
            assert found is not None
            attribute = found[0].attribute
            for leaf in _leaves(inner):
                sub = attribute.sub(leaf.path.attribute)
                yield _of(leaf, attribute, sub, resource.get(attribute.name), in_brackets=True)
        case Compare(path) | Present(path):
            found = binding.locate(path, USER)
            assert found is not None
            place, sub = found
            values = resource if place.extension is None else resource.get(place.extension, {})
            yield _of(tree, place.attribute, sub, values.get(place.attribute.name), in_brackets=False)


def _leaves(tree: Filter) -> Iterator[Compare | Present]:
    match tree:
        case Compare() | Present():
            yield tree
        case Not(inner):
            yield from _leaves(inner)
        case And(terms) | Or(terms):
            for term in terms:
                yield from _leaves(term)


def _of(leaf: Compare | Present, whole: Attribute, sub: Attribute | None, found: Any, *, in_brackets: bool) -> Asked:
    op, literal = (leaf.op, leaf.value) if isinstance(leaf, Compare) else ("pr", None)
    compared = sub or whole.value
    elements = found if isinstance(found, list) else [] if found is None else [found]
    values = [e.get(compared.name) if isinstance(e, dict) and compared is not None else e for e in elements]
    return Asked(op, literal, whole, sub, in_brackets, values)


# --- PATCH ---


@dataclass(frozen=True)
class Applied:
    """One operation on one attribute, and the elements that the attribute has."""

    op: str
    attribute: Attribute
    sub: Attribute | None
    filter: Filter | None
    value: Any
    elements: list[JsonObject]

    @property
    def several(self) -> bool:
        return self.attribute.multi_valued

    @property
    def writes(self) -> bool:
        return self.op != "remove"

    @property
    def picked(self) -> list[JsonObject]:
        if self.filter is None:
            return self.elements
        try:
            bound = binding.elements(self.filter, self.attribute)
        except InvalidFilter:
            return []
        return [e for e in self.elements if matches(bound, search_fields.element(e, self.attribute))]


@dataclass(frozen=True)
class PatchDifference:
    """A kind of operation that has another outcome: what `shown` is after it, or `error`."""

    name: str
    reason: str
    user: Mapping[str, Any]
    operation: PatchOperation
    shown: str
    ours: Any
    theirs: Any
    holds: Callable[[Applied], bool] = field(default=lambda _: False)


def _alike(a: Applied) -> bool:
    """Whether a given element is, in part or but for its letters, one that is there or one given before."""
    if not (a.several and a.op in {"add", "replace"} and a.filter is None and a.sub is None):
        return False
    given = a.value if isinstance(a.value, list) else [a.value]
    seen = [search_fields.element(element, a.attribute) for element in a.elements] if a.op == "add" else []
    for element in given:
        new = search_fields.element(element, a.attribute)
        if any(new == old or (_key(new) == _key(old) and "value" in new) for old in seen):
            return True
        seen.append(new)
    return False


def _key(element: JsonObject) -> tuple[Any, Any]:
    return element.get("value"), element.get("type")


def _terms(tree: Filter) -> list[Compare] | None:
    """The terms of a filter that only joins `eq` by `and`."""
    terms = tree.terms if isinstance(tree, And) else (tree,)
    found = [term for term in terms if isinstance(term, Compare) and term.op == "eq" and term.value is not None]
    return found if len(found) == len(terms) else None


def _makes_what_it_does_not_pick(a: Applied) -> bool:
    if a.filter is None or not a.writes or a.picked:
        return False
    terms = _terms(a.filter)
    if terms is None:
        return True
    written = {a.sub.name: a.value} if a.sub is not None else a.value
    made = {**{term.path.attribute: term.value for term in terms}, **written}
    return not matches(binding.elements(a.filter, a.attribute), search_fields.element(made, a.attribute))


def _has_the_value_and_more(a: Applied) -> bool:
    """Whether a listed element has the `value` of one that is there, and something else that it hasn't."""
    if a.writes or a.filter is not None or a.sub is not None or a.value is None:
        return False
    listed = [search_fields.element(e, a.attribute) for e in (a.value if isinstance(a.value, list) else [a.value])]
    there = [search_fields.element(e, a.attribute) for e in a.elements]
    return any("value" in g and g["value"] == e.get("value") and g.items() - e.items() for g in listed for e in there)


WORK: Final = {"type": "work", "value": "a@example.com", "display": "A"}

PATCHES: Final = (
    PatchDifference(
        "a sub-attribute of all elements where there are none",
        "an element is made that holds it, as for one attribute with a single value; theirs changes nothing",
        {},
        PatchOperation("replace", "emails.value", "a@example.com"),
        "emails",
        [{"value": "a@example.com"}],
        None,
        lambda a: a.several and a.writes and a.filter is None and a.sub is not None and not a.elements,
    ),
    PatchDifference(
        "add of an element whose type and value are there",
        "docs/semantics.md: it merges into the one that is there; theirs adds another one unless all of it is the same",
        {"emails": [WORK]},
        PatchOperation("add", "emails", [{"type": "work", "value": "a@example.com", "display": "B"}]),
        "emails",
        [{**WORK, "display": "B"}],
        [WORK, {**WORK, "display": "B"}],
        _alike,
    ),
    PatchDifference(
        "add of an element that differs in letter case only",
        "only type and value tell elements apart without regard to case; theirs takes the two for one",
        {"roles": [{"display": "a"}]},
        PatchOperation("add", "roles", [{"display": "A"}]),
        "roles",
        [{"display": "a"}, {"display": "A"}],
        [{"display": "a"}],
        _alike,
    ),
    PatchDifference(
        "the same element twice in one add",
        "an equal element changes nothing, wherever it stands; theirs looks only at those that were there",
        {},
        PatchOperation("add", "roles", [{"value": "a"}, {"value": "a"}]),
        "roles",
        [{"value": "a"}],
        [{"value": "a"}, {"value": "a"}],
        _alike,
    ),
    PatchDifference(
        "the same element twice in one replace",
        "RFC 7643 §2.4: a service should not keep the same type and value twice; theirs does",
        {"roles": [{"value": "b"}]},
        PatchOperation("replace", "roles", [{"value": "a"}, {"value": "a"}]),
        "roles",
        [{"value": "a"}],
        [{"value": "a"}, {"value": "a"}],
        _alike,
    ),
    PatchDifference(
        "replace of the elements that a filter picks",
        "docs/semantics.md: they are replaced (RFC 7644 §3.5.2.3, 'the matching record'), but for what the filter says; theirs "
        "keeps what isn't named",
        {"emails": [WORK]},
        PatchOperation("replace", 'emails[type eq "work"]', {"value": "b@example.com"}),
        "emails",
        [{"type": "work", "value": "b@example.com"}],
        [{**WORK, "value": "b@example.com"}],
        lambda a: a.op == "replace" and a.filter is not None and a.sub is None and bool(a.picked),
    ),
    PatchDifference(
        "an element made from a filter that wouldn't pick it",
        "the filter's eq terms are what it is made of, and the value goes first; theirs refuses",
        {},
        PatchOperation("add", 'emails[type eq "work"].type', "home"),
        "emails",
        [{"type": "home"}],
        "error",
        _makes_what_it_does_not_pick,
    ),
    PatchDifference(
        "an empty text",
        "docs/semantics.md: it means unassigned, as null does; theirs keeps it",
        {"title": "x"},
        PatchOperation("replace", "title", ""),
        "title",
        None,
        "",
    ),
    PatchDifference(
        "a manager as a text",
        "Entra sends it so",
        {},
        PatchOperation("add", f"{ENTERPRISE}:manager", "26118915"),
        ENTERPRISE,
        {"manager": {"value": "26118915"}},
        "error",
    ),
    PatchDifference(
        "remove of an element by its value",
        "docs/semantics.md: `value` says which one is meant, as Entra lists members; theirs wants all that is listed to be equal",
        {"emails": [WORK]},
        PatchOperation("remove", "emails", [{"value": "a@example.com", "display": "B"}]),
        "emails",
        None,
        [WORK],
        _has_the_value_and_more,
    ),
    PatchDifference(
        "remove of manager.value",
        "without it the manager is empty and goes (docs/semantics.md); theirs has the id as required of a manager",
        {ENTERPRISE: {"manager": {"value": "x"}}},
        PatchOperation("remove", f"{ENTERPRISE}:manager.value", None),
        ENTERPRISE,
        None,
        "error",
        lambda a: a.attribute.name == "manager" and a.sub is not None and not a.writes,
    ),
    PatchDifference(
        "an address without a public domain",
        "Entra provisions what the directory holds; theirs wants an address that could be delivered to",
        {},
        PatchOperation("add", "emails", [{"value": "x@corp.local"}]),
        "emails",
        [{"value": "x@corp.local"}],
        "error",
    ),
    PatchDifference(
        "a bare name of an extension",
        "docs/semantics.md: a name that only one extension has means that one; theirs drops it as unknown",
        {},
        PatchOperation("replace", "department", "x"),
        ENTERPRISE,
        {"department": "x"},
        None,
    ),
    PatchDifference(
        "a path that names nothing",
        "docs/adr/0007: a path that is ignored loses data silently; theirs drops it where it tolerates unknown names",
        {},
        PatchOperation("replace", "shoeSize", "44"),
        "shoeSize",
        "error",
        None,
    ),
    PatchDifference(
        "readOnly attributes in a value without a path",
        "docs/adr/0007: bodies are tolerant; theirs refuses",
        {},
        PatchOperation("add", None, {"id": "x", "title": "y"}),
        "title",
        "y",
        "error",
    ),
    PatchDifference(
        "the letter case of a canonical type",
        "a value is kept as it was sent; theirs writes it as the schema's canonicalValues do",
        {},
        PatchOperation("add", "emails", [{"type": "Work"}]),
        "emails",
        [{"type": "Work"}],
        [{"type": "work"}],
        # Seen all over a resource, so the tests compare types without regard to case instead.
    ),
)


def patch_excused(operation: PatchOperation, resource: JsonObject) -> FilterDifference | PatchDifference | None:
    """The first row that an operation on this resource falls under."""
    for applied in _applied(operation, resource):
        if applied.filter is not None and operation.path is not None:
            path = syntax.parse_path(operation.path)
            row = excused(ValuePath(path.path, applied.filter), resource)
            if row is not None:
                return row
        for difference in PATCHES:
            if difference.holds(applied):
                return difference
    return None


def _applied(operation: PatchOperation, resource: JsonObject) -> Iterator[Applied]:
    if operation.path is None:
        for name, value in operation.value.items():
            if name in USER.by_name:
                yield Applied(operation.op, USER.by_name[name], None, None, value, _list(resource.get(name)))
        return
    path = syntax.parse_path(operation.path)
    found = binding.locate(path.path, USER)
    assert found is not None
    place, sub = found
    sub = place.attribute.sub(path.sub) if path.sub else sub
    values = resource if place.extension is None else resource.get(place.extension, {})
    elements = _list(values.get(place.attribute.name))
    yield Applied(operation.op, place.attribute, sub, path.filter, operation.value, elements)


def _list(value: Any) -> list[JsonObject]:
    return value if isinstance(value, list) else []
