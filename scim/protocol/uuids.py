"""The canonical form of UUIDs (RFC 9562 §4), which resource ids and the ids of Entra tenants and applications have."""

import re
from typing import Final

UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
"""A UUID in lower case."""
