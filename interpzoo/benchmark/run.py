"""Scoring: metrics on subjects, and every subject that is asked for on its own data."""

from __future__ import annotations

import fnmatch
import itertools
import math
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Final, get_args

import torch

from interpzoo.benchmark.candidates import Model, controls
from interpzoo.benchmark.metric import Control, Family, Metric
from interpzoo.benchmark.processes import turns
from interpzoo.benchmark.protocol import Protocol
from interpzoo.benchmark.results import Figure, Record, arena_name, path_of, read_record, write_record
from interpzoo.benchmark.trial import Arena, Subject, Trial
from interpzoo.build import build_component
from interpzoo.config import Component, ImageSpec
from interpzoo.errors import ConfigError, DataError, InterpzooError, UnknownNameError, WeightsError, did_you_mean
from interpzoo.features import features_named
from interpzoo.files import is_path
from interpzoo.listing import list_models
from interpzoo.metrics.measured import NotApplicable
from interpzoo.metrics.resampling import interval
from interpzoo.plugins import registry
from interpzoo.pretrained.bundled import bundled_folder
from interpzoo.pretrained.folder import fingerprint, read_config
from interpzoo.pretrained.load import load
from interpzoo.pretrained.locate import locate

_DIGITS: Final = 12

Told = Callable[[str, str], None]
"""Told the subject and the metric before each is measured."""


@dataclass(frozen=True)
class NamedMetric:
    """A metric by the name it is registered under."""

    name: str
    metric: Metric


def metrics_named(patterns: Sequence[str] = ()) -> list[NamedMetric]:
    """Registered metrics whose name or family matches one of the shell patterns, all without one, by family and
    the leading ones first.

    Raises:
        UnknownNameError: a pattern matches none.
        PluginError: a metric cannot be imported.
    """
    table = registry().components["metric"]
    names = [table.shown(row) for row in table]
    every = [NamedMetric(name, build_component(Metric, Component(name=name))) for name in names]
    families: list[Family] = list(get_args(Family))
    every.sort(key=lambda named: (families.index(named.metric.family), not named.metric.leading))
    for pattern in patterns:
        if not any(_matches(named, [pattern]) for named in every):
            known = [*names, *families]
            raise UnknownNameError(f"no metric or family matches {pattern!r}.{did_you_mean(pattern, known)}")
    return [named for named in every if not patterns or _matches(named, patterns)]


def measure(trial: Trial, named: NamedMetric) -> Figure:
    """The figure of one metric, with its interval, or the reason why it is not applicable.

    Raises:
        InterpzooError: it cannot be measured.
    """
    metric, protocol = named.metric, trial.arena.protocol
    start = time.perf_counter()
    reason = unmet(trial, metric)
    found = NotApplicable(reason) if reason else metric.measure(trial)
    figure = Figure(title=metric.title, family=metric.family, better=metric.better)
    if not isinstance(found, NotApplicable) and not math.isfinite(found.value):
        found = NotApplicable(f"the figure is {found.value}")
    if isinstance(found, NotApplicable):
        return figure.model_copy(update={"reason": found.reason})
    ends = interval(found, draws=protocol.resamples, seed=protocol.seed)
    low, high = (None, None) if ends is None or not all(map(math.isfinite, ends)) else ends
    seconds = round(time.perf_counter() - start, 2)
    values = {"value": found.value, "low": low, "high": high, "pairs": found.n, "seconds": seconds}
    return figure.model_copy(update=values)


def unmet(trial: Trial, metric: Metric) -> str:
    """Why `trial` cannot have what a metric needs; empty where it can."""
    arena, model = trial.arena, trial.model
    if "truth" in metric.needs and arena.truth is None:
        return "what lies between two images of the data set is not known"
    if "label" in metric.needs:
        label = arena.test.get("label")
        if label is None or label.ndim != 1 or arena.data.size is None:
            return "the data set has no train set of known size with one class an image"
    if {"model", "differentiable"} & metric.needs and model is None:
        return "a control has neither codes nor a decoder"
    if "differentiable" in metric.needs and model is not None:
        decoder = model.decoder
        if not decoder.differentiable or decoder.noise_shape is not None:
            return "the decoder is stochastic or not differentiable"
    return ""


