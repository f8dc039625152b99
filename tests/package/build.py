"""What a deployment uploads, and what Azure's remote build makes of it. Knows neither Azure nor this service.

There are two readers of `.funcignore`: azd, to which it is a `.gitignore`, and Core Tools, which have rules of their own.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import files as files_of
from pathlib import Path
from typing import Final

from pathspec import GitIgnoreSpec
from uv import find_uv_bin

SITE_PACKAGES: Final = Path(".python_packages", "lib", "site-packages")
"""Where the remote build puts what `requirements.txt` names, seen from the script root."""

_CACHE: Final = Path(__file__).parents[2] / ".tools" / "uv-cache"
_WORKER: Final = ("azure-functions-runtime", "azurefunctions-extensions-base")


def uploaded_by_azd(folder: Path) -> set[str]:
    """The files of a folder that azd uploads."""
    ignored = GitIgnoreSpec.from_lines(_lines(folder))
    return {name for name in _files(folder) if not ignored.match_file(name)}


def uploaded_by_core_tools(folder: Path) -> set[str]:
    """The files of a folder that `func azure functionapp publish` uploads.

    A line stands for the paths that begin with it and go on with a new word, `*` for one or more characters of a name, `**`
    for one or more of a path. A line with `!` wins over those without, wherever it stands.
    """
    lines = [line.strip() for line in _lines(folder)]
    rules = [line for line in lines if line and not line.startswith("#")]
    ignored = _beginnings(rule.removeprefix("/") for rule in rules if not rule.startswith("!"))
    kept = _beginnings(rule[1:].removeprefix("/") for rule in rules if rule.startswith("!"))
    return {name for name in _files(folder) if kept.match(name) or not ignored.match(name)}


def assemble(folder: Path, into: Path) -> None:
    """Copy what is uploaded from a folder into another, which is made."""
    for name in uploaded_by_azd(folder):
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / name, target)


def build(package: Path) -> None:
    """Install what the package's `requirements.txt` names, and nothing that it doesn't, as the remote build does.

    That one runs pip, which like this refuses a package without a hash as soon as there is one with a hash.
    """
    options = ["--quiet", "--cache-dir", str(_CACHE), "--require-hashes", "--only-binary", ":all:"]
    where = ["--python", sys.executable, "--target", str(package / SITE_PACKAGES), "-r", "requirements.txt"]
    # In the package, where no settings of this project stand.
    subprocess.run([find_uv_bin(), "pip", "install", *options, *where], check=True, timeout=240, cwd=package)


def worker_library(into: Path) -> None:
    """Copy the worker library into a folder. The programming model isn't in it: that comes from the package."""
    for distribution in _WORKER:
        for file in files_of(distribution) or ():
            if file.parts[0] != "..":
                target = into / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(file.locate()), target)


def _lines(folder: Path) -> list[str]:
    return (folder / ".funcignore").read_text(encoding="utf-8").splitlines()


def _files(folder: Path) -> list[str]:
    """All files but those of Git and the settings that neither tool ever uploads; paths with slashes."""
    found: list[str] = []
    for where, folders, names in os.walk(folder):
        if ".git" in folders:
            folders.remove(".git")
        below = Path(where).relative_to(folder).as_posix()
        found += [name if below == "." else f"{below}/{name}" for name in names if name != "local.settings.json"]
    return found


def _beginnings(rules: Iterable[str]) -> re.Pattern[str]:
    written = [re.escape(rule).replace(r"\*\*", ".+").replace(r"\*", "[^/]+") for rule in rules]
    return re.compile(rf"(?:{'|'.join(written)})\b" if written else r"(?!)", re.ASCII)
