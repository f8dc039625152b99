"""Just enough of Azure Monitor's query language to say which fields a query reads."""

import re
from collections.abc import Mapping
from typing import Final

# Tables, operators, functions and types that our queries use. A word that is none of these is a field, or made by the query.
_LANGUAGE: Final = frozenset(
    re.findall(
        r"\w+",
        """and as asc avg coalesce barchart bin by case count countif dcount desc distinct expand extend extract grain has in int kv let
        max mv or order parse percentile real requests split startswith strcat string substring sum sumif summarize take_any to
        toint toscalar traces typeof where with Customer Time""",
    )
)
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_MADE: Final = re.compile(r"\b([A-Za-z_]\w*)\s*=(?![=~])")


def columns(query: str) -> Mapping[str, str]:
    """What a `parse-kv` makes: name -> type."""
    found = re.search(r"parse-kv \w+ as \(([^)]*)\)", query)
    pairs = (pair.split(":") for pair in found[1].split(",")) if found else ()
    return {name.strip(): kind.strip() for name, kind in pairs}


def words(query: str) -> set[str]:
    """The fields that a query reads and doesn't make itself."""
    bare = _STRING.sub('""', query)
    made = set(_MADE.findall(bare))
    found = set(re.findall(r"(?<![\w.])[A-Za-z_]\w*", bare))
    return {word for word in found - made - _LANGUAGE if not word.startswith("{")}