@dataclass
class Job:
    """A data set and the models to be scored on it."""

    data: Component
    image: ImageSpec
    models: dict[str, str | Path] = field(default_factory=dict[str, str | Path])
    """What `load` takes, by the name in tables and records."""

    @property
    def subjects(self) -> int:
        """Models and controls; one fewer where the true way is not known."""
        return len(self.models) + len(get_args(Control))


def jobs_of(models: Iterable[str | Path]) -> list[Job]:
    """Models by the data that they were trained on.

    A name is that of the config. Where several models have it, as trainings of one recipe do, those that are not the
    zoo's have the first digits of a hash of their config and weights in it; copies of one model are one.

    Raises:
        DataError: a model does not say what it was trained on.
    """
    found: dict[str, Job] = {}
    folders = {source: locate(source).path for source in models}
    configs = {source: read_config(folder) for source, folder in folders.items()}
    shared = Counter(config.name for config in configs.values())
    for source, config in configs.items():
        if config.trained is None:
            raise DataError(f"{config.name!r} does not say what it was trained on: there is nothing to score it on")
        alone = shared[config.name] == 1 or source == config.name
        name = config.name if alone else f"{config.name}@{fingerprint(folders[source])[:_DIGITS]}"
        data = config.trained.data
        found.setdefault(arena_name(data, config.image), Job(data, config.image)).models.setdefault(name, source)
    return [found[key] for key in sorted(found)]


def models_named(patterns: Sequence[str], *, skipped: Callable[[str], None] = lambda name: None) -> list[str | Path]:
    """Pretrained models that match one of the shell patterns, all without one; folders stand for themselves.

    Args:
        patterns: shell patterns, names and folders.
        skipped: told each name that a pattern matches and that cannot be had: neither is its folder installed, nor is
            there a repository. One that is asked for by its whole name is kept.

    Raises:
        UnknownNameError: a pattern matches none.
        WeightsError: all that match are skipped.
    """
    found: dict[str | Path, None] = {}
    absent: dict[str, None] = {}
    patterns = patterns or ("*",)
    for pattern in patterns:
        if is_path(pattern):
            found[pattern] = None
            continue
        names = list_models(pattern)
        if not names:
            raise UnknownNameError(f"no model matches {pattern!r}.{did_you_mean(pattern, list_models())}")
        missing = [name for name in names if name != pattern and not _is_to_be_had(name)]
        absent.update(dict.fromkeys(missing))
        found.update(dict.fromkeys(name for name in names if name not in missing))
    for name in absent:
        if name not in found:
            skipped(name)
    if not found:
        raise WeightsError(
            f"nothing that {' or '.join(map(repr, patterns))} matches is installed: expected the folder of "
            f"{' or '.join(map(repr, absent))}. Train it and give that folder, such as ./runs/{next(iter(absent))}"
        )
    return list(found)


