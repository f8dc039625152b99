"""POST and PUT: which canonical resource a body describes, and which bodies are refused."""

from copy import deepcopy

import pytest

from scim.protocol import validate
from scim.protocol.errors import BadRequest
from tests.unit.tables import Row, kind_of, rows, whole


@pytest.mark.parametrize("row", rows("bodies"))
def test_body_makes_the_resource(row: Row) -> None:
    resource_type, body = kind_of(row), deepcopy(row["body"])
    current = whole(row["current"], resource_type) if "current" in row else None
    before = deepcopy(current)
    if "error" in row:
        with pytest.raises(BadRequest) as raised:
            validate.resource(body, resource_type) if current is None else validate.replacement(
                body, current, resource_type
            )
        assert raised.value.scim_type == row["error"]
        assert "S3cret" not in raised.value.detail
    elif current is None:
        assert validate.resource(body, resource_type) == {
            "schemas": whole(row["resource"], resource_type)["schemas"],
            **row["resource"],
        }
    else:
        assert validate.replacement(body, current, resource_type) == whole(row["resource"], resource_type)
    assert (body, current) == (row["body"], before)


def test_replacement_by_itself_changes_nothing() -> None:
    resource_type = kind_of({})
    current = whole({"active": False, "emails": [{"value": "a", "primary": True}]}, resource_type)
    assert validate.replacement(current, current, resource_type) == current
