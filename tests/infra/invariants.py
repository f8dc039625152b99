"""What holds for infra/: every invariant is a function of a stack that yields faults, each in a sentence."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Final

from tests.infra import access, layout, network, service, shown
from tests.infra.stack import Stack

type Invariant = Callable[[Stack], Iterator[str]]


def _of(module: ModuleType) -> dict[str, Invariant]:
    return {
        name: check
        for name, check in vars(module).items()
        if inspect.isgeneratorfunction(check) and check.__module__ == module.__name__ and not name.startswith("_")
    }


ALL: Final[Mapping[str, Invariant]] = {
    name: check for module in (layout, access, service, network, shown) for name, check in _of(module).items()
}
