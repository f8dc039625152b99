"""`attributes` and `excludedAttributes`: what an answer carries. `id` and `schemas` are always part of it."""

from copy import deepcopy

import pytest

from scim.protocol.projection import projection
from tests.unit.tables import ENTERPRISE, RESOURCE_TYPES, Row, rows, whole

USER = RESOURCE_TYPES["User"]
STORED = whole(
    {
        "active": True,
        "name": {"familyName": "Jensen", "givenName": "Barbara"},
        "emails": [{"value": "a", "type": "work", "primary": True}, {"value": "b"}],
        ENTERPRISE: {"department": "Sales", "manager": {"value": "M"}},
    },
    USER,
)


@pytest.mark.parametrize("row", rows("projections"))
def test_answer_carries_what_is_asked_for(row: Row) -> None:
    before = deepcopy(STORED)
    shown = row["shown"] if "shown" in row else {name: STORED[name] for name in row["kept"]}
    wanted = projection(row.get("attributes", ()), row.get("excluded", ()), USER)
    assert wanted.apply(STORED) == {"id": STORED["id"], "schemas": STORED["schemas"], **shown}
    assert before == STORED


@pytest.mark.parametrize(
    ("attributes", "excluded", "carries", "names"),
    [
        ([], [], True, False),
        (["members"], [], True, True),
        (["MEMBERS.value"], [], True, True),
        (["{group}:members"], [], True, True),
        (["displayName"], [], False, False),
        ([], ["members"], False, False),
        ([], ["Members.display"], True, False),
        (["members"], ["members"], False, False),
        ([], ["displayName"], True, False),
    ],
)
def test_members_are_read_only_if_the_answer_carries_them(
    attributes: list[str], excluded: list[str], carries: bool, names: bool
) -> None:
    group = RESOURCE_TYPES["Group"]
    wanted = projection([name.replace("{group}", group.schema.id) for name in attributes], excluded, group)
    assert (wanted.carries("members"), wanted.names("members")) == (carries, names)
