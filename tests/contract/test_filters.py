"""The table of filters is telling: a store that keeps everybody, or nobody, can't pass on it by chance."""

import pytest

from tests.contract.drafts import kept
from tests.contract.filters import GROUPS, USERS
from tests.contract.people import PEOPLE


@pytest.mark.parametrize(("kind", "texts"), [("User", USERS), ("Group", GROUPS)], ids=["users", "groups"])
def test_each_filter_keeps_somebody_and_leaves_somebody_out(kind: str, texts: tuple[str, ...]) -> None:
    everybody = sum(k == kind for k, _ in PEOPLE)
    assert [text for text in texts if not 0 < len(kept(kind, text)) < everybody] == []
