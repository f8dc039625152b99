"""A long run over a customer's data waits when it is throttled, and ends with an error after repeated failures."""

import pytest

from scim.storage.cosmos.customer_items import CustomerItems
from scim.storage.errors import StoreUnavailable
from scim.storage.interface import Member
from tests.contract.cosmos import in_process
from tests.contract.write_models import group
from tests.cosmos_emulator import CutAfter, CutBefore, Fault, throttled
from tests.cosmos_emulator.faults import Effect


# The SDK makes several attempts, for a query more than for a batch.
@pytest.mark.parametrize(("call", "times"), [("query", 20), ("batch", 8)])
async def test_a_throttled_run_waits_and_continues(call: str, times: int) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with in_process() as (store, emulator):
        tenant = CustomerItems(store._calls, sleep)
        await store.create("acme", group(), [Member(f"member-{number}") for number in range(250)])
        emulator.faults.append(Fault(call, throttled(1), nth=2, times=times))
        assert sum([len(page) async for page in tenant.everything("acme")]) == 251
        assert sum([number async for number in tenant.erase("acme")]) == 251
        assert emulator.items("acme") == []
    assert set(waits) == {1}


async def test_a_permanently_throttled_run_ends() -> None:
    async def sleep(seconds: float) -> None:
        pass

    async with in_process() as (store, emulator):
        emulator.faults.append(Fault("query", throttled(1), times=None))
        with pytest.raises(StoreUnavailable):
            await CustomerItems(store._calls, sleep).count("acme")


async def test_an_erasure_survives_batches_whose_outcome_is_unknown() -> None:
    async with in_process() as (store, emulator):
        await store.create("acme", group(), [Member(f"member-{number}") for number in range(450)])
        emulator.faults.append(Fault("batch", CutAfter(), nth=1))
        emulator.faults.append(Fault("batch", CutBefore(), nth=3))
        async for _ in store.erase("acme"):
            pass
        assert emulator.items("acme") == []


@pytest.mark.parametrize("effect", [CutBefore(), throttled(1)], ids=["cut", "throttled"])
async def test_an_erasure_with_permanently_failing_batches_ends(effect: Effect) -> None:
    async def sleep(seconds: float) -> None:
        pass

    async with in_process() as (store, emulator):
        await store.create("acme", group())
        emulator.faults.append(Fault("batch", effect, times=None))
        with pytest.raises(StoreUnavailable):
            async for _ in CustomerItems(store._calls, sleep).erase("acme"):
                pass
        assert len(emulator.items("acme")) == 1
