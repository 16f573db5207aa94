"""Foreign text in messages: printable, on one line, bounded, whatever it holds."""

from __future__ import annotations

import inspect
import pickle
import random
import sys
import unicodedata

import pytest

from interpzoo import errors
from interpzoo.errors import InterpzooError, OutputError
from interpzoo.text import MOST_CHARACTERS, one_line, printable, quoted

CONTROLLING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
EVERY = [chr(code) for code in range(sys.maxunicode + 1)]
HARMFUL = [c for c in EVERY if unicodedata.category(c) in CONTROLLING]
ERRORS = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, InterpzooError)]


def test_no_character_that_controls_a_terminal_is_left() -> None:
    assert len(HARMFUL) > 2000
    for character in HARMFUL:
        shown = printable(f"a{character}b")
        assert not CONTROLLING & {*map(unicodedata.category, shown)}, f"U+{ord(character):04X}"
        shown.encode()


def test_letters_of_every_script_are_kept() -> None:
    letters = "".join(c for c in EVERY if unicodedata.category(c) in ("Lu", "Ll", "Lo", "Lm", "Nd"))
    assert printable(letters) == letters


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_has_one_printable_line_of_bounded_length(kind: type[InterpzooError]) -> None:
    draw = random.Random(0)
    for length in (0, 1, 30, 990, 1000, 1001, 3000, 100_000):
        text = "".join(draw.choices([*HARMFUL, *EVERY[:500]], k=length)) + " and how to fix it"
        error = kind(text)
        assert str(error).isprintable()
        assert len(str(error)) <= MOST_CHARACTERS
        assert str(error).endswith("how to fix it")
        assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_lines_are_joined_and_other_spaces_kept() -> None:
    assert one_line("first\n   second\r\n'a  b'\u2028third\n") == "first second 'a  b' third"
    assert str(OutputError("cannot write 'a  b'")) == "cannot write 'a  b'"


def test_any_value_can_be_quoted() -> None:
    class Faulty:
        def __repr__(self) -> str:
            raise ValueError

    for value, expected in (
        ("\x1b[2J", "'\\x1b[2J'"),
        (16**5000, "a very large int"),
        (Faulty(), "(Faulty)"),
        (["x" * 100], "['" + "x" * 55 + "..."),
    ):
        assert quoted(value) == expected
