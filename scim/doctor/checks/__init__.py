"""The catalogue: all checks, in the order in which they run."""

from typing import Final

from scim.doctor.catalogue import Check
from scim.doctor.checks import (
    active,
    bulk,
    connection,
    creation,
    cursors,
    deletion,
    discovery,
    groups,
    limits,
    load,
    managers,
    matching,
    me,
    members,
    paging,
    patches,
    queries,
    renames,
    roles,
    versions,
)

SUBJECTS: Final[tuple[tuple[Check, ...], ...]] = (
    connection.CHECKS,
    discovery.CHECKS,
    creation.CHECKS,
    matching.CHECKS,
    patches.CHECKS,
    renames.CHECKS,
    versions.CHECKS,
    active.CHECKS,
    managers.CHECKS,
    roles.CHECKS,
    groups.CHECKS,
    members.CHECKS,
    queries.CHECKS,
    me.CHECKS,
    paging.CHECKS,
    cursors.CHECKS,
    limits.CHECKS,
    bulk.CHECKS,
    deletion.CHECKS,
    load.CHECKS,
)
CHECKS: Final = tuple(check for subject in SUBJECTS for check in subject)
