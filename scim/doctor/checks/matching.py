"""Finding an object that is there already, which Entra does before every change."""

from functools import partial
from typing import Final
from urllib.parse import quote

from scim.doctor.catalogue import ANCHOR, NOT_FOUND, SILENT, Check
from scim.doctor.expect import ENTERPRISE, at, none, one, same
from scim.doctor.verdicts import Fault, Skip
from scim.doctor.visit import Visit


def by_name(visit: Visit, turned: bool) -> None:
    name = visit.objects.address("main")
    one(visit.client.get("/Users", filter=f'userName eq "{name.upper() if turned else name}"'), visit.user("main"))


def by_external_id(visit: Visit, quote: str) -> None:
    # A user with an externalId that is one word, so that it can stand without quotes.
    word = f"doctor{visit.run}"
    visit.user("external", externalId=word)
    one(visit.client.get("/Users", filter=f"externalId eq {quote}{word}{quote}"), visit.user("external"))


def by_mail(visit: Visit) -> None:
    mail = visit.objects.address("main")
    one(visit.client.get("/Users", filter=f'emails[type eq "work"].value eq "{mail}"'), visit.user("main"))


def whole_value(visit: Visit) -> None:
    none(visit.client.get("/Users", filter=f'userName eq "{visit.objects.name("main")}"'))


def odd_letters(visit: Visit) -> None:
    name = f"{visit.objects.name('odd')}+o'neil%41ü@example.com"
    body = visit.user_body("odd", userName=name, emails=[])
    id = visit.accepted(visit.objects.post("Users", body))
    one(visit.client.send("GET", "/Users", query=f"filter={quote(f'userName eq "{name}"', safe='')}"), id)


def by_id(visit: Visit) -> None:
    found = visit.read("Users", visit.user("main"))
    if found.get("id") != visit.user("main"):
        raise Fault("GET by id shows another id")
    same(found, "userName", visit.objects.address("main"))


def probe(visit: Visit) -> None:
    boss, other = visit.user("boss"), visit.user("main")
    managed = visit.user("probed", **{ENTERPRISE: {"manager": {"value": boss}}})
    if at(visit.read("Users", managed), f"{ENTERPRISE}.manager.value") != boss:
        raise Skip("the server doesn't keep the manager that a POST names")
    for condition in (f'id eq "{managed}" and manager eq "{boss}"', f'manager eq "{boss}" and id eq "{managed}"'):
        one(visit.client.get("/Users", filter=condition, attributes="id"), managed)
    none(visit.client.get("/Users", filter=f'id eq "{managed}" and manager eq "{other}"', attributes="id"))


_WRITES: Final = partial(Check, only="write", needs=("user-create",))

CHECKS: Final = (
    _WRITES(
        "read-by-id",
        "GET by id shows the user",
        ANCHOR,
        "Serve GET /Users/{id} for every id that a POST has given out, at once.",
        by_id,
    ),
    _WRITES(
        "match-user-name",
        "A filter on userName finds the user and nobody else",
        NOT_FOUND,
        "Support userName eq as a query of the database, right after the POST too.",
        partial(by_name, turned=False),
    ),
    _WRITES(
        "match-user-name-case",
        "The same in other letter case",
        NOT_FOUND,
        "Compare userName without letter case (RFC 7643 §4.1.1: caseExact false).",
        partial(by_name, turned=True),
        needs=("user-create", "match-user-name"),
    ),
    _WRITES(
        "match-whole",
        "eq compares the whole value",
        NOT_FOUND,
        "eq is equality, not the beginning of a value and not a search for words.",
        whole_value,
    ),
    _WRITES(
        "match-external-id",
        "A filter on externalId finds the user",
        NOT_FOUND,
        "Store externalId and support externalId eq; it is a usual matching attribute.",
        partial(by_external_id, quote='"'),
    ),
    _WRITES(
        "match-external-id-unquoted",
        "The same with the value not in quotes",
        NOT_FOUND,
        "Read a bare word after eq as a string; Microsoft's documentation shows such a request.",
        partial(by_external_id, quote=""),
        needs=("user-create", "match-external-id"),
    ),
    _WRITES(
        "match-mail",
        'A filter on emails[type eq "work"].value finds the user',
        NOT_FOUND,
        "Support a value path with a sub-attribute behind it in filters, not in PATCH paths alone.",
        by_mail,
    ),
    _WRITES(
        "match-odd-letters",
        "A userName with +, ', % and a letter beyond ASCII is stored and found",
        NOT_FOUND,
        "Decode the query once, as UTF-8, and pass values to the database as parameters.",
        odd_letters,
    ),
    _WRITES(
        "reference-probe",
        "id eq A and manager eq B finds A if B manages A, in either order",
        SILENT,
        "Compare manager with its value, and support and.",
        probe,
    ),
)
