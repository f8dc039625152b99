"""What a check is, what comes of it, and what Entra does about a failure. Knows no request."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from scim.doctor.exchange import Exchange
from scim.doctor.redaction import Evidence
from scim.doctor.verdicts import Verdict
from scim.doctor.visit import Visit

# What Entra does about a failure: https://learn.microsoft.com/entra/identity/app-provisioning/, the provisioning logs'
# error codes and the quarantine status.
QUARANTINE: Final = "Unauthorized or InsufficientRights: Entra puts the job into quarantine at once."
INCOMPATIBLE: Final = (
    "SystemForCrossDomainIdentityManagementServiceIncompatible: Test Connection fails, and a running job goes into "
    "quarantine however few requests failed."
)
NO_CONNECTION: Final = "WebExceptionProtocolError or Timeout: every request fails, and the job ends in quarantine."
ESCROW: Final = (
    "The object's change fails (400 and 422 as MandatoryFieldsMissing, SchemaAttributeNotFound or UnprocessableEntity) and goes "
    "to escrow: repeated with growing pauses, and quarantine if more than 40 % of at least 5,000 fail."
)
RETRY: Final = "InternalServerError: repeated in the next cycle (about 40 minutes), then with growing pauses."
SILENT: Final = (
    "Entra takes the change for done: the application keeps a wrong value until the next change in the directory."
)
NOT_FOUND: Final = (
    "Entra doesn't find the existing object, creates it and gets a 409 (EntryConflict), or makes a second one."
)
SEVERAL: Final = "DuplicateTargetEntries or MultipleEntriesInResponse: the object fails until one object matches."
DOUBLED: Final = "Entra relies on the 409 to link an object that is there: people get a second account."
ANCHOR: Final = "InvalidAnchor: Entra loses the link between its object and yours; only a restart of the job mends it."
ACCESS: Final = "Entra takes the change for done: somebody keeps access that was taken away, or loses what was given."
GALLERY: Final = "A running job isn't stopped; Microsoft's validator and the validation for the app gallery fail."
SLOW: Final = (
    "Timeout or TooManyRequests: the requests are repeated, and an initial cycle may take days or end in quarantine."
)
BULK: Final = (
    "Entra sends no bulk requests. A client that does, because ServiceProviderConfig offers them, fails or takes for done what "
    "isn't."
)
CURSOR: Final = (
    "Entra pages by startIndex. A client that pages by cursor, because ServiceProviderConfig offers it, misses people, sees "
    "them twice or never ends."
)
ME: Final = (
    "Entra doesn't ask for /Me. A client that asks who it is takes a page of HTML for a fault, or sends its token to where it is "
    "redirected."
)
HARMLESS: Final = "No known effect on a job; strict clients and people who look for a cause are led astray."


@dataclass(frozen=True, slots=True)
class Check:
    """A row of the catalogue. `run` raises `Fault` or `Skip`; a text it returns is what was measured."""

    id: str
    title: str
    effect: str
    fix: str
    run: Callable[[Visit], str | None]
    needs: tuple[str, ...] = ("token-accepted",)
    """Checks that must not have failed or been skipped."""
    only: str = ""
    """`write` or `load`: the option that allows this check."""
    warning: bool = False
    """A failure is a warning."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a check ended, and by what exchanges."""

    check: Check
    verdict: Verdict
    found: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run."""

    url: str
    run: str
    started: str
    seconds: float
    results: tuple[Result, ...]
    left_behind: tuple[str, ...]
    stopped: str = ""
    """Why it ended early."""

    def count(self, verdict: Verdict) -> int:
        """How many checks ended so."""
        return sum(result.verdict is verdict for result in self.results)


def decisive(exchanges: list[Exchange]) -> list[Exchange]:
    """The last exchanges of a check: the one that decided, and what led to it."""
    return exchanges[-4:]
