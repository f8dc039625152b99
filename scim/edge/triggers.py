"""The HTTP triggers of the function app, as data: indexing the app imports this and nothing of the service."""

from collections.abc import Mapping
from typing import Final

# The host takes the first matching route in the alphabetical order of function names, so the trigger that matches
# every path has the last name. Each trigger accepts all methods: the host would answer others with an empty 404.
TRIGGERS: Final[Mapping[str, str]] = {
    "bulk": "scim/v2/Bulk",
    "groups": "scim/v2/Groups/{*rest}",
    "healthz": "healthz",
    "me": "scim/v2/Me",
    "resource_types": "scim/v2/ResourceTypes/{*rest}",
    "schemas": "scim/v2/Schemas/{*rest}",
    "search": "scim/v2/.search",
    "service_provider_config": "scim/v2/ServiceProviderConfig",
    "users": "scim/v2/Users/{*rest}",
    "zz_other": "{*path}",
}
