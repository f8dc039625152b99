"""Collects the resources of one page as JSON, within the size that a list answer may have. Reads no store.

How it works: a page of 1,000 resources may be 250 MB, so it is never in memory as a whole. The store hands over one resource
after another. Each becomes JSON at once, as the answer carries it, and when the next one has no room left, reading ends.
"""

from typing import Final, NamedTuple

import orjson

from scim.protocol.json import Json
from scim.protocol.messages import SearchRequest
from scim.protocol.projection import Projection, projection
from scim.protocol.schema import ResourceType
from scim.service.cursors import Place
from scim.service.membership import Values
from scim.service.view import View
from scim.storage.interface import Stored, Take

READ_PER_ROOM: Final = 2
"""How many times the room may be read for a page that shows a part of each resource: what isn't shown takes time too."""


class Entry(NamedTuple):
    """A resource on the page, as JSON without its members or groups, and what it is ordered by."""

    wanted: Projection
    relation: str
    """`members` or `groups` if the answer carries them; otherwise empty."""
    id: str
    key: str
    json: bytes

    @property
    def place(self) -> Place:
        """Where it stands in the order of the query."""
        return Place(self.wanted.kind.name, self.key)

    def with_values(self, values: Values | None) -> Json:
        """Return the whole resource, for `orjson`."""
        if values is None or not values.runs:
            return orjson.Fragment(self.json)
        # The resource has an id at least, so a comma is due.
        parts = (self.json[:-1], b',"', self.relation.encode(), b'":[', b",".join(values.runs), b"]}")
        return orjson.Fragment(b"".join(parts))


class ListPage:
    """At most `count` resources, which together have at most `room` bytes as JSON; the first one has any size.

    With what isn't shown of them they have at most `READ_PER_ROOM` times as many.
    """

    def __init__(self, request: SearchRequest, view: View, *, count: int, room: int) -> None:
        self.entries: list[Entry] = []
        self.has_more = False
        """Whether a resource was offered that has no place on this page."""
        self.size = 0
        """Bytes of the entries."""
        self.room = room
        self.places = count
        """How many more resources may come, apart from their size."""
        self._read = 0
        self._request = request
        self._view = view

    @property
    def is_cut(self) -> bool:
        """Whether the page ends before `count` because the next resource has no room."""
        return self.has_more and self.places > 0

    def taking(self, kind: ResourceType) -> Take:
        """Return the function that adds resources of this type to the page, until it has no place for another one."""
        wanted = projection(self._request.attributes, self._request.excluded, kind)
        relation = kind.relation if kind.relation and wanted.carries(kind.relation) else ""
        apply, represent, entries = wanted.apply, self._view.resource, self.entries
        shows_all, most = not (self._request.attributes or self._request.excluded), READ_PER_ROOM * self.room

        def take(stored: Stored, key: str) -> bool:
            if self.places > 0:
                # Copied, because orjson keeps up to eight times the memory behind what it has written.
                json = bytes(memoryview(orjson.dumps(apply(represent(stored, kind)))))
                size = self.size + len(json) + 1  # and a comma
                read = self._read + (len(json) if shows_all else len(orjson.dumps(stored.resource)))
                if (size <= self.room and read <= most) or not entries:
                    entries.append(Entry(wanted, relation, stored.id, key, json))
                    self.size, self._read = size, read
                    self.places -= 1
                    return True
            self.has_more = True
            return False

        return take
