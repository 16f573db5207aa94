"""The interface of metrics, and the controls that every metric is tested on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from interpzoo.benchmark.trial import Trial
from interpzoo.interfaces.component import ConfigT, Configured
from interpzoo.metrics.measured import Measured, NotApplicable
from interpzoo.registry import Kind

Family = Literal["truth", "representation", "reconstruction", "realism", "motion", "geometry"]
"""What a metric holds an interpolation to. None of them can rank alone."""

Need = Literal["truth", "label", "model", "differentiable"]
"""``truth``: the data set is a `Truth`; ``label``: a train set of known size with one class an image; ``model``: there
are codes and a decoder, which controls do not have; ``differentiable``: and gradients of the decoder."""

Control = Literal["truth", "nearest", "jump", "blend"]
"""Paths of no model, which every metric is tested on: the true way, where it is known; the nearest training images to
it (to the blend, where it is not known); one image until the middle and then the other; their fade."""


class Metric(Configured[ConfigT], ABC):
    """One figure of how good the images between images are, or the codes that they come from.

    It is scored on controls, too, and called unfit on a data set where it does not put them in its own `order`.
    """

    kind: ClassVar[Kind] = "metric"

    title: ClassVar[str]
    """In tables and on cards."""
    family: ClassVar[Family]
    better: ClassVar[Literal["lower", "higher"]]
    leading: ClassVar[bool] = False
    """Whether it speaks for its family in a summary, where it is fit."""
    needs: ClassVar[frozenset[Need]] = frozenset()
    """What must be there; else it is not applicable, and `measure` is not called."""
    order: ClassVar[tuple[tuple[Control, Control], ...]] = ()
    """Pairs of controls of which it must find the first better."""

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    @abstractmethod
    def measure(self, trial: Trial) -> Measured | NotApplicable:
        """The figure of what is on trial: `trial` has its frames, the data, and the model if it is one.

        What several metrics need is computed once with `trial.shared`. Everything random comes from `trial.generator`.

        Raises:
            InputError: a frame is not finite, or shapes do not fit: a broken model gets no score.
        """
