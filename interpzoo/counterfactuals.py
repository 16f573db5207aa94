"""What would have to change: from an image along a path until a classifier changes its mind."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import torch
from torch import Tensor

from interpzoo.arguments import MOST_FRAMES, whole
from interpzoo.editing import Edited
from interpzoo.errors import InputError, InterpzooError, warn
from interpzoo.images import ImageInput
from interpzoo.interfaces import Interpolator
from interpzoo.tensors import ordinary_mode
from interpzoo.text import explained, quoted

Classify: TypeAlias = Callable[[Tensor], Tensor]
"""Images (N, C, H, W) in [0, 1] to scores: (N, K), where the largest is the answer, or (N,), yes above 0."""

_ITERATIONS: Final = 50
_CLASSES: Final = 10  # those of the highest scores that are tried
_BEYOND: Final = 1.02  # how far the border between two answers is crossed
_SAMPLES: Final = 65  # positions of a path at which the classifier is asked first
_HALVINGS: Final = 10
_AT_ONCE: Final = 256  # images that are classified at once


@dataclass(frozen=True)
class Counterfactual:
    """Paths from images to the first one with another answer of a classifier; B = 1 for a single image."""

    frames: Tensor
    """(B, steps, C, H, W), the first the reconstruction, the last the first image with another answer."""
    codes: Tensor
    """(B, steps, *latent_shape) of the frames."""
    before: Tensor
    """(B,): the answer for the reconstruction, the number of a class."""
    after: Tensor
    """(B,): the answer for the last frame; as `before` where no other was found."""
    distance: Tensor
    """(B,): how far the last code is from the first; 0 where no other answer was found."""


class Questioned(Edited):
    """Base of `InterpolationModel`: paths to another answer of a classifier."""

    @ordinary_mode
    def counterfactual(
        self,
        images: ImageInput,
        classifier: Classify,
        *,
        target: int | None = None,
        towards: ImageInput | None = None,
        steps: int = 9,
        interpolator: str | Interpolator = "linear",
    ) -> Counterfactual:
        """From each image along a path until a classifier changes its mind.

        The end is the nearest code with another answer: found by the classifier's gradients through the decoder
        (DeepFool, Moosavi-Dezfooli et al. 2016, in code), or, if it has none or `towards` is given, the nearest code
        of these images, of the model's training codes or of its examples. The path to it stops where the answer
        changes. Near the border between two answers images may look as before: what changed a classifier need not be
        what a person sees. `towards` real images keeps to the data.

        Args:
            images: one or several, as `encode` takes them.
            classifier: any function from images (N, C, H, W), around [0, 1], to scores (N, K) or (N,), such as
                `interpzoo.classifiers.classifier_on` makes of a feature network; subtract 0.5 from a probability.
            target: the class to reach; any other than now by default.
            towards: images among which the end is searched.
            steps: frames of a path, both ends included.
            interpolator: the path: ``linear`` is the shortest in code, ``geodesic`` as the images measure it.

        Warns where no image with another answer was found.

        Raises:
            ImageError: as `encode`.
            InputError: the classifier cannot classify these images, or another argument is not valid.
        """
        if not callable(classifier):
            raise InputError(f"classifier = {quoted(classifier)}: expected a function from images to scores")
        steps = whole("steps", steps, 2, MOST_FRAMES)
        path = self._path(interpolator)
        with torch.no_grad():
            start = self._encode_in_chunks(images, None, 0, None)
            others = None if towards is None else self._encode_in_chunks(towards, None, 0, None)
            first = self._scores(classifier, start)
        wanted = None if target is None else whole("target", target, 0, first.shape[1] - 1)
        before = first.argmax(1)
        end = start if others is not None else self._searched(classifier, start, before, wanted)
        with torch.no_grad():
            missing = ~_changed(self._scores(classifier, end).argmax(1), before, wanted)
            if bool(missing.any()):
                end = self._nearest(classifier, start, end, before, wanted, missing, others)
            between = path.path(start, end, model=self)
            t = self._first_change(classifier, between, before, wanted)
            codes = between(torch.linspace(0, 1, steps, dtype=t.dtype, device=t.device) * t[:, None])
            frames = self._decode_paths(codes, None)
            after = self._scores(classifier, codes[:, -1]).argmax(1)
        found = _changed(after, before, wanted)
        if not bool(found.all()):
            warn(
                f"no image with another answer was found for {int((~found).sum())} of {len(found)} images: give images "
                "with one as towards="
            )
        return Counterfactual(frames, codes, before, after, (codes[:, -1] - codes[:, 0]).flatten(1).norm(dim=1))

    def _searched(self, classifier: Classify, start: Tensor, before: Tensor, wanted: int | None) -> Tensor:
        """Codes just beyond the nearest border, as DeepFool finds it; `start` where there are no gradients."""
        rows = torch.arange(len(start), device=start.device)
        z = start.clone()
        for _ in range(_ITERATIONS):
            code = (start + _BEYOND * (z - start)).detach().requires_grad_()
            scores = self._scores(classifier, code)
            active = ~_changed(scores.argmax(1), before, wanted)
            if not scores.requires_grad or not bool(active.any()):
                break
            if wanted is None:
                ranked = scores.detach().scatter(1, before[:, None], -torch.inf).argsort(dim=1, descending=True)
                classes = ranked[:, : min(_CLASSES, scores.shape[1] - 1)].T
            else:
                classes = torch.full((1, len(start)), wanted, device=start.device)
            best, shortest = torch.zeros_like(z), torch.full((len(z),), torch.inf, device=z.device)
            for others in classes:
                gap = scores[rows, others] - scores[rows, before]
                (slope,) = torch.autograd.grad(gap.sum(), code, retain_graph=True)
                steep = slope.flatten(1).square().sum(1)
                far = gap.detach().abs() / steep.sqrt()
                step = slope * ((gap.detach().abs() + 1e-6) / steep).view(-1, *[1] * (z.ndim - 1))
                nearer = (far < shortest) & step.flatten(1).isfinite().all(1)
                best[nearer], shortest[nearer] = step[nearer], far[nearer]
            z = z + best * active.view(-1, *[1] * (z.ndim - 1))
        return (start + _BEYOND * (z - start)).detach()

    def _nearest(
        self,
        classifier: Classify,
        start: Tensor,
        end: Tensor,
        before: Tensor,
        wanted: int | None,
        missing: Tensor,
        others: Tensor | None,
    ) -> Tensor:
        """`end` with the nearest known code of another answer where it is `missing`; `start` where there is none."""
        known = next((codes for codes in (others, self.codes, self.examples) if codes is not None), start[:0])
        known = known.to(start)
        answers = self._scores(classifier, known).argmax(1) if len(known) else before[:0]
        apart = torch.cdist(start.flatten(1).float(), known.flatten(1).float())
        apart = apart.masked_fill(~_changed(answers[None], before[:, None], wanted), torch.inf)
        end = torch.where(missing.view(-1, *[1] * (end.ndim - 1)), start, end)
        for row in missing.nonzero().flatten().tolist():
            if len(known) and bool(apart[row].isfinite().any()):
                end[row] = known[int(apart[row].argmin())]
        return end

    def _first_change(
        self, classifier: Classify, path: Callable[[Tensor], Tensor], before: Tensor, wanted: int | None
    ) -> Tensor:
        """(B,) in [0, 1]: the first position with another answer; 1 where there is none."""

        def changed(t: Tensor) -> Tensor:
            codes = path(t)
            return _changed(
                self._scores(classifier, codes.flatten(0, 1)).argmax(1).view(t.shape), before[:, None], wanted
            )

        t = torch.linspace(0, 1, _SAMPLES, device=before.device).expand(len(before), -1)
        index = torch.where((found := changed(t)).any(1), found.int().argmax(1), _SAMPLES - 1)
        high = index[:, None] / (_SAMPLES - 1)
        low = (high - 1 / (_SAMPLES - 1)).clamp(min=0)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            there = changed(middle)
            low, high = torch.where(there, low, middle), torch.where(there, middle, high)
        return high[:, 0]

    def _scores(self, classifier: Classify, codes: Tensor) -> Tensor:
        """Scores (N, K) of decoded codes, K at least 2."""
        parts: list[Tensor] = []
        for part in codes.split(_AT_ONCE):
            images = self.decode(part)
            try:
                scores = classifier(images)
            except InterpzooError:
                raise
            except Exception as error:  # a function of the user's
                shape = tuple(images.shape)
                raise InputError(f"the classifier cannot classify images {shape}: {explained(error)}") from error
            if not isinstance(scores, Tensor) or scores.ndim not in (1, 2) or len(scores) != len(images):  # pyright: ignore[reportUnnecessaryIsInstance]
                given = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InputError(
                    f"the classifier gives {given} for {len(images)} images: expected scores (N, K) or (N,)"
                )
            if not scores.is_floating_point() or not bool(scores.isfinite().all()):
                raise InputError("the classifier gives values that are not finite floats: expected scores")
            scores = scores[:, None] if scores.ndim == 1 else scores
            if scores.shape[1] == 1:
                scores = torch.cat([torch.zeros_like(scores), scores], 1)
            parts.append(scores.to(codes.device))
        return torch.cat(parts)


def _changed(answers: Tensor, before: Tensor, wanted: int | None) -> Tensor:
    return answers != before if wanted is None else answers == wanted
