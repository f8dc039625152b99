"""scim2-models as the second implementation: the same questions, asked of it and answered in our terms."""

from typing import Any, Final

from pydantic import ValidationError
from scim2_models import EnterpriseUser, PatchOp, SCIMException, ScimPolicy, User
from scim2_models.path import ScimFilter

from scim.protocol.json import JsonObject
from scim.protocol.messages import PatchOperation

type Outcome = bool | str
"""What a filter says of a resource, or `error`."""

MODEL: Final = User[EnterpriseUser]
# The tolerances that it knows and that docs/semantics.md asks for.
POLICY: Final = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)
ERROR: Final = "error"


def user(resource: JsonObject) -> Any:
    """The resource as a model of scim2-models."""
    with POLICY:
        return MODEL.model_validate(resource)


def matches(text: str, resource: JsonObject) -> Outcome:
    """Whether the filter holds for the resource."""
    try:
        return bool(ScimFilter[MODEL](text).match(user(resource), strict=True))  # type: ignore[valid-type]
    except (SCIMException, ValidationError):
        return ERROR


def patched(resource: JsonObject, operations: list[PatchOperation]) -> JsonObject | str:
    """The resource after the operations, in JSON, or `error`."""
    found = user(resource)
    sent = [
        {"op": o.op, **({} if o.path is None else {"path": o.path}), **({} if o.value is None else {"value": o.value})}
        for o in operations
    ]
    try:
        with POLICY:
            PatchOp[MODEL].model_validate({"Operations": sent}).patch(found, POLICY)  # type: ignore[valid-type]
            after: JsonObject = canonical(found.model_dump())
            return after
    except (SCIMException, ValidationError):
        return ERROR


def canonical(value: Any) -> Any:
    """JSON without what is unassigned."""
    if isinstance(value, dict):
        cleaned = {name: canonical(sub) for name, sub in value.items()}
        return {name: sub for name, sub in cleaned.items() if sub not in (None, [], {})}
    if isinstance(value, list):
        return [sub for item in value if (sub := canonical(item)) not in (None, [], {})]
    return value
