"""Who `/Me` is: the one user that a token is linked to by an attribute (RFC 7644 §3.11). Knows no token.

What a token calls its bearer is any text at all: it is a value of a comparison, and nothing else.
"""

from scim.protocol import filter as syntax
from scim.protocol.errors import InvalidFilter, NotFound, NotImplementedHere
from scim.protocol.query import AnyOf, Bound, bind, locate
from scim.protocol.schema import ResourceType
from scim.service.caller import Caller
from scim.storage.interface import Search, Store


class Link:
    """The attribute of a user that holds what tokens call that user."""

    def __init__(self, attribute: str, kind: ResourceType) -> None:
        """`attribute` in SCIM notation, such as `externalId` or `urn:...:User:employeeNumber`.

        Raises `ValueError` with what it must be instead.
        """
        path = syntax.attribute_path(attribute)
        found = locate(path, kind) if path is not None else None
        if found is None:
            raise ValueError(f"must be an attribute of {kind.name}, such as externalId")
        place, sub = found
        named = place.attribute
        if sub is not None or named.multi_valued or not named.is_text:
            raise ValueError("must be an attribute with a single value, which is a string or a reference")
        if named.mutability == "readOnly":
            raise ValueError("must be an attribute that a client can set")
        if named.returned == "never":
            raise ValueError("must be an attribute that can be searched: this one is never returned")
        self.kind = kind
        self.name = named.name
        self._path = syntax.Path(place.extension, named.name)

    def to(self, subject: str) -> Bound | None:
        """The filter that finds whom it names; `None` if nobody can be called that."""
        try:
            return bind(syntax.Compare(self._path, "eq", subject), self.kind)
        except InvalidFilter:  # longer than any value that can be found
            return None


class Me:
    """Finds the caller's own user, with one query."""

    def __init__(self, store: Store, link: Link) -> None:
        self._store = store
        self._link = link

    async def id(self, caller: Caller) -> str:
        """The id of the caller's user. Raises `NotImplementedHere` if the token names nobody, or `NotFound`."""
        name = self._link.name
        if not caller.subjects:
            raise NotImplementedHere(
                "This token isn't linked to a user. /Me needs a token of Entra ID, whose 'oid' or 'sub' is the "
                f"'{name}' of a user; this is a token of the service's own, or names neither."
            )
        named = [bound for subject in caller.subjects if (bound := self._link.to(subject)) is not None]
        # Two, because one of several would be a guess.
        search = Search(named[0] if len(named) == 1 else AnyOf(tuple(named)), 0, 2, counted=False)
        found = (await self._store.search(caller.tenant, self._link.kind.name, search)).items if named else ()
        if len(found) > 1:
            raise NotFound(f"Several users have the 'oid' or 'sub' of this token as their '{name}'; it must be one.")
        if not found:
            raise NotFound(f"No user has the 'oid' or 'sub' of this token as '{name}'.")
        return found[0].id
