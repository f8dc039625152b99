"""One target under atheris, in a process of its own: `python -m tests.fuzz.guided TARGET [libFuzzer's options] FOLDER`.

Only `make soak` installs atheris (Linux on x86-64). libFuzzer mutates what has reached new lines of `scim/`, keeps it in the
folder, and ends the process: with 0 when its time is over, otherwise with what broke written to stderr and the input beside
`-artifact_prefix`.
"""

import sys

import atheris

with atheris.instrument_imports(include=["scim"]):
    from tests.fuzz.targets import TARGETS


def main(name: str, options: list[str]) -> None:
    atheris.Setup([sys.argv[0], *options], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
