"""`make secrets`: what is a credential is found and told by file and line; what only looks like one is let pass."""

import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from string import ascii_letters, digits

import pytest
from joserfc.jwk import RSAKey

from scim.security.secret_tokens import create

SCRIPT = Path(__file__).parents[1] / ".ci" / "find_secrets.py"
CHANCE = Random("credentials that open nothing, and stand in no file")
LETTERS = "".join(CHANCE.choices(ascii_letters + digits, k=43))
ACCOUNT_KEY = b64encode(CHANCE.randbytes(64)).decode()
OWN_TOKEN, _ = create(
    "01890000-0000-7000-8000-000000000000",
    "contoso",
    key=bytes(32),
    access="write",
    note="",
    now=datetime(2026, 1, 1, tzinfo=UTC),
    days=1,
)
PRIVATE_KEY = str(RSAKey.generate_key(2048).as_pem(private=True), "ascii")


def scan(folder: Path) -> tuple[int, list[str]]:
    """The exit code and the lines, each as `file:line: kind`."""
    ran = subprocess.run([sys.executable, SCRIPT, folder], check=False, capture_output=True, text=True)
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran.returncode, ran.stderr.splitlines()


def write(folder: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


CREDENTIALS: dict[str, tuple[str, str]] = {
    "storage.sample.json": (
        f'{{"AzureWebJobsStorage":\n"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={ACCOUNT_KEY}"}}',
        "2: Azure Storage Account access key",
    ),
    "cosmos.md": (f"Set it:\n\n    COSMOS_KEY={ACCOUNT_KEY}\n", "3: Azure account key"),
    "cosmos.py": (f"connect(endpoint, {ACCOUNT_KEY!r})\n", "1: Azure account key"),
    "deep/in/key.pem": (PRIVATE_KEY, "1: Private Key"),
    "encrypted.txt": ("-----BEGIN ENCRYPTED" + " PRIVATE KEY-----\n", "1: Encrypted private key"),
    "token.md": (f"curl -H 'Authorization: Bearer {OWN_TOKEN}'\n", "1: scimaf_ token"),
    "requirements.txt": (f"# {OWN_TOKEN}\n", "1: scimaf_ token"),
    ".github/workflows/ci.yml": (f"env:\n  TOKEN: {OWN_TOKEN}\n", "2: scimaf_ token"),
    "sas.txt": (
        "https://a.blob.core.windows.net/c?sv=2025-01-05&" + "sig=" + LETTERS + "%3D\n",
        "1: Azure shared access signature",
    ),
    "client.env": ("VALUE=abc8" + "Q~" + LETTERS[:34] + "\n", "1: Entra ID client secret"),
    "password.py": ('password = "' + "correct-horse-battery" + '"\n', "1: Secret Keyword"),
    "github.txt": ("ghp_" + LETTERS[:36] + "\n", "1: GitHub Token"),
}

HARMLESS: dict[str, str] = {
    "requirements.txt": "aiohttp==3.14.0 \\\n    --hash=sha256:" + "0123456789abcdef" * 4 + "\n",
    "short.py": 'TOKEN = "scimaf_0123456789abcdef0123456789abcdef_cutoff"\n',
    "prefix.md": "A token is `scimaf_<id>_<secret><checksum>`.\n",
    "allowed.py": f'KEY = "{ACCOUNT_KEY}"  # pragma: allowlist secret - of an emulator\n',
    "next.py": f'# pragma: allowlist nextline secret\nKEY = "{ACCOUNT_KEY}"\n',
    "settings.py": "password = settings.password\nkey: SecretStr | None = None\n",
    "ids.json": '{"id": "01890000-0000-7000-8000-000000000000"}\n',
    "empty.txt": "",
}


def test_every_kind_of_credential_is_found_and_never_shown(tmp_path: Path) -> None:
    write(tmp_path, {name: text for name, (text, _) in CREDENTIALS.items()})
    code, lines = scan(tmp_path)
    assert code == 1
    assert {f"{name}:{place}" for name, (_, place) in CREDENTIALS.items()} <= set(lines)
    assert {line.partition(":")[0] for line in lines} == CREDENTIALS.keys()
    assert not any(re.search(r"[A-Za-z0-9+/_~]{30}", line) for line in lines)


def test_texts_similar_to_secrets_are_no_findings(tmp_path: Path) -> None:
    write(tmp_path, HARMLESS)
    assert scan(tmp_path) == (0, [])


def test_with_git_what_it_ignores_does_not_count_and_what_is_new_does(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    write(tmp_path, {"new.md": OWN_TOKEN, "local.settings.json": OWN_TOKEN, ".gitignore": "local.settings.json\n"})
    assert scan(tmp_path) == (1, ["new.md:1: scimaf_ token"])


def test_nothing_to_scan_is_a_failure(tmp_path: Path) -> None:
    """A wrong folder must not look like a clean one."""
    code, _ = scan(tmp_path)
    assert code == 1


@pytest.mark.parametrize("folder", [".venv", ".tools", "__pycache__", ".git"])
def test_without_git_what_others_made_does_not_count(tmp_path: Path, folder: str) -> None:
    write(tmp_path, {f"{folder}/token.txt": OWN_TOKEN, "readme.md": "nothing"})
    if folder == ".venv":  # one of them with what counts
        write(tmp_path, {".ci/run": OWN_TOKEN})
    assert scan(tmp_path) == ((1, [".ci/run:1: scimaf_ token"]) if folder == ".venv" else (0, []))
