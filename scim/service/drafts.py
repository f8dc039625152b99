"""A resource as a store takes it, and writing one whose claims nobody knows: it was written by other rules."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from scim.protocol import fold
from scim.protocol.described import described
from scim.protocol.json import JsonObject
from scim.protocol.schema import ResourceType
from scim.storage.interface import Draft, MemberChanges, Store, Stored, Taken

UNDESCRIBED: Final = "+"
"""Behind the name of the rules: the resource holds values that its schemas don't describe any more."""


def draft_of(resource: JsonObject, kind: ResourceType, *, whole: bool = False) -> Draft:
    """The resource with all that follows from it by the present rules and schemas.

    `whole` says that the schemas are known to describe all of it, which takes time to find out.
    """
    seen = resource if whole else described(resource, kind)
    f = fold.folded(seen, kind)
    return Draft(
        kind.name,
        resource["id"],
        fold.key(seen, kind),
        resource,  # what the schemas don't describe any more is kept, and plays no part
        f,
        fold.sort_keys(seen, f, kind),
        fold.claims(seen, kind),
        fold.rules(kind) + ("" if seen is resource else UNDESCRIBED),
    )


def held_by(stored: Stored, kind: ResourceType) -> Mapping[str, str] | None:
    """The claims that go with a stored resource; `None` if it was written by other rules, so that nobody knows."""
    present = fold.rules(kind)
    if stored.rules == present:
        return fold.claims(stored.resource, kind)
    return fold.claims(described(stored.resource, kind), kind) if stored.rules == present + UNDESCRIBED else None


async def write_over_outdated(
    store: Store, tenant: str, kind: ResourceType, stored: Stored, draft: Draft, members: MemberChanges
) -> tuple[str, Sequence[str]]:
    """Replace a resource that was written by other rules: its version, and the paths whose values are left unclaimed.

    A value that it had before, and that another resource has claimed meanwhile, is no reason to refuse a change that has
    nothing to do with it, such as `active: false`. The resource stays outdated then, and its value is not unique. Raises
    what `Store.replace` raises.
    """
    described_before, left = described(stored.resource, kind), list[str]()
    before, key_before = fold.claims(described_before, kind), fold.key(described_before, kind)
    while True:
        try:
            version = await store.replace(tenant, draft, expected=stored.version, members=members, held=None)
        except Taken as taken:
            path = taken.path
            if path is None and draft.key == key_before:
                left.append(kind.unique or "id")
                # No name folds to this key: it begins like no resource type.
                draft = replace(draft, key=f"x:{kind.name}:{draft.id}", rules="")
                continue
            if path is None or before.get(path) != draft.claims[path]:
                raise
            left.append(path)
            others = {other: value for other, value in draft.claims.items() if other != path}
            draft = replace(draft, claims=others, rules="")
        else:
            return version, left
