"""Calls of the database that a test holds up: the emulator runs in one event loop, and what waits for it elsewhere."""

import asyncio

from tests.cosmos_emulator import Emulator, Fault, Slow


async def held_at(emulator: Emulator, resource_type: str, *, times: int | None = 1) -> Slow:
    """From now on a call of this kind waits, until it is let go. Runs in the emulator's loop, as does all of this."""
    slow = Slow(asyncio.Event())
    emulator.faults.append(Fault(resource_type, slow, times=times))
    return slow


async def let_go(emulator: Emulator, slow: Slow) -> None:
    """Let those go on that wait, and hold up nobody else."""
    emulator.faults.clear()
    slow.event.set()
