"""Tokens of Entra ID that must let their bearer in: both versions, every cloud."""

import pytest

from scim.security.clouds import Version
from tests.conftest import Client
from tests.security.issuer import FABRIKAM, Issuer


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_a_token_of_a_customer_lets_it_in(door: Client, issuer: Issuer, version: Version) -> None:
    created = door.post("/Users", {"userName": "bjensen"}, token=issuer.token(version=version))
    assert created.status == 201, created.body
    assert door.get("/Users", token=issuer.token(version=version)).json["totalResults"] == 1
    assert door.get("/Users", token=issuer.token(FABRIKAM, version)).json["totalResults"] == 0
