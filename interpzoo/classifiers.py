"""Classifiers read off the features of a network, to ask what would have to change."""

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from typing_extensions import override

from interpzoo.config import ImageSpec
from interpzoo.errors import InputError
from interpzoo.features import Features
from interpzoo.images import ImageInput, batches
from interpzoo.tensors import ordinary_mode

_DECAY: Final = 1e-4
_STEPS: Final = 100
_BATCH: Final = 256


class FeatureClassifier(nn.Module):
    """A linear layer on the features of a network: images (N, C, H, W) to scores (N, K). Gradients pass through it."""

    def __init__(self, features: Features, mean: Tensor, spread: Tensor, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self._features = features
        self._mean, self._spread, self._weight, self._bias = mean, spread, weight, bias

    def forward(self, images: Tensor) -> Tensor:
        """Scores: logits of the classes, or of each attribute."""
        device = images.device
        found = self._features.network(images.to(self._features.device).clamp(0, 1)).float().flatten(1).to(device)
        scaled = (found - self._mean.to(device)) / self._spread.to(device)
        return scaled @ self._weight.to(device) + self._bias.to(device)

    if TYPE_CHECKING:  # torch gives a module's call no types

        @override
        def __call__(self, images: Tensor) -> Tensor: ...


@ordinary_mode
def classifier_on(features: Features, images: ImageInput, labels: Tensor, image: ImageSpec) -> FeatureClassifier:
    """A logistic regression on features, such as `interpzoo.features.features_named` gives them.

    Args:
        features: the network.
        images: n images to learn from.
        labels: their classes (n,), whole numbers from 0; or attributes (n, k) of 0 and 1.
        image: shape of the images that the network takes.

    Raises:
        ImageError: as `as_batch`.
        InputError: the numbers of labels and images differ, or there are fewer than two classes.
    """
    found = torch.cat([features(part) for part in batches(images, image, _BATCH)])
    labels = torch.as_tensor(labels)
    if labels.ndim not in (1, 2) or len(labels) != len(found):
        raise InputError(f"labels of shape {tuple(labels.shape)} for {len(found)} images: expected (n,) or (n, k)")
    single = labels.ndim == 1
    if single and (labels.is_floating_point() or int(labels.min()) < 0 or len(labels.unique()) < 2):
        raise InputError("labels: expected whole numbers from 0, of at least two classes")
    classes = int(labels.max()) + 1 if single else labels.shape[1]
    mean, spread = found.mean(0), found.std(0, correction=0).clamp(min=1e-6)
    scaled = (found - mean) / spread
    weight = torch.zeros(found.shape[1], classes, requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        scores = scaled @ weight + bias
        value = (
            cross_entropy(scores, labels.long()) if single else binary_cross_entropy_with_logits(scores, labels.float())
        )
        value = value + _DECAY * weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return FeatureClassifier(features, mean, spread, weight.detach(), bias.detach())
