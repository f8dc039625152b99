"""Drops or hashes the `password` of a user (RFC 7643 §4.1.1, RFC 7644 §5). No other module sees the plain text.

Handles only the attribute of the core User schema. A custom attribute of the same name is stored as its schema says.
"""

from asyncio import get_running_loop
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from unicodedata import category, normalize

from scim.protocol import values
from scim.protocol.errors import InvalidValue
from scim.protocol.json import JsonObject
from scim.protocol.patch import Change
from scim.protocol.schema.model import ResourceType

type Keep = Callable[[str], Awaitable[str | None]]
"""Returns the value to store in place of a password; `None` to store none."""

_USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
_NAME: Final = "password"
_MAX_BYTES: Final = 1024

# One of the parameter sets that OWASP recommends for Argon2id.
_MEMORY_KIB: Final = 19_456
_PASSES: Final = 2
_LANES: Final = 1
_HASH_BYTES: Final = 32
_THREADS: Final = 4
"""Hashes that run at the same time; each takes 19 MiB."""


async def forget(text: str) -> None:
    """Store no password, because users don't sign in with it."""


class Hash:
    """Stores an Argon2id hash as a PHC string, which contains its parameters (`$argon2id$v=19$m=19456,t=2,p=1$...`)."""

    def __init__(self, new_salt: Callable[[], bytes]) -> None:
        """`new_salt` returns 16 random bytes."""
        self._new_salt = new_salt
        # In threads, because a hash takes 20 ms, in which no other request would be served. In a pool of its own, because
        # cancelling a request doesn't stop its hash.
        self._pool = ThreadPoolExecutor(_THREADS, "password")

    async def __call__(self, text: str) -> str:
        return await get_running_loop().run_in_executor(self._pool, _hash, prepare(text), self._new_salt())


class Passwords:
    """Replaces the passwords in requests by the values to store."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep

    async def in_resource(
        self, resource: JsonObject, resource_type: ResourceType, current: JsonObject | None = None
    ) -> JsonObject:
        """Return the resource of a POST, or of a PUT that replaces `current`, with the password as it is stored.

        The password of a PUT counts as unchanged if it is the same object as in `current`: `validate.replacement` copies
        the reference when the body has no password. Raises `InvalidValue`.
        """
        if _NAME not in resource or resource_type.schema.id != _USER:
            return resource
        text = resource[_NAME]
        # Compared by identity: a client's text may equal the stored hash, but is never the same object.
        if current is not None and text is current.get(_NAME):
            return resource
        stored = await self._keep(_checked(text))
        others = {name: value for name, value in resource.items() if name != _NAME}
        return others if stored is None else {**others, _NAME: stored}

    async def in_changes(self, changes: list[Change], resource_type: ResourceType) -> list[Change]:
        """Return the changes of a PATCH; the last change of the password has the value to store. Raises `InvalidValue`."""
        if resource_type.schema.id != _USER:
            return changes
        positions = [
            index
            for index, change in enumerate(changes)
            if change.place.attribute.name == _NAME and change.place.extension is None
        ]
        if not positions:
            return changes
        text = None
        for index in positions:
            change = changes[index]
            text = None if change.op == "remove" else values.value(change.value, change.place.attribute)
            if text is not None:
                _checked(text)
        # Only the last password counts, so one hash is enough.
        stored = None if text is None else await self._keep(text)
        place = changes[positions[-1]].place
        last = Change("remove", place, None) if stored is None else Change("replace", place, stored)
        return [*(change for index, change in enumerate(changes) if index not in positions), last]


def prepare(text: str) -> str:
    """Return the password in the form that is hashed: PRECIS OpaqueString (RFC 7644 §5, RFC 8265 §4.2)."""
    return normalize("NFC", "".join(" " if category(character) == "Zs" else character for character in text))


def _checked(text: str) -> str:
    if len(text.encode()) > _MAX_BYTES:
        raise InvalidValue(f"'{_NAME}' may have at most {_MAX_BYTES} bytes in UTF-8.")
    return text


def _hash(text: str, salt: bytes) -> str:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id  # noqa: PLC0415 - imported only where it is used

    argon2 = Argon2id(salt=salt, length=_HASH_BYTES, iterations=_PASSES, lanes=_LANES, memory_cost=_MEMORY_KIB)
    return argon2.derive_phc_encoded(text.encode())
