"""Ten thousand generated filters keep the same resources in the same order on every store, and by the evaluator."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from tests.properties.test_stores_agree import AT_ONCE, agreed, new_world
from tests.soak.conftest import Log

FILTERS = 10_000


@pytest.mark.soak
def test_all_stores_and_the_evaluator_agree_on_ten_thousand_filters(log: Log) -> None:
    """Other ones each time; a failure prints how to repeat it."""
    tried = 0
    with new_world() as world:

        @settings(
            max_examples=FILTERS // AT_ONCE,
            derandomize=False,
            print_blob=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(st.data())
        def hold(data: st.DataObject) -> None:
            nonlocal tried
            tried += agreed(world, data)

        hold()
    assert tried >= FILTERS
    log.write(
        f"{FILTERS:,} filters on every store", "SQLite, Cosmos DB and the evaluator found the same, in each order."
    )
