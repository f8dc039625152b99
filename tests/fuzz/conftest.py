"""The long run tells of itself in the report of the soak."""

from tests.soak.conftest import log  # noqa: F401 - pytest finds its fixture here
