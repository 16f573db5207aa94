"""The networks of a model: images to codes and codes to images, in batches that bound the memory."""

import math
from collections.abc import Generator as AbcGenerator
from collections.abc import Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final

import torch
from torch import Generator, Tensor, nn
from typing_extensions import override

from interpzoo.arguments import MOST_AT_ONCE, MOST_IMAGES, MOST_REFINEMENTS, seed_of, whole
from interpzoo.config import ImageSpec, ModelConfig
from interpzoo.errors import InputError, PictureWarning, warn
from interpzoo.fitness import Fitness, unlike_message
from interpzoo.framing import PORTRAIT, Frame, cut_message, framed, misplaced_message
from interpzoo.geometry import project
from interpzoo.images import ImageInput, batches, opened
from interpzoo.interfaces import CodeSpace, Decoder, Encoder, Prior
from interpzoo.pixels import fitting_size
from interpzoo.progress import tracked
from interpzoo.returned import checked
from interpzoo.sizes import Sizes
from interpzoo.tensors import all_finite, check_floats, check_plain, gathered

_VALUES_AT_ONCE: Final = 1 << 19
"""Values of images encoded or decoded at once, which bounds the memory."""
_MAPPED_AT_ONCE: Final = 1 << 20
"""The same in values of the largest maps inside a network, for each thread of a CPU: what one layer gives the next then
stays in the caches, see benchmarks/networks.py."""
_WIDTH: Final = 32
"""Channels that maps are taken to have, where a network has no convolution."""

# glibc gives freed memory back to the system once there is twice as much of it as the largest block freed so far, of at
# most 32 MiB (mallopt(3), M_MMAP_THRESHOLD), and then fetches it again page by page. After this block, which is never
# touched, it keeps what chunks of images need. Without it, a new process encodes more slowly.
torch.empty(31 << 20, dtype=torch.uint8)


@contextmanager
def evaluating(*modules: nn.Module) -> AbcGenerator[None, None, None]:
    """Modules in eval mode; afterwards each layer has its former mode again."""
    training = [layer for module in modules for layer in module.modules() if layer.training]
    try:
        for layer in training:
            layer.training = False
        yield
    finally:
        for layer in training:
            layer.training = True


