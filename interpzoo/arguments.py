"""Checks of arguments, with the limits of numbers, and the values of texts. No torch is imported here."""

import json
import math
import operator
from collections.abc import Sequence
from typing import Any, Final, SupportsFloat, cast

from interpzoo.errors import InputError
from interpzoo.text import quoted

MOST_SEED: Final = 2**32 - 1
"""Seeds are 0 to this: the largest that NumPy and scikit-learn take."""
MOST_FRAMES: Final = 10_000
"""Largest number of frames of one path."""
MOST_IMAGES: Final = 100_000
"""Largest number of images that one call draws or arranges in a grid."""
MOST_SIDE: Final = 2048
"""Longest side of a model's images, in pixels."""
MOST_VALUES: Final = 2**29
"""Largest number of values in all images of one call of a model that takes any size: 2 GiB of float32."""
MOST_AT_ONCE: Final = 2**31 - 1
"""Largest batch size, and largest number of anything else that costs nothing by itself."""
MOST_REFINEMENTS: Final = 10_000
"""Largest number of steps that refine a code."""

RATES: Final = 0.01, 120.0
"""Smallest and largest number of frames of a film in a second."""
LENGTHS: Final = 0.01, 86_400.0
"""Shortest and longest film, in seconds."""


def whole(name: str, value: object, least: int, most: int) -> int:
    """`value` as an ``int``; raises an `InputError` unless it is a whole number from `least` to `most`.

    Integers of NumPy and of torch count. A ``bool``, a float such as 9.0 and a string do not.
    """
    number = None
    if not isinstance(value, bool):
        try:
            number = operator.index(cast(Any, value))
        except Exception:  # what objects that are not numbers raise, such as tensors without data
            number = None
    if number is None or not least <= number <= most:
        raise InputError(f"{name} = {quoted(value)}: expected a whole number from {least:,} to {most:,}")
    return number


def one_of(name: str, value: object, choices: Sequence[str]) -> str:
    """`value`; raises an `InputError` unless it is one of the words `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"{name} = {quoted(value)}: expected {' or '.join(map(repr, choices))}")
    return value


def of_type(name: str, value: object, kinds: type | tuple[type, ...], expected: str) -> None:
    """Raise an `InputError` unless `value` is of one of these types; `expected` says in words what it should be."""
    if not isinstance(value, kinds):
        raise InputError(f"{name} = {quoted(value)}: expected {expected}")


def texts(name: str, value: object, expected: str) -> list[str]:
    """`value`, one text or several; raises an `InputError` unless it is text or a list of texts, which are `expected`.

    An empty list is none of them.
    """
    found: list[object] = [*value] if isinstance(value, list | tuple) else [value]
    for one in found:
        of_type(name, one, str, expected)
    return cast(list[str], found)


def called(name: str, value: object) -> None:
    """Raise an `InputError` unless `value` is a function."""
    if not callable(value):
        raise InputError(f"{name} = {quoted(value)}: expected a function")


def seed_of(value: object) -> int:
    """`value` as a seed; raises an `InputError` unless it is a whole number from 0 to `MOST_SEED`."""
    return whole("seed", value, 0, MOST_SEED)


def real(name: str, value: object, least: float, most: float) -> float:
    """`value` as a ``float``; raises an `InputError` unless it is a finite number from `least` to `most`."""
    number = math.nan
    if not isinstance(value, (bool, str, bytes, bytearray)):
        try:
            number = float(cast(SupportsFloat, value))
        except Exception:  # as in `whole`; OverflowError too
            number = math.nan
    if not least <= number <= most or math.isinf(number):
        raise InputError(f"{name} = {quoted(value)}: expected a number from {least:g} to {most:g}")
    return number


def parsed(text: str) -> Any:
    """The JSON value of a text, or the text itself, so that a bare word is a string."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
