"""The use cases on one resource: create, get, replace, patch, delete, the same for every resource type."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import random
from typing import Final

import orjson

from scim.protocol import datetimes, etag, fold, patch, validate
from scim.protocol.errors import InvalidValue, NotFound, PayloadTooLarge, Unavailable, Uniqueness
from scim.protocol.json import Json, JsonObject
from scim.protocol.limits import Limits
from scim.protocol.messages import patch_request
from scim.protocol.projection import NOTHING, Levels, Projection, everything, projection, written
from scim.protocol.registry import Registry
from scim.protocol.schema import ResourceType
from scim.service.caller import Asked, Caller, Conditions, stale
from scim.service.drafts import draft_of, held_by, write_over_outdated
from scim.service.group_members import GroupMembers
from scim.service.member_changes import named_changes, split
from scim.service.membership import Memberships
from scim.service.passwords import Passwords
from scim.service.view import View, is_id
from scim.storage.interface import (
    NO_CHANGES,
    Changed,
    Draft,
    Gone,
    Interrupted,
    Member,
    MemberChanges,
    Membership,
    Store,
    Stored,
    Taken,
)

_ATTEMPTS: Final = 10
_PAUSE_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request on one resource; `resource` is `None` if the answer needs no body.

    Its `members` or `groups` may be JSON already (`orjson.Fragment`), because a large group has many of them.
    """

    resource: JsonObject | None
    version: str
    location: str


