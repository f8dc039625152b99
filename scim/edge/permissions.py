"""Who may do what: a table of actions. What isn't in it nobody may do."""

from collections.abc import Collection, Mapping
from typing import Final

from scim.edge.routes import Action
from scim.security.principal import Reach

_EVERYBODY: Final[Collection[Reach]] = frozenset({"self", "read", "write"})
_READERS: Final[Collection[Reach]] = frozenset({"read", "write"})
_WRITERS: Final[Collection[Reach]] = frozenset({"write"})

# A person reads and never writes: whoever could change their own resource could change their roles, or undo `active: false`.
_ALLOWED: Final[Mapping[Action, Collection[Reach]]] = {
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


def allowed(action: Action) -> Collection[Reach]:
    """Whose tokens may do it; those of nobody, if the table doesn't say."""
    return _ALLOWED.get(action, ())
