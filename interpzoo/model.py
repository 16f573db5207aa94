"""The model that `load` returns: encode, decode, reconstruct, interpolate, morph, grid, sample, save."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from typing_extensions import override

from interpzoo.arguments import MOST_AT_ONCE, MOST_FRAMES, MOST_IMAGES, whole
from interpzoo.config import ModelConfig
from interpzoo.directions import Direction
from interpzoo.errors import InputError
from interpzoo.exporting import Format, export
from interpzoo.images import ImageInput, in_pairs, is_single, listed
from interpzoo.interfaces import CodeSpace, Decoder, Encoder, Interpolator, Mixer, Prior
from interpzoo.onnx.paths import LINES
from interpzoo.saving import Saved
from interpzoo.spacing import Spacing, checked_positions, measure_of, warn_if_uneven
from interpzoo.tensors import as_numbers

_MOST_PAIRS: Final = 256  # of a part of a stream
_PART_VALUES: Final = 1 << 22  # of the frames of a part: 16 MiB
_NEAR_ONE: Final = 1e-4  # largest difference from 1 of a sum of weights, for float32 and rounded input


class InterpolationModel(Saved):
    """An encoder, a decoder and a path between codes, ready to use.

    Input images are in [0, 1]; output images are the decoder's own values, not clamped. In eval mode nothing here is
    random: `encode` gives a stochastic encoder's mean, and a stochastic decoder uses one fixed noise.

    ``print(model)`` is a summary; ``print(model.encoder)`` and ``print(model.decoder)`` show their layers.

    Attributes:
        config: the model's configuration; ``config.image`` has ``channels``, ``height`` and ``width``.
        encoder, decoder, prior, space: the networks, and what is known of the codes; the last two may be ``None``.
        interpolator: the default path of `interpolate`.
        examples: a few codes (n, *latent_shape) that were saved with the model, or ``None``.
        codes: training codes (n, *latent_shape) for paths that stay near the data, or ``None``.
        directions: directions of codes that were saved with the model, by name; they can be added to.
        fitness: figures of images of the model's kind, from which `unlike` tells others, or ``None``.
    """

    def __init__(
        self,
        config: ModelConfig,
        encoder: Encoder,
        decoder: Decoder,
        prior: Prior | None,
        interpolator: Interpolator,
        space: CodeSpace | None = None,
        *,
        examples: Tensor | None = None,
        codes: Tensor | None = None,
        directions: Mapping[str, Direction] | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = encoder, decoder
        self.prior, self.space = prior, space
        self.interpolator = interpolator
        self.examples, self.codes = examples, codes
        self.directions = dict(directions or {})

    @override
    def __repr__(self) -> str:
        weights = sum(parameter.numel() for parameter in self.parameters())
        multiple = self.sizes.multiple
        other = "" if multiple is None else f", or any size{'' if multiple == 1 else f' in multiples of {multiple}'}"
        rows = {
            "method": self.config.method,
            "image": " x ".join(map(str, self.config.image.shape)) + other,
            "code": f"{' x '.join(map(str, self.latent_shape))} ({math.prod(self.latent_shape)} numbers)",
            "path": self.config.interpolator.name,
            "weights": f"{weights:,} in {str(self.dtype).removeprefix('torch.')} on {self.device}",
        }
        return "\n".join([f"{type(self).__name__}({self.name!r})", *(f"  {k + ':':9}{v}" for k, v in rows.items())])

    @torch.no_grad()
    def interpolate(
        self,
        a: ImageInput,
        b: ImageInput,
        steps: int = 9,
        *,
        t: Tensor | Sequence[float] | None = None,
        size: Sequence[int] | None = None,
        spacing: Spacing = "linear",
        interpolator: str | Interpolator | None = None,
        refine: int = 0,
        batch_size: int | None = None,
    ) -> Tensor:
        """Images along the path from `a` to `b`; tracks no gradients.

        Args:
            a, b: images, as many in each; a single one is paired with each of the other's.
            steps: frames of a path, both ends included; 2 to 10,000.
            t: positions (T,) or (B, T) instead of `steps` even ones; outside [0, 1] the path is extrapolated.
            spacing: of the `steps`: "linear" in t; "even" distances between consecutive images; or a function such as
                `interpzoo.features.features_named` gives, for even distances of its features. See `positions`.
            interpolator: a registered name, with options if need be (``"geodesic nodes=40"``), or an `Interpolator`.

        Other Parameters:
            size: (height, width) of the frames, for a model that takes any size; by default that of the first image, as
                in `encode`.
            refine: steps that bring the ends closer to `a` and `b`, as in `encode`.
            batch_size: images encoded or decoded at once; chosen to bound the memory by default.

        Returns:
            (steps, C, H, W) for one pair of single images, (B, steps, C, H, W) for batches. The first and last frames
            are the reconstructions of `a` and `b`.

        Raises:
            ImageError: as `encode`.
            InputError: `steps` is out of range, the numbers of images cannot be paired, a frame is not finite (as far
                beyond [0, 1]), or the frames of a model that takes any size have more than 2^29 values; or as `encode`.
            ConfigError, UnknownNameError, AmbiguousNameError: `interpolator` is not a registered name.

        Example:
            >>> import interpzoo
            >>> model = interpzoo.load("acai-mnist")
            >>> a, b = model.decode(model.examples[:2])
            >>> model.interpolate(a, b, steps=5, spacing="even").shape
            torch.Size([5, 1, 32, 32])
        """
        measure = measure_of(spacing)
        steps = whole("steps", steps, 2, MOST_FRAMES) if t is None else 0
        a, b = listed(a), listed(b)
        size = self.sizes.fit(a, size)
        z0, z1 = (self._encode_in_chunks(images, size, refine, batch_size) for images in (a, b))
        frames = self._frames(z0, z1, steps, measure, interpolator, batch_size, t)
        return frames[0] if is_single(a) and is_single(b) else frames

    def stream(
        self,
        a: ImageInput,
        b: ImageInput,
        steps: int = 9,
        *,
        t: Tensor | Sequence[float] | None = None,
        size: Sequence[int] | None = None,
        spacing: Spacing = "linear",
        interpolator: str | Interpolator | None = None,
        refine: int = 0,
        batch_size: int | None = None,
        pairs: int | None = None,
    ) -> Iterator[Tensor]:
        """`interpolate` between each image of `a` and that of `b`, a part of the pairs at a time: (b, steps, C, H, W).

        Images of lists, folders and iterators are read when their part is due, so that any number of pairs takes the
        memory of one part. Frames differ from those of `interpolate` by rounding at most. All have one size.

        Args:
            t: positions (T,), the same of all pairs.
            pairs: how many make a part; by default as many as have 2^22 values, at most 256.

        The other arguments are as in `interpolate`. Raises as it does when a part is due, and an `InputError` where
        `a` and `b` have different numbers of images; the parts before are good.
        """
        length = whole("steps", steps, 2, MOST_FRAMES)
        if t is not None:
            t = checked_positions(t, self.device)
            length = len(t)
        most = max(1, min(_MOST_PAIRS, _PART_VALUES // (length * math.prod(self.config.image.shape))))
        at_once = most if pairs is None else whole("pairs", pairs, 1, MOST_AT_ONCE)
        measure_of(spacing)
        how: dict[str, Any] = {"t": t, "spacing": spacing, "interpolator": interpolator, "refine": refine}

        def parts(size: Sequence[int] | None) -> Iterator[Tensor]:
            for first, last in in_pairs(a, b, at_once):
                size = self.sizes.fit(first, size)
                part = self.interpolate(first, last, steps, size=size, batch_size=batch_size, **how)
                yield part if part.ndim == 5 else part[None]

        return parts(size)

    @torch.no_grad()
    def morph(
        self,
        images: ImageInput,
        steps: int = 9,
        *,
        t: Tensor | Sequence[float] | None = None,
        size: Sequence[int] | None = None,
        spacing: Spacing = "linear",
        interpolator: str | Interpolator | None = None,
        batch_size: int | None = None,
    ) -> Tensor:
        """Frames ((n - 1) (steps - 1) + 1, C, H, W) through n images in turn, `steps` from each to the next.

        Most paths are joined as they are; `metamorphosis` passes each image without a stop or a sudden turn.
        Positions `t` (T,) from 0 to 1, such as those of `ease`, take the place of `steps` even ones. `size` and
        `spacing` are as in `interpolate`; even steps are even between one image and the next.

        Raises:
            InputError: there are fewer than two images, `steps` is not from 2 to 10,000, or `t` not from 0 to 1.

        Example:
            >>> import interpzoo
            >>> model = interpzoo.load("acai-mnist")
            >>> images = model.decode(model.examples[:3])
            >>> model.morph(images, steps=5).shape
            torch.Size([9, 1, 32, 32])
        """
        if t is not None:
            t = checked_positions(t, self.device)
            outside = t[(t < 0) | (t > 1)]
            if len(outside) or t[0] != 0 or t[-1] != 1:
                found = f"holds {outside[0]:g}" if len(outside) else f"is from {t[0]:g} to {t[-1]:g}"
                raise InputError(f"t {found}: expected positions in [0, 1], the first 0 and the last 1")
        measure = measure_of(spacing)
        codes = self._encode_in_chunks(images, size, 0, batch_size)
        if len(codes) < 2:
            raise InputError(f"a morph needs at least two images, got {len(codes)}")
        return self._frames_through(codes, steps, measure, interpolator, batch_size, t)

    @torch.no_grad()
    def grid(
        self,
        x00: ImageInput,
        x01: ImageInput,
        x10: ImageInput,
        x11: ImageInput,
        rows: int = 7,
        cols: int = 7,
        *,
        size: Sequence[int] | None = None,
        spacing: Spacing = "linear",
        interpolator: str | Interpolator | None = None,
        batch_size: int | None = None,
    ) -> Tensor:
        """Images (rows, cols, C, H, W) between four corners: `x00` top left, `x01` top right, `x10` bottom left, ...

        The left and right columns are interpolated first, then every row between them. `size` and `spacing` are as in
        `interpolate`.

        Raises:
            InputError: there are fewer than two rows or columns, or more than 100,000 images.

        Example:
            >>> import interpzoo
            >>> model = interpzoo.load("acai-mnist")
            >>> model.grid(*model.decode(model.examples[:4]), rows=3, cols=5).shape
            torch.Size([3, 5, 1, 32, 32])
        """
        rows = whole("rows", rows, 2, MOST_FRAMES)
        cols = whole("cols", cols, 2, min(MOST_FRAMES, MOST_IMAGES // rows))
        measure = measure_of(spacing)
        x00, x01, x10, x11 = map(listed, (x00, x01, x10, x11))
        size = self.sizes.fit(x00, size)
        top, bottom = self._corners(x00, x01, size), self._corners(x10, x11, size)
        sides, _ = self._placed(top, bottom, rows, measure, interpolator, batch_size, None)
        frames = self._frames(sides[0], sides[1], cols, measure, interpolator, batch_size)
        warn_if_uneven(torch.stack([frames[:, 0], frames[:, -1]]), measure)
        return frames

    @torch.no_grad()
    def mix(
        self,
        images: ImageInput,
        weights: Tensor | Sequence[float] | Sequence[Sequence[float]] | None = None,
        *,
        size: Sequence[int] | None = None,
        mixer: str | Mixer | None = None,
        batch_size: int | None = None,
    ) -> Tensor:
        """Mix several images; tracks no gradients and uses no random numbers.

        Args:
            images: the k images to mix.
            weights: share of each image, (k,) for one mix or (N, k) for N mixes; at least 0, with sum 1. By default all
                have the same.
            size: as in `interpolate`.
            mixer: a registered name or a `Mixer`. By default the model's own interpolator, if it is one, or else the
                weighted mean of the codes.
            batch_size: images encoded or decoded at once; chosen to bound the memory by default.

        Returns:
            (C, H, W) for weights (k,), (N, C, H, W) for weights (N, k).

        Raises:
            ImageError: as `encode`.
            InputError: the weights are invalid, or `mixer` is not a `Mixer`.

        Example:
            >>> import interpzoo
            >>> model = interpzoo.load("acai-mnist")
            >>> a, b = model.decode(model.examples[:2])
            >>> model.mix([a, b], [0.75, 0.25]).shape
            torch.Size([1, 32, 32])
        """
        codes = self._encode_in_chunks(images, size, 0, batch_size)
        if weights is None:
            weights = codes.new_full((len(codes),), 1 / len(codes))
        shares = as_numbers("weights", weights, self.device)
        if shares.ndim not in (1, 2) or shares.shape[-1] != len(codes):
            raise InputError(f"weights have shape {tuple(shares.shape)}, expected ({len(codes)},) or (N, {len(codes)})")
        rows = shares if shares.ndim == 2 else shares[None]
        good = (rows >= 0).all(1) & ((rows.sum(1) - 1).abs() <= _NEAR_ONE)
        if not bool(good.all()):
            raise InputError(f"weights {rows[~good][0].tolist()}: expected shares of at least 0 that sum to 1")
        path = self._path(mixer)
        if mixer is not None and not isinstance(path, Mixer):
            kind = type(path).__name__
            raise InputError(f"{kind!r} is a path between two codes, not a mixer: give one, such as mixer='mixup'")
        if isinstance(path, Mixer):
            mixed = path.mix(codes.expand(len(rows), *codes.shape), rows, model=self)
        else:
            mixed = torch.einsum("nk,k...->n...", rows, codes)
        frames = self._decode_in_chunks(mixed, batch_size)
        return frames if shares.ndim == 2 else frames[0]

    def export(self, target: str | Path, format: Format = "onnx", *, half: bool = False) -> Path:
        """Write the networks for use without this library: encoder, decoder, example codes and a description.

        ``onnx`` writes ``encoder.onnx`` and ``decoder.onnx``, which `interpzoo.onnx` runs without torch; ``pt2`` writes
        ``encoder.pt2`` and ``decoder.pt2`` for `torch.export.load`. Both take any number of images or codes at once,
        and any size that the model takes, in float32. They compute the same as the model, up to 1e-3; this is checked.

        Args:
            target: a folder, new or empty or with an exported model, which is replaced; other files there are kept.
            format: ``"onnx"`` or ``"pt2"``.
            half: round all weights of ONNX networks to float16; values may then differ by 1e-2. By default only weights
                that lose nothing are stored so.

        Raises:
            InputError: a network cannot be exported, such as a decoder that draws one pixel after another.
            OutputError: the folder holds something else or cannot be written, or the exported networks differ.
            MissingDependencyError: packages for ONNX are not installed.
        """
        name = self.config.interpolator.name.rpartition(":")[2]
        return export(self, target, format, path=name if name in LINES else "linear", half=half)

    def _corners(self, left: ImageInput, right: ImageInput, size: Sequence[int]) -> Tensor:
        corners = torch.cat([self.encode(image, size=size) for image in (left, right)])
        if len(corners) != 2:
            raise InputError(f"a grid takes one image per corner, got {len(corners)} images for two corners")
        return corners
