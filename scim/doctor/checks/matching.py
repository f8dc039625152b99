"""Checks finding an existing object, as Entra does before every change."""

from functools import partial
from typing import Final
from urllib.parse import quote

from scim.doctor.assertions import ENTERPRISE, has_value, no_resources, only_one, status, value_at
from scim.doctor.catalogue import Check
from scim.doctor.check_context import CheckContext
from scim.doctor.client import in_path
from scim.doctor.effects import HARMLESS, MATCH, PROBE, READ, Impact, always
from scim.doctor.verdicts import Fault, Skip


def by_name(context: CheckContext, turned: bool) -> None:
    name = context.objects.address("main")
    only_one(
        context.client.get("/Users", filter=f'userName eq "{name.upper() if turned else name}"'), context.user("main")
    )


def by_external_id(context: CheckContext, quote: str) -> None:
    # A user with an externalId that is one word, so that it can stand without quotes.
    word = f"doctor{context.run}"
    context.user("external", externalId=word)
    only_one(context.client.get("/Users", filter=f"externalId eq {quote}{word}{quote}"), context.user("external"))


def by_mail(context: CheckContext) -> None:
    mail = context.objects.address("main")
    only_one(context.client.get("/Users", filter=f'emails[type eq "work"].value eq "{mail}"'), context.user("main"))


def whole_value(context: CheckContext) -> None:
    no_resources(context.client.get("/Users", filter=f'userName eq "{context.objects.name("main")}"'))


def odd_letters(context: CheckContext) -> None:
    name = f"{context.objects.name('odd')}+o'neil%41ü@example.com"
    body = context.user_body("odd", userName=name, emails=[])
    id = context.accepted(context.objects.post("Users", body))
    only_one(context.client.send("GET", "/Users", query=f"filter={quote(f'userName eq "{name}"', safe='')}"), id)


def by_id(context: CheckContext) -> None:
    found = context.read("Users", context.user("main"))
    if found.get("id") != context.user("main"):
        raise Fault("GET by id shows another id")
    has_value(found, "userName", context.objects.address("main"))


def probe(context: CheckContext) -> None:
    boss, other = context.user("boss"), context.user("main")
    managed = context.user("probed", **{ENTERPRISE: {"manager": {"value": boss}}})
    if value_at(context.read("Users", managed), f"{ENTERPRISE}.manager.value") != boss:
        raise Skip("the server doesn't keep the manager that a POST names")
    for condition in (f'id eq "{managed}" and manager eq "{boss}"', f'manager eq "{boss}" and id eq "{managed}"'):
        only_one(context.client.get("/Users", filter=condition, attributes="id"), managed)
    no_resources(context.client.get("/Users", filter=f'id eq "{managed}" and manager eq "{other}"', attributes="id"))


def with_schemas(context: CheckContext) -> None:
    user = context.user("main")
    single = status(context.client.get(f"/Users/{in_path(user)}", attributes="userName"), 200).resource
    filter = f'userName eq "{context.objects.address("main")}"'
    listed = only_one(context.client.get("/Users", filter=filter, attributes="userName"), user)
    for where, found in (("by id", single), ("in a list", listed)):
        missing = [name for name in ("schemas", "id") if not found.get(name)]
        if missing:
            raise Fault(f"a user {where} has no {' and no '.join(missing)} when attributes=userName is asked for")


_WRITES: Final = partial(Check, only="write", needs=("user-create",))

CHECKS: Final = (
    _WRITES(
        "read-by-id",
        "GET by id shows the user",
        READ,
        "Serve GET /Users/{id} for every id that a POST has given out, at once.",
        by_id,
    ),
    _WRITES(
        "match-user-name",
        "A filter on userName finds only this user",
        MATCH,
        "Support userName eq as a query of the database, right after the POST too.",
        partial(by_name, turned=False),
    ),
    _WRITES(
        "match-user-name-case",
        "A filter on userName in other letter case finds the user",
        MATCH,
        "Compare userName without letter case (RFC 7643 §4.1.1: caseExact false).",
        partial(by_name, turned=True),
        needs=("user-create", "match-user-name"),
    ),
    _WRITES(
        "match-whole",
        "eq compares the whole value",
        MATCH,
        "Read eq as equality, not as a search for the beginning of a value or for words.",
        whole_value,
        needs=("user-create", "match-user-name", "test-connection"),
    ),
    _WRITES(
        "match-external-id",
        "A filter on externalId finds the user",
        MATCH,
        "Store externalId and support externalId eq; it is a usual matching attribute.",
        partial(by_external_id, quote='"'),
    ),
    _WRITES(
        "match-external-id-unquoted",
        "A filter on externalId finds the user also if the value has no quotes",
        always(
            Impact.OTHER_CLIENTS,
            "None is known: one example in Microsoft's documentation has no quotes, and Entra's client is known to send them. A "
            "client that leaves them out doesn't find the user.",
        ),
        "Read a bare word after eq as a string; an example in Microsoft's documentation has one.",
        partial(by_external_id, quote=""),
        needs=("user-create", "match-external-id"),
        warning=True,
    ),
    _WRITES(
        "match-mail",
        'A filter on emails[type eq "work"].value finds the user',
        MATCH,
        "Support a value path with a sub-attribute behind it in filters, not in PATCH paths alone.",
        by_mail,
    ),
    _WRITES(
        "match-odd-letters",
        "A userName with +, ', % and a letter beyond ASCII is stored and found",
        MATCH,
        "Decode the query once, as UTF-8, and pass values to the database as parameters.",
        odd_letters,
        needs=("user-create", "match-user-name"),
    ),
    _WRITES(
        "reference-probe",
        "id eq A and manager eq B finds A if B manages A, in either order",
        PROBE,
        "Support filters on manager (compare its value), and the operator and.",
        probe,
        needs=("user-create", "test-connection"),
    ),
    _WRITES(
        "attributes-schemas",
        "With attributes=userName a user still has schemas and id",
        HARMLESS,
        "Return schemas and id whatever the parameter attributes asks for (RFC 7643 §3 and §3.1: always returned).",
        with_schemas,
        needs=("user-create", "match-user-name"),
        warning=True,
    ),
)
