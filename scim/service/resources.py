"""The use cases on a single resource, for every resource type: create, get, replace, patch and delete (RFC 7644 §3).

Knows no HTTP and no searches.

How it works: a write reads the resource, computes the new one, and writes it conditionally on the version that was read. If
another request wrote in between, the whole attempt is repeated from the read. Changes of named members need no read.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import random
from typing import Final

from scim.protocol import datetimes, etag, patch, search_fields, validate
from scim.protocol.errors import InvalidValue, NotFound, PayloadTooLarge, Unavailable, Uniqueness
from scim.protocol.json import Json, JsonObject
from scim.protocol.limits import Limits
from scim.protocol.messages import patch_request
from scim.protocol.projection import Levels, Projection, everything, projection, written
from scim.protocol.schema.model import ResourceType
from scim.protocol.schema.registry import Registry
from scim.service.member_changes import named_changes, split
from scim.service.members import GroupMembers
from scim.service.memberships import Memberships
from scim.service.passwords import Passwords
from scim.service.representation import Representations, is_id
from scim.service.request_context import Conditions, RequestContext, version_mismatch
from scim.service.write_model import build, replace_outdated, stored_unique_values
from scim.storage import errors as storage_errors
from scim.storage.interface import NO_CHANGES, Member, MemberChanges, Membership, Store, Stored, WriteModel

_ATTEMPTS: Final = 10
"""How often a write is tried when other requests change the resource at the same time (ADR 26)."""
_PAUSE_SECONDS: Final = 0.05
"""The longest pause before the second attempt; each further pause is this much longer."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a use case: the version and the URL of the resource, and its representation.

    `members` and `groups` in the representation may be JSON already (`orjson.Fragment`), because a group can have many.
    """

    resource: JsonObject | None
    """The representation; `None` if the response has no body."""
    version: str
    location: str


class Resources:
    """The use cases. Each takes the request's context, and passes on any `StoreError` that isn't about the resource."""

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
        self,
        context: RequestContext,
        resource_type: ResourceType,
        body: Json,
        *,
        id: str | None = None,
        with_resource: bool = True,
    ) -> Result:
        """Create a resource from the body of a POST (RFC 7644 §3.3).

        `id` is the id to use; a bulk request chooses it beforehand. Without `with_resource` the result has no
        representation. Raises `Uniqueness`, `InvalidValue`, `InvalidSyntax`, `PayloadTooLarge`.
        """
        resource = await self._passwords.in_resource(validate.resource(body, resource_type), resource_type)
        members = self._members.take_members(resource, resource_type) or []
        now = datetimes.written(self._clock())
        resource["id"] = id or self._new_id()
        resource["meta"] = {"resourceType": resource_type.name, "created": now, "lastModified": now}
        write_model = self._write_model(resource, resource_type, conforms=True)
        try:
            version = await self._store.create(context.customer, write_model, members)
        except storage_errors.AlreadyExists as conflict:
            raise _uniqueness(resource_type, conflict) from None
        stored = Stored(resource_type.name, write_model.id, version, resource, write_model.index_version)
        if not with_resource:
            return self._without_resource(context, stored)
        wanted = projection(context.attributes, context.excluded, resource_type, everything(resource_type))
        return self._with_members(context, wanted, stored, members)

    async def get(self, context: RequestContext, resource_type: ResourceType, id: str) -> Result:
        """Return a resource (RFC 7644 §3.4.1); without a representation if `If-None-Match` names its version.

        Raises `NotFound`, `PreconditionFailed`.
        """
        stored, conditions = await self._read(context.customer, resource_type, id), context.conditions
        if conditions.if_match is not None and not etag.matches(conditions.if_match, stored.version):
            raise version_mismatch()
        wanted = projection(context.attributes, context.excluded, resource_type)
        is_derived = bool(resource_type.relation) and wanted.carries(resource_type.relation)
        # Members and groups are separate items, so the version doesn't change with them.
        if not is_derived and conditions.if_none_match and etag.matches(conditions.if_none_match, stored.version):
            return self._without_resource(context, stored)
        return await self._whole(context, wanted, stored)

    async def put(self, context: RequestContext, resource_type: ResourceType, id: str, body: Json) -> Result:
        """Replace a resource by the body of a PUT (RFC 7644 §3.5.1).

        The representation has the `members` of a group; the `groups` of a user only if `attributes` names them. Raises
        `NotFound`, `PreconditionFailed`, `Uniqueness`, `Mutability`, `InvalidValue`, `InvalidSyntax`, `PayloadTooLarge`,
        `Unavailable`.
        """

        async def attempt(conditions: Conditions) -> tuple[Stored, list[Member] | None]:
            stored = await self._read(context.customer, resource_type, id)
            conditions.check(stored.version)
            resource = validate.replacement(body, stored.resource, resource_type)
            resource = await self._passwords.in_resource(resource, resource_type, stored.resource)
            members = self._members.take_members(resource, resource_type)
            changes = None
            if members is not None:
                members, changes = await self._members.replace_all(context.customer, resource_type, id, members)
            return await self._write(context.customer, resource_type, stored, resource, changes), members

        stored, members = await self._retried(attempt, resource_type, context.conditions)
        return await self._with_related(context, resource_type, stored, members, everything(resource_type))

    async def patch(self, context: RequestContext, resource_type: ResourceType, id: str, body: Json) -> Result:
        """Apply all operations of a PATCH, or none (RFC 7644 §3.5.2).

        The result has a representation only if the client sent `attributes` or `excludedAttributes`. Raises the errors of
        `put`, and `InvalidPath`, `InvalidFilter`, `NoTarget`.
        """
        _check_id(resource_type, id)
        changes = patch.changes(patch_request(body, self._limits), resource_type, self._limits)
        changes = await self._passwords.in_changes(changes, resource_type)
        attributes, of_members = split(changes, resource_type)
        named: MemberChanges | None = NO_CHANGES
        if of_members:
            named = named_changes(of_members, resource_type.by_name[resource_type.relation], self._limits)
        # Members that the operations name are added and removed without reading the group.
        needs_read = bool(attributes) or not of_members or named is None

        async def attempt(conditions: Conditions) -> Stored:
            if named is not None and not needs_read and not conditions.needs_read():
                unread = await self._members.write_unread(
                    context.customer, resource_type, id, named, expected=conditions.single_version()
                )
                return await self._read(context.customer, resource_type, id) if context.selects_attributes else unread
            stored = await self._read(context.customer, resource_type, id)
            conditions.check(stored.version)
            resource = patch.apply(stored.resource, attributes, resource_type, self._limits)
            if named is None:
                computed = await self._members.compute(context.customer, resource_type, id, of_members)
                return await self._write(context.customer, resource_type, stored, resource, computed)
            return await self._write(context.customer, resource_type, stored, resource, named or None)

        stored = await self._retried(attempt, resource_type, context.conditions)
        if not context.selects_attributes:
            return self._without_resource(context, stored)
        return await self._with_related(context, resource_type, stored, (), written(patch.targets(attributes)))

    async def delete(self, context: RequestContext, resource_type: ResourceType, id: str) -> None:
        """Delete a resource with all its memberships (RFC 7644 §3.6).

        Raises `NotFound`, `PreconditionFailed`, `Unavailable`.
        """
        _check_id(resource_type, id)

        async def attempt(conditions: Conditions) -> None:
            expected = conditions.single_version()
            if conditions.needs_read():
                stored = await self._read(context.customer, resource_type, id)
                conditions.check(stored.version)
                expected = stored.version
            await self._store.delete(context.customer, resource_type.name, id, expected=expected)

        await self._retried(attempt, resource_type, context.conditions)

    # --- reading and writing ---

    async def _read(self, customer: str, resource_type: ResourceType, id: str) -> Stored:
        _check_id(resource_type, id)
        stored = await self._store.read(customer, resource_type.name, id)
        if stored is None:
            raise _not_found(resource_type)
        return stored

    async def _write(
        self,
        customer: str,
        resource_type: ResourceType,
        stored: Stored,
        resource: JsonObject,
        members: MemberChanges | None,
    ) -> Stored:
        """Write the new state of a resource, conditionally on the version that was read; write nothing if nothing changed.

        `members` is `None` if the request doesn't touch members. Empty changes were computed from members that were read
        later than `stored`, so the version is checked even then. Raises `StoreError`.
        """
        if resource == stored.resource:
            return stored if members is None else await self._members.write(customer, resource_type, stored, members)
        members = members or NO_CHANGES
        now = datetimes.written(self._clock())
        resource = {**resource, "meta": {**resource["meta"], "lastModified": now}}
        conforms = stored.index_version == search_fields.index_version(resource_type)
        write_model = self._write_model(resource, resource_type, conforms=conforms)
        old_unique_values = stored_unique_values(stored, resource_type)
        if old_unique_values is not None:
            version = await self._store.replace(
                customer, write_model, expected=stored.version, members=members, old_unique_values=old_unique_values
            )
        else:
            version, _ = await replace_outdated(self._store, customer, resource_type, stored, write_model, members)
        return Stored(resource_type.name, stored.id, version, resource, write_model.index_version)

    async def _retried[T](
        self, attempt: Callable[[Conditions], Awaitable[T]], resource_type: ResourceType, conditions: Conditions
    ) -> T:
        """Return the result of an attempt. After a lost race, make a new attempt, which keeps nothing of the one before.

        An attempt checks the `Conditions` that it is given, against the version that it reads or in the write itself.
        Raises `NotFound`, `PreconditionFailed`, `Uniqueness`, and `Unavailable` after the last attempt.
        """
        for number in range(1, _ATTEMPTS + 1):
            try:
                return await attempt(conditions)
            except storage_errors.Interrupted:
                # A part of the change is applied, on the version that the client named. The rest needs no condition.
                conditions = Conditions()
            except storage_errors.PreconditionFailed:
                if conditions.single_version() is not None:  # the client accepts no other version
                    raise version_mismatch() from None
            except storage_errors.AlreadyExists as conflict:
                raise _uniqueness(resource_type, conflict) from None
            except storage_errors.NotFound:
                raise _not_found(resource_type) from None
            await self._sleep(_PAUSE_SECONDS * number * random())  # noqa: S311 - only spreads the writers out
        raise Unavailable("Too many clients are changing this resource at once. Repeat the request.", retry_after=1)

    def _write_model(self, resource: JsonObject, resource_type: ResourceType, *, conforms: bool) -> WriteModel:
        """Return the write model. Raise `PayloadTooLarge` or `InvalidValue` if the resource or a unique value is too long.

        `conforms` says that the resource is known to conform to the current schemas.
        """
        write_model = build(resource, resource_type, conforms=conforms)
        if (size := len(write_model.json)) > self._limits.resource_bytes:
            raise PayloadTooLarge(
                f"A resource may have at most {self._limits.resource_bytes} bytes as JSON; this one has {size}."
            )
        unique_values = search_fields.all_unique_values(write_model.key, write_model.unique_values, resource_type)
        for path, value in unique_values.items():
            if (size := len(value.encode())) > search_fields.KEY_BYTES:
                raise InvalidValue(
                    f"'{path}' is unique, so it may have at most {search_fields.KEY_BYTES} bytes in UTF-8 (256 characters of nearly any "
                    f"script); this one has {size}."
                )
        return write_model

    # --- results ---

    def _result(self, context: RequestContext, stored: Stored, resource: JsonObject | None) -> Result:
        location = Representations(self._registry, context.base_url).location(stored.type_name, stored.id)
        return Result(resource, stored.version, location)

    def _without_resource(self, context: RequestContext, stored: Stored) -> Result:
        return self._result(context, stored, None)

    def _with_members(
        self, context: RequestContext, wanted: Projection, stored: Stored, members: Sequence[Member]
    ) -> Result:
        """Return the result with a representation that needs no further read: `members` are at hand, `groups` are left out."""
        representations = Representations(self._registry, context.base_url)
        values = representations.members(Membership(stored.id, member) for member in members)
        resource = wanted.apply(representations.resource(stored, wanted.resource_type, values))
        return self._result(context, stored, resource)

    async def _with_related(
        self,
        context: RequestContext,
        resource_type: ResourceType,
        stored: Stored,
        members: Sequence[Member] | None,
        sent: Levels,
    ) -> Result:
        """Return the result of a write of the attributes `sent`. Reads members or groups only if the representation has them.

        `members` are those of a group if they are at hand; `None` says that they must be read. Raises `StoreError`.
        """
        wanted = projection(context.attributes, context.excluded, resource_type, sent)
        unknown = members is None and resource_type.relation == "members" and wanted.carries(resource_type.relation)
        if not resource_type.relation or not (unknown or wanted.names(resource_type.relation)):
            return self._with_members(context, wanted, stored, members or ())
        return await self._whole(context, wanted, stored)

    async def _whole(self, context: RequestContext, wanted: Projection, stored: Stored) -> Result:
        """Read all members or groups that the representation has; return the result. Raises `StoreError`."""
        resource_type = wanted.resource_type
        representations = Representations(self._registry, context.base_url)
        resource = wanted.apply(representations.resource(stored, resource_type))
        if resource_type.relation and wanted.carries(resource_type.relation):
            related = (await self._memberships.related(context, wanted, [stored.id])).values.get(stored.id)
            if related is not None and related.runs:
                resource = {**resource, resource_type.relation: related.as_json()}
        return self._result(context, stored, resource)


def _check_id(resource_type: ResourceType, id: str) -> None:
    if not is_id(id):
        raise _not_found(resource_type)


def _not_found(resource_type: ResourceType) -> NotFound:
    return NotFound(f"There is no {resource_type.name} with this id.")


def _uniqueness(resource_type: ResourceType, conflict: storage_errors.AlreadyExists) -> Uniqueness:
    path = conflict.path or resource_type.unique
    if path is None:  # the key is the id, and no id is made twice
        return Uniqueness(f"There is a {resource_type.name} with this id already.")
    urn, _, name = path.rpartition(":")
    place = resource_type.find_in(urn or resource_type.schema.id, name)
    ignores_case = place is not None and place.attribute.type == "string" and not place.attribute.case_exact
    return Uniqueness(
        f"Another {resource_type.name} has the same '{path}'{' (upper and lower case count as equal)' if ignores_case else ''}."
    )
