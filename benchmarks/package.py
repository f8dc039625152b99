"""The deployment package: what is uploaded, and what Azure has after its remote build. Sizes, nothing timed."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile

from benchmarks.report import Section
from tests.package.build import SITE_PACKAGES, assemble, build

_TITLE: Final = "The deployment package"
_ROOT: Final = Path(__file__).parents[1]
_LARGEST: Final = 5


@dataclass(frozen=True, slots=True)
class Size:
    """So many files, their bytes, and the bytes of a zip of them."""

    files: int
    bytes: int
    zipped: int


def run(rounds: int) -> Section:  # noqa: ARG001 - nothing is timed, so once is enough
    """Make the package as `tests/package` does, and weigh it."""
    with TemporaryDirectory() as folder:
        package = Path(folder, "wwwroot")
        assemble(_ROOT, package)
        uploaded = _size(package)
        build(package)
        deployed = _size(package)
        installed = sorted(distributions(path=[str(package / SITE_PACKAGES)]), key=_bytes, reverse=True)
        return Section(_TITLE, _text(uploaded, deployed, installed))


def _text(uploaded: Size, deployed: Size, installed: Sequence[Distribution]) -> str:
    largest = "\n".join(f"| {one.name} {one.version} | {_megabytes(_bytes(one))} |" for one in installed[:_LARGEST])
    return f"""What `.funcignore` lets through, and the same with what `requirements.txt` brings for Linux on x86-64. Azure's own build runs
pip, which adds byte code; it isn't counted here. `tests/package` serves the recorded requests from this package.

| package | files | unpacked | zipped |
|---|--:|--:|--:|
| uploaded | {uploaded.files:,} | {_megabytes(uploaded.bytes)} | {_megabytes(uploaded.zipped)} |
| after the remote build | {deployed.files:,} | {_megabytes(deployed.bytes)} | {_megabytes(deployed.zipped)} |

The largest {_LARGEST} of {len(installed)} packages, unpacked:

| package | size |
|---|--:|
{largest}"""


def _size(folder: Path) -> Size:
    names = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    archive = io.BytesIO()
    with ZipFile(archive, "w", ZIP_DEFLATED) as zipped:
        for name in names:
            zipped.write(name, name.relative_to(folder))
    return Size(len(names), _sum(names), archive.tell())


def _bytes(installed: Distribution) -> int:
    return _sum(Path(str(file.locate())) for file in installed.files or ())


def _sum(files: Iterable[Path]) -> int:
    # What stands in a package's list and wasn't installed, such as byte code, weighs nothing.
    return sum(file.stat().st_size for file in files if file.exists())


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.2f} MB"
