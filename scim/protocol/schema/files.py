"""Reads a folder of schema files, and splits it into definitions with their positions. Knows no rules of schemas."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Never, cast

from scim.protocol.json import Json, JsonObject

_LIST: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
_LIST_KEYS: Final = ("schemas", "totalResults", "itemsPerPage", "startIndex", "Resources")


class SchemaError(Exception):
    """A schema file is invalid. The text has the file, the path in it (`attributes[2].type`), and the reason."""

    def __init__(self, file: str, path: str, reason: str) -> None:
        super().__init__(": ".join(part for part in (file, path, reason) if part))
        self.file = file
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file: the name of the file, the path in it, and the value there."""

    file: str
    path: str
    value: Json

    def fault(self, reason: str, key: str = "") -> SchemaError:
        """Return the error for this part, or for a key of this object."""
        return SchemaError(self.file, _joined(self.path, key), reason)

    def object(self, known: Iterable[str], what: str) -> JsonObject:
        """Return this object. Raises `SchemaError` if it isn't an object, or has an unknown key; `what` names the
        object in the error.
        """
        if not isinstance(self.value, dict):
            raise self.fault("must be a JSON object")
        for key in self.value:
            if key not in known:
                alike = next((name for name in known if name.lower() == str(key).lower()), None)
                meant = f"the key is written '{alike}'" if alike else f"{what} has {', '.join(known)}, and no such key"
                raise self.fault(meant, str(key))
        return cast(JsonObject, self.value)

    def at(self, key: str) -> "Part":
        """Return the part under a key of this object; `None` if there is none."""
        return Part(self.file, _joined(self.path, key), self.value.get(key))

    def items(self) -> "Sequence[Part]":
        """Return the elements of this array."""
        if not isinstance(self.value, list):
            raise self.fault("must be an array")
        return [Part(self.file, f"{self.path}[{index}]", item) for index, item in enumerate(self.value)]


def read_definitions(folder: Path) -> list[Part]:
    """Return all definitions in the `*.json` files of the folder, in the order of the file names. Raises `SchemaError`.

    A file contains one definition, an array of definitions, or a ListResponse as `/Schemas` and `/ResourceTypes` return
    it.
    """
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix == ".json" and not file.name.startswith("."))
    except OSError:
        raise SchemaError("", "", "the folder doesn't exist or can't be read") from None
    if not files:
        raise SchemaError("", "", "the folder has no *.json file")
    return [part for file in files for part in _definitions(_read(file))]


def _definitions(whole: Part) -> Iterator[Part]:
    if isinstance(whole.value, list):
        yield from whole.items()
    elif isinstance(whole.value, dict) and whole.value.get("schemas") == [_LIST]:
        whole.object(_LIST_KEYS, "a ListResponse")
        yield from whole.at("Resources").items()
    else:
        yield whole


class _Twice(dict[str, Json]):
    """An object in which a key occurs twice."""

    key = ""


def _read(file: Path) -> Part:
    def one_of_each(pairs: list[tuple[str, Json]]) -> JsonObject:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        names = [name for name, _ in pairs]
        twice = _Twice(found)
        twice.key = next(name for name in names if names.count(name) > 1)
        return twice

    def no_number(text: str) -> Never:
        raise ValueError(f"{text} is no JSON number")

    try:
        # Editors on Windows start files with a byte order mark.
        text = file.read_text(encoding="utf-8-sig")
        whole = Part(file.name, "", json.loads(text, object_pairs_hook=one_of_each, parse_constant=no_number))
        _check_keys(whole)
    except OSError as error:
        raise SchemaError(file.name, "", f"can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SchemaError(file.name, "", "is not in UTF-8") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise SchemaError(file.name, "", f"is not JSON: {error.msg}, {where}") from None
    except ValueError as error:
        raise SchemaError(file.name, "", f"is not JSON: {error}") from None
    except RecursionError:
        raise SchemaError(file.name, "", "is nested too deeply") from None
    return whole


def _check_keys(part: Part) -> None:
    if isinstance(part.value, _Twice):
        raise part.fault("the object has this key twice", part.value.key)
    if isinstance(part.value, dict):
        for key in part.value:
            _check_keys(part.at(key))
    elif isinstance(part.value, list):
        for item in part.items():
            _check_keys(item)


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path and key else path or key
