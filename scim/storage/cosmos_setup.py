"""Makes database and container in an emulator. In Azure the deployment does that, from the same definition."""

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from scim.protocol.json import JsonObject
from scim.storage.container import CONTAINER
from scim.storage.cosmos_errors import unavailable
from scim.storage.interface import StoreUnavailable

if TYPE_CHECKING:
    from azure.cosmos.aio import CosmosClient

# A write isn't sent twice: "exists already" would be our own doing.
_OPTIONS: Final[dict[str, Any]] = {"retry_total": 0, "retry_connect": 0, "enable_endpoint_discovery": False}
_AZURE: Final = (".documents.azure.com", ".documents.azure.cn", ".documents.azure.us")


class Differs(Exception):
    """A container of that name is there and isn't what the service needs; the text says in what."""


def is_in_azure(endpoint: str) -> bool:
    """Whether this is the address of an account in Azure."""
    return (urlsplit(endpoint).hostname or "").endswith(_AZURE)


async def make(endpoint: str, key: str, database: str, container: str) -> tuple[bool, bool]:
    """Make database and container if they are missing, and check a container that is there; whether each was made.

    Raises `Differs` or `StoreUnavailable`.
    """
    from azure.core.exceptions import AzureError  # noqa: PLC0415 - loads when first needed
    from azure.cosmos.aio import CosmosClient  # noqa: PLC0415 - costs a third of a second, paid by who needs it

    client = CosmosClient(endpoint, key, **_OPTIONS)
    try:
        # Not `async with`: if entering it fails, nothing would close what it has opened.
        await client.__aenter__()
        return await _make_database(client, database), await _make_container(client, database, container)
    except AzureError as error:
        raise unavailable(error) from None
    except ValueError:
        raise StoreUnavailable("the Cosmos DB key isn't base64", problem="credential") from None
    finally:
        await client.close()


async def _make_database(client: "CosmosClient", database: str) -> bool:
    from azure.cosmos.exceptions import CosmosResourceExistsError  # noqa: PLC0415 - loads when first needed

    try:
        await client.create_database(database)
    except CosmosResourceExistsError:
        return False
    return True


async def _make_container(client: "CosmosClient", database: str, container: str) -> bool:
    from azure.cosmos import PartitionKey  # noqa: PLC0415 - loads when first needed
    from azure.cosmos.exceptions import CosmosResourceExistsError  # noqa: PLC0415 - loads when first needed

    owner = client.get_database_client(database)
    [path] = CONTAINER["partitionKey"]["paths"]
    try:
        await owner.create_container(
            container,
            PartitionKey(path),
            indexing_policy=CONTAINER["indexingPolicy"],
            default_ttl=CONTAINER["defaultTtl"],
            unique_key_policy=CONTAINER["uniqueKeyPolicy"],
        )
    except CosmosResourceExistsError:
        properties = await owner.get_container_client(container).read()
        for name in ("partitionKey", "uniqueKeyPolicy", "defaultTtl", "indexingPolicy"):
            if _gist(name, properties) != _gist(name, CONTAINER):
                raise Differs(f"the container {container} is there with another {name}; delete it first") from None
        return False
    return True


def _gist(name: str, properties: JsonObject) -> object:
    """What matters of a property: the service adds versions, kinds and paths of its own."""
    value = properties.get(name)
    match name:
        case "partitionKey":
            return (value or {}).get("paths")
        case "uniqueKeyPolicy":
            return [key.get("paths") for key in (value or {}).get("uniqueKeys", [])]
        case "indexingPolicy":
            included = {one.get("path") for one in (value or {}).get("includedPaths", [])}
            return included, {"/*"} <= {one.get("path") for one in (value or {}).get("excludedPaths", [])}
    return value
