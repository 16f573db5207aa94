"""The interface of metrics, and the controls that every metric is checked against."""

import fnmatch
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from interpzoo.benchmark.evaluation import Evaluation
from interpzoo.build import build_component
from interpzoo.config import Component
from interpzoo.errors import InputError, InterpzooError, PluginError, UnknownNameError, suggestions, warn
from interpzoo.interfaces.component import ConfigT, Configured
from interpzoo.metrics.measured import Measured, NotApplicable
from interpzoo.plugins import registry
from interpzoo.registry import Kind
from interpzoo.text import quoted

Family = Literal["truth", "representation", "reconstruction", "realism", "motion", "geometry"]
"""The aspect of an interpolation that a metric judges. No family can rank models alone."""

Need = Literal["truth", "label", "data", "ends", "apart", "model", "differentiable"]
"""What a metric requires. ``truth``: the data set is a `GroundTruth`. ``label``: a train set of known size with one
class per image. ``data``: real images to compare with. ``ends``: the images that paths should begin and end with.
``apart``: paths that do not end where they begin. ``model``: codes and a decoder, which controls do not have.
``differentiable``: gradients of the decoder too.

In a benchmark there are data and ends; where frames of other tools are scored, only if the user gives them."""

Control = Literal["truth", "nearest", "jump", "blend"]
"""Paths without a model, which every metric is checked against. ``truth``: the ground-truth path, where it is known.
``nearest``: the training images nearest to it, or to the blend where it is not known. ``jump``: the first image until
the middle and then the other. ``blend``: their cross-fade."""


class Metric(Configured[ConfigT], ABC):
    """One score for the images between images, or for the codes that they come from.

    Controls are scored too. On a data set where a metric does not rank them in its own `order` it fails its sanity
    check.
    """

    kind: ClassVar[Kind] = "metric"

    title: ClassVar[str]
    """Name in tables and on cards."""
    family: ClassVar[Family]
    better: ClassVar[Literal["lower", "higher"]]
    target: ClassVar[float | Literal["truth"] | None] = None
    """The score that models should have, where it is not the lowest or highest: they are ranked by their distance from
    it. ``truth``: that of the ground-truth paths, where they are known."""
    ranked: ClassVar[bool] = True
    """Whether models are ranked where no target is known. A metric by which a cross-fade is best ranks none."""
    leading: ClassVar[bool] = False
    """Whether this metric represents its family in summary tables, where it passes its sanity check."""
    needs: ClassVar[frozenset[Need]] = frozenset()
    """Requirements; where one is not met the metric is not applicable and `measure` is not called."""
    order: ClassVar[tuple[tuple[Control, Control], ...]] = ()
    """Pairs of controls: the metric must score the first of a pair better, with intervals apart."""

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    @abstractmethod
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        """The score of a candidate.

        Use `evaluation.shared` for what several metrics need, and only `evaluation.generator` for random numbers.

        Raises:
            InputError: a frame is not finite, or shapes do not match: a broken model gets no score.
        """


@dataclass(frozen=True)
class NamedMetric:
    """A metric and the name that it is registered under."""

    name: str
    metric: Metric


def metrics_named(patterns: Sequence[str] = ()) -> list[NamedMetric]:
    """Registered metrics whose name or family matches one of the shell patterns; all without a pattern.

    They are sorted by family, the leading ones first.

    One that cannot be built is left out with a warning, so that a faulty plugin does not keep others from being used.

    Raises:
        InputError: `patterns` is not a list of strings.
        UnknownNameError: a pattern matches none.
        PluginError: a pattern is the name of a metric that cannot be built.
    """
    given: Any = patterns
    if not isinstance(given, list | tuple) or any(not isinstance(pattern, str) for pattern in given):
        raise InputError(f"metrics = {quoted(patterns)}: expected a list of names, families or shell patterns")
    table = registry().components["metric"]
    names = [table.shown(row) for row in table]
    every: list[NamedMetric] = []
    for name in names:
        try:
            every.append(NamedMetric(name, build_metric(name)))
        except InterpzooError as error:
            if name in patterns:
                raise
            warn(f"metric {name!r} is left out: {error}")
    families: list[Family] = list(get_args(Family))
    every.sort(key=lambda named: (families.index(named.metric.family), not named.metric.leading))
    for pattern in patterns:
        if not any(_matches(named, [pattern]) for named in every):
            known = [*names, *families]
            raise UnknownNameError(f"no metric or family matches {pattern!r}.{suggestions(pattern, known)}")
    return [named for named in every if not patterns or _matches(named, patterns)]


def build_metric(name: str) -> Metric:
    """The registered metric; raises as `build_component`, and a `PluginError` where its attributes are wrong."""
    metric = build_component(Metric, Component(name=name))
    target: Any = metric.target
    wrong = [
        *_other("title", [getattr(metric, "title", None)], None),
        *_other("family", [getattr(metric, "family", None)], get_args(Family)),
        *_other("better", [getattr(metric, "better", None)], ("lower", "higher")),
        *_other("needs", metric.needs, get_args(Need)),
        *_other("order", [control for pair in metric.order for control in pair], get_args(Control)),
    ]
    if not (target is None or target == "truth" or (isinstance(target, int | float) and math.isfinite(target))):
        wrong.append(f"target = {quoted(target)}, expected a number, 'truth' or None")
    if wrong:
        owner = registry().components["metric"].find(name).owner
        raise PluginError(f"{owner}: metric {name!r} has {'; '.join(wrong)}: set it in its class")
    return metric


def _other(attribute: str, values: Iterable[object], allowed: Sequence[str] | None) -> Iterator[str]:
    """What is wrong with the values of an attribute, which are texts, of those allowed if there are some."""
    for value in values:
        if not isinstance(value, str) or (allowed is not None and value not in allowed):
            expected = "a text" if allowed is None else f"one of {', '.join(allowed)}"
            yield f"{attribute} = {quoted(value)}, expected {expected}"


def _matches(named: NamedMetric, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(named.name, p) or named.metric.family == p for p in patterns)
