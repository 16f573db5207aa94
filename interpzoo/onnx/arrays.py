"""Arguments that are arrays, or lists that NumPy makes arrays of."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float32]


def as_array(values: object) -> NDArray[Any]:
    """`values` as an array; where NumPy cannot make one, such as of rows of different lengths, one of an object."""
    try:
        return np.asarray(values)
    except Exception:  # whatever the objects raise
        return np.empty((), object)


def all_finite(values: NDArray[Any], kinds: str = "f") -> bool:
    """Whether all values are finite and of these kinds, letters of NumPy: ``f`` floats, ``i`` and ``u`` integers."""
    return values.dtype.kind in kinds and bool(np.isfinite(values).all())
