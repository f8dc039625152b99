"""A request and what came of it. Knows HTTP's words and JSON, no check and no report."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Exchange:
    """A request and its response; header names are lower case. `error` says why there is no response (status 0)."""

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
    """The version of TLS that was spoken."""
    valid_until: str | None = None
    """The end of the server's certificate, as OpenSSL writes it."""

    @cached_property
    def json(self) -> Any:
        """The body read; None if it isn't JSON."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return None

    @property
    def resource(self) -> dict[str, Any]:
        """The body if it is a JSON object, otherwise an empty one."""
        return self.json if isinstance(self.json, dict) else {}

    @property
    def resources(self) -> list[dict[str, Any]]:
        """The resources of a list; what isn't an object is left out."""
        found = self.resource.get("Resources")
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    @property
    def media_type(self) -> str:
        """The content type without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()
