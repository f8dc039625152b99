"""The catalogue: every check there is, in the order in which they are made."""

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
    load,
    managers,
    matching,
    me,
    members,
    paging,
    patches,
    queries,
    roles,
)

SUBJECTS: Final[tuple[tuple[Check, ...], ...]] = (
    connection.CHECKS,
    discovery.CHECKS,
    creation.CHECKS,
    matching.CHECKS,
    patches.CHECKS,
    active.CHECKS,
    managers.CHECKS,
    roles.CHECKS,
    groups.CHECKS,
    members.CHECKS,
    queries.CHECKS,
    me.CHECKS,
    paging.CHECKS,
    cursors.CHECKS,
    bulk.CHECKS,
    deletion.CHECKS,
    load.CHECKS,
)
CHECKS: Final = tuple(check for subject in SUBJECTS for check in subject)
