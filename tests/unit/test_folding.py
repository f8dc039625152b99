# ruff: noqa: RUF001 - folding is about letters that look alike
"""Which strings are equal when letter case doesn't count (RFC 8265 §3.3), and what finding that out costs."""

from collections.abc import Iterator
from random import Random
from unicodedata import combining, decomposition, normalize

import pytest
from hypothesis import example, given, settings, strategies as st

from scim.protocol import folding, search_fields
from tests.unit.tables import RESOURCE_TYPES, Row, rows

MADE_OF_MARKS = "\u0f73\u0f75\u0f81"
MARKS = [chr(code) for code in range(0x110000) if combining(chr(code))] + list(MADE_OF_MARKS)
# Where letter case, marks and width meet: sigma, dotted i, iota subscript, half-width marks, letters of Hangul.
TRICKY = "aAeEiIİıjJǰkKßẞsſΣσςΐᾳΩﬁéÉÅ가각カガｶﾊＡ１　ﾞﾟ゙゚ᄒ ᅡᆫ.'ﾡ" + MADE_OF_MARKS


def characters() -> Iterator[str]:
    return (chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)


@pytest.mark.parametrize("row", rows("folding"))
def test_a_pair_is_equal_or_different(row: Row) -> None:
    one, other = row["one"], row["other"]
    assert (folding.fold(one) == folding.fold(other)) is row["equal"]
    # Wherever the difference stands.
    assert (folding.fold(f"x{one}y") == folding.fold(f"X{other}Y")) is row["equal"]


def test_every_character_folds_alike_in_both_normal_forms_and_only_once() -> None:
    for character in characters():
        folded = folding.fold(character)
        assert folding.fold(folded) == folded, ascii(character)
        assert folding.fold(normalize("NFC", character)) == folded, ascii(character)
        assert folding.fold(normalize("NFD", character)) == folded, ascii(character)


@settings(max_examples=500)
@given(st.text(st.one_of(st.characters(), st.sampled_from(TRICKY), st.sampled_from(MARKS)), max_size=40))
@example("Σ\u0301")
@example("İ\u0323")
@example("ﾞ\u0323")
@example("\u0f73\u0f71")
def test_every_text_folds_alike_in_both_normal_forms_and_only_once(text: str) -> None:
    folded = folding.fold(text)
    assert folding.fold(folded) == folded
    assert folding.fold(normalize("NFC", text)) == folded
    assert folding.fold(normalize("NFD", text)) == folded


def test_every_full_and_half_width_character_is_mapped_and_no_other_compatibility_mapping_is_made() -> None:
    """Whatever the version of Unicode is."""
    for character in characters():
        mapping = decomposition(character)
        if not mapping.startswith("<"):
            continue
        tag, *mapped = mapping.split()
        plain = "".join(chr(int(code, 16)) for code in mapped)
        if tag in {"<wide>", "<narrow>"}:
            assert folding.fold(character) == folding.fold(plain), ascii(character)
        else:
            assert folding.fold(character) == normalize("NFC", character.lower()), ascii(character)


def by_the_rfc(text: str) -> str:
    """The same in the order of the RFC, without a thought for time."""
    widths = {
        ord(c): "".join(chr(int(code, 16)) for code in decomposition(c).split()[1:])
        for c in set(text)
        if decomposition(c).startswith(("<wide>", "<narrow>"))
    }
    return normalize("NFC", text.translate(widths).lower().replace("ς", "σ"))


def test_long_texts_fold_as_short_ones_do() -> None:
    random = Random(3)
    for _ in range(100):
        text = "".join(random.choice(MARKS if random.random() < 0.8 else TRICKY) for _ in range(1_200))
        assert folding.fold(text) == by_the_rfc(text)


@pytest.mark.parametrize("marks", ["\u0301\u0323", "ﾞ\u0323", *(f"{one}\u0323\u0301" for one in MADE_OF_MARKS)])
def test_marks_in_disorder_take_no_longer(marks: str) -> None:
    """A megabyte of them, which a PATCH can bring: sorted one by one they would take minutes."""
    assert folding.fold("a" + marks * 250_000)


def test_every_character_that_becomes_marks_is_known() -> None:
    """Whatever the version of Unicode is."""
    found = [c for c in characters() if not combining(c) and combining(normalize("NFD", c)[0])]
    assert found == list(MADE_OF_MARKS)


def test_no_character_of_nfc_is_made_of_more_than_four() -> None:
    """So that a string of more than four times the bytes that can be compared needn't be folded."""
    assert max(len(normalize("NFD", character)) for character in characters()) == 4


def test_a_string_that_only_its_folded_form_makes_short_enough_can_be_compared() -> None:
    title = normalize("NFD", "\u1f82") * 341
    assert len(title) > search_fields.MAX_BYTES
    assert search_fields.build({"title": title}, RESOURCE_TYPES["User"]) == {"title": "\u1f82" * 341}
    assert search_fields.build({"title": "x" * (4 * search_fields.MAX_BYTES + 1)}, RESOURCE_TYPES["User"]) == {
        "title": True
    }
