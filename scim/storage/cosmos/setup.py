"""Creates the database and the container in an emulator. In Azure, the deployment creates both."""

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from scim.protocol.json import JsonObject
from scim.storage.cosmos.container import CONTAINER
from scim.storage.cosmos.errors import unavailable
from scim.storage.errors import StoreUnavailable

if TYPE_CHECKING:
    from azure.cosmos.aio import CosmosClient

# No retries: after a repeated creation, "exists already" could be the result of the first attempt.
_OPTIONS: Final[dict[str, Any]] = {"retry_total": 0, "retry_connect": 0, "enable_endpoint_discovery": False}
_AZURE_DOMAINS: Final = (".documents.azure.com", ".documents.azure.cn", ".documents.azure.us")


class ContainerDiffers(Exception):
    """A container with this name exists with another definition. The text says which property differs."""


def is_in_azure(endpoint: str) -> bool:
    """Return whether this is the address of an account in Azure."""
    return (urlsplit(endpoint).hostname or "").endswith(_AZURE_DOMAINS)


async def create(endpoint: str, key: str, database: str, container: str) -> tuple[bool, bool]:
    """Create database and container if they don't exist. Return for each of them whether it was created.

    Raises `ContainerDiffers` if the container exists with another definition, and `StoreUnavailable`.
    """
    from azure.core.exceptions import AzureError  # noqa: PLC0415 - loads when first needed
    from azure.cosmos.aio import CosmosClient  # noqa: PLC0415 - takes a third of a second, so only when needed

    client = CosmosClient(endpoint, key, **_OPTIONS)
    try:
        # Not `async with`: it wouldn't close the client if entering it fails.
        await client.__aenter__()
        return await _create_database(client, database), await _create_container(client, database, container)
    except AzureError as error:
        raise unavailable(error) from None
    except ValueError:
        raise StoreUnavailable("the Cosmos DB key isn't base64", problem="credential") from None
    finally:
        await client.close()


async def _create_database(client: "CosmosClient", database: str) -> bool:
    from azure.cosmos.exceptions import CosmosResourceExistsError  # noqa: PLC0415 - loads when first needed

    try:
        await client.create_database(database)
    except CosmosResourceExistsError:
        return False
    return True


async def _create_container(client: "CosmosClient", database: str, container: str) -> bool:
    from azure.cosmos import PartitionKey  # noqa: PLC0415 - loads when first needed
    from azure.cosmos.exceptions import CosmosResourceExistsError  # noqa: PLC0415 - loads when first needed

    database_client = client.get_database_client(database)
    [path] = CONTAINER["partitionKey"]["paths"]
    try:
        await database_client.create_container(
            container,
            PartitionKey(path),
            indexing_policy=CONTAINER["indexingPolicy"],
            default_ttl=CONTAINER["defaultTtl"],
            unique_key_policy=CONTAINER["uniqueKeyPolicy"],
        )
    except CosmosResourceExistsError:
        properties = await database_client.get_container_client(container).read()
        for name in ("partitionKey", "uniqueKeyPolicy", "defaultTtl", "indexingPolicy"):
            if _comparable(name, properties) != _comparable(name, CONTAINER):
                raise ContainerDiffers(
                    f"the container {container} exists with another {name}; delete it first"
                ) from None
        return False
    return True


def _comparable(name: str, properties: JsonObject) -> object:
    """Return the part of a property to compare: Cosmos DB adds versions, kinds and paths to it."""
    value = properties.get(name)
    match name:
        case "partitionKey":
            return (value or {}).get("paths")
        case "uniqueKeyPolicy":
            return [key.get("paths") for key in (value or {}).get("uniqueKeys", [])]
        case "indexingPolicy":
            included = {entry.get("path") for entry in (value or {}).get("includedPaths", [])}
            return included, {"/*"} <= {entry.get("path") for entry in (value or {}).get("excludedPaths", [])}
    return value
