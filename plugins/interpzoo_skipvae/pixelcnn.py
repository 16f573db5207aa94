"""The paper's decoder of images: a gated PixelCNN with the code as one more channel of every layer.

Source: Dieng et al., arXiv 1807.04863, official code models_img_skip.py (StackedGatedMaskedConv2d); the network is that
of van den Oord et al., arXiv 1606.05328. As there, convolutions have torch's default initial weights.
"""

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import linear, pad
from typing_extensions import override

from interpzoo.config import ComponentConfig, ImageSpec, Width
from interpzoo.errors import ConfigError, InputError
from interpzoo.interfaces import Decoder
from interpzoo.nets import bernoulli_log_prob
from interpzoo_skipvae.decoders import CodeMap

_REACH = 2
"""How many rows above and columns to the left one layer sees: those of a 3x3 kernel whose other half is masked."""


class GatedPixelCNNConfig(ComponentConfig):
    width: Width = 32
    """Channels of each of the two stacks."""
    layers: int = Field(default=4, ge=1, le=32)
    """Number of gated layers, not counting the output; 8 in the paper."""
    skip: bool = True
    """Whether the code goes into every layer or, for the baseline, only into the first."""


class GatedPixelCNN(Decoder[GatedPixelCNNConfig]):
    """p(x | z) = prod_i Bernoulli(x_i | x_{<i}, z) over the pixels row by row, for images of one channel.

    The mean image cannot be computed, so `forward` is not differentiable. All images of a path are made from the same
    uniform numbers, so they change no more than their probabilities do.
    """

    differentiable: ClassVar[bool] = False

    def __init__(self, config: GatedPixelCNNConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        if image.channels != 1:
            raise ConfigError(
                f"the decoder 'gated-pixelcnn' draws images of 1 channel, not {image.channels}: set image.channels=1"
            )
        size = math.prod(latent_shape)
        self.noise_shape = image.shape
        maps = config.layers + 1 if config.skip else 1
        self.code_maps = nn.ModuleList(CodeMap(size, image.height, image.width) for _ in range(maps))
        """The maps of the layers that have one, in order."""
        layers = [GatedLayer(2, config.width, first=True)]
        layers += [GatedLayer(config.width + config.skip, config.width) for _ in range(config.layers - 1)]
        self.layers: Sequence[GatedLayer] = nn.ModuleList(layers)  # pyright: ignore[reportAttributeAccessIssue]
        self.output = nn.Conv2d(config.width + config.skip, 1, 1)

    def forward(self, z: Tensor) -> Tensor:
        """Codes (B, *latent_shape) to binary images (B, 1, H, W): each pixel's more probable value, row by row."""
        return self.sample(z, z.new_full((len(z), *self.image.shape), 0.5))

    @override
    def log_prob(self, x: Tensor, z: Tensor) -> Tensor:
        return bernoulli_log_prob(x, self.logits(x, z))

    def logits(self, x: Tensor, z: Tensor) -> Tensor:
        """Logits (B, 1, H, W) of each pixel, given the code and the pixels before it in `x`, (B, 1, H, W)."""
        *maps, last = self._maps(z)
        v = h = x
        for layer, code in zip(self.layers, maps, strict=True):
            v, h = layer(torch.cat([v, code], 1), torch.cat([h, code], 1))
        return self.output(torch.cat([h, last], 1))

    @torch.no_grad()
    def sample(self, z: Tensor, noise: Tensor) -> Tensor:
        """Binary images (B, 1, H, W), each pixel 1 where its `noise`, (B, 1, H, W) in [0, 1), is below its probability.

        Every pixel of every layer is computed once: the vertical stack row by row, from the two rows above, and the
        horizontal stack pixel by pixel.

        Raises:
            InputError: `noise` has another shape.
        """
        expected = (len(z), *self.image.shape)
        if noise.shape != expected:
            raise InputError(f"noise of shape {tuple(noise.shape)}: expected {expected}")
        maps = self._maps(z)
        taps = [layer.taps() for layer in self.layers]
        image = torch.zeros_like(noise)
        above = [z.new_zeros(len(z), layer.channels, _REACH, image.shape[3]) for layer in self.layers]
        for row in range(image.shape[2]):
            codes = [code[:, :, row : row + 1] for code in maps]
            gated, given = zip(*(layer.row(rows) for layer, rows in zip(self.layers, above, strict=True)), strict=True)
            image[:, 0, row] = self._row(given, taps, [code[:, :, 0].mT for code in codes], noise[:, 0, row])
            inputs = [image[:, :, row : row + 1], *gated[:-1]]
            above = [
                torch.cat([rows[:, :, 1:], torch.cat([new, code], 1)], 2)
                for rows, new, code in zip(above, inputs, codes[:-1], strict=True)
            ]
        return image

    def _row(self, given: Sequence[Tensor], taps: Sequence[Tensor], codes: Sequence[Tensor], noise: Tensor) -> Tensor:
        """The pixels (B, W) of one row.

        `given` is each layer's input from the rows above, (B, W, 2 width), and `codes` this row of the code's map for
        each layer and the output, (B, W, 0 or 1).
        """
        # The inputs of each horizontal stack and of the output, with black columns to the left.
        offsets = [layer.offset for layer in self.layers] + [0]
        widths = [1, *(layer.width for layer in self.layers)]
        inputs = [pad(code, (width, 0, offset, 0)) for code, width, offset in zip(codes, widths, offsets, strict=True)]
        weight, bias = self.output.weight[:, :, 0, 0], self.output.bias
        row = torch.zeros_like(noise)
        for column in range(row.shape[1]):
            for i, layer in enumerate(self.layers):
                window = inputs[i][:, column : column + _REACH]
                inputs[i + 1][:, column + offsets[i + 1], : layer.width] = layer.pixel(
                    given[i][:, column], window, taps[i]
                )
            logits = linear(inputs[-1][:, column], weight, bias)[:, 0]
            row[:, column] = noise[:, column] < torch.sigmoid(logits)
            inputs[0][:, column + offsets[0], 0] = row[:, column]
        return row

    def _maps(self, z: Tensor) -> list[Tensor]:
        """The code's map for each layer and for the output, (B, 1, H, W), or (B, 0, H, W) for a layer without one."""
        maps = [code_map(z) for code_map in self.code_maps]
        return maps + [maps[0][:, :0]] * (len(self.layers) + 1 - len(maps))


class GatedLayer(nn.Module):
    """One layer of both stacks.

    The vertical stack sees rows above the pixel, the horizontal one what is left of it in its row and, through the
    vertical one, of those above. Only the first layer must not see the pixel itself, which in all others stands for the
    pixels before it. As in the official network the vertical stack moves down in every layer, not in the first alone:
    k rows above a pixel nothing is seen beyond k columns to its right. The official layer pads after the convolution
    and so leaves the bias out of the first row and column; here it is padded before.

    `channels` are those of each of the two inputs, including the code's map, `width` those of each of the two outputs.
    """

    def __init__(self, channels: int, width: int, *, first: bool = False) -> None:
        super().__init__()
        self.channels, self.width = channels, width
        self.offset = _REACH if first else _REACH - 1
        """By how many columns the horizontal stack's input is shifted to the right."""
        self.vertical = nn.Conv2d(channels, 2 * width, (_REACH, 3))
        self.link = nn.Conv2d(2 * width, 2 * width, 1)
        self.horizontal = nn.Conv2d(channels, 2 * width, (1, _REACH))
        self.mix = nn.Conv2d(width, width, 1)
        self.residual = None if first else nn.Conv2d(channels, width, 1)

    def forward(self, v: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Both stacks' maps, (B, channels, H, W) each, to the next layer's, (B, width, H, W) each."""
        # One more row of padding above than the kernel needs, so that a row sees only those above it.
        above = self.vertical(pad(v, (1, 1, _REACH, 0))[:, :, :-1])
        left = self.horizontal(pad(h, (self.offset, 0))[:, :, :, : h.shape[3] + 1])
        y = self.mix(_gate(left + self.link(above), 1))
        return _gate(above, 1), y if self.residual is None else y + self.residual(h)

    def row(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """One row of the vertical stack, (B, width, 1, W), from the two above it, (B, channels, 2, W).

        With it comes its contribution to the horizontal stack, with that stack's bias, (B, W, 2 width).
        """
        above = self.vertical(pad(rows, (1, 1)))
        linked = self.link(above)[:, :, 0].mT
        return _gate(above, 1), linked if self.horizontal.bias is None else linked + self.horizontal.bias

    def pixel(self, given: Tensor, window: Tensor, taps: Tensor) -> Tensor:
        """One pixel of the horizontal stack, (B, width).

        `given` is its part of the second result of `row`, (B, 2 width), and `window` the two columns that it sees,
        (B, 2, channels).
        """
        y = torch.addmm(given, window.flatten(1), taps)
        y = linear(_gate(y, 1), self.mix.weight[:, :, 0, 0], self.mix.bias)
        if self.residual is None:
            return y
        return y + linear(window[:, 1], self.residual.weight[:, :, 0, 0], self.residual.bias)

    def taps(self) -> Tensor:
        """The horizontal kernel as a matrix (2 channels, 2 width)."""
        return self.horizontal.weight[:, :, 0].permute(2, 1, 0).flatten(0, 1)


def _gate(y: Tensor, dim: int) -> Tensor:
    signal, gate = y.chunk(2, dim)
    return torch.tanh(signal) * torch.sigmoid(gate)
