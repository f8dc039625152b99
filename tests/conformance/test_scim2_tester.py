"""A conformance suite that isn't ours finds nothing wrong with the server on a port."""

from tests.conformance.suite import check
from tests.conftest import Server


def test_scim2_tester_finds_no_error(server: Server) -> None:
    check(server.origin)
