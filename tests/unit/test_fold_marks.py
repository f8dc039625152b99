"""Folding takes no longer for marks in disorder, and makes the same of them."""

from random import Random
from unicodedata import combining, normalize

import pytest

from scim.protocol import fold

MADE_OF_MARKS = "\u0f73\u0f75\u0f81\uff9e\uff9f"
MARKS = [chr(code) for code in range(0x110000) if combining(chr(code))] + list(MADE_OF_MARKS)


def test_long_texts_fold_as_unicode_says() -> None:
    random = Random(3)
    for _ in range(100):
        text = "".join(random.choice(MARKS if random.random() < 0.8 else "aΐßﬁİ가ア") for _ in range(1_200))
        assert fold.text(text) == normalize("NFKC", normalize("NFKC", text).casefold())


@pytest.mark.parametrize("marks", ["\u0301\u0323", *(f"{one}\u0323\u0301" for one in MADE_OF_MARKS)])
def test_marks_in_disorder_take_no_longer(marks: str) -> None:
    """A megabyte of them, which a PATCH can bring: sorted one by one they would take minutes."""
    assert fold.text("a" + marks * 250_000)


def test_every_character_that_becomes_marks_is_known() -> None:
    """Whatever the version of Unicode is."""
    found = [
        chr(code) for code in range(0x110000) if not combining(chr(code)) and combining(normalize("NFKD", chr(code))[0])
    ]
    assert found == list(MADE_OF_MARKS)
