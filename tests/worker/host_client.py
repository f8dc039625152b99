"""The third way in that tests use: real HTTP through the stand-in for the host, to the function app in a real worker."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.conftest import TOKEN, Loop, PortClient
from tests.worker.host import Host

ROOT = Path(__file__).parents[2]
# Nothing of what a suite sends is too much for one tenant.
SETTINGS = {"SCIM_DEV_TOKEN": TOKEN, "SCIM_REQUESTS_PER_SECOND": "100000"}


class HostClient(PortClient):
    """Sends real HTTP requests to a host of its own; `settings` are the app settings, all that the worker sees."""

    def __init__(
        self,
        loop: Loop,
        settings: Mapping[str, str] = SETTINGS,
        script_root: Path = ROOT,
        packages: Sequence[Path] | None = None,
    ) -> None:
        self._loop = loop
        self.host = loop.run(Host.start(script_root, settings, packages))
        super().__init__(self.host.origin)

    def empty(self) -> None:
        """Delete every user and group, as a client would: the store in memory has no other door."""
        for resource_type in ("Groups", "Users"):
            while found := self.get(f"/{resource_type}?attributes=id&count=1000").json.get("Resources"):
                for resource in found:
                    answer = self.delete(f"/{resource_type}/{resource['id']}")
                    assert answer.status == 204, answer.body

    def close(self) -> None:
        super().close()
        self._loop.run(self.host.stop())
