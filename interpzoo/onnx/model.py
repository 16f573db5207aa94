"""A model whose networks ONNX Runtime computes."""

import math
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from interpzoo.arguments import MOST_AT_ONCE, MOST_FRAMES, MOST_IMAGES, one_of, seed_of, whole
from interpzoo.decoding import loaded, open_image
from interpzoo.errors import ConfigError, ImageError, InputError, WeightsError
from interpzoo.files import expanded
from interpzoo.onnx.arrays import Array, all_finite, as_array
from interpzoo.onnx.files import DESCRIPTION, read_description, read_examples, session
from interpzoo.onnx.paths import LINES, even_positions
from interpzoo.pixels import background, checked_size, fitting_size, is_bordered, to_pixels
from interpzoo.text import explained, quoted

Picture: TypeAlias = NDArray[Any] | Image.Image | str | os.PathLike[str]
"""An array (one image or a batch, channels first), a PIL image, or the path of an image file."""
Line: TypeAlias = Literal["linear", "slerp"]
"""The straight line between two codes, or the great circle."""
Spacing: TypeAlias = Literal["linear", "even"]
"""Frames that are even in t, or at even distances between consecutive images, pixel by pixel."""

_CHUNK_VALUES: Final = 1 << 19  # image values computed at once, to bound the memory
_OVERSHOOT: Final = 0.2  # by which image values are clamped, as `interpzoo.images` does


class ImageShape(NamedTuple):
    """Shape of a model's images, and for a model of any size the default one."""

    channels: int
    height: int
    width: int


