"""Removes secrets, personal data of other resources, and long bodies from requests and responses for a report."""

import base64
import html
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, quote_plus

from scim.doctor.exchange import Exchange

HIDDEN: Final = "[hidden]"
LONGEST: Final = 2_000
"""Characters of a body that are shown."""
_SECRET_HEADERS: Final = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-functions-key", "x-api-key"}
)
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic)\s+(?!realm\b|error\b|scope\b)[\w.~+/=-]{8,}")
_JWT: Final = re.compile(r"\beyJ[\w-]{5,}\.[\w-]+\.?[\w-]*")
_NAMED: Final = re.compile(
    r'(?i)("[\w.:-]*(?:password|passwd|secret|access_?token|refresh_?token|client_assertion|api_?key)[\w-]*"\s*:\s*)'
    r'"(?:[^"\\]|\\.)*"'
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_DISCOVERY: Final = frozenset({"Schema", "ResourceType"})


@dataclass(frozen=True, slots=True)
class Evidence:
    """An exchange as a report shows it."""

    method: str
    url: str
    sent: Mapping[str, str]
    sent_body: str
    status: int
    headers: Mapping[str, str]
    body: str
    milliseconds: int
    error: str | None


class Redaction:
    """Removes the secrets of this run from any text, in every form in which a server may return them."""

    def __init__(self, secrets: Iterable[str], run: str) -> None:
        forms = {form for secret in secrets if secret for form in _forms(secret)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE) if forms else None
        self._run = run

    def text(self, text: str) -> str:
        """Return the text without secrets and without terminal control characters."""
        if self._secrets is not None:
            text = self._secrets.sub(HIDDEN, text)
        text = _NAMED.sub(rf'\1"{HIDDEN}"', text)
        text = _JWT.sub(HIDDEN, _BEARER.sub(rf"\1 {HIDDEN}", text))
        return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)

    def evidence(self, exchange: Exchange) -> Evidence:
        """Return an exchange as a report shows it."""
        return Evidence(
            exchange.method,
            self.text(exchange.url),
            self._headers(exchange.sent),
            self._body(exchange.sent_body),
            exchange.status,
            self._headers(exchange.headers),
            self._body(self._impersonal(exchange)),
            round(exchange.seconds * 1000),
            None if exchange.error is None else self.text(exchange.error),
        )

    def _headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {
            self.text(name): HIDDEN if name.lower() in _SECRET_HEADERS else self.text(value)[:300]
            for name, value in headers.items()
        }

    def _body(self, body: str) -> str:
        shown = self.text(body)
        if len(shown) <= LONGEST:
            return shown
        return f"{shown[:LONGEST]}... ({len(shown) - LONGEST} more characters)"

    def _impersonal(self, exchange: Exchange) -> str:
        """Return the body without the values of resources that the run hasn't created."""
        body = exchange.json
        if not isinstance(body, dict):
            return exchange.text
        if isinstance(body.get("Resources"), list):
            kept = [self._own_or_masked(one) for one in body["Resources"][:10]]
            return json.dumps({**body, "Resources": kept}, ensure_ascii=False)
        return json.dumps(self._own_or_masked(body), ensure_ascii=False) if "id" in body else exchange.text

    def _own_or_masked(self, resource: Any) -> Any:
        if not isinstance(resource, dict):
            return resource
        meta = resource.get("meta")
        type_name = meta.get("resourceType") if isinstance(meta, dict) else None
        # Resources of custom types may have attributes of any name.
        masked = {"name", "attributes"} <= resource.keys() or {"endpoint", "schema"} <= resource.keys()
        if type_name in _DISCOVERY or masked or "id" not in resource:
            return resource
        own = any(self._run in str(resource.get(name)) for name in ("userName", "displayName", "externalId"))
        # Asked for `attributes=id` a resource of the doctor's own is an id and no more.
        bare = resource.keys() <= {"id", "schemas", "meta"}
        return resource if own or bare else {name: _masked(name, value) for name, value in resource.items()}


def _masked(name: str, value: Any) -> Any:
    if name in {"schemas", "resourceType"}:
        return value
    match value:
        case dict():
            return {inner: _masked(inner, one) for inner, one in value.items()}
        case list():
            return [_masked(name, one) for one in value[:3]]
        case bool() | None:
            return value
        case _:
            return "..."


def _forms(secret: str) -> Iterable[str]:
    yield secret
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield html.escape(secret)
    yield json.dumps(secret)[1:-1]
    yield secret.replace("/", "\\/")
    yield base64.b64encode(secret.encode()).decode().rstrip("=")
    yield base64.urlsafe_b64encode(secret.encode()).decode().rstrip("=")
    # The end of a long secret alone is most of it: a server that cuts what it echoes.
    for part in re.split(r"[._]", secret):
        if len(part) >= 16:
            yield part
    if len(secret) >= 24:
        yield secret[:16]
        yield secret[-16:]
