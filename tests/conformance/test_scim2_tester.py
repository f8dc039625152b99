"""A conformance suite that isn't ours finds nothing wrong with the server on a port."""

from tests.conformance.suite import check
from tests.conftest import Server


def test_scim2_tester_finds_no_error(server: Server) -> None:
    check(server.origin)


def test_scim2_tester_finds_no_error_with_an_own_extension_and_own_types() -> None:
    server = Server(environment={"SCIM_SCHEMAS": "examples/schemas"})
    try:
        check(server.origin, with_examples=True)
    finally:
        server.stop()
