"""A long run over a tenant waits out what a request would be refused for, and ends where waiting doesn't help."""

import pytest

from scim.storage.cosmos_tenant import TenantItems
from scim.storage.interface import Member, StoreUnavailable
from tests.contract.cosmos import in_process
from tests.contract.drafts import group
from tests.cosmos_emulator import CutAfter, CutBefore, Fault, throttled
from tests.cosmos_emulator.faults import Effect


# The SDK tries several times before it gives up, a query more often than a batch.
@pytest.mark.parametrize(("call", "times"), [("query", 20), ("batch", 8)])
async def test_a_throttled_run_waits_and_goes_on(call: str, times: int) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with in_process() as (store, emulator):
        tenant = TenantItems(store._calls, sleep)
        await store.create("acme", group(), [Member(f"member-{number}") for number in range(250)])
        emulator.faults.append(Fault(call, throttled(1), nth=2, times=times))
        assert sum([len(page) async for page in tenant.everything("acme")]) == 251
        assert sum([number async for number in tenant.erase("acme")]) == 251
        assert emulator.items("acme") == []
    assert set(waits) == {1}


async def test_a_run_that_is_throttled_for_ever_ends() -> None:
    async def sleep(seconds: float) -> None:
        pass

    async with in_process() as (store, emulator):
        emulator.faults.append(Fault("query", throttled(1), times=None))
        with pytest.raises(StoreUnavailable):
            await TenantItems(store._calls, sleep).count("acme")


async def test_an_erasure_survives_batches_whose_outcome_is_unknown() -> None:
    async with in_process() as (store, emulator):
        await store.create("acme", group(), [Member(f"member-{number}") for number in range(450)])
        emulator.faults.append(Fault("batch", CutAfter(), nth=1))
        emulator.faults.append(Fault("batch", CutBefore(), nth=3))
        async for _ in store.erase("acme"):
            pass
        assert emulator.items("acme") == []


@pytest.mark.parametrize("effect", [CutBefore(), throttled(1)], ids=["cut", "throttled"])
async def test_an_erasure_whose_batches_always_fail_ends(effect: Effect) -> None:
    async def sleep(seconds: float) -> None:
        pass

    async with in_process() as (store, emulator):
        await store.create("acme", group())
        emulator.faults.append(Fault("batch", effect, times=None))
        with pytest.raises(StoreUnavailable):
            async for _ in TenantItems(store._calls, sleep).erase("acme"):
                pass
        assert len(emulator.items("acme")) == 1
