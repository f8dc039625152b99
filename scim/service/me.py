"""Finds the user that `/Me` stands for, by the claims of the token (RFC 7644 §3.11). Does not read tokens.

A claim can contain any text. It is only ever used as the value of a comparison.
"""

from scim.protocol.errors import InvalidFilter, NotFound, NotImplementedHere
from scim.protocol.filter import syntax
from scim.protocol.filter.binding import AnyOf, Bound, bind, locate
from scim.protocol.schema.model import ResourceType
from scim.service.request_context import RequestContext
from scim.storage.interface import Search, Store


class MeMapping:
    """The attribute of users that is compared with the claims `oid` and `sub` of a token."""

    def __init__(self, attribute: str, resource_type: ResourceType) -> None:
        """`attribute` is in SCIM notation, such as `externalId` or `urn:...:User:employeeNumber`.

        Raises `ValueError` with what it must be; the text continues "The setting ...".
        """
        path = syntax.attribute_path(attribute)
        located = locate(path, resource_type) if path is not None else None
        if located is None:
            raise ValueError(f"must be an attribute of {resource_type.name}, such as externalId")
        place, sub = located
        attribute_found = place.attribute
        if sub is not None or attribute_found.multi_valued or not attribute_found.is_text:
            raise ValueError("must be an attribute with a single value, which is a string or a reference")
        if attribute_found.mutability == "readOnly":
            raise ValueError("must be an attribute that a client can set")
        if attribute_found.returned == "never":
            raise ValueError("must be an attribute that can be searched: this one is never returned")
        self.resource_type = resource_type
        self.name = attribute_found.name
        self._path = syntax.Path(place.extension, attribute_found.name)

    def filter_for(self, subject: str) -> Bound | None:
        """Return the filter that finds the user of a claim; `None` if the claim is longer than any value that can be
        compared.
        """
        try:
            return bind(syntax.Compare(self._path, "eq", subject), self.resource_type)
        except InvalidFilter:  # longer than any value that can be searched
            return None


class Me:
    """Finds the user of a request, with one query."""

    def __init__(self, store: Store, mapping: MeMapping) -> None:
        self._store = store
        self._mapping = mapping

    async def user_id(self, context: RequestContext) -> str:
        """Return the id of the user. Raises `NotImplementedHere` if the token has no claims of a user, and `NotFound`."""
        name = self._mapping.name
        if not context.subjects:
            raise NotImplementedHere(
                "/Me needs an access token of Entra ID whose claim 'oid' or 'sub' equals the "
                f"'{name}' of a user. This token has neither claim, or this service issued it."
            )
        filters = [bound for subject in context.subjects if (bound := self._mapping.filter_for(subject)) is not None]
        # Limited to two, which is enough to see that the user isn't unique.
        search = Search(filters[0] if len(filters) == 1 else AnyOf(tuple(filters)), 0, 2, counted=False)
        users = (
            (await self._store.search(context.customer, self._mapping.resource_type.name, search)).items
            if filters
            else ()
        )
        if len(users) > 1:
            raise NotFound(
                f"Several users have the claim 'oid' or 'sub' of this token as their '{name}'. Exactly one user must have it."
            )
        if not users:
            raise NotFound(f"No user has the claim 'oid' or 'sub' of this token as its '{name}'.")
        return users[0].id