class Resources:
    """Everything that a SCIM client can do with a single resource."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        limits: Limits,
        memberships: Memberships,
        members: GroupMembers,
        passwords: Passwords,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._store = store
        self._registry = registry
        self._limits = limits
        self._memberships = memberships
        self._members = members
        self._passwords = passwords
        self._clock = clock
        self._new_id = new_id
        self._sleep = sleep

    async def create(
        self, caller: Caller, kind: ResourceType, body: Json, asked: Asked | None, *, id: str | None = None
    ) -> Answer:
        """POST (RFC 7644 §3.3). Raises `Uniqueness`, `InvalidValue`, `InvalidSyntax` or `PayloadTooLarge`.

        `id` is one that was made beforehand; without `asked` the answer has no resource.
        """
        resource = await self._passwords.in_resource(validate.resource(body, kind), kind)
        members = self._members.named(resource, kind) or []
        now = datetimes.written(self._clock())
        resource["id"] = id or self._new_id()
        resource["meta"] = {"resourceType": kind.name, "created": now, "lastModified": now}
        draft = self._draft(resource, kind, whole=True)
        try:
            version = await self._store.create(caller.tenant, draft, members)
        except Taken as taken:
            raise _taken(kind, taken) from None
        stored = Stored(kind.name, draft.id, version, resource, draft.rules)
        return self._answer(caller, kind, stored, asked, members, everything(kind))

    async def get(self, caller: Caller, kind: ResourceType, id: str, asked: Asked, conditions: Conditions) -> Answer:
        """GET (RFC 7644 §3.4.1); without a resource in the answer if the client has this version already."""
        stored = await self._read(caller.tenant, kind, id)
        if conditions.if_match is not None and not etag.matches(conditions.if_match, stored.version):
            raise stale()
        wanted = projection(asked.attributes, asked.excluded, kind)
        derived = bool(kind.relation) and wanted.carries(kind.relation)
        # The version says nothing of members and groups, which are items of their own.
        if not derived and conditions.if_none_match and etag.matches(conditions.if_none_match, stored.version):
            return self._answer(caller, kind, stored, None)
        return await self._whole(caller, wanted, stored)

    async def put(
        self, caller: Caller, kind: ResourceType, id: str, body: Json, asked: Asked, conditions: Conditions
    ) -> Answer:
        """PUT (RFC 7644 §3.5.1). The answer has the `members` of a group; `groups` of a user only if they are asked for."""

        async def attempt(conditions: Conditions) -> tuple[Stored, list[Member] | None]:
            stored = await self._read(caller.tenant, kind, id)
            conditions.check(stored.version)
            resource = validate.replacement(body, stored.resource, kind)
            resource = await self._passwords.in_resource(resource, kind, stored.resource)
            members = self._members.named(resource, kind)
            changes = None
            if members is not None:
                members, changes = await self._members.replacement(caller.tenant, kind, id, members)
            return await self._write(caller.tenant, kind, stored, resource, changes), members

        stored, members = await self._retried(attempt, kind, conditions)
        return await self._answer_with_related(caller, kind, stored, asked, members, everything(kind))

    async def patch(
        self, caller: Caller, kind: ResourceType, id: str, body: Json, asked: Asked, conditions: Conditions
    ) -> Answer:
        """PATCH (RFC 7644 §3.5.2), all operations or none; with a resource in the answer if attributes are asked for."""
        _check_id(kind, id)
        changes = patch.changes(patch_request(body, self._limits), kind, self._limits)
        changes = await self._passwords.in_changes(changes, kind)
        attributes, of_members = split(changes, kind)
        named = named_changes(of_members, kind.by_name[kind.relation], self._limits) if of_members else NO_CHANGES
        # Members that are added or removed by their names need nothing of the group to be read.
        reads = bool(attributes) or not of_members or named is None

        async def attempt(conditions: Conditions) -> Stored:
            if named is not None and not reads and not conditions.need_the_version():
                unread = await self._members.change_unread(caller.tenant, kind, id, named, expected=conditions.single())
                return await self._read(caller.tenant, kind, id) if asked else unread
            stored = await self._read(caller.tenant, kind, id)
            conditions.check(stored.version)
            resource = patch.apply(stored.resource, attributes, kind, self._limits)
            if named is None:
                computed = await self._members.computed(caller.tenant, kind, id, of_members)
                return await self._write(caller.tenant, kind, stored, resource, computed)
            return await self._write(caller.tenant, kind, stored, resource, named or None)

        stored = await self._retried(attempt, kind, conditions)
        if not asked:
            return self._answer(caller, kind, stored, None)
        return await self._answer_with_related(caller, kind, stored, asked, (), written(patch.targets(attributes)))

    async def delete(self, caller: Caller, kind: ResourceType, id: str, conditions: Conditions) -> None:
        """DELETE (RFC 7644 §3.6). Every membership goes with the resource."""
        _check_id(kind, id)

        async def attempt(conditions: Conditions) -> None:
            expected = conditions.single()
            if conditions.need_the_version():
                stored = await self._read(caller.tenant, kind, id)
                conditions.check(stored.version)
                expected = stored.version
            await self._store.delete(caller.tenant, kind.name, id, expected=expected)

        await self._retried(attempt, kind, conditions)

    # --- reading and writing ---

    async def _read(self, tenant: str, kind: ResourceType, id: str) -> Stored:
        _check_id(kind, id)
        stored = await self._store.read(tenant, kind.name, id)
        if stored is None:
            raise _missing(kind)
        return stored

    async def _write(
        self, tenant: str, kind: ResourceType, stored: Stored, resource: JsonObject, members: MemberChanges | None
    ) -> Stored:
        """Write what `stored` has become, on its version; nothing if it is the same and no member changes.

        `members` are `None` if they have no part in it. Changes that come to nothing were computed from members that were
        read later than `stored`, so even then the version must still be that one.
        """
        if resource == stored.resource:
            return stored if members is None else await self._members.change(tenant, kind, stored, members)
        members = members or NO_CHANGES
        now = datetimes.written(self._clock())
        resource = {**resource, "meta": {**resource["meta"], "lastModified": now}}
        draft = self._draft(resource, kind, whole=stored.rules == fold.rules(kind))
        held = held_by(stored, kind)
        if held is not None:
            version = await self._store.replace(tenant, draft, expected=stored.version, members=members, held=held)
        else:
            version, _ = await write_over_outdated(self._store, tenant, kind, stored, draft, members)
        return Stored(kind.name, stored.id, version, resource, draft.rules)

    async def _retried[T](
        self, attempt: Callable[[Conditions], Awaitable[T]], kind: ResourceType, conditions: Conditions
    ) -> T:
        """Return the result of an attempt. One that lost a race is made again from the start: nothing that it computed is kept.

        An attempt checks the `Conditions` that it is given, against the version that it reads or in the write itself.
        """
        for number in range(1, _ATTEMPTS + 1):
            try:
                return await attempt(conditions)
            except Interrupted:
                # A part is done, on the version that the client asked for. The rest goes on from what is there now.
                conditions = Conditions()
            except Changed:
                if conditions.single() is not None:  # it was the only version that the client wanted
                    raise stale() from None
            except Taken as taken:
                raise _taken(kind, taken) from None
            except Gone:
                raise _missing(kind) from None
            await self._sleep(_PAUSE_SECONDS * number * random())  # noqa: S311 - only spreads the writers out
        raise Unavailable("Too many clients are changing this resource at once; repeat the request.", retry_after=1)

    def _draft(self, resource: JsonObject, kind: ResourceType, *, whole: bool) -> Draft:
        if len(orjson.dumps(resource)) > self._limits.resource_bytes:
            raise PayloadTooLarge(f"A resource may have at most {self._limits.resource_bytes} bytes.")
        draft = draft_of(resource, kind, whole=whole)
        for path, value in fold.unique_values(draft.key, draft.claims, kind).items():
            if (size := len(value.encode())) > fold.KEY_BYTES:
                raise InvalidValue(
                    f"'{path}' is unique, so it may have at most {fold.KEY_BYTES} bytes in UTF-8 (256 characters of nearly any "
                    f"script); this one has {size}."
                )
        return draft

    # --- answering ---

    def _answer(
        self,
        caller: Caller,
        kind: ResourceType,
        stored: Stored,
        asked: Asked | None,
        members: Sequence[Member] = (),
        sent: Levels = NOTHING,
    ) -> Answer:
        """The answer with what is known without asking the store again; no resource if `asked` is `None`."""
        view = View(self._registry, caller.base_url)
        location = view.location(kind.name, stored.id)
        if asked is None:
            return Answer(None, stored.version, location)
        shown = view.resource(stored, kind, view.members(Membership(stored.id, member) for member in members))
        return Answer(projection(asked.attributes, asked.excluded, kind, sent).apply(shown), stored.version, location)

    async def _answer_with_related(
        self,
        caller: Caller,
        kind: ResourceType,
        stored: Stored,
        asked: Asked,
        members: Sequence[Member] | None,
        sent: Levels,
    ) -> Answer:
        """Return the answer to a write of what is `sent`. Members that aren't known cost queries: they are read if asked for.

        `members` are those of a group if they are known; `None` says that they must be read to be shown.
        """
        wanted = projection(asked.attributes, asked.excluded, kind, sent)
        unknown = members is None and kind.relation == "members" and wanted.carries(kind.relation)
        if not kind.relation or not (unknown or wanted.names(kind.relation)):
            return self._answer(caller, kind, stored, asked, members or (), sent)
        return await self._whole(caller, wanted, stored)

    async def _whole(self, caller: Caller, wanted: Projection, stored: Stored) -> Answer:
        """Return the answer with all members or groups that it carries, which are read."""
        kind = wanted.kind
        view = View(self._registry, caller.base_url)
        shown = wanted.apply(view.resource(stored, kind))
        if kind.relation and wanted.carries(kind.relation):
            related = (await self._memberships.related(caller, wanted, [stored.id])).values.get(stored.id)
            if related is not None and related.runs:
                shown = {**shown, kind.relation: related.as_json()}
        return Answer(shown, stored.version, view.location(kind.name, stored.id))


def _check_id(kind: ResourceType, id: str) -> None:
    if not is_id(id):
        raise _missing(kind)


def _missing(kind: ResourceType) -> NotFound:
    return NotFound(f"There is no {kind.name} with this id.")


def _taken(kind: ResourceType, taken: Taken) -> Uniqueness:
    path = taken.path or kind.unique
    if path is None:  # the key is the id, and no id is made twice
        return Uniqueness(f"There is a {kind.name} with this id already.")
    urn, _, name = path.rpartition(":")
    place = kind.find_in(urn or kind.schema.id, name)
    folds = place is not None and place.attribute.type == "string" and not place.attribute.case_exact
    return Uniqueness(f"Another {kind.name} has this '{path}'{"; letter case doesn't count" if folds else ''}.")
