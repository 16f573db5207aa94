"""The model that `load` returns: encode, decode, reconstruct, interpolate, morph, grid, sample, save."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import torch
from torch import Generator, Tensor, nn

from interpzoo.build import build_component
from interpzoo.config import ModelConfig, named
from interpzoo.errors import ConfigError, InputError, UnknownNameError
from interpzoo.geometry import project
from interpzoo.images import ImageInput, as_batch, is_single
from interpzoo.interfaces import Decoder, Encoder, Interpolator, Mixer, Prior
from interpzoo.plugins import registry
from interpzoo.pretrained.client import Access
from interpzoo.pretrained.push import Pushed, push
from interpzoo.pretrained.save import Contents, save
from interpzoo.registry import Kind

_CHUNK_ELEMENTS: Final = 1 << 19
"""Decoded values at once where no batch size is given: bounds the memory, and keeps activations near the caches."""

_NEAR_ONE: Final = 1e-4
"""How far from 1 the weights of a mix may sum: what float32 and rounded input leave."""


class InterpolationModel(nn.Module):
    """An encoder, a decoder and a path between codes, ready to use.

    Images are in [0, 1] on the way in; on the way out they are the decoder's own values, not clamped. In eval mode
    nothing here is random: `encode` gives a stochastic encoder's mean, and a stochastic decoder uses one fixed noise.

    Attributes:
        config: what the model is; ``config.image`` has ``channels``, ``height`` and ``width``.
        encoder, decoder, prior: the networks (no prior: ``None``).
        interpolator: the path that `interpolate` takes unless told otherwise.
        examples: a few codes (n, *latent_shape) that came with the model, or ``None``.
        codes: training codes (n, *latent_shape) for paths that keep to the data, or ``None``.
        report: what the last path says of each pair (a geodesic: whether it converged), or ``None``.
    """

    def __init__(
        self,
        config: ModelConfig,
        encoder: Encoder,
        decoder: Decoder,
        prior: Prior | None,
        interpolator: Interpolator,
        examples: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.decoder = decoder
        self.prior = prior
        self.interpolator = interpolator
        self.examples = examples
        self.codes: Tensor | None = None
        self.report: Any = None

    @property
    def name(self) -> str:
        """The config's name."""
        return self.config.name

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of one code."""
        return self.encoder.latent_shape

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._weight.device

    @property
    def dtype(self) -> torch.dtype:
        """What the weights are computed in; codes and images are float32 outside whatever it is."""
        return self._weight.dtype

    @property
    def _weight(self) -> Tensor:
        # A wrapped decoder may have no weights, and a whole model none.
        tensors = chain(self.decoder.parameters(), self.parameters(), self.buffers())
        return next((tensor for tensor in tensors if tensor.is_floating_point()), torch.empty(0))

    def forward(self, images: ImageInput) -> Tensor:
        """The decoded code of each image, in the caller's gradient mode."""
        return self.decode(self.encode(images))

    def encode(self, images: ImageInput, *, refine: int = 0) -> Tensor:
        """Codes (B, *latent_shape) in float32; one image gives B = 1.

        Args:
            images: a tensor or array (B, C, H, W) or (C, H, W) in [0, 1], a PIL image, a path, or several of these.
                Other sizes are resized and other channels converted (see `interpzoo.images`).
            refine: steps at most from the encoder's code to the one whose image is closest in squared error (see
                `interpzoo.geometry.project`). None is taken that leads away, and refined codes track no gradients.

        Raises:
            ImageError: an image cannot be read or its values are not in [0, 1].
            InputError: `refine` is negative, or the decoder is stochastic or not differentiable.
        """
        return self._encode(as_batch(images, self.config.image), refine)

    def decode(self, codes: Tensor) -> Tensor:
        """Images (B, C, H, W) in float32 of codes (B, *latent_shape), around [0, 1] and not clamped.

        Raises:
            InputError: the codes have another shape.
        """
        self._check_codes(codes)
        z = codes.to(self.device, self.dtype)
        noise_shape = self.decoder.noise_shape
        if noise_shape is None:
            return self.decoder(z).float().contiguous()
        noise = torch.rand(noise_shape, generator=Generator().manual_seed(0)).to(z)
        return self.decoder.sample(z, noise.expand(len(z), *noise_shape)).float().contiguous()

    @torch.no_grad()
    def reconstruct(self, images: ImageInput, *, refine: int = 0, batch_size: int | None = None) -> Tensor:
        """Images (B, C, H, W) of the images' codes, refined as in `encode`; tracks no gradients."""
        return self._decode_in_chunks(self._encode_in_chunks(images, refine, batch_size), batch_size)

    @torch.no_grad()
    def interpolate(
        self,
        a: ImageInput,
        b: ImageInput,
        steps: int = 9,
        *,
        t: Tensor | Sequence[float] | None = None,
        interpolator: str | Interpolator | None = None,
        refine: int = 0,
        batch_size: int | None = None,
    ) -> Tensor:
        """Images along the path from `a` to `b`; tracks no gradients.

        Args:
            a, b: one image each, or as many each; one against many is paired with each of them.
            steps: frames of a path, both ends counted; at least 2.
            t: positions (T,) or (B, T) instead of `steps` even ones; outside [0, 1] the path is extrapolated.
            interpolator: a registered name or an `Interpolator`; the model's own by default.
            refine: steps that bring the ends closer to `a` and `b`, as in `encode`.
            batch_size: images encoded or decoded at once; by default what keeps the memory bounded.

        Returns:
            (steps, C, H, W) for one pair of single images, (B, steps, C, H, W) for batches. The first and last frames
            are the reconstructions of `a` and `b`.

        Raises:
            ImageError: as `encode`.
            InputError: fewer than two steps, numbers of images that cannot be paired, or as `encode`.
            ConfigError, UnknownNameError, AmbiguousNameError: `interpolator` is no registered name.
        """
        positions = self._positions(steps, t)
        z0, z1 = (self._encode_in_chunks(images, refine, batch_size) for images in (a, b))
        frames = self._decode_path(z0, z1, positions, interpolator, batch_size)
        return frames[0] if is_single(a) and is_single(b) else frames

    @torch.no_grad()
    def interpolate_codes(
        self, z0: Tensor, z1: Tensor, t: Tensor | Sequence[float], *, interpolator: str | Interpolator | None = None
    ) -> Tensor:
        """Codes (B, T, *latent_shape) at `t`, (T,) or (B, T), between codes `z0` and `z1` (B, *latent_shape).

        Bit for bit `z0` at 0 and `z1` at 1.

        Raises:
            InputError: shapes that do not fit, or a path that is not defined at some `t`.
        """
        self._check_codes(z0)
        self._check_codes(z1)
        z0, z1 = _paired(z0.to(self.device), z1.to(self.device))
        t = _numbers("t", t, self.device)
        if t.ndim not in (1, 2) or (t.ndim == 2 and len(t) != len(z0)):
            raise InputError(f"t has shape {tuple(t.shape)}, expected (T,) or ({len(z0)}, T)")
        if not bool(t.isfinite().all()):
            raise InputError("t holds values that are not finite")
        path = self._path(interpolator)
        codes = path(z0, z1, t, model=self)
        self.report = path.report
        return codes

    @torch.no_grad()
    def morph(
        self,
        images: ImageInput,
        steps: int = 9,
        *,
        interpolator: str | Interpolator | None = None,
        batch_size: int | None = None,
    ) -> Tensor:
        """A walk through all images in turn: ((n - 1) (steps - 1) + 1, C, H, W), `steps` frames from each to the next.

        Raises:
            InputError: fewer than two images or steps.
        """
        codes = self._encode_in_chunks(images, 0, batch_size)
        if len(codes) < 2:
            raise InputError(f"a morph walks through at least two images, not {len(codes)}")
        path = self.interpolate_codes(codes[:-1], codes[1:], self._positions(steps, None), interpolator=interpolator)
        return self._decode_in_chunks(torch.cat([path[:, :-1].flatten(0, 1), path[-1:, -1]]), batch_size)

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
        interpolator: str | Interpolator | None = None,
        batch_size: int | None = None,
    ) -> Tensor:
        """Images (rows, cols, C, H, W) between four corners: `x00` top left, `x01` top right, `x10` bottom left, ...

        Both sides are walked from top to bottom, then every row from side to side.

        Raises:
            InputError: fewer than two rows or columns.
        """
        top, bottom = self._corners(x00, x01), self._corners(x10, x11)
        sides = self.interpolate_codes(top, bottom, self._positions(rows, None, "rows"), interpolator=interpolator)
        frames = self._decode_path(sides[0], sides[1], self._positions(cols, None, "cols"), interpolator, batch_size)
        return frames

    @torch.no_grad()
    def mix(
        self,
        images: ImageInput,
        weights: Tensor | Sequence[float] | Sequence[Sequence[float]],
        *,
        mixer: str | Mixer | None = None,
        batch_size: int | None = None,
    ) -> Tensor:
        """Images mixed of several; tracks no gradients and draws nothing at random.

        Args:
            images: the k images to mix.
            weights: how much of each, (k,) for one mix or (N, k) for N of them; a row is not negative and sums to 1.
            mixer: a registered name or a `Mixer`; the model's own interpolator by default, if it is one.
            batch_size: images encoded or decoded at once; by default what keeps the memory bounded.

        Returns:
            (C, H, W) for weights (k,), (N, C, H, W) for weights (N, k).

        Raises:
            ImageError: as `encode`.
            InputError: the weights do not fit, or the interpolator mixes no more than two codes.
        """
        codes = self._encode_in_chunks(images, 0, batch_size)
        shares = _numbers("weights", weights, self.device)
        if shares.ndim not in (1, 2) or shares.shape[-1] != len(codes):
            raise InputError(f"weights have shape {tuple(shares.shape)}, expected ({len(codes)},) or (N, {len(codes)})")
        rows = shares if shares.ndim == 2 else shares[None]
        good = (rows >= 0).all(1) & ((rows.sum(1) - 1).abs() <= _NEAR_ONE)
        if not bool(good.all()):
            raise InputError(f"weights {rows[~good][0].tolist()}: expected shares of at least 0 that sum to 1")
        path = self._path(mixer)
        if not isinstance(path, Mixer):
            kind = type(path).__name__
            raise InputError(f"{kind!r} is a path between two codes, not a mixer: name one, such as mixer='mixup'")
        mixed = path.mix(codes.expand(len(rows), *codes.shape), rows)
        frames = self._decode_in_chunks(mixed, batch_size)
        return frames if shares.ndim == 2 else frames[0]

    @torch.no_grad()
    def sample(self, n: int, *, seed: int = 0, batch_size: int | None = None) -> Tensor:
        """Images (n, C, H, W) of codes drawn from the prior.

        Raises:
            InputError: the model has no prior, or `n` is negative.
        """
        if self.prior is None:
            raise InputError(f"{self.config.name!r} has no prior to sample from (method {self.config.method!r})")
        if n < 0:
            raise InputError(f"n = {n}: expected a number of images")
        codes = self.prior.sample(n, generator=Generator().manual_seed(seed))
        return self._decode_in_chunks(codes.to(self.device), batch_size)

    def save_pretrained(self, target: str | Path, *, dtype: torch.dtype | None = None) -> Path:
        """Write a folder that `load` reads.

        Args:
            target: the folder; a model that lies there already is replaced.
            dtype: what the weights are stored in, ``torch.float16`` for half the size; the model's own by default. The
                frames of the examples are those that the stored weights give.

        Raises:
            ConfigError: a network is not the registered component that the config names (as after `wrap`).
            OutputError: the folder holds something else or cannot be written.
        """
        self._check_registered()
        if dtype is not None:
            # Rounded and back: what `load` will compute with.
            rounded = copy.deepcopy(self).to(dtype).float()
            weights = {name: _cast(tensor, dtype) for name, tensor in rounded.state_dict().items()}
            return save(rounded._contents(weights), target)
        return save(self._contents(self.state_dict()), target)

    def push_to_hub(
        self,
        repository: str,
        *,
        private: bool | None = None,
        revision: str | None = None,
        create_pr: bool = False,
        token: str | bool | None = None,
    ) -> Pushed:
        """Save the model to a repository of the Hub, ``user/repo``, in one commit (see `interpzoo.pretrained.push`).

        Args:
            repository: made if there is none.
            private: whether a new repository is.
            revision: the branch, made if there is none; the main branch by default.
            create_pr: propose the commit in a pull request instead.
            token: of the Hub; by default ``HF_TOKEN`` or that of ``hf auth login``.

        Raises:
            ConfigError: as `save_pretrained`.
            HubError: the Hub does not answer, or refuses; nothing is committed then.
        """
        access = Access(token=token)
        with TemporaryDirectory() as scratch:
            folder = self.save_pretrained(Path(scratch, self.config.name))
            return push(folder, repository, private=private, revision=revision, create_pr=create_pr, access=access)

    @torch.no_grad()
    def example_strip(
        self,
        pairs: int = 4,
        steps: int = 9,
        *,
        interpolator: str | Interpolator | None = None,
        batch_size: int | None = None,
    ) -> Tensor:
        """Images (pairs, steps, C, H, W) between the first example codes, taken two by two.

        Raises:
            InputError: the model came without two examples, or fewer than two steps or one pair.
        """
        if pairs < 1:
            raise InputError(f"pairs = {pairs}: expected at least 1")
        if self.examples is None or len(self.examples) < 2:
            raise InputError(f"{self.config.name!r} came without two example codes: give two images")
        codes = self.examples[: 2 * min(pairs, len(self.examples) // 2)]
        return self._decode_path(codes[::2], codes[1::2], self._positions(steps, None), interpolator, batch_size)

    def _contents(self, weights: Mapping[str, Tensor]) -> Contents:
        examples = preview = None
        if self.examples is not None:
            with torch.no_grad():
                examples = {"codes": self.examples, "frames": self._decode_in_chunks(self.examples, None)}
            # One image alone makes no path, and pictures have one channel or three.
            if len(self.examples) > 1 and self.config.image.channels in (1, 3):
                preview = self.example_strip()
        return Contents(self.config, weights, examples, self.codes, preview)

    def _check_codes(self, codes: Tensor) -> None:
        if codes.shape[1:] != self.latent_shape:
            raise InputError(f"codes have shape {tuple(codes.shape)}, expected (B, {_dims(self.latent_shape)})")

    def _check_registered(self) -> None:
        networks: dict[Kind, tuple[nn.Module, str]] = {
            "encoder": (self.encoder, self.config.encoder.name),
            "decoder": (self.decoder, self.config.decoder.name),
        }
        for kind, (network, name) in networks.items():
            try:
                same = registry().resolve(kind, name) is type(network)
            except UnknownNameError:
                same = False
            if not same:
                raise ConfigError(
                    f"cannot save this model: its {kind} {type(network).__name__!r} is not the registered component "
                    f"{name!r} and could not be loaded again. Register it in a plugin (see CONTRIBUTING.md)"
                )

    def _refined(self, x: Tensor, codes: Tensor, steps: int) -> Tensor:
        if steps < 0:
            raise InputError(f"refine = {steps}: expected a number of steps, 0 for the encoder's own codes")
        if not self.decoder.differentiable or self.decoder.noise_shape is not None:
            raise InputError(
                f"refine = {steps}: the decoder {type(self.decoder).__name__!r} is stochastic or not differentiable, "
                "so that its images cannot be brought closer to others"
            )
        return project(self.decoder, x, codes, steps=steps, batch_size=self._chunk)

    def _path(self, interpolator: str | Interpolator | None) -> Interpolator:
        if isinstance(interpolator, str):
            return build_component(Interpolator, named(interpolator, "interpolator"))
        return self.interpolator if interpolator is None else interpolator

    def _positions(
        self, steps: int, t: Tensor | Sequence[float] | None, what: str = "steps"
    ) -> Tensor | Sequence[float]:
        if t is not None:
            return t
        if steps < 2:
            raise InputError(f"{what} = {steps}: a path has at least 2 frames, its two ends")
        return torch.linspace(0, 1, steps)

    def _corners(self, left: ImageInput, right: ImageInput) -> Tensor:
        corners = torch.cat([self.encode(left), self.encode(right)])
        if len(corners) != 2:
            raise InputError(f"a grid takes one image a corner, not {len(corners)} for two corners")
        return corners

    def _decode_path(
        self,
        z0: Tensor,
        z1: Tensor,
        t: Tensor | Sequence[float],
        interpolator: str | Interpolator | None,
        batch_size: int | None,
    ) -> Tensor:
        path = self.interpolate_codes(z0, z1, t, interpolator=interpolator)
        return self._decode_in_chunks(path.flatten(0, 1), batch_size).unflatten(0, path.shape[:2])

    @property
    def _chunk(self) -> int:
        return max(1, _CHUNK_ELEMENTS // math.prod(self.config.image.shape))

    def _encode(self, x: Tensor, refine: int) -> Tensor:
        x = x.to(self.device)
        codes = self.encoder(x.to(self.dtype)).float().contiguous()
        return codes if refine == 0 else self._refined(x.float(), codes.detach(), refine)

    def _encode_in_chunks(self, images: ImageInput, refine: int, batch_size: int | None) -> Tensor:
        x = as_batch(images, self.config.image)
        return torch.cat([self._encode(part, refine) for part in x.split(self._at_once(batch_size))])

    def _decode_in_chunks(self, codes: Tensor, batch_size: int | None) -> Tensor:
        return torch.cat([self.decode(part) for part in codes.split(self._at_once(batch_size))])

    def _at_once(self, batch_size: int | None) -> int:
        if batch_size is not None and batch_size < 1:
            raise InputError(f"batch_size = {batch_size}: expected at least 1")
        return self._chunk if batch_size is None else batch_size


def _paired(z0: Tensor, z1: Tensor) -> tuple[Tensor, Tensor]:
    if len(z0) != len(z1) and 1 not in (len(z0), len(z1)):
        raise InputError(f"codes of shapes {tuple(z0.shape)} and {tuple(z1.shape)} cannot be paired")
    n = len(z1) if len(z0) == 1 else len(z0)
    return z0.expand(n, *z0.shape[1:]), z1.expand(n, *z1.shape[1:])


def _numbers(name: str, values: object, device: torch.device) -> Tensor:
    try:
        return torch.as_tensor(values, dtype=torch.float32, device=device)
    except (ValueError, TypeError, RuntimeError):  # of rows of different lengths, of words, of what is no list
        raise InputError(f"{name} = {values!r:.100}: expected numbers, as many in each row") from None


def _cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _dims(shape: Sequence[int]) -> str:
    return ", ".join(map(str, shape))
