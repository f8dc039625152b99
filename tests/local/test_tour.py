"""README.md's five minutes with curl, as a reader pastes them: each command is answered, and no file is left."""

import re
import subprocess
from pathlib import Path
from typing import Final

from tests.conftest import Server

README: Final = Path(__file__).parents[2] / "README.md"


def tour(origin: str) -> str:
    """The second terminal of the tour as one script, for a server at this origin."""
    _, _, rest = README.read_text(encoding="utf-8").partition("## Five minutes with curl\n")
    _, *blocks = re.findall(r"```sh\n(.*?)```", rest.partition("\n## ")[0], re.DOTALL)
    return "".join(blocks).replace("http://127.0.0.1:7071", origin)


def test_the_tour_works_and_leaves_no_file(tmp_path: Path) -> None:
    server = Server(environment={"SCIM_DEV_TOKEN": "let-me-in"})
    ended = subprocess.run(
        ["bash", "-e", "-u", "-c", tour(server.origin)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    code, log = server.stop()
    assert (code, ended.returncode, ended.stderr) == (0, 0, "")
    assert list(tmp_path.iterdir()) == []
    statuses = re.findall(r" action=(\S+) \S+ status=(\d+)", log)
    assert statuses == [
        ("list", "200"),
        ("create", "201"),
        ("get", "200"),
        ("list", "200"),
        ("patch", "204"),
        ("get", "200"),
        ("bulk", "200"),
        ("list", "200"),
        ("create", "201"),
        ("list", "200"),
        ("get", "200"),
        ("patch", "204"),
        ("delete", "204"),
        ("get", "404"),
    ]
    assert '"active":false' in ended.stdout.replace(" ", "")
    assert "Tour Guides" in ended.stdout