class Autoencoder(nn.Module):
    """Base of `InterpolationModel`, which sets the attributes: what a model does without a path."""

    config: ModelConfig
    encoder: Encoder
    decoder: Decoder
    prior: Prior | None
    space: CodeSpace | None
    fitness: Fitness | None = None

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.config.name

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of one code, at the default size."""
        return self.encoder.latent_shape

    @property
    def sizes(self) -> Sizes:
        """The sizes of images that the model takes."""
        return Sizes.of(self.config.image, self.encoder, self.decoder)

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self._weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights; codes and images are float32 outside the networks, whatever the type."""
        return self._weight.dtype

    @property
    def _border(self) -> int:
        return 0 if self.config.framing is None else self.config.framing.border

    @property
    def _weight(self) -> Tensor:
        # A wrapped decoder may have no weights, and a whole model none.
        tensors = chain(self.decoder.parameters(), self.parameters(), self.buffers())
        return next((tensor for tensor in tensors if tensor.is_floating_point()), torch.empty(0))

    @override
    def forward(self, images: ImageInput) -> Tensor:
        """Encode and decode, in the caller's gradient mode."""
        return self._decode_in_chunks(self._encode_in_chunks(images, None, 0, None, gradients=True), None)

    if TYPE_CHECKING:  # torch gives a module's call no types

        @override
        def __call__(self, images: ImageInput) -> Tensor: ...

    def encode(self, images: ImageInput, *, size: Sequence[int] | None = None, refine: int = 0) -> Tensor:
        """Codes (B, *latent_shape) in float32; one image gives B = 1.

        It tracks gradients only if `images` are tensors that require them. To train the weights, call the model itself
        or `encoder`.

        Args:
            images: a tensor or array (B, C, H, W) or (C, H, W) in [0, 1], a PIL image, a path, the bytes of a file or
                a file that is open, a folder, or several of these; those of a list or a generator are read in parts.
                Other sizes are resized and other channels converted (see `interpzoo.images`).
            size: (height, width) to bring the images to, for a model that takes any size; by default that of the first
                image, reduced if a side has more than 2,048 pixels. Codes then have the shape that goes with it.
            refine: largest number of steps, 0 to 10,000, that move the encoder's code to one whose image is closer to
                the input in squared error (see `interpzoo.geometry.project`). Refined codes track no gradients.

        Raises:
            ImageError: an image cannot be read or its values are not in [0, 1].
            InputError: the model does not take `size`; or `refine` is not such a number, or the decoder is stochastic
                or not differentiable.

        Example:
            >>> import interpzoo
            >>> model = interpzoo.load("acai-mnist")
            >>> codes = model.encode(model.decode(model.examples))
            >>> codes.shape
            torch.Size([8, 2, 4, 4])
        """
        return self._encode_in_chunks(images, size, refine, None)

    def frame(self, images: ImageInput, how: Frame, *, size: Sequence[int] | None = None) -> Tensor:
        """Pictures framed as the model's images were: (B, C, H, W) in [0, 1], to encode or to interpolate between.

        Args:
            images: as in `encode`.
            how: "face" finds the largest face and brings its eyes to where the model's faces have theirs; it needs the
                extra ``faces``. "ink" turns dark strokes on paper into bright ones on black, placed as digits of MNIST.
            size: (height, width), for a model that takes any size; by default that at which the first face keeps its
                pixels, of at most 2,048 a side.

        Raises:
            ImageError: a picture cannot be read, or shows no face or no ink.
            InputError: the model's images show no such thing, or it does not take `size`.
            MissingDependencyError: the face detector is not installed.
        """
        framing, multiple = self.config.framing, self.sizes.multiple
        if framing is None and multiple is not None:
            framing = PORTRAIT
        spec = self.config.image if size is None else self.sizes.spec(self.sizes.fit(images, size))
        fit = None if size is not None or multiple is None else partial(fitting_size, multiple=multiple)
        return framed(images, spec, framing, how, self.name, fit)

    @torch.no_grad()
    def unlike(self, images: ImageInput) -> Tensor:
        """How far images are from those that the model was trained on: (B,), above 1 for pictures of another kind.

        99.2 % of images of the right kind are below 1. Pictures above it come out as something else; a method that
        encodes files, PIL images or arrays warns of them once. See `interpzoo.fitness`.

        Raises:
            InputError: nothing is known about the model's own images, as after `wrap` or for a model of any size.
            ImageError: as `encode`.
        """
        if self.fitness is None:
            raise InputError(
                f"{self.name!r} was saved without the statistics of its images: there is nothing to "
                "compare pictures with"
            )
        images, first = opened(images)
        spec = self.sizes.spec(self.sizes.fit(first, None))
        parts = batches(images, spec, self._at_once(spec.shape, self.encoder), self._border)
        return torch.cat([self._distances(self.fitness, x, self._encode(x, 0)) for x in parts])

    def decode(self, codes: Tensor) -> Tensor:
        """Decode codes (B, *latent_shape) to images (B, C, H, W) in float32, around [0, 1] and not clamped.

        Paths of codes (B, T, *latent_shape) become (B, T, C, H, W). If the model takes any size, the codes' shape says
        the size of their images.

        It tracks gradients only if `codes` require them. To train the weights, call the model itself or `decoder`.

        Raises:
            InputError: the codes have another shape or type, or they or their images are not finite.
        """
        check_plain("codes", codes)
        with torch.set_grad_enabled(torch.is_grad_enabled() and codes.requires_grad):
            if codes.ndim != len(self.latent_shape) + 2:
                return self._decode_in_chunks(codes, None)
            if 0 in codes.shape[:2]:
                raise InputError(f"codes have shape {tuple(codes.shape)}: expected at least one code")
            return self._decode_in_chunks(codes.flatten(0, 1), None).unflatten(0, codes.shape[:2])

    @torch.no_grad()
    def reconstruct(
        self,
        images: ImageInput,
        *,
        size: Sequence[int] | None = None,
        refine: int = 0,
        batch_size: int | None = None,
    ) -> Tensor:
        """Encode images as `encode` does and decode them to (B, C, H, W); tracks no gradients."""
        return self._decode_in_chunks(self._encode_in_chunks(images, size, refine, batch_size), batch_size)

    @torch.no_grad()
    def sample(self, n: int, *, seed: int = 0, batch_size: int | None = None) -> Tensor:
        """Draw n codes from the prior and decode them to (n, C, H, W).

        Raises:
            InputError: the model has no prior, or `n` is not from 0 to 100,000, or `seed` not from 0 to 2^32 - 1.
        """
        if self.prior is None:
            raise InputError(
                f"{self.config.name!r} has no prior to sample from (method {self.config.method!r}): "
                "expected a model with one, such as 'vae-mnist'"
            )
        n = whole("n", n, 0, MOST_IMAGES)
        name = "" if self.config.prior is None else self.config.prior.name
        codes = self.prior.sample(n, generator=Generator().manual_seed(seed_of(seed)))
        codes = checked(codes, (n, *self.latent_shape), f"prior {name!r} gives a sample")
        return self._decode_in_chunks(codes.to(self.device), batch_size)

    def _checked_codes(self, codes: Tensor) -> Tensor:
        check_floats("codes", codes)
        self.sizes.of_codes(codes)
        return codes.to(self.device)

    def _encode(self, x: Tensor, refine: int) -> Tensor:
        x = x.to(self.device)
        shape = (len(x), *self.sizes.code_shape((x.shape[2], x.shape[3])))
        found = checked(self.encoder(x.to(self.dtype)), shape, f"encoder {self.config.encoder.name!r} gives a code")
        codes = self._valid(found).float().contiguous()
        if refine == 0:
            return codes
        if not self.decoder.differentiable or self.decoder.noise_shape is not None:
            raise InputError(
                f"refine = {refine}: the decoder {type(self.decoder).__name__!r} is stochastic or not differentiable, "
                "so that codes cannot be refined: leave refine at 0"
            )
        at_once = self._at_once(x.shape[1:], self.decoder)
        onto = None if self.space is None else self.space.project
        return project(self.decoder, x.float(), codes.detach(), steps=refine, batch_size=at_once, onto=onto)

    def _valid(self, z: Tensor) -> Tensor:
        return z if self.space is None else self.space.project(z)

    def _decode(self, codes: Tensor) -> Tensor:
        z = codes.to(self.dtype)
        if not bool(z.isfinite().all()):
            raise InputError(
                f"codes hold values too large for the model's {z.dtype}: their largest is {codes.abs().max():g}. "
                "Load it with dtype=torch.float32, or give codes nearer to those of images"
            )
        z, noise_shape = self._valid(z), self.decoder.noise_shape
        if noise_shape is None:
            images = self.decoder(z)
        else:
            noise = torch.rand(noise_shape, generator=Generator().manual_seed(0)).to(z)
            images = self.decoder.sample(z, noise.expand(len(z), *noise_shape))
        shape = (len(z), *self.sizes.of_codes(z).shape)
        images = checked(images, shape, f"decoder {self.config.decoder.name!r} gives an image").float().contiguous()
        if not all_finite(images):
            raise InputError(
                f"the decoder's images are not finite, for codes from {codes.min():g} to {codes.max():g}: codes this "
                f"far from the training data overflow in {z.dtype}, or the weights are damaged"
            )
        return images

    def _encode_in_chunks(
        self,
        images: ImageInput,
        size: Sequence[int] | None,
        refine: int,
        batch_size: int | None,
        *,
        gradients: bool = False,
    ) -> Tensor:
        refine = whole("refine", refine, 0, MOST_REFINEMENTS)
        images, first = opened(images)
        listed = first if isinstance(first, list | tuple) else [first]
        picture = not all(isinstance(image, Tensor) for image in listed)  # tensors are what somebody has prepared
        distances: list[Tensor] = []
        spec = self.sizes.spec(self.sizes.fit(first, size))
        codes: list[Tensor] = []
        at_once = self._at_once(spec.shape, self.encoder, batch_size)
        for x in batches(images, spec, at_once, self._border):
            with torch.set_grad_enabled(torch.is_grad_enabled() and (gradients or x.requires_grad)):
                codes.append(self._encode(x, refine))
            if picture and self.fitness is not None:
                distances.append(self._distances(self.fitness, x, codes[-1]))
        if distances and bool(((found := torch.cat(distances)) > 1).any()):
            warn(unlike_message(found, self.config, first), PictureWarning)
        elif picture and (text := self._cut_message(listed, spec)):
            warn(text, PictureWarning)
        return torch.cat(codes)

    def _cut_message(self, images: Sequence[object], spec: ImageSpec) -> str:
        any_size = self.sizes.multiple is not None
        given = images, spec, self.config.framing, self.name
        return cut_message(*given, any_size=any_size) or misplaced_message(*given)

    @torch.no_grad()
    def _distances(self, fitness: Fitness, x: Tensor, codes: Tensor) -> Tensor:
        return fitness.distances(x, self._decode(codes.detach()))

    def _decode_in_chunks(self, codes: Tensor, batch_size: int | None) -> Tensor:
        codes = self._checked_codes(codes)
        at_once = self._at_once(self.sizes.of_codes(codes).shape, self.decoder, batch_size)
        parts = tracked("decoding images", codes.split(at_once), len)
        return gathered((self._decode(part) for part in parts), len(codes))

    def _at_once(self, shape: Sequence[int], network: Encoder | Decoder, batch_size: int | None = None) -> int:
        """How many images of a shape (C, H, W) a network takes or gives at once."""
        if batch_size is not None:
            return whole("batch_size", batch_size, 1, MOST_AT_ONCE)
        most = _VALUES_AT_ONCE // math.prod(shape)
        if self.device.type == "cpu":
            mapped = max(2, torch.get_num_threads()) * _MAPPED_AT_ONCE
            most = min(most, mapped // (_width(network) * math.prod(shape[1:])))
        return max(1, most)


def _width(network: Encoder | Decoder) -> int:
    """Channels of the maps nearest to the images."""
    layers = (layer for layer in network.modules() if isinstance(layer, nn.Conv2d))
    if isinstance(network, Encoder):
        first = next(layers, None)
        return _WIDTH if first is None else max(1, first.out_channels // math.prod(first.stride))
    return [_WIDTH, *(layer.in_channels for layer in layers)][-1]
