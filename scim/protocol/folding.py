"""Folds strings, so that strings that differ only in letter case, width or composition compare as equal (RFC 8265 §3.3).

Does not know attributes: `search_fields` decides which values are folded.
"""

import re
from itertools import groupby
from typing import Final
from unicodedata import combining, decomposition, is_normalized, normalize


def fold(text: str) -> str:
    """Return the folded string. Strings that differ only in case fold to the same string.

    RFC 8265 §3.3 (UsernameCaseMapped; RFC 7644 §5 points to it) without its check of allowed characters: maps full- and
    half-width characters, converts to lower case with final sigma as sigma, and normalises to NFC last. No other
    compatibility mapping and no case folding: `Sales²` isn't `Sales2`, and no character becomes several. The result is
    the same for a string in NFC and in NFD, and folding it again changes nothing. Takes linear time.
    """
    lowered = text.lower()
    if text.isascii():
        return lowered
    if _has_width(lowered):
        lowered = lowered.translate(_WIDTHS)
    if _FINAL_SIGMA in lowered:
        lowered = lowered.replace(_FINAL_SIGMA, _SIGMA)
    if len(lowered) > _FEW_CHARACTERS and not is_normalized("NFC", lowered):
        lowered = _in_order_of_marks(lowered)
    return normalize("NFC", lowered)


_WIDTHS: Final = {
    code: chr(int(mapping.removeprefix(tag), 16))
    for code in (0x3000, *range(0xFF00, 0xFFF0))
    for mapping in [decomposition(chr(code))]
    for tag in ("<wide> ", "<narrow> ")
    if mapping.startswith(tag)
}
"""The full- and half-width characters by code point, and the character that each is mapped to (RFC 8264 §5.2.1)."""

_FINAL_SIGMA: Final = "\u03c2"
_SIGMA: Final = "\u03c3"
_has_width: Final = re.compile("[\u3000\uff00-\uffef]").search

_FEW_CHARACTERS: Final = 256
"""Up to this length, `normalize` sorts combining marks fast enough."""


def _in_order_of_marks(value: str) -> str:
    """Return a string with the same NFC, in which the combining marks of each character are in canonical order.

    `normalize` takes quadratic time in the number of marks that it has to sort.
    """
    sorted_marks = (
        "".join(sorted(run, key=combining)) if is_mark else "".join(run)
        for is_mark, run in groupby(value.translate(_MADE_OF_MARKS), key=lambda character: combining(character) > 0)
    )
    return "".join(sorted_marks)


# Characters that aren't marks, but decompose into marks.
_MADE_OF_MARKS: Final = {0x0F73: "\u0f71\u0f72", 0x0F75: "\u0f71\u0f74", 0x0F81: "\u0f71\u0f80"}
