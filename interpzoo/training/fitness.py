"""What the images of a model look like, so that pictures of another kind can be told from them."""

from __future__ import annotations

from typing import Final

import torch
from torch import Generator

from interpzoo.fitness import FEWEST, Fitness, measured
from interpzoo.interfaces import DataSet
from interpzoo.model import InterpolationModel

_TRAINING: Final = 2000
_HELD_OUT: Final = 500


@torch.no_grad()
def fitness_of(model: InterpolationModel, data: DataSet, seed: int = 0) -> Fitness | None:
    """The statistics of 2,000 training images, and a limit from 500 held-out ones, drawn by `seed`.

    ``None`` if there are fewer than 200 training images; if the model takes any size, and so any picture; and if its
    decoder draws one pixel after the other, which would take minutes.
    """
    few = data.size is not None and data.size < FEWEST
    if few or model.sizes.multiple is not None or model.decoder.noise_shape is not None:
        return None
    generator = Generator().manual_seed(seed)
    rows = torch.arange(_TRAINING) if data.size is None else torch.randperm(data.size, generator=generator)
    images = data.train(rows[:_TRAINING], generator)["image"]
    others = data.examples(_HELD_OUT, generator)["image"]
    return measured(images, model.reconstruct(images), others, model.reconstruct(others))
