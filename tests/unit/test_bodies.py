"""POST and PUT: which canonical resource a body describes, and which bodies are refused."""

from copy import deepcopy

import pytest

from scim.protocol import validate
from scim.protocol.errors import BadRequest
from tests.unit.tables import Row, kind_of, rows, whole


@pytest.mark.parametrize("row", rows("bodies"))
def test_body_makes_the_resource(row: Row) -> None:
    kind, body = kind_of(row), deepcopy(row["body"])
    current = whole(row["current"], kind) if "current" in row else None
    before = deepcopy(current)
    if "error" in row:
        with pytest.raises(BadRequest) as raised:
            validate.resource(body, kind) if current is None else validate.replacement(body, current, kind)
        assert raised.value.scim_type == row["error"]
        assert "S3cret" not in raised.value.detail
    elif current is None:
        assert validate.resource(body, kind) == {"schemas": whole(row["resource"], kind)["schemas"], **row["resource"]}
    else:
        assert validate.replacement(body, current, kind) == whole(row["resource"], kind)
    assert (body, current) == (row["body"], before)


def test_replacement_by_itself_changes_nothing() -> None:
    kind = kind_of({})
    current = whole({"active": False, "emails": [{"value": "a", "primary": True}]}, kind)
    assert validate.replacement(current, current, kind) == current
