"""Tests the table of filters: a store that matches all resources, or none, can't pass the contract by chance."""

import pytest

from tests.contract.filters import GROUPS, USERS
from tests.contract.people import PEOPLE
from tests.contract.write_models import kept


@pytest.mark.parametrize(("type_name", "texts"), [("User", USERS), ("Group", GROUPS)], ids=["users", "groups"])
def test_each_filter_matches_some_resources_and_not_all(type_name: str, texts: tuple[str, ...]) -> None:
    everybody = sum(k == type_name for k, _ in PEOPLE)
    assert [text for text in texts if not 0 < len(kept(type_name, text)) < everybody] == []