class ExportedModel:
    """A model in an exported folder; `load` makes it.

    Images are float32 in [0, 1], channels first. The same calls give what `interpzoo.InterpolationModel` gives, up to
    rounding. Threads may share a model.

    Attributes:
        name: the model's name.
        description: the content of ``model.json``.
        image: channels and size of its images.
        multiple: heights and widths are multiples of this; ``None``: there is only the size in `image`.
        latent_shape: shape of one code, of an image of that size.
        examples: example codes (n, *latent_shape), or ``None``.
    """

    def __init__(self, folder: Path, description: dict[str, Any], threads: int | None) -> None:
        try:
            self.name = _text(description["name"])
            image = description["image"]
            self.image = ImageShape(*(_count(key, image[key]) for key in ImageShape._fields))
            self._border = _count("border", image["border"], 0)
            multiple = image["multiple"]
            self.multiple = None if multiple is None else _count("multiple", multiple)
            self.latent_shape = tuple(_count("shape", side) for side in description["code"]["shape"])
            self._line = one_of("path", description["path"], tuple(LINES))
            prior = description["prior"]
            self._prior = None if prior is None else one_of("prior", prior, ("normal",))
            files = description["files"]
            self._encoder, self._decoder = (
                session(folder, name, files[name], threads) for name in ("encoder.onnx", "decoder.onnx")
            )
            self.examples = read_examples(folder, files, self.latent_shape)
        except WeightsError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(
                f"{folder / DESCRIPTION} is damaged ({explained(error)}): export the model again"
            ) from None
        self.description = description

    def __repr__(self) -> str:
        return f"ExportedModel({self.name!r}, image {self.image}, code {self.latent_shape})"

    def encode(self, images: Picture | Sequence[Picture], *, size: Sequence[int] | None = None) -> Array:
        """Codes (B, *latent_shape) of images; one image gives B = 1.

        Args:
            images: an array (B, C, H, W) or (C, H, W) of the model's shape, float in [0, 1] or uint8; a PIL image or
                the path of an image file, cropped and resized to the model's size; or a sequence of these.
            size: (height, width), for a model of any size; by default that of the first image.

        Raises:
            ImageError: an image cannot be read, or an array has another shape or values outside [0, 1].
            InputError: the model does not take `size`.
        """
        several = list(images) if isinstance(images, Sequence) and not isinstance(images, str) else [images]
        if not several:
            raise ImageError("there are no images: expected at least one")
        opened = [open_image(image) if isinstance(image, str | os.PathLike) else image for image in several]
        shape = self._shape(opened[0], size)
        batch = np.concatenate([_as_batch(image, shape, self._border) for image in opened])
        return self._in_chunks(self._encoder, batch, math.prod(shape))

    def decode(self, codes: Array) -> Array:
        """Images (B, C, H, W) of codes (B, *latent_shape), around [0, 1] and not clamped.

        Raises:
            InputError: the codes have another shape, or are not floats that are finite in float32.
        """
        codes = self._checked_codes("codes", codes)
        factor = math.prod(codes.shape[2:]) / math.prod(self.latent_shape[1:]) if self.multiple else 1
        values = math.ceil(math.prod(self.image) * factor)
        return self._in_chunks(self._decoder, codes, values)

    def interpolate(
        self,
        a: Picture | Sequence[Picture],
        b: Picture | Sequence[Picture],
        steps: int = 9,
        *,
        t: Sequence[float] | NDArray[Any] | None = None,
        path: Line | None = None,
        spacing: Spacing = "linear",
        size: Sequence[int] | None = None,
    ) -> Array:
        """Images along the path from `a` to `b`.

        Args:
            a, b: images as in `encode`, as many in each; a single one is paired with each of the other's.
            steps: frames of a path, both ends included; 2 to 10,000.
            t: positions (T,) instead of `steps` even ones; outside [0, 1] the path is extrapolated.
            path: ``"linear"`` or ``"slerp"``; by default the model's own, and linear if its own needs torch.
            spacing: of the `steps`: ``"linear"`` in t, or ``"even"`` distances between consecutive images.
            size: as in `encode`.

        Returns:
            (steps, C, H, W) for one pair of single images, (B, steps, C, H, W) for batches.

        Raises:
            ImageError: as `encode`.
            InputError: `steps`, `t`, `path` or `spacing` is not one of these, `t` and `spacing` are both given, or the
                numbers of images cannot be paired.
        """
        z0 = self.encode(a, size=size)
        z1 = self.encode(b, size=self._size_of(z0) if size is None and self.multiple else size)
        frames = self.decode_path(z0, z1, steps, t=t, path=path, spacing=spacing)
        return frames[0] if _is_single(a) and _is_single(b) else frames

    def decode_path(
        self,
        z0: Array,
        z1: Array,
        steps: int = 9,
        *,
        t: Sequence[float] | NDArray[Any] | None = None,
        path: Line | None = None,
        spacing: Spacing = "linear",
    ) -> Array:
        """Images (B, steps, C, H, W) along the path between codes (B, *latent_shape).

        Args:
            z0, z1: codes as in `decode`, as many in each; a single one is paired with each of the other's.
            steps, t, path, spacing: as in `interpolate`.

        Raises:
            InputError: as `decode` and `interpolate`.
        """
        z0, z1 = self._paired(z0, z1)
        line = LINES[one_of("path", self._line if path is None else path, tuple(LINES))]
        even = one_of("spacing", spacing, ("linear", "even")) == "even"
        if t is None:
            steps = whole("steps", steps, 2, MOST_FRAMES)
            decoded = partial(self._along, line, z0, z1)
            positions = even_positions(decoded, len(z0), steps) if even else np.linspace(0, 1, steps)
        elif even:
            raise InputError("t and spacing are both given: expected one of them")
        else:
            positions = as_array(t)
            if positions.ndim != 1 or not 0 < len(positions) <= MOST_FRAMES or not all_finite(positions, "fiu"):
                raise InputError(f"t = {quoted(t)}: expected 1 to {MOST_FRAMES:,} finite positions (T,)")
        return self._along(line, z0, z1, positions.astype(np.float64))

    def sample(self, n: int, *, seed: int = 0) -> Array:
        """Images (n, C, H, W) of codes drawn from the prior; a seed draws other codes than torch does.

        Raises:
            InputError: the model has no standard normal prior; or `n` is not from 1 to 100,000, or `seed` not one.
        """
        if self._prior is None:
            raise InputError(f"{self.name!r} has no prior that is exported: sample with interpzoo.load({self.name!r})")
        n, generator = whole("n", n, 1, MOST_IMAGES), np.random.default_rng(seed_of(seed))
        return self.decode(generator.standard_normal((n, *self.latent_shape), dtype=np.float32))

    def _checked_codes(self, name: str, codes: object) -> Array:
        expected: list[int | None] = [*self.latent_shape]
        if self.multiple is not None:
            expected[1:] = [None] * (len(expected) - 1)
        found = as_array(codes)
        fits = found.ndim == len(expected) + 1 and all(
            want in (None, side) and side > 0 for want, side in zip(expected, found.shape[1:], strict=True)
        )
        with np.errstate(over="ignore"):
            floats = found.astype(np.float32) if all_finite(found) else None
        if not fits or floats is None or not all_finite(floats):
            sides = ", ".join("any" if side is None else str(side) for side in expected)
            raise InputError(f"{name} of shape {found.shape} and {found.dtype}: expected finite floats (B, {sides})")
        return floats

    def _paired(self, z0: object, z1: object) -> tuple[Array, Array]:
        a, b = self._checked_codes("z0", z0), self._checked_codes("z1", z1)
        if a.shape[1:] != b.shape[1:]:
            raise InputError(
                f"codes of shapes {a.shape} and {b.shape} cannot be paired: expected the same size in both"
            )
        if len(a) != len(b) and 1 not in (len(a), len(b)):
            raise InputError(f"{len(a)} cannot be paired with {len(b)}: give as many images or codes in each, or one")
        n = len(b) if len(a) == 1 else len(a)
        return np.broadcast_to(a, (n, *a.shape[1:])), np.broadcast_to(b, (n, *b.shape[1:]))

    def _along(self, line: Callable[..., Array], z0: Array, z1: Array, positions: NDArray[np.float64]) -> Array:
        """Images (B, T, C, H, W) at positions (T,) or (B, T) of lines between codes."""
        codes = line(z0, z1, positions)
        images = self.decode(codes.reshape(codes.shape[0] * codes.shape[1], *codes.shape[2:]))
        return images.reshape(*codes.shape[:2], *images.shape[1:])

    def _shape(self, first: Image.Image | NDArray[Any], size: Sequence[int] | None) -> ImageShape:
        if size is not None:
            height, width = checked_size(size, self.image, self.multiple)
        elif self.multiple is None:
            return self.image
        else:
            sides = (first.height, first.width) if isinstance(first, Image.Image) else np.shape(first)[-2:]
            height, width = fitting_size((sides[0], sides[1]), self.multiple)
        return self.image._replace(height=height, width=width)

    def _size_of(self, codes: Array) -> tuple[int, int]:
        factor = self.image.height // self.latent_shape[1]
        return codes.shape[2] * factor, codes.shape[3] * factor

    @staticmethod
    def _in_chunks(session: Any, batch: Array, values: int) -> Array:
        at_once = max(1, _CHUNK_VALUES // values)
        parts = [batch[start : start + at_once] for start in range(0, len(batch), at_once)]
        parts = parts or [np.zeros((1, *batch.shape[1:]), np.float32)]  # of none, for the shape of what it gives
        outputs = [session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(part)})[0] for part in parts]
        return np.concatenate(outputs)[: len(batch)]


