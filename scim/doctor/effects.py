"""The effects of failed checks on an Entra provisioning job, by what the server did with the request. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from scim.doctor.verdicts import Outcome


class Impact(IntEnum):
    """How much a failed check affects a job. Lower values are to be fixed first."""

    EXPOSED = 0
    """Anyone can read and change users and groups."""
    JOB = 1
    """The job stops, or can't be started."""
    OBJECTS = 2
    """Users or groups aren't created, or aren't found."""
    ACCESS = 3
    """A user keeps access that was removed, or lacks access that was given."""
    CHANGES = 4
    """A change fails and is repeated."""
    VALUES = 5
    """The application stores a wrong value, and the job doesn't notice."""
    SPEED = 6
    VALIDATION = 7
    """The job works, but validators and the app gallery don't accept the application."""
    OTHER_CLIENTS = 8
    NONE = 9


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect of a failed check: its impact, and a text."""

    impact: Impact
    text: str


type Effects = Mapping[Outcome, Effect]

_STOPPED: Final = Effect(Impact.JOB, "Unauthorized or InsufficientRights: Entra puts the job into quarantine at once.")
_NO_ANSWER: Final = Effect(
    Impact.JOB,
    "Timeout or WebExceptionProtocolError: Entra repeats the request; if every request fails, the job goes into quarantine.",
)
_THROTTLED: Final = Effect(
    Impact.SPEED, "TooManyRequests: Entra waits as Retry-After says and repeats the request; cycles take longer."
)
_ERROR: Final = Effect(
    Impact.CHANGES,
    "InternalServerError: Entra repeats the request in the next cycle (about 40 minutes later), then with growing pauses.",
)


def by_outcome(
    accepted: Effect,
    refused: Effect,
    *,
    several: Effect | None = None,
    not_found: Effect | None = None,
    error: Effect = _ERROR,
) -> Effects:
    """Return effects that differ by outcome. Unless given, "several found" counts as accepted, and 404 as refused.

    Unauthorized, throttled and unanswered requests always have the same effects.
    """
    return {
        Outcome.ACCEPTED: accepted,
        Outcome.SEVERAL: several or accepted,
        Outcome.REFUSED: refused,
        Outcome.NOT_FOUND: not_found or refused,
        Outcome.UNAUTHORIZED: _STOPPED,
        Outcome.THROTTLED: _THROTTLED,
        Outcome.ERROR: error,
        Outcome.UNANSWERED: _NO_ANSWER,
    }


def always(impact: Impact, text: str) -> Effects:
    """Return the same effect for every outcome."""
    return dict.fromkeys(Outcome, Effect(impact, text))


# Texts that several checks share. "Escrow" is Entra's word for objects whose changes failed and are repeated.
_ESCROW: Final = (
    "goes to escrow: Entra repeats it with growing pauses, and the job goes into quarantine if more than 40 % of at least "
    "5,000 changes fail."
)
_NOT_CHANGED: Final = Effect(
    Impact.CHANGES,
    f"The change fails (SchemaAttributeNotFound, UnprocessableEntity or another code) and {_ESCROW} Everything else in the "
    "same request fails with it.",
)
_NOT_CREATED: Final = Effect(
    Impact.OBJECTS,
    "The object isn't created (MandatoryFieldsMissing, SchemaAttributeNotFound, UnprocessableEntity or another code): the "
    f"request {_ESCROW}",
)
_UNNOTICED: Final = Effect(
    Impact.VALUES,
    "Entra takes the change as done and doesn't send it again: the application keeps a wrong value until the next change "
    "in the directory.",
)
_INVALID_ANCHOR: Final = Effect(
    Impact.OBJECTS,
    "InvalidAnchor: Entra takes the object as deleted and loses the link to it; only a restart of the job mends that.",
)
_DUPLICATES: Final = Effect(
    Impact.OBJECTS,
    "DuplicateTargetEntries or an error that ends in MultipleEntriesInResponse: the object fails until one object matches.",
)
_INCOMPATIBLE: Final = Effect(
    Impact.JOB,
    "SystemForCrossDomainIdentityManagementServiceIncompatible: Test Connection fails, and a running job goes into "
    "quarantine however few requests failed.",
)

NO_CONNECTION: Final = always(
    Impact.JOB, "WebExceptionProtocolError or Timeout: every request fails, and the job goes into quarantine."
)
UNAUTHORIZED: Final = always(_STOPPED.impact, _STOPPED.text)
INCOMPATIBLE: Final = by_outcome(_INCOMPATIBLE, _INCOMPATIBLE)
SCHEMAS: Final = always(
    Impact.VALIDATION,
    "Entra reads /Schemas of gallery applications when an admin opens or saves the provisioning settings, and Microsoft's "
    "validation for the gallery reads it: both fail. A running job goes on.",
)
GALLERY: Final = always(
    Impact.VALIDATION, "A running job goes on; Microsoft's validator and the validation for the app gallery fail."
)
HARMLESS: Final = always(Impact.NONE, "No known effect on a job; strict clients fail, and the cause is harder to find.")
SLOW: Final = always(
    Impact.SPEED,
    "Timeout or TooManyRequests: Entra repeats the requests; an initial cycle may take days or end in quarantine.",
)

CREATE: Final = by_outcome(
    Effect(
        Impact.VALUES,
        "Entra takes the object as created as it was sent: the application keeps another value until the next change in the "
        "directory.",
    ),
    _NOT_CREATED,
)
CHANGE: Final = by_outcome(_UNNOTICED, _NOT_CHANGED, not_found=_INVALID_ANCHOR)
DISABLE: Final = by_outcome(
    Effect(Impact.ACCESS, "Entra takes the user as disabled: a user who left keeps access, and no error is reported."),
    Effect(Impact.ACCESS, f"The change fails and {_ESCROW} Until it succeeds, a user who left keeps access."),
    not_found=_INVALID_ANCHOR,
)
RESTORE: Final = by_outcome(
    Effect(
        Impact.ACCESS, "Entra takes the user as restored: a user who came back has no access, and no error is reported."
    ),
    Effect(Impact.ACCESS, f"The change fails and {_ESCROW} Until it succeeds, a user who came back has no access."),
    not_found=_INVALID_ANCHOR,
)
ROLES: Final = by_outcome(
    Effect(
        Impact.ACCESS,
        "Entra takes the roles as changed: a user keeps a role that was taken away, or lacks one that was given.",
    ),
    Effect(Impact.ACCESS, f"The change fails and {_ESCROW} Until it succeeds, the old roles stay."),
    not_found=_INVALID_ANCHOR,
)
MEMBERS: Final = by_outcome(
    Effect(
        Impact.ACCESS,
        "Entra takes the change as done and doesn't read members back: a user keeps access that was taken away, or lacks "
        "access that was given.",
    ),
    Effect(
        Impact.ACCESS,
        "The change fails and is repeated with growing pauses. Until it succeeds, a user keeps access that was taken away, "
        "or lacks access that was given. Quarantine comes at 60,000 failures with those of members and managers included.",
    ),
    not_found=_INVALID_ANCHOR,
)
MATCH: Final = by_outcome(
    Effect(
        Impact.OBJECTS,
        "Entra takes the object as missing and creates it: it gets a 409 (EntryConflict), or makes a second one. If another "
        "object was found, Entra changes that one.",
    ),
    Effect(
        Impact.OBJECTS, f"Entra can't look for the object, so it neither creates nor changes it: the object {_ESCROW}"
    ),
    several=_DUPLICATES,
    not_found=_INCOMPATIBLE,
)
PROBE: Final = by_outcome(
    Effect(
        Impact.VALUES,
        "Entra asks so whether a manager or a member is set: it takes the answer as true and leaves out a change, or makes one "
        "again.",
    ),
    Effect(
        Impact.CHANGES,
        "Entra asks so whether a manager or a member is set: the reference isn't updated, and the change is repeated with "
        "growing pauses.",
    ),
    not_found=_INCOMPATIBLE,
)
DUPLICATE_USER: Final = by_outcome(
    Effect(Impact.OBJECTS, "Entra relies on the 409 to learn that a user is there: users get a second account."),
    Effect(
        Impact.OBJECTS,
        f"Entra relies on the 409 (EntryConflict) to learn that a user is there; here the request {_ESCROW}",
    ),
)
DUPLICATE_GROUP: Final = by_outcome(
    Effect(
        Impact.OBJECTS,
        "Entra relies on the 409 to learn that a group is there: the application gets a second group of the same name.",
    ),
    Effect(
        Impact.OBJECTS,
        f"Entra relies on the 409 (EntryConflict) to learn that a group is there; here the request {_ESCROW}",
    ),
)
READ: Final = by_outcome(
    Effect(Impact.OBJECTS, "Entra takes another object for this one, and compares and changes the wrong one."),
    Effect(Impact.OBJECTS, f"Entra can't read the object that it is about to change: the change {_ESCROW}"),
    not_found=_INVALID_ANCHOR,
)
UNKNOWN_ID: Final = by_outcome(
    Effect(
        Impact.OBJECTS,
        "Entra takes an object that is gone as there, or another one for it, and never creates it again.",
    ),
    Effect(
        Impact.OBJECTS,
        f"Entra doesn't learn that the object is gone: it isn't created again, and every change of it {_ESCROW}",
    ),
)
DELETE: Final = by_outcome(
    Effect(Impact.CHANGES, "Entra expects 204; another answer may be recorded as a failure and repeated."),
    Effect(Impact.ACCESS, f"The object isn't deleted (405 as MethodNotAllowed): the request {_ESCROW}"),
)
DELETED: Final = by_outcome(
    Effect(Impact.ACCESS, "Entra takes the object as deleted: it lives on, with the access that it had."),
    Effect(Impact.CHANGES, f"Entra can't tell that the object is gone: what it sends next for it {_ESCROW}"),
)
BULK: Final = by_outcome(
    Effect(
        Impact.OTHER_CLIENTS,
        "Entra sends no bulk requests. A client that sends them because ServiceProviderConfig offers them takes as done what "
        "wasn't done, or can't tell which of its operations was done.",
    ),
    Effect(
        Impact.OTHER_CLIENTS,
        "Entra sends no bulk requests. A client that sends them because ServiceProviderConfig offers them fails.",
    ),
    error=Effect(
        Impact.OTHER_CLIENTS,
        "Entra sends no bulk requests. A client that sends them because ServiceProviderConfig offers them fails.",
    ),
)
CURSOR: Final = by_outcome(
    Effect(
        Impact.OTHER_CLIENTS,
        "Entra pages by startIndex. A client that pages by cursor because ServiceProviderConfig offers it misses users, sees "
        "them twice or never ends.",
    ),
    Effect(
        Impact.OTHER_CLIENTS,
        "Entra pages by startIndex. A client that pages by cursor because ServiceProviderConfig offers it stops with an error.",
    ),
)
ME: Final = always(
    Impact.OTHER_CLIENTS,
    "Entra doesn't ask for /Me. A client that asks who it is takes a page of HTML for a fault, or sends its token to where it "
    "is redirected.",
)
