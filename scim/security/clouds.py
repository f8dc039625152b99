"""The clouds of Microsoft Entra ID: their issuers, and the addresses of their signing keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

type CloudName = Literal["global", "us-government", "china"]
type Version = Literal["1.0", "2.0"]

SYNC_FABRIC: Final = "00000014-0000-0000-c000-000000000000"
"""The application id of Entra's provisioning service, the same in every Entra tenant."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """A cloud. `v1_issuer` and `authority` are followed by the tenant's id; `audience` is that of non-gallery
    applications.
    """

    authority: str
    v1_issuer: str
    audience: str

    def version_of(self, issuer: str, tenant: str) -> Version | None:
        """Return the version of the tokens that this issuer issues for the tenant; `None` if it isn't an issuer of the
        tenant.
        """
        if issuer == f"{self.v1_issuer}/{tenant}/":
            return "1.0"
        return "2.0" if issuer == f"{self.authority}/{tenant}/v2.0" else None

    def keys(self, tenant: str, version: Version) -> str:
        """Return the address of the tenant's signing keys (JWKS, RFC 7517)."""
        return f"{self.authority}/{tenant}/discovery/{'' if version == '1.0' else 'v2.0/'}keys"


# https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud. The audience of a gallery application is
# its own id. Those of other applications are documented for the global cloud, and for the two other clouds as the ids of
# the same application template.
CLOUDS: Final[Mapping[CloudName, Cloud]] = {
    "global": Cloud(
        "https://login.microsoftonline.com", "https://sts.windows.net", "8adf8e6e-67b2-4cf2-a259-e3dc5476c621"
    ),
    "us-government": Cloud(
        "https://login.microsoftonline.us", "https://sts.windows.net", "4602d0b4-76bb-404b-bca9-2652e1a39c6d"
    ),
    "china": Cloud(
        "https://login.partner.microsoftonline.cn",
        "https://sts.chinacloudapi.cn",
        "5a532e38-1581-4918-9658-008dc27c1d68",
    ),
}
