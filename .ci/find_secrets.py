"""Finds credentials in files with detect-secrets, extended by the forms of this service's tokens and of Azure's keys.

`find_secrets.py [FOLDER]` scans the files that git tracks or would track in the folder; without git, all files except those
of caches. For each credential it prints the file, the line and the type, but not the text. It exits with 1 if it finds a
credential or has no file to scan. `# pragma: allowlist secret`, followed by a reason, exempts a line that only looks like a
credential. Needs no network, because credentials aren't tried out.
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

# Skipped if the folder isn't a git repository.
_UNTRACKED: Final = frozenset(
    {".git", ".venv", ".tools", "__pycache__", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
)

# Complete texts that look like secrets but aren't. JSON files can't contain a pragma, because JSON has no comments.
_NO_SECRETS: Final = (
    r"^t1meMa\$heen(-\{\{rand\}\})?$",  # the password in RFC 7643 §8.2, in recorded requests
    r"^1mz050nq-\{\{rand\}\}$",  # the password of Okta's published tests
    r"^C2y6yDjf5/R\+ob0N8A7Cgv30.*==$",  # the documented key of every Cosmos DB emulator
    r"^gAAAAABpf[bc][A-Za-z0-9_-]{80,}$",  # cursors in tests/fuzz, encrypted with a test key
    r"^(drop|hash)$",  # values of the setting SCIM_PASSWORDS
    r"^(S3cret|hunter2-secret)$",  # passwords in tests of password handling
)
_NO_SECRET_LINES: Final = (r'^\s*"w": "[0-9a-f]{16}",?$',)  # write tokens of items in docs/data-model.md

_FILTERS: Final = (
    "detect_secrets.filters.allowlist.is_line_allowlisted",
    "detect_secrets.filters.heuristic.is_indirect_reference",  # password = settings.password
    "detect_secrets.filters.heuristic.is_potential_uuid",
    "detect_secrets.filters.heuristic.is_sequential_string",  # an alphabet
    "detect_secrets.filters.heuristic.is_templated_secret",  # <password>, ${password}
)


class OwnToken(RegexBasedDetector):
    """A complete secret token of this service, as `scim token create` prints it."""

    secret_type = "scimaf_ token"  # pragma: allowlist secret - the name of a type
    denylist = (re.compile(r"scimaf_[0-9a-f]{32}_[a-z2-7]{52}[0-9a-f]{40}", re.ASCII),)


class AzureKey(RegexBasedDetector):
    """An account key of Storage or Cosmos DB: 64 bytes in base64, alone or in a connection string."""

    secret_type = "Azure account key"  # pragma: allowlist secret - the name of a type
    denylist = (re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==(?![A-Za-z0-9+/=])"),)


class AzureSignature(RegexBasedDetector):
    """The signature of a shared access signature: 32 bytes in base64, percent-encoded."""

    secret_type = "Azure shared access signature"  # pragma: allowlist secret - the name of a type
    denylist = (re.compile(r"[?&]sig=(?:[A-Za-z0-9]|%2[BbFf]){43,}%3[Dd]"),)


class EntraClientSecret(RegexBasedDetector):
    """A client secret of an application in Entra ID."""

    secret_type = "Entra ID client secret"  # pragma: allowlist secret - the name of a type
    denylist = (re.compile(r"(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}\dQ~[A-Za-z0-9_~.-]{31,34}(?![A-Za-z0-9_~.-])"),)


class EncryptedPrivateKey(RegexBasedDetector):
    """A private key in PKCS #8 with a passphrase, a form that detect-secrets doesn't know."""

    secret_type = "Encrypted private key"  # pragma: allowlist secret - the name of a type
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
    """Return the files to scan: those that git tracks, and new ones that it doesn't ignore."""
    git = ["git", "-C", str(folder), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(git, check=True, capture_output=True).stdout  # noqa: S603 - fixed arguments and a folder
        found = {folder / os.fsdecode(name) for name in listed.split(b"\0") if name}
    except (OSError, subprocess.CalledProcessError):
        found = {path for path in folder.rglob("*") if _UNTRACKED.isdisjoint(path.relative_to(folder).parts)}
    return sorted(path for path in found if path.is_file())


def main(folder: Path) -> int:
    """Scan the folder and print the findings. Return the exit code: 0 if there are none."""
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
        print(f"There are no files to scan in {folder}.", file=sys.stderr)
        return 1
    if not found:
        print(f"No secrets in {len(scanned)} files.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(*sys.argv[1:2]).resolve()))
