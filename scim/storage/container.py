"""The container in Cosmos DB as data: `container.json` is what the app, the emulators and the Bicep all go by."""

import json
from importlib.resources import files
from typing import Final

from scim.protocol.json import JsonObject

CONTAINER: Final[JsonObject] = json.loads(files("scim.storage").joinpath("container.json").read_text(encoding="utf-8"))
"""Partition key, unique key, indexing policy and time to live, as the service's REST interface has them."""
