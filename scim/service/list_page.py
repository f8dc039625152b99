"""Collects the resources of one page as JSON, within the size limit of a list. Does not read the store.

How it works: 1,000 resources can have 250 MB, so they are never in memory together. The store passes one resource after
another. Each is converted at once to the JSON of its representation, and reading stops when the next one doesn't fit.
"""

from typing import Final, NamedTuple

import orjson

from scim.protocol.json import Json
from scim.protocol.messages import SearchRequest
from scim.protocol.projection import Projection, projection
from scim.protocol.schema.model import ResourceType
from scim.service.cursors import Position
from scim.service.memberships import Values
from scim.service.representation import Representations
from scim.storage.interface import Stored, Take

READ_PER_ROOM: Final = 2
"""How many times the size limit may be read for a page that has only some attributes: the others take time too."""


class Entry(NamedTuple):
    """A resource on the page as JSON, without its members or groups, and its key in the order of the page."""

    projection: Projection
    relation: str
    """`members` or `groups` if the representation has them; otherwise empty."""
    id: str
    key: str
    json: bytes

    @property
    def position(self) -> Position:
        """The position in the order of the query, from which a cursor continues: the name of the type, and the key."""
        return Position(self.projection.resource_type.name, self.key)

    def with_values(self, values: Values | None) -> Json:
        """Return the whole representation as a value for `orjson`."""
        if values is None or not values.runs:
            return orjson.Fragment(self.json)
        # The representation has at least an id, so a comma follows.
        parts = (self.json[:-1], b',"', self.relation.encode(), b'":[', b",".join(values.runs), b"]}")
        return orjson.Fragment(b"".join(parts))


class ListPage:
    """At most `count` resources, which have at most `room` bytes of JSON together. The first one may be larger.

    With the attributes that the representation leaves out, they have at most `READ_PER_ROOM` times as many bytes.
    """

    def __init__(self, request: SearchRequest, representations: Representations, *, count: int, room: int) -> None:
        self.entries: list[Entry] = []
        self.has_more = False
        """Whether the store has passed a resource that doesn't fit on this page."""
        self.size = 0
        """Bytes of all entries."""
        self.room = room
        self.free_places = count
        """The number of further resources that the page takes, regardless of size."""
        self._read = 0
        self._request = request
        self._representations = representations

    @property
    def is_cut(self) -> bool:
        """Whether the page ends before `count` because the next resource doesn't fit."""
        return self.has_more and self.free_places > 0

    def adder(self, resource_type: ResourceType) -> Take:
        """Return a function that adds a resource of this type to the page; it returns `False` if the resource doesn't fit."""
        wanted = projection(self._request.attributes, self._request.excluded, resource_type)
        relation = resource_type.relation if resource_type.relation and wanted.carries(resource_type.relation) else ""
        apply, represent, entries = wanted.apply, self._representations.resource, self.entries
        shows_all, read_limit = not (self._request.attributes or self._request.excluded), READ_PER_ROOM * self.room

        def take(stored: Stored, key: str) -> bool:
            if self.free_places > 0:
                # Copied, because the result of orjson can hold eight times its own memory.
                json = bytes(memoryview(orjson.dumps(apply(represent(stored, resource_type)))))
                size = self.size + len(json) + 1  # and a comma
                read = self._read + (len(json) if shows_all else len(orjson.dumps(stored.resource)))
                if (size <= self.room and read <= read_limit) or not entries:
                    entries.append(Entry(wanted, relation, stored.id, key, json))
                    self.size, self._read = size, read
                    self.free_places -= 1
                    return True
            self.has_more = True
            return False

        return take
