"""The HTTP triggers under which Azure Functions knows the service. Data alone: indexing the app must cost nothing."""

from collections.abc import Mapping
from typing import Final

# The host takes the first route that matches in the alphabetical order of the function names, so the one that matches
# everything is named to be the last. Every trigger takes all methods: to a wrong one the host would answer an empty 404.
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