def load(folder: str | os.PathLike[str], *, threads: int | None = None) -> ExportedModel:
    """The model in an exported folder, checked against the hashes in its description.

    Args:
        folder: what `interpzoo.InterpolationModel.export` wrote with ``format="onnx"``.
        threads: number of threads of ONNX Runtime; all cores by default.

    Raises:
        ConfigError: `folder` is not an exported folder, or of a later format.
        WeightsError: a file is missing or has another hash.
        MissingDependencyError: ONNX Runtime is not installed.
    """
    path = expanded(os.fspath(folder))
    threads = None if threads is None else whole("threads", threads, 1, 1024)
    return ExportedModel(path, read_description(path), threads)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"name = {quoted(value)}: expected text")
    return value


def _count(name: str, value: object, least: int = 1) -> int:
    return whole(name, value, least, MOST_AT_ONCE)


def _as_batch(image: Image.Image | NDArray[Any], shape: ImageShape, border: int) -> Array:
    if isinstance(image, Image.Image):
        image = loaded(image)
        fit = "pad" if is_bordered(image.height, image.width, shape, border) else "resize"
        return np.divide(to_pixels(image, shape, fit, background(border))[None], 255, dtype=np.float32)
    if not isinstance(image, np.ndarray):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ImageError(f"{quoted(image)} is not an image: expected an array, a PIL image or a path")
    if image.ndim not in (3, 4) or image.shape[-3:] != shape or 0 in image.shape:
        raise ImageError(f"an array of shape {image.shape}: expected {tuple(shape)} or (B, {str(tuple(shape))[1:]}")
    batch = image if image.ndim == 4 else image[None]
    if batch.dtype == np.uint8:
        return np.divide(batch, 255, dtype=np.float32)
    if not np.issubdtype(batch.dtype, np.floating):
        raise ImageError(f"an array of {batch.dtype}: expected floats in [0, 1] or uint8 in [0, 255]")
    low, high = float(batch.min()), float(batch.max())
    if not (low >= -_OVERSHOOT and high <= 1 + _OVERSHOOT):
        raise ImageError(f"image values lie in [{low:.2f}, {high:.2f}], expected [0, 1]")
    return batch.clip(0, 1).astype(np.float32)


def _is_single(images: object) -> bool:
    return isinstance(images, str | os.PathLike | Image.Image) or (isinstance(images, np.ndarray) and images.ndim == 3)
