"""Finds credentials in files: what detect-secrets knows, and besides the forms of our own tokens and of Azure's keys.

`find_secrets.py [FOLDER]` scans what git tracks or would track there; without git, every file but those of caches. Prints
file, line and kind, never the text, and ends with 1 if there is one. A line that only looks like one is let pass with
`# pragma: allowlist secret` and the reason behind it. Needs no network: nothing that is found is tried out.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from detect_secrets.core.scan import scan_file
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.settings import transient_settings

# Only where a folder has no git to ask.
_UNTRACKED: Final = frozenset(
    {".git", ".venv", ".tools", "__pycache__", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
)

# Whole texts that look like secrets and are none. JSON has no comments that a pragma could stand in.
_NO_SECRETS: Final = (
    r"^t1meMa\$heen(-\{\{rand\}\})?$",  # the password of RFC 7643 §8.2, in recorded requests
    r"^1mz050nq-\{\{rand\}\}$",  # the password of Okta's published tests
    r"^C2y6yDjf5/R\+ob0N8A7Cgv30.*==$",  # the key that every Cosmos DB emulator has, from Microsoft's documentation
    r"^gAAAAABpf[bc][A-Za-z0-9_-]{80,}$",  # cursors that a key of the tests has sealed, in tests/fuzz
    r"^(drop|hash)$",  # what becomes of passwords: the values of a setting
    r"^(S3cret|hunter2-secret)$",  # passwords in tests which say that none is kept or shown
)
_NO_SECRET_LINES: Final = (r'^\s*"w": "[0-9a-f]{16}",?$',)  # items in the data model: `w` tells one write from another

_FILTERS: Final = (
    "detect_secrets.filters.allowlist.is_line_allowlisted",
    "detect_secrets.filters.heuristic.is_indirect_reference",  # password = settings.password
    "detect_secrets.filters.heuristic.is_potential_uuid",
    "detect_secrets.filters.heuristic.is_sequential_string",  # an alphabet
    "detect_secrets.filters.heuristic.is_templated_secret",  # <password>, ${password}
)


class OwnToken(RegexBasedDetector):
    """A whole secret token of this service, as `scim token create` prints it."""

    secret_type = "scimaf_ token"  # pragma: allowlist secret - the name of a kind
    denylist = (re.compile(r"scimaf_[0-9a-f]{32}_[a-z2-7]{52}[0-9a-f]{40}", re.ASCII),)


class AzureKey(RegexBasedDetector):
    """64 bytes in base64: the account keys of Storage and Cosmos DB, with or without a connection string around them."""

    secret_type = "Azure account key"  # pragma: allowlist secret - the name of a kind
    denylist = (re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==(?![A-Za-z0-9+/=])"),)


class AzureSignature(RegexBasedDetector):
    """The signature of a shared access signature: 32 bytes in base64, percent-encoded."""

    secret_type = "Azure shared access signature"  # pragma: allowlist secret - the name of a kind
    denylist = (re.compile(r"[?&]sig=(?:[A-Za-z0-9]|%2[BbFf]){43,}%3[Dd]"),)


class EntraClientSecret(RegexBasedDetector):
    """The client secret of an application in Entra ID."""

    secret_type = "Entra ID client secret"  # pragma: allowlist secret - the name of a kind
    denylist = (re.compile(r"(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}\dQ~[A-Za-z0-9_~.-]{31,34}(?![A-Za-z0-9_~.-])"),)


class EncryptedPrivateKey(RegexBasedDetector):
    """PKCS #8 with a passphrase, the one form of a private key that detect-secrets doesn't know."""

    secret_type = "Encrypted private key"  # pragma: allowlist secret - the name of a kind
    denylist = (re.compile(r"BEGIN ENCRYPTED[ ]PRIVATE KEY"),)


_OWN: Final = (OwnToken, AzureKey, AzureSignature, EntraClientSecret, EncryptedPrivateKey)
_KNOWN: Final[tuple[dict[str, object], ...]] = (
    *(dict[str, object]({"name": kind.__name__, "path": Path(__file__).resolve().as_uri()}) for kind in _OWN),
    {"name": "ArtifactoryDetector"},
    {"name": "AWSKeyDetector"},
    {"name": "AzureStorageKeyDetector"},
    {"name": "Base64HighEntropyString", "limit": 4.5},
    {"name": "BasicAuthDetector"},
    {"name": "GitHubTokenDetector"},
    {"name": "GitLabTokenDetector"},
    {"name": "HexHighEntropyString", "limit": 3.0},
    {"name": "JwtTokenDetector"},
    {"name": "KeywordDetector"},
    {"name": "NpmDetector"},
    {"name": "OpenAIDetector"},
    {"name": "PrivateKeyDetector"},
    {"name": "PypiTokenDetector"},
    {"name": "SendGridDetector"},
    {"name": "SlackDetector"},
    {"name": "StripeDetector"},
)


def files(folder: Path) -> list[Path]:
    """The files to scan: those that are in the repository or about to be."""
    git = ["git", "-C", str(folder), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(git, check=True, capture_output=True).stdout  # noqa: S603 - fixed words and a folder
        found = {folder / os.fsdecode(name) for name in listed.split(b"\0") if name}
    except (OSError, subprocess.CalledProcessError):
        found = {path for path in folder.rglob("*") if _UNTRACKED.isdisjoint(path.relative_to(folder).parts)}
    return sorted(path for path in found if path.is_file())


def main(folder: Path) -> int:
    """0 if nothing was found."""
    filters: list[dict[str, object]] = [{"path": path} for path in _FILTERS]
    filters.append({"path": "detect_secrets.filters.regex.should_exclude_secret", "pattern": list(_NO_SECRETS)})
    filters.append({"path": "detect_secrets.filters.regex.should_exclude_line", "pattern": list(_NO_SECRET_LINES)})
    found: set[tuple[str, int, str]] = set()
    with transient_settings({"plugins_used": list(_KNOWN), "filters_used": filters}):
        scanned = files(folder)
        for path in scanned:
            found |= {
                (str(path.relative_to(folder)), secret.line_number, secret.type) for secret in scan_file(str(path))
            }
    for name, line, kind in sorted(found):
        print(f"{name}:{line}: {kind}", file=sys.stderr)
    if not scanned:
        print(f"there is nothing to scan in {folder}", file=sys.stderr)
        return 1
    if not found:
        print(f"no secrets in {len(scanned)} files")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(*sys.argv[1:2]).resolve()))
