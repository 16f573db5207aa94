"""Whether a picture is of the kind that a model was trained on: its statistics, compared with those of the data.

An autoencoder draws something for every picture, a smear of its own data where the picture is of another kind. The
error of the reconstruction alone does not tell: a smooth picture of the wrong kind has a small one. So it is one of
about 33 statistics of an image. Training images fall into groups (ten digits, twenty objects): the means of the groups
and the covariance within them are kept with the model. The Mahalanobis distance of a picture's statistics from the
nearest mean is compared with the distances of images of the right kind.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

from interpzoo.config import ImageSpec, ModelConfig
from interpzoo.errors import MissingDependencyError, WeightsError, how_to_install
from interpzoo.pretrained.folder import FITNESS, MOST_BYTES
from interpzoo.pretrained.stored import check_shapes, read_tensors, write_tensors
from interpzoo.text import quoted

FEWEST: Final = 200
"""Fewest training images that give statistics."""

_SHARE: Final = 0.992
"""Share of images of the right kind that are nearer than the limit: one alarm in 125 is false."""
_GRID: Final = 4  # a thumbnail of 4x4 pixels
_SCALES: Final = 3  # at which edges are measured
_STEPS: Final = (0.1, 0.3, 0.6)  # between neighboring pixels: a drawing has few or large ones, a photo many small ones
_SINGLE: Final = 7  # of border, contrast, symmetry, black, white and error
_GROUPS: Final = 32
_SMALL: Final = 1e-5
_SHRINKAGE: Final = 1e-4  # of the covariance towards a multiple of the identity: some statistics hardly vary
_NAMES: Final = ("means", "whitening", "limit")


@dataclass(frozen=True, eq=False)
class Fitness:
    """The statistics of a model's own images."""

    means: Tensor
    """(32, K): means of the statistics of groups of images."""
    whitening: Tensor
    """(K, K): brings the statistics within a group to covariance 1."""
    limit: Tensor
    """(): distance below which 99.2 % of images of the right kind are."""

    def distances(self, images: Tensor, reconstructions: Tensor) -> Tensor:
        """Distances (B,) of images (B, C, H, W) in [0, 1] from the model's own, in units of `limit`.

        Args:
            images: the images.
            reconstructions: the model's reconstructions of them, of the same shape.
        """
        found = statistics(images, reconstructions)[:, None] - self.means
        found[..., -1].clamp_(min=0)  # an image that comes out better than others is not foreign
        return (found @ self.whitening).square().sum(-1).amin(1).sqrt() / self.limit


def measured(images: Tensor, reconstructions: Tensor, others: Tensor, others_reconstructed: Tensor) -> Fitness:
    """The statistics of a model's own images; all arguments (N, C, H, W).

    Args:
        images, reconstructions: images that it was trained on, `FEWEST` or more.
        others, others_reconstructed: images of the same kind that it was not trained on. The limit is the distance
            below which 99.2 % of them are, or of the images that it was trained on if that is larger.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    found = statistics(images, reconstructions)
    # What the model draws is of its kind, too: such images are softer, and have the errors of those that they show.
    drawn = torch.cat([statistics(reconstructions.clamp(0, 1), images)[:, :-1], found[:, -1:]], dim=1)
    found = torch.cat([found, drawn]).double()
    groups = _groups(found / found.std(0).clamp(min=_SMALL**0.5))
    means = torch.stack([found[groups == group].mean(0) for group in range(int(groups.max()) + 1)])
    whitening = _whitening(found - means[groups]).float()
    plain = Fitness(means[torch.arange(_GROUPS) % len(means)].float(), whitening, torch.ones(()))
    pairs = ((images, reconstructions), (others, others_reconstructed))
    limits = [plain.distances(*pair).quantile(_SHARE) for pair in pairs]
    return Fitness(plain.means, plain.whitening, torch.stack(limits).max())


def _whitening(statistics: Tensor) -> Tensor:
    """(K, K): brings statistics (N, K) to covariance 1."""
    covariance = torch.cov(statistics.T)
    scale = covariance.diagonal().mean().clamp(min=_SMALL)
    covariance += _SHRINKAGE * scale * torch.eye(len(covariance), dtype=torch.float64)
    return torch.linalg.cholesky(torch.linalg.inv(covariance))


def _groups(statistics: Tensor) -> Tensor:
    """The group (N,) of each row: 32 of them, or as many as there are different rows."""
    try:
        from sklearn.cluster import KMeans
    except ImportError:
        raise MissingDependencyError(f"statistics of images need scikit-learn: {how_to_install('train')}") from None
    count = min(_GROUPS, len(statistics.unique(dim=0)))
    settings: dict[str, Any] = {"n_init": 1, "random_state": 0}
    found: Any = KMeans(count, **settings).fit(statistics.numpy())
    return torch.from_numpy(found.labels_).long()


def statistics(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Statistics (B, K) of images (B, C, H, W): a thumbnail, edges, contrast, black and white, border, symmetry, color.

    The last is the error.
    """
    x = images.float().cpu()
    gray = x.mean(1, keepdim=True)
    found = [adaptive_avg_pool2d(gray, _GRID).flatten(1)]
    scaled = gray
    for _ in range(_SCALES):
        found += [_log(scaled[..., 1:] - scaled[..., :-1]), _log(scaled[..., 1:, :] - scaled[..., :-1, :])]
        scaled = avg_pool2d(scaled, 2, ceil_mode=True)
    for steps in (gray[..., 1:] - gray[..., :-1], gray[..., 1:, :] - gray[..., :-1, :]):
        found += [((steps.abs() > least).float().flatten(1).sum(1, keepdim=True) + 1).log() for least in _STEPS]
    ring = torch.cat([gray[..., 0, :], gray[..., -1, :], gray[..., :, 0], gray[..., :, -1]], dim=-1).flatten(1)
    found += [ring.mean(1, keepdim=True), ring.std(1, keepdim=True)]
    found += [_log(gray - gray.mean((2, 3), keepdim=True)), _log(gray - gray.flip(-1))]
    found += [(gray < 0.1).float().mean((2, 3)), (gray > 0.9).float().mean((2, 3))]
    if x.shape[1] > 1:
        found += [(x - gray).mean((2, 3))[:, 1:], _log(x - gray)]
    found.append(_log(x - reconstructions.float().cpu()))
    return torch.cat(found, dim=1)


