"""Random images and batches in place of a data set: the checks are about a method, not about what it learns."""

import torch
from torch import Generator, Tensor
from typing_extensions import override

from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.interfaces import Batch, DataSet


def random_images(n: int, image: ImageSpec, seed: int = 0) -> Tensor:
    """(n, C, H, W) of noise in [0, 1)."""
    return torch.rand(n, *image.shape, generator=Generator().manual_seed(seed))


def random_batch(n: int, image: ImageSpec, generator: Generator) -> Batch:
    """A batch of `n` with every field that a method may require."""
    first, second = torch.rand(2, n, *image.shape, generator=generator)
    return {
        "image": first,
        "partner": second,
        "midpoint": (first + second) / 2,
        "distance": torch.rand(n, generator=generator) + 0.1,
        "label": torch.randint(0, 10, (n,), generator=generator),
        "angle": torch.rand(n, generator=generator) * 2 * torch.pi,
        "parameters": torch.rand(n, 2, generator=generator),
    }


class Noise(DataSet):
    """Endless noise, with every field; the eight held-out images are always the same."""

    fields = frozenset(random_batch(2, ImageSpec(channels=1, height=1, width=1), Generator()))

    def __init__(self, image: ImageSpec) -> None:
        super().__init__(ComponentConfig(), image)

    @override
    def train(self, indices: Tensor, generator: Generator) -> Batch:
        return random_batch(len(indices), self.image, generator)

    @override
    def test(self, limit: int | None = None) -> Batch:
        return random_batch(min(limit or 8, 8), self.image, Generator().manual_seed(1))
