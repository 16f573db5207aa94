"""Scoring: every metric on every candidate, resumable and shared by several processes."""

import math
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn

from interpzoo.arguments import of_type
from interpzoo.benchmark.candidates import ModelCandidate, controls
from interpzoo.benchmark.evaluation import Candidate, Evaluation
from interpzoo.benchmark.metric import Metric, NamedMetric, metrics_named
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.benchmark.results import Record, Score, packed, path_of, read_record, write_record
from interpzoo.benchmark.selection import Job
from interpzoo.benchmark.task import Task
from interpzoo.errors import ConfigError, InterpzooError, PluginError, warn
from interpzoo.features import features_named
from interpzoo.files import expanded
from interpzoo.metrics.measured import Measured, NotApplicable, interval, resampled
from interpzoo.pretrained.load import load, on_device
from interpzoo.pretrained.locate import locate
from interpzoo.processes import from_own_place, turns
from interpzoo.text import explained, quoted

Progress = Callable[[str, str], None]
"""Called with the names of candidate and metric before each measurement."""


def measure(evaluation: Evaluation, named: NamedMetric) -> Score:
    """The score by one metric with its confidence interval, or why it is not applicable.

    Raises an `InterpzooError` if it cannot be measured.
    """
    metric, protocol = named.metric, evaluation.task.protocol
    start = time.perf_counter()
    reason = unmet(evaluation, metric)
    found = NotApplicable(reason) if reason else metric.measure(evaluation)
    if not isinstance(found, Measured | NotApplicable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise PluginError(f"metric {named.name!r} gives {quoted(found)}, expected Measured or NotApplicable")
    if not isinstance(found, NotApplicable) and not math.isfinite(found.value):
        found = NotApplicable(f"the score is {found.value}")
    if isinstance(found, NotApplicable):
        return _score(metric, reason=found.reason)
    draws = resampled(found, draws=protocol.resamples, seed=protocol.seed)
    ends = interval(found.value, draws)
    seconds = round(time.perf_counter() - start, 2)
    if draws is None or ends is None or not all(map(math.isfinite, ends)):
        return _score(metric, value=found.value, pairs=found.n, seconds=seconds)
    low, high = (min(max(end, found.bounds[0]), found.bounds[1]) for end in ends)
    values = {"value": found.value, "low": low, "high": high, "pairs": found.n, "seconds": seconds}
    return _score(metric, **values, draws=packed(draws))


def unmet(evaluation: Evaluation, metric: Metric) -> str:
    """The first need of a metric that `evaluation` does not meet, as a reason; empty if all are met."""
    task, model = evaluation.task, evaluation.candidate.model
    if "truth" in metric.needs and not task.has_truth:
        return "the data set has no ground-truth paths"
    if "data" in metric.needs and not task.has_data:
        return "there are no real images to compare with: name a data set"
    if "ends" in metric.needs and not task.has_ends:
        return "the images that the paths should begin and end with are not given"
    if "apart" in metric.needs and not task.ends_differ:
        return "the paths end where they begin"
    if "label" in metric.needs:
        label = task.test.get("label")
        if label is None or label.ndim != 1 or task.data.size is None:
            return "the data set has no train set of known size with one class per image"
    if {"model", "differentiable"} & metric.needs and model is None:
        return "a control has neither codes nor a decoder"
    if "differentiable" in metric.needs and model is not None:
        decoder = model.decoder
        if not decoder.differentiable or decoder.noise_shape is not None:
            return "the decoder is stochastic or not differentiable"
    return ""


def warn_of(name: str, error: InterpzooError) -> None:
    """Warn that a model is skipped."""
    warn(f"{name} is skipped: {error}")


def benchmark(
    jobs: Sequence[Job],
    metrics: Sequence[NamedMetric],
    output: Path,
    *,
    protocol: EvaluationProtocol | None = None,
    data_root: Path | None = None,
    device: str | None = None,
    features: str | Path | None = None,
    progress: Progress = lambda candidate, metric: None,
    skipped: Callable[[str, InterpzooError], None] = warn_of,
) -> Iterator[Record]:
    """Score models and controls and write one file for each. Scores that are already there are not measured again.

    If a metric fails, its error is in the record; if a model cannot be loaded, it is skipped. The rest is computed all
    the same. Where accelerate has started several processes, each begins with data sets of its own, and then takes the
    next candidate that is left.

    Args:
        jobs: data sets with their models, see `jobs_of`.
        metrics: see `metrics_named`.
        output: folder of the records.
        protocol: how much of everything.
        data_root: folder of local data sets; else ``INTERPZOO_DATA``, else the Hub.
        device: where models are computed, and features that are asked for by name.
        features: what images are compared by, see `features_named`; the data set's own by default.
        progress: called before each measurement.
        skipped: called with the name of a model that cannot be loaded, and why; by default it is a warning.

    Raises:
        UnknownNameError, ConfigError, WeightsError: `features` is not available or does not take the images of a job;
            then nothing is measured.
        InputError: there is no such device, or `protocol` is none.
        DataError: a data set is missing.
        OutputError: a record cannot be written.
    """
    if protocol is not None:
        of_type("protocol", protocol, EvaluationProtocol, "an EvaluationProtocol")
    output = expanded(output)
    on_device(nn.ParameterList([torch.zeros(1)]), device)  # a wrong one is an error now, and not of every model
    images = dict.fromkeys(job.image for job in jobs)
    networks = {} if features is None else {image: features_named(features, image, device=device) for image in images}
    order = {named.name: number for number, named in enumerate(metrics_named())}
    # A job is begun by one process, and others join where all are begun: what it shares is made once, if possible.
    for job, mine in from_own_place([(job, turns()) for job in jobs]):
        turn = next(mine)
        if turn >= job.candidates:
            continue
        chosen = EvaluationProtocol() if protocol is None else protocol
        task = Task(job.data, job.image, chosen, data_root, features=networks.get(job.image))
        # Models first: their time differs most, and the last candidates should be short.
        for number, (name, source) in enumerate(job.models.items()):
            if number == turn:
                try:
                    weights, model = locate(source).fingerprint(), load(source, device=device)
                except InterpzooError as error:
                    skipped(name, error)
                else:
                    evaluation = Evaluation(task, ModelCandidate(model, name))
                    yield _resumed(evaluation, weights, metrics, output, progress, order)
                turn = next(mine)
        for number, control in enumerate(controls(task), len(job.models)):
            if number == turn:
                yield _resumed(Evaluation(task, control), "", metrics, output, progress, order)
                turn = next(mine)


def score_candidate(
    task: Task,
    candidate: Candidate,
    metrics: Sequence[NamedMetric],
    *,
    progress: Progress = lambda candidate, metric: None,
    tolerant: bool = False,
) -> Record:
    """The record of one candidate, not written to a file.

    Raises an `InterpzooError` if a metric cannot be measured, or keeps it as the score's ``error`` if `tolerant`.
    """
    evaluation = Evaluation(task, candidate)
    scores: dict[str, Score] = {}
    for named in metrics:
        progress(candidate.name, named.name)
        scores[named.name] = (_tried if tolerant else measure)(evaluation, named)
    return _empty(evaluation, "").model_copy(update={"scores": scores})


def _resumed(
    evaluation: Evaluation,
    weights: str,
    metrics: Sequence[NamedMetric],
    output: Path,
    progress: Progress,
    order: Mapping[str, int],
) -> Record:
    record = _empty(evaluation, weights)
    path = path_of(record, output)
    done: dict[str, Score] = {}
    if path.is_file():
        try:
            former = read_record(path)
        except ConfigError:
            former = None  # of another version: measured again
        if former is not None and former.same_as(record):
            done = {name: score for name, score in former.scores.items() if not score.error}
            record = former
    for named in metrics:
        progress(evaluation.candidate.name, named.name)
        if named.name in done:
            continue
        done[named.name] = _tried(evaluation, named)
        scores = dict(sorted(done.items(), key=lambda item: order.get(item[0], len(order))))
        record = record.model_copy(update={"scores": scores, "versions": _versions()})
        write_record(record, output)
    return record


def _tried(evaluation: Evaluation, named: NamedMetric) -> Score:
    try:
        return measure(evaluation, named)
    except Exception as error:  # a plugin's metric may raise anything, and must not end the benchmark
        return _score(named.metric, error=str(error) if isinstance(error, InterpzooError) else explained(error))


def _score(metric: Metric, **values: object) -> Score:
    return Score.model_validate({"title": metric.title, "family": metric.family, "better": metric.better, **values})


def _empty(evaluation: Evaluation, weights: str) -> Record:
    task, candidate = evaluation.task, evaluation.candidate
    config = None if candidate.model is None else candidate.model.config
    return Record(
        candidate=candidate.name,
        control=candidate.control,
        method="" if config is None else config.method,
        weights=weights,
        samples=0 if config is None or config.trained is None else config.trained.samples_seen,
        data=task.component,
        image=task.image,
        features=task.network.name,
        chosen=task.chosen,
        protocol=task.protocol,
        versions=_versions(),
    )


def _versions() -> dict[str, str]:
    found = {name: version(name) for name in ("interpzoo", "torch")}
    return {**found, "python": platform.python_version(), "threads": str(torch.get_num_threads())}
