"""The access that each action requires. An action that isn't in the table is forbidden."""

from collections.abc import Collection, Mapping
from typing import Final

from scim.edge.routes import Action
from scim.security.principal import PrincipalAccess

_EVERYBODY: Final[Collection[PrincipalAccess]] = frozenset({"self", "read", "write"})
_READERS: Final[Collection[PrincipalAccess]] = frozenset({"read", "write"})
_WRITERS: Final[Collection[PrincipalAccess]] = frozenset({"write"})

# Users may only read: a user who could change their own resource could change their roles, or undo `active: false`.
_ALLOWED: Final[Mapping[Action, Collection[PrincipalAccess]]] = {
    "serviceProviderConfig": _EVERYBODY,
    "resourceTypes": _EVERYBODY,
    "resourceType": _EVERYBODY,
    "schemas": _EVERYBODY,
    "schema": _EVERYBODY,
    "me": _EVERYBODY,
    "list": _READERS,
    "search": _READERS,
    "get": _READERS,
    "create": _WRITERS,
    "put": _WRITERS,
    "patch": _WRITERS,
    "delete": _WRITERS,
    "bulk": _WRITERS,
    "createMe": _WRITERS,
    "putMe": _WRITERS,
    "patchMe": _WRITERS,
    "deleteMe": _WRITERS,
}


def allowed(action: Action) -> Collection[PrincipalAccess]:
    """Return the access values that permit the action; none for an action that isn't in the table."""
    return _ALLOWED.get(action, ())
