"""Convolutions that compute what the usual ones do, in less time."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, interpolate, pad
from typing_extensions import override

_SMALL_MAP = 16
"""Pixels of the smallest map that `DoublingConv2d` takes at once."""
_CHANNELS_PER_PIXEL = 512
"""The same for wide layers: pairs of channels to each pixel of a map. How many maps there are does not count, so that
no image depends on those beside it."""


class DoublingConv2d(nn.Conv2d):
    """Nearest-neighbor upsampling by 2 and the 3x3 convolution with padding 1 after it, at once.

    Four output pixels see the same 2x2 inputs, each input through the sum of the weights that fall on its copies. So it
    is a transposed convolution of stride 2 whose 4x4 kernel is the 3x3 one, spread over 2x2 pixels: the same function
    with 2.25 times less arithmetic. Maps (B, C, H, W) become (B, C', 2 H, 2 W). For small ones the kernel would take
    longer than it saves.
    """

    @override
    def forward(self, input: Tensor) -> Tensor:
        # CPUs convolve bfloat16 fast and transpose it slowly.
        if input.dtype == torch.bfloat16 or self._is_small(input):
            return super().forward(interpolate(input, scale_factor=2))
        kernel = pad(self.weight, (1, 1, 1, 1))
        kernel = kernel[..., 1:, :] + kernel[..., :-1, :]
        kernel = kernel[..., 1:] + kernel[..., :-1]
        return conv_transpose2d(input, kernel.flip(-2, -1).transpose(0, 1), self.bias, stride=2, padding=1)

    def _is_small(self, maps: Tensor) -> bool:
        if torch.compiler.is_compiling():  # or exporting, for maps of any size
            return False
        least = max(_SMALL_MAP, self.in_channels * self.out_channels / _CHANNELS_PER_PIXEL)
        return maps.shape[-2] * maps.shape[-1] < least


class NarrowConv2d(nn.Conv2d):
    """A 3x3 convolution with padding 1 to few channels, in blocks of pixels on a CPU where no gradient is tracked.

    CPUs compute 8 or 16 channels at once, which one channel leaves idle. Here the pixels of a block are the channels:
    4x4 pixels of one channel by a 6x6 kernel and a stride of 4, or 2x2 of up to four channels. The sums are the same
    and take less time; a backward pass would take longer.
    """

    @override
    def forward(self, input: Tensor) -> Tensor:
        side = self._side(input)
        if side == 1:
            return super().forward(input)
        # A window of the padded kernel for each pixel of the block, (O, side, side, I, side + 2, side + 2).
        kernels = pad(self.weight, (side - 1,) * 4).unfold(2, side + 2, 1).unfold(3, side + 2, 1).flip(2, 3)
        kernel = kernels.permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
        bias = None if self.bias is None else self.bias.repeat_interleave(side**2)
        blocks = conv2d(input, kernel, bias, stride=side, padding=1).unflatten(1, (self.out_channels, side, side))
        return blocks.permute(0, 1, 4, 2, 5, 3).reshape(len(input), self.out_channels, *input.shape[-2:])

    def _side(self, maps: Tensor) -> int:
        """How many pixels wide the blocks are."""
        tracked = torch.is_grad_enabled() and (maps.requires_grad or self.weight.requires_grad)
        if tracked or maps.device.type != "cpu" or torch.compiler.is_compiling():  # or exporting
            return 1
        most = {1: 4, 2: 2, 3: 2, 4: 2}.get(self.out_channels, 1)
        return math.gcd(most, *maps.shape[-2:])