def _log(values: Tensor) -> Tensor:
    """(B, 1): logarithm of the mean square of values (B, ...), 0 where there are none."""
    flat = values.flatten(1)
    return ((flat.square().mean(1, keepdim=True) if flat.shape[1] else flat.new_zeros(len(flat), 1)) + _SMALL).log()


def unlike_message(distances: Tensor, config: ModelConfig, images: object) -> str:
    """What to tell a user about pictures at `distances` (B,), at least one of them above 1.

    The farthest is named if `images` are paths.
    """
    count, total = int((distances > 1).sum()), len(distances)
    given: list[object] = [*cast(Sequence[object], images)] if isinstance(images, list | tuple) else [images]
    farthest = given[int(distances.argmax())] if len(given) == total else None
    name = quoted(os.path.basename(farthest)) if isinstance(farthest, str | os.PathLike) else ""
    which = f"{name or 'the picture'} is"
    if total > 1:
        which = f"{count} of {total} pictures{f' ({name} most)' if name else ''} {'is' if count == 1 else 'are'}"
    text = (
        f"{which} unlike the images that {config.name!r} was trained on, and may come out as something else: the "
        f"distance from them is {float(distances.max()):.1f}, that of 99 % of held-out images is below 1"
    )
    if config.limitations:
        text += f". {' '.join(config.limitations.split()).partition('. ')[0].rstrip('.')}"
    framing = config.framing
    if framing is not None and framing.eyes is not None:
        text += ". For a photo of a face, frame it: model.frame(..., 'face'), --frame face"
    elif framing is not None and framing.ink:
        text += ". For ink on paper, frame it: model.frame(..., 'ink'), --frame ink"
    return text


def save_fitness(path: Path, fitness: Fitness) -> None:
    """Write a safetensors file that `load_fitness` reads."""
    write_tensors(path, {name: getattr(fitness, name) for name in _NAMES})


def count_of_statistics(image: ImageSpec) -> int:
    """How many statistics an image has."""
    colors = image.channels if image.channels > 1 else 0
    return _GRID**2 + 2 * _SCALES + 2 * len(_STEPS) + _SINGLE + colors


def load_fitness(path: Path, count: int, *, sha256: str | None = None) -> Fitness:
    """Read a file of `save_fitness` with `count` statistics; raises a `WeightsError` if it is missing or damaged."""
    expected = {"means": (_GROUPS, count), "whitening": (count, count), "limit": ()}
    found = read_tensors(
        path, lambda shapes: check_shapes(path, shapes, expected), most=MOST_BYTES[FITNESS], sha256=sha256
    )
    if not all(bool(value.isfinite().all()) for value in found.values()):
        raise WeightsError(f"{path} has values that are not finite")
    return Fitness(**{name: value.float() for name, value in found.items()})
