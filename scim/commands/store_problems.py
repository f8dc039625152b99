"""Explains to the user of the command line why a store can't be opened or reached, and what to do. Knows no SDK."""

from dataclasses import replace

from scim.commands.target import Target
from scim.storage.errors import StoreUnavailable


def explain(error: StoreUnavailable, target: Target) -> str:
    """Return one line: the problem, the store and the remedy."""
    given = target.settings
    if given.store == "sqlite":
        return f"Can't open the data file {error}."
    where, key = f"Cosmos DB at {given.cosmos_endpoint}", given.cosmos_key is not None
    emulator = replace(target, options=()).command("cosmos", "init")
    match error.problem:
        case "sign-in":
            return f"Not signed in to Azure, so {where} can't be opened. Run 'az login', then this command again."
        case "credential" if key:
            return f"{where} refused the key. Set COSMOS_KEY to the key of that emulator."
        case "credential" if where.startswith("Cosmos DB at http:"):
            return f"{where} needs a key. Set COSMOS_KEY to the key that the emulator's documentation prints."
        case "credential":
            return f"{where} refused your identity. Run 'az login' in the Entra tenant of that account."
        case "forbidden":
            return (
                f"{where} refused this identity or this address. Add your object id to INFRA_OPERATORS (behind a private "
                "network your address to INFRA_OPERATOR_ADDRESSES) and run 'azd provision'; a new role may need some minutes."
            )
        case "missing":
            place = f"{where} has no database {given.cosmos_database} with a container {given.cosmos_container}"
            return f"{place}. To make them, run: {emulator if key else 'azd provision'}"
        case "unreachable":
            return f"{where} can't be reached. Check COSMOS_ENDPOINT, the network, and that an emulator is running."
        case None:
            return f"{where} can't be used: {error}."
