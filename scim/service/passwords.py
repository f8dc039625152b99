"""What becomes of a user's `password`: it is forgotten, or kept as a hash. No other place sees what a client sent.

Only the core User schema's attribute is meant; one of the same name elsewhere is what its own schema makes of it.
Source: RFC 7643 §4.1.1, RFC 7644 §5.
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
from scim.protocol.schema import ResourceType

type Keep = Callable[[str], Awaitable[str | None]]
"""What is stored in place of a password, if anything."""

_USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
_NAME: Final = "password"
_MOST_BYTES: Final = 1024

# OWASP's recommendation for Argon2id, the second of those that it counts as equal.
_MEMORY_KIB: Final = 19_456
_PASSES: Final = 2
_LANES: Final = 1
_HASH_BYTES: Final = 32
_AT_ONCE: Final = 4
"""Each takes 19 MiB while it runs."""


async def forget(text: str) -> None:
    """Keep nothing: whoever signs people in doesn't do it by this password."""


class Hash:
    """Keep an Argon2id hash as a PHC string (`$argon2id$v=19$m=19456,t=2,p=1$…`), which names its own parameters."""

    def __init__(self, new_salt: Callable[[], bytes]) -> None:
        """`new_salt` gives 16 random bytes."""
        self._new_salt = new_salt
        # Threads, because 20 ms of work would hold every other request up; a pool of its own, because a request that is
        # called off doesn't stop the hash that it began.
        self._pool = ThreadPoolExecutor(_AT_ONCE, "password")

    async def __call__(self, text: str) -> str:
        return await get_running_loop().run_in_executor(self._pool, _derived, prepared(text), self._new_salt())


class Passwords:
    """Puts what is kept in place of the passwords that requests bring."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep

    async def in_resource(
        self, resource: JsonObject, kind: ResourceType, current: JsonObject | None = None
    ) -> JsonObject:
        """The resource of a POST, or of a PUT over `current`, as it is to be stored. Raises `InvalidValue`."""
        if _NAME not in resource or kind.schema.id != _USER:
            return resource
        text = resource[_NAME]
        # What a PUT has taken over is the very same object. A client's text can't be, even if it is equal.
        if current is not None and text is current.get(_NAME):
            return resource
        kept = await self._keep(_checked(text))
        others = {name: value for name, value in resource.items() if name != _NAME}
        return others if kept is None else {**others, _NAME: kept}

    async def in_changes(self, changes: list[Change], kind: ResourceType) -> list[Change]:
        """The changes of a PATCH, with the last word on the password as it is to be stored. Raises `InvalidValue`."""
        if kind.schema.id != _USER:
            return changes
        places = [
            at
            for at, change in enumerate(changes)
            if change.place.attribute.name == _NAME and change.place.extension is None
        ]
        if not places:
            return changes
        text = None
        for at in places:
            change = changes[at]
            text = None if change.op == "remove" else values.value(change.value, change.place.attribute)
            if text is not None:
                _checked(text)
        # Only the last one counts, so one hash is enough, however many the request brings.
        kept = None if text is None else await self._keep(text)
        place = changes[places[-1]].place
        last = Change("remove", place, None) if kept is None else Change("replace", place, kept)
        return [*(change for at, change in enumerate(changes) if at not in places), last]


def prepared(text: str) -> str:
    """The password in the form that is hashed: PRECIS OpaqueString, as RFC 7644 §5 wants it (RFC 8265 §4.2)."""
    return normalize("NFC", "".join(" " if category(character) == "Zs" else character for character in text))


def _checked(text: str) -> str:
    if len(text.encode()) > _MOST_BYTES:
        raise InvalidValue(f"'{_NAME}' may have at most {_MOST_BYTES} bytes.")
    return text


def _derived(text: str, salt: bytes) -> str:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id  # noqa: PLC0415 - only paid for where it is used

    argon2 = Argon2id(salt=salt, length=_HASH_BYTES, iterations=_PASSES, lanes=_LANES, memory_cost=_MEMORY_KIB)
    return argon2.derive_phc_encoded(text.encode())
