"""Text of strangers, made fit to print: one line of bounded length, without characters that control a terminal."""

import re
from typing import Final

MOST_CHARACTERS: Final = 1000
"""Largest length of an error message."""

_MOST_QUOTED: Final = 60
_CUT: Final = " ... "
_TAIL: Final = 300
"""Characters that a message keeps at its end, where it says how to fix the error."""
_DIGITS: Final = re.compile(r"(\d{1,18})")
_BREAK: Final = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")


def printable(text: str) -> str:
    """`text` on one line, with an escape such as ``\\x1b`` for each control, format and surrogate character.

    Letters of every script are kept. Each white space becomes a space.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c.isspace() else repr(c)[1:-1] for c in text)


def one_line(text: str) -> str:
    """`text` as `printable`, with its lines joined, and cut in the middle to `MOST_CHARACTERS`."""
    if len(text) > 2 * MOST_CHARACTERS:  # escapes only lengthen it
        text = text[:MOST_CHARACTERS] + text[-MOST_CHARACTERS:]
    text = printable(_BREAK.sub(" ", text.strip()))
    if len(text) <= MOST_CHARACTERS:
        return text
    return text[: MOST_CHARACTERS - _TAIL - len(_CUT)] + _CUT + text[-_TAIL:]


def quoted(value: object) -> str:
    """The start of the ``repr`` of any value, on one line, for an error message."""
    try:
        text = printable(_BREAK.sub(" ", repr(value)))
    except Exception:  # a number of more digits than Python prints, or an object with a faulty `__repr__`
        text = f"a very large {type(value).__name__}" if isinstance(value, int) else f"({type(value).__name__})"
    return text if len(text) <= _MOST_QUOTED else f"{text[: _MOST_QUOTED - 3]}..."


def sized(height: int, width: int) -> str:
    """A size of images that is not read the wrong way round: ``18 high and 12 wide``, and of a square ``64x64``."""
    return f"{height}x{width}" if height == width else f"{height} high and {width} wide"


def explained(error: BaseException) -> str:
    """An error's type and the first line of its message, as `one_line`."""
    try:
        first = next(iter(str(error).strip().splitlines()), "")
    except Exception:  # an error with a faulty `__str__`
        first = ""
    return one_line(f"{type(error).__name__}: {first}" if first else type(error).__name__)


def natural(name: str) -> list[str | int]:
    """A key that sorts ``2.png`` before ``10.png``."""
    return [int(part) if part.isdecimal() else part for part in _DIGITS.split(name)]
