"""Directions in code space: what codes of some images have and those of others do not, and where codes vary most."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from interpzoo.arguments import whole
from interpzoo.errors import InputError, WeightsError
from interpzoo.files import expanded
from interpzoo.pretrained.folder import DIRECTIONS, MOST_BYTES
from interpzoo.pretrained.stored import read_tensors, write_tensors
from interpzoo.registry import is_name
from interpzoo.tensors import check_floats
from interpzoo.text import quoted

MOST_DIRECTIONS: Final = 4096
"""Largest number of directions of one file, and of principal directions."""
_SHOWN: Final = 8

_RIDGE: Final = 1.0  # of the mean variance, added to each: `benchmarks/directions.py` compares it to others
_SMALL: Final = 1e-6  # of its length, below which nothing is left of a direction


@dataclass(frozen=True, eq=False)
class Direction:
    """A direction in code space, with a length.

    Attributes:
        name: what changes along it.
        vector: (*latent_shape), float32, on the CPU. A code moved by it changes as the codes of one group of images
            differ from another's on average, or by one standard deviation along a principal direction.
    """

    name: str
    vector: Tensor

    def orthogonal_to(self, others: Iterable["Direction"]) -> "Direction":
        """This direction without what it has in common with the others: along it, they do not change.

        Raises:
            InputError: the others are of another shape, or nothing is left.
        """
        basis = [_same_shape(other, self).vector.double().flatten() for other in others]
        if not basis:
            return self
        spanned, own = torch.stack(basis, dim=1), self.vector.double().flatten()
        rest = own - spanned @ torch.linalg.lstsq(spanned, own[:, None], driver="gelsd").solution[:, 0]
        if not bool(rest.norm() > _SMALL * own.norm()):
            raise InputError(f"nothing is left of direction {self.name!r} without the {len(basis)} others: give fewer")
        return Direction(self.name, rest.float().reshape(self.vector.shape))


def direction_between(positive: Tensor, negative: Tensor, *, name: str = "direction", probe: bool = False) -> Direction:
    """The direction from one group of codes to another.

    Args:
        positive, negative: codes (n, *latent_shape) of images that have something and of images that do not.
        name: what it is that changes.
        probe: ``False``: the difference of the groups' means. ``True``: its part along the normal of a linear
            classifier of the two groups (Fisher's discriminant with a ridge), which leaves out much of what merely goes
            with it in these images.

    Raises:
        InputError: a group is empty, or the groups have other shapes or the same mean.
    """
    if not isinstance(probe, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"probe = {quoted(probe)}: expected True or False")
    for group, codes in (("positive", positive), ("negative", negative)):
        check_floats(group, codes)
        if codes.ndim < 2 or not len(codes):
            raise InputError(f"{group} has shape {tuple(codes.shape)}: expected codes (n, ...), at least one")
    if positive.shape[1:] != negative.shape[1:]:
        raise InputError(f"codes of shapes {tuple(positive.shape)} and {tuple(negative.shape)} are not of one model")
    groups = [codes.detach().cpu().double().flatten(1) for codes in (positive, negative)]
    means = [codes.mean(0) for codes in groups]
    vector = means[0] - means[1]
    if probe:
        spread = torch.cat([codes - mean for codes, mean in zip(groups, means, strict=True)])
        within = spread.T @ spread / len(spread)
        ridge = _RIDGE * within.diagonal().mean() or 1.0  # groups of one code each do not vary
        normal = torch.linalg.solve(within + ridge * torch.eye(len(within), dtype=within.dtype), vector)
        vector = normal * (normal @ vector) / (normal @ normal).clamp(min=torch.finfo(torch.float64).tiny)
    if not bool(vector.norm() > 0) or not bool(vector.isfinite().all()):
        raise InputError(
            f"direction {quoted(name)}: both groups have the same mean code, so there is no direction between them"
        )
    return Direction(_checked_name(name), vector.float().reshape(positive.shape[1:]))


def principal_directions(codes: Tensor, count: int | None = None) -> list[Direction]:
    """The directions in which codes (n, *latent_shape) vary most, each one standard deviation long.

    The sign is such that the largest entry is positive. By default 8 of them, or all where there are fewer.

    Raises:
        InputError: there are fewer codes than `count` + 1, or fewer dimensions than `count`.
    """
    flat = _flat(codes)
    there = min(len(flat) - 1, flat.shape[1])
    count = max(1, min(_SHOWN, there)) if count is None else whole("count", count, 1, MOST_DIRECTIONS)
    if count > there:
        raise InputError(
            f"count = {count}: {len(flat)} codes of {flat.shape[1]} numbers have at most {there} principal "
            f"direction{'s' * (there != 1)}"
        )
    _, lengths, axes = torch.linalg.svd(flat - flat.mean(0), full_matrices=False)
    axes = axes[:count] * (lengths[:count, None] / (len(flat) - 1) ** 0.5)
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    axes = (axes * torch.where(largest < 0, -1.0, 1.0)).float()
    return [Direction(f"principal-{n}", axis.reshape(codes.shape[1:])) for n, axis in enumerate(axes, 1)]


def axis_directions(codes: Tensor, count: int | None = None) -> list[Direction]:
    """Directions along single numbers of a code: those that vary most in codes (n, *latent_shape), one standard
    deviation each.

    By default 8 of them, or all where there are fewer.

    Raises:
        InputError: there are fewer than two codes, or fewer numbers than `count`.
    """
    flat = _flat(codes)
    count = min(_SHOWN, flat.shape[1]) if count is None else whole("count", count, 1, MOST_DIRECTIONS)
    if len(flat) < 2 or count > flat.shape[1]:
        raise InputError(
            f"count = {count}: expected at most {flat.shape[1]} axes, and at least 2 codes (got {len(flat)})"
        )
    lengths, order = flat.std(0).sort(descending=True, stable=True)
    vectors = torch.zeros(count, flat.shape[1])
    vectors[torch.arange(count), order[:count]] = lengths[:count].float()
    shape = codes.shape[1:]
    return [Direction(f"axis-{int(n)}", v.reshape(shape)) for n, v in zip(order, vectors, strict=False)]


def _flat(codes: Tensor) -> Tensor:
    """Codes (n, *latent_shape) as rows (n, K) in float64."""
    check_floats("codes", codes)
    if codes.ndim < 2:
        raise InputError(f"codes have shape {tuple(codes.shape)}: expected (n, ...)")
    return codes.detach().cpu().double().flatten(1)


def save_directions(path: str | Path, directions: Iterable[Direction] | Mapping[str, Direction]) -> None:
    """Write directions to a safetensors file, each under its name, or under its key if they are a mapping.

    Raises:
        InputError: there are none, or two have one name.
        OutputError: the file cannot be written.
    """
    is_named = isinstance(directions, Mapping)
    try:
        several = list(directions.values() if is_named else directions)
    except TypeError:
        raise InputError(f"directions = {quoted(directions)}: expected a list of Direction, or a mapping") from None
    for one in several:
        if not isinstance(one, Direction):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"directions hold {quoted(one)}: expected a list of Direction, or a mapping")
    names = [_checked_name(name) for name in (directions if is_named else (one.name for one in several))]
    if not names or len({*names}) < len(names):
        raise InputError(f"directions named {quoted(names)}: expected at least one, each with a name of its own")
    write_tensors(expanded(path), {name: one.vector for name, one in zip(names, several, strict=True)})


def load_directions(path: str | Path, *, sha256: str | None = None) -> dict[str, Direction]:
    """The directions in a file of `save_directions`, by name.

    Raises:
        WeightsError: the file is missing or damaged, has another hash, or holds something other than directions.
    """
    found = read_tensors(expanded(path), most=MOST_BYTES[DIRECTIONS], sha256=sha256)
    for name, vector in found.items():
        if not is_name(name) or not vector.is_floating_point() or not bool(vector.isfinite().all()):
            raise WeightsError(f"{path} holds {quoted(name)}, which is not a direction of finite floats")
    return {name: Direction(name, vector.float()) for name, vector in found.items()}


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not is_name(name):
        raise InputError(f"name = {quoted(name)}: expected letters, digits, '.', '_' and '-'")
    return name


def _same_shape(other: Direction, one: Direction) -> Direction:
    if other.vector.shape != one.vector.shape:
        raise InputError(
            f"directions {one.name!r} and {other.name!r} have shapes {tuple(one.vector.shape)} and "
            f"{tuple(other.vector.shape)}: expected directions of one model"
        )
    return other
