"""The definition of the Cosmos DB container from `container.json`, which the Bicep files and the tests read too."""

import json
from importlib.resources import files
from typing import Final

from scim.protocol.json import JsonObject

CONTAINER: Final[JsonObject] = json.loads(
    files("scim.storage.cosmos").joinpath("container.json").read_text(encoding="utf-8")
)
"""Partition key, unique key policy, indexing policy and time to live, in the form of Cosmos DB's REST API."""
