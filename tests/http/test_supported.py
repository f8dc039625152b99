"""What ServiceProviderConfig says is supported is what a client gets: each feature is used over a real port."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.conftest import Client
from tests.http.checks import resources
from tests.http.supported import PROOFS


def _supported(config: Mapping[str, Any]) -> dict[str, bool]:
    """Every feature that the document speaks of, by its name."""
    features = {
        name: said["supported"] for name, said in config.items() if isinstance(said, dict) and "supported" in said
    }
    return features | {f"pagination.{way}": config["pagination"][way] for way in ("index", "cursor")}


@pytest.mark.parametrize("feature", PROOFS)
def test_an_advertised_feature_works(port_client: Client, feature: str) -> None:
    assert _supported(port_client.get("/ServiceProviderConfig").json)[feature] is True
    for resource in resources(port_client.get("/Users?count=1000")):
        assert port_client.delete(f"/Users/{resource['id']}").status == 204
    PROOFS[feature](port_client)


def test_all_features_but_change_password_are_supported(port_client: Client) -> None:
    """Passwords are dropped unless a setting says otherwise."""
    said = _supported(port_client.get("/ServiceProviderConfig").json)
    assert {name for name, supported in said.items() if not supported} == {"changePassword"}
    assert said.keys() - {"changePassword"} == PROOFS.keys()