def benchmark(
    jobs: Sequence[Job],
    metrics: Sequence[NamedMetric],
    output: Path,
    *,
    protocol: Protocol | None = None,
    data_root: Path | None = None,
    device: str | None = None,
    features: str | Path | None = None,
    told: Told = lambda subject, metric: None,
) -> Iterator[Record]:
    """Score models and controls, and write a file for each; what is there already is not measured again.

    A metric that fails leaves its error in the record, and everything else goes on. Where accelerate has started
    several processes, each takes the next subject that is left.

    Args:
        jobs: what to score, see `jobs_of`.
        metrics: by what, see `metrics_named`.
        output: folder of the records.
        protocol: how much of everything.
        data_root: folder of local data sets; else ``INTERPZOO_DATA``, else the Hub.
        device: where models compute, and features that are asked for.
        features: what images are compared by, see `features_named`; the data set's own by default.
        told: called before each measurement.

    Raises:
        UnknownNameError, ConfigError, WeightsError: `features` cannot be had, or are not of such images as a job's;
            nothing is measured then.
        DataError: a data set is missing.
        OutputError: a record cannot be written.
    """
    images = dict.fromkeys(job.image for job in jobs)
    networks = {} if features is None else {image: features_named(features, image, device=device) for image in images}
    order = itertools.count()
    mine = turns()
    turn = next(mine)
    for job in jobs:
        arena = Arena(job.data, job.image, protocol or Protocol(), data_root, features=networks.get(job.image))
        makers: list[Callable[[], Subject]] = [lambda c=control: c for control in controls(arena)]
        makers += [lambda n=name, s=source: Model(load(s, device=device), n) for name, source in job.models.items()]
        sums = [""] * (len(makers) - len(job.models)) + [
            fingerprint(locate(source).path) for source in job.models.values()
        ]
        for make, weights in zip(makers, sums, strict=True):
            if next(order) == turn:
                yield _resumed(arena, make(), weights, metrics, output, told)
                turn = next(mine)


def score(
    arena: Arena, subject: Subject, metrics: Sequence[NamedMetric], *, told: Told = lambda subject, metric: None
) -> Record:
    """The record of one subject, which is not written.

    Raises:
        InterpzooError: a metric cannot be measured.
    """
    trial = Trial(arena, subject)
    figures: dict[str, Figure] = {}
    for named in metrics:
        told(subject.name, named.name)
        figures[named.name] = measure(trial, named)
    return _blank(arena, subject, "").model_copy(update={"figures": figures})


def _resumed(
    arena: Arena, subject: Subject, weights: str, metrics: Sequence[NamedMetric], output: Path, told: Told
) -> Record:
    record = _blank(arena, subject, weights)
    path = path_of(record, output)
    done: dict[str, Figure] = {}
    if path.is_file():
        try:
            former = read_record(path)
        except ConfigError:
            former = None  # of another version: measured anew
        if former is not None and former.same_as(record):
            done = {name: figure for name, figure in former.figures.items() if not figure.error}
            record = former
    trial = Trial(arena, subject)
    order = {named.name: number for number, named in enumerate(metrics_named())}
    for named in metrics:
        told(subject.name, named.name)
        if named.name in done:
            continue
        done[named.name] = _tried(trial, named)
        figures = dict(sorted(done.items(), key=lambda item: order.get(item[0], len(order))))
        record = record.model_copy(update={"figures": figures, "versions": _versions()})
        write_record(record, output)
    return record


def _tried(trial: Trial, named: NamedMetric) -> Figure:
    try:
        return measure(trial, named)
    except Exception as error:  # a plugin's metric may raise anything, and must not end the benchmark
        text = str(error) if isinstance(error, InterpzooError) else f"{type(error).__name__}: {error}"
        metric = named.metric
        return Figure(title=metric.title, family=metric.family, better=metric.better, error=" ".join(text.split()))


def _blank(arena: Arena, subject: Subject, weights: str) -> Record:
    config = None if subject.model is None else subject.model.config
    return Record(
        subject=subject.name,
        control=config is None,
        method="" if config is None else config.method,
        weights=weights,
        samples=0 if config is None or config.trained is None else config.trained.samples_seen,
        data=arena.component,
        image=arena.image,
        features=arena.network.name,
        chosen=arena.chosen,
        protocol=arena.protocol,
        versions=_versions(),
    )


def _versions() -> dict[str, str]:
    found = {name: version(name) for name in ("interpzoo", "torch")}
    return {**found, "python": platform.python_version(), "threads": str(torch.get_num_threads())}


def _is_to_be_had(name: str) -> bool:
    row = registry().models.find(name)
    return row.entry.repository is not None or bundled_folder(row) is not None


def _matches(named: NamedMetric, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(named.name, p) or named.metric.family == p for p in patterns)
