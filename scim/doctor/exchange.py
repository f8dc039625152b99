"""A request and its response. Knows HTTP and JSON, no checks and no reports."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Exchange:
    """A request and its response. Header names are lower case. `error` says why there is no response (status 0)."""

    method: str
    url: str
    sent: Mapping[str, str]
    sent_body: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    seconds: float = 0.0
    error: str | None = None
    tls: str | None = None
    """The version of TLS."""
    valid_until: str | None = None
    """The end of the validity of the server's certificate, as OpenSSL writes it."""

    @cached_property
    def json(self) -> Any:
        """Return the parsed body; None if it isn't JSON."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return None

    @property
    def resource(self) -> dict[str, Any]:
        """Return the body if it is a JSON object, else an empty one."""
        return self.json if isinstance(self.json, dict) else {}

    @property
    def resources(self) -> list[dict[str, Any]]:
        """Return the resources of a list that are objects."""
        found = self.resource.get("Resources")
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    @property
    def media_type(self) -> str:
        """The content type without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()
