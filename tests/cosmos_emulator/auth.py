"""Checks the authorization header: a signature with the master key, or a token if tokens are allowed. Knows no routes.

Source: "Access control in the Azure Cosmos DB SQL API" (the string to sign) and "Azure Cosmos DB data plane security"
(`type=aad`). The date is required but its age is not checked: the emulator's clock is the test's and not the SDK's.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from hashlib import sha256
from urllib.parse import unquote

from tests.cosmos_emulator.wire import METADATA_BY_AAD, CosmosError, WireRequest

type TokenCheck = Callable[[str], bool]


class Authentication:
    """Authenticates requests. `key` is the base64 master key; `tokens` checks an Entra token, or is None."""

    def __init__(self, key: str, tokens: TokenCheck | None) -> None:
        self._key = base64.b64decode(key)
        self._tokens = tokens

    def check(self, request: WireRequest, resource_type: str, link: str, *, metadata_write: bool) -> None:
        """Raise CosmosError 401 for a missing or wrong credential, 403 for requests that no token allows."""
        fields = dict(part.partition("=")[::2] for part in unquote(request.headers.get("authorization", "")).split("&"))
        signature = fields.get("sig", "")
        if fields.get("ver") != "1.0" or not signature:
            raise CosmosError(401, "Required Header authorization is missing or malformed.")
        if fields.get("type") == "aad":
            if self._tokens is None or not self._tokens(signature):
                raise CosmosError(401, "The AAD token is refused.")
            if metadata_write:
                message = f"The given request [{request.method} {request.path}] cannot be authorized by AAD token in data plane."
                raise CosmosError(403, message, METADATA_BY_AAD)
            return
        date = request.headers.get("x-ms-date", "")
        try:
            parsedate_to_datetime(date)
        except ValueError:
            raise CosmosError(401, "The date header x-ms-date is missing or malformed.") from None
        text = f"{request.method.lower()}\n{resource_type}\n{link}\n{date.lower()}\n\n"
        expected = base64.b64encode(hmac.digest(self._key, text.encode(), sha256)).decode()
        if fields.get("type") != "master" or not hmac.compare_digest(expected.encode(), signature.encode()):
            raise CosmosError(
                401,
                "The input authorization token can't serve the request. Please check that the expected payload is built"
                " as per the protocol, and check the key being used.",
            )
