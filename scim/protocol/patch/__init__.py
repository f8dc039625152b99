"""PATCH (RFC 7644 §3.5.2): resolves operations into changes, and applies changes to a resource. Pure functions."""

from scim.protocol.patch.apply import apply
from scim.protocol.patch.operations import Change, Pick, changes, targets
from scim.protocol.patch.work import Work

__all__ = ["Change", "Pick", "Work", "apply", "changes", "targets"]
