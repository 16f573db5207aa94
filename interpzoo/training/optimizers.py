"""The optimizer of an update, its learning rate at each step and its memory layout; and the average of the weights."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.swa_utils import get_ema_multi_avg_fn

from interpzoo.config import OptimizerConfig


def build_optimizer(config: OptimizerConfig, parameters: Sequence[nn.Parameter]) -> Optimizer:
    """The optimizer that `config` describes."""
    classes: dict[str, Any] = {"adam": Adam, "adamw": AdamW}
    return classes[config.name](
        parameters,
        lr=config.learning_rate,
        betas=config.betas,
        eps=config.epsilon,
        weight_decay=config.weight_decay,
        fused=True,
    )


def learning_rate(config: OptimizerConfig, index: int, total: int) -> float:
    """The learning rate of step `index` of `total`: a linear warm-up, then the schedule."""
    factor = min(1.0, (index + 1) / (config.warmup_steps + 1))
    if config.schedule == "cosine":
        cosine = (1 + math.cos(math.pi * index / total)) / 2
        factor *= config.final_fraction + (1 - config.final_fraction) * cosine
    return config.learning_rate * factor


def laid_out_like(value: Tensor, parameter: nn.Parameter) -> Tensor:
    """A gradient or a state tensor with the device and strides of its parameter.

    Fused optimizers walk all of them side by side in memory. They want their count of steps on the device, too.
    """
    if value.shape != parameter.shape:
        return value.to(parameter.device)
    if (value.stride(), value.dtype, value.device) == (parameter.stride(), parameter.dtype, parameter.device):
        return value
    return torch.empty_like(parameter, requires_grad=False).copy_(value)


def move_average(averages: Sequence[Tensor], weights: Sequence[Tensor], decay: float, index: int) -> None:
    """Move the averages of weights towards the weights after step `index`, in place.

    The decay grows from 0.1 to `decay`, as (1 + index) / (10 + index): the average covers the last tenth of a short
    run. With a fixed decay it would hold on to the first weights for 1 / (1 - decay) steps.
    """
    get_ema_multi_avg_fn(min(decay, (1 + index) / (10 + index)))([*averages], [*weights], index)
