"""Scoring: known scores, documented edge cases, and records that a stopped run continues from."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from interpzoo_metrics import probes
from torch import Generator, Tensor

from interpzoo.benchmark import Candidate, Evaluation, Measured, Metric, NotApplicable, Pairs, Task
from interpzoo.benchmark.candidates import ControlCandidate, ModelCandidate, controls
from interpzoo.benchmark.metric import NamedMetric, build_metric, metrics_named
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.benchmark.results import Score, path_of, read_record, read_records, write_record
from interpzoo.benchmark.run import benchmark, measure, score_candidate
from interpzoo.benchmark.selection import Job, jobs_of, models_named
from interpzoo.config import Component, ComponentConfig, ImageSpec
from interpzoo.errors import ConfigError, DataError, InputError, UnknownNameError, WeightsError
from interpzoo.evaluation import evaluate
from interpzoo.interfaces import Batch, DataSet
from interpzoo.plugins import registry
from interpzoo.registry import Owner, PretrainedModel, Registration
from tests.benchmark.conftest import TINY, own_training, task_of
from tests.tiny import tiny_model

FAST = ["in-between-mse", "largest-jump"]


class Given(Candidate):
    """Frames by a function of starts, ends and positions."""

    def __init__(self, make: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        self.name = "given"
        self._make = make

    def frames(self, task: Task, pairs: Pairs, positions: Tensor) -> Tensor:
        return self._make(pairs.first[:, None], pairs.last[:, None], positions.view(-1, 1, 1, 1))


def constant(first: Tensor, last: Tensor, t: Tensor) -> Tensor:
    return torch.full_like(first, 0.5).expand(-1, len(t), -1, -1, -1)


def broken(first: Tensor, last: Tensor, t: Tensor) -> Tensor:
    return constant(first, last, t) * math.nan


def tiny_task(name: str = "lines", **changes: int) -> Task:
    return task_of(name, size=16, protocol=TINY.model_copy(update=changes))


def test_pairs_depend_on_the_seed_only() -> None:
    first, second = tiny_task(), Task(Component(name="lines"), first_image(), TINY)
    assert torch.equal(first.pairs.first, second.pairs.first)
    assert not torch.equal(first.pairs.first, tiny_task(seed=1).pairs.first)


def known(rows: Tensor) -> set[bytes]:
    return {row.numpy().tobytes() for row in rows}


def test_training_pairs_are_not_scored() -> None:
    task = tiny_task(training_pairs=12)
    training = task.training_pairs
    assert [len(part) for part in (training.first, training.last, training.starts, training.ends)] == [12] * 4
    assert len(task.pairs) == 8
    scored = known(torch.cat([task.pairs.first, task.pairs.last]))
    assert not scored & known(torch.cat([training.first, training.last]))
    # Ground-truth paths run between the ends of the training pairs.
    frames = ControlCandidate("truth").frames(task, training, torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(frames[:, 0], training.first)
    torch.testing.assert_close(frames[:, 1], training.last)
    assert torch.equal(training.first, tiny_task(training_pairs=12, seed=0).training_pairs.first)


def test_of_a_finite_number_of_images_nothing_scored_is_learned_from_or_compared_with() -> None:
    """The 576 lights of `pole-shadow`: most pairs are of training images, and some are drawn twice."""
    task = tiny_task("pole-shadow", pairs=200, training_pairs=3000, reference=1000, training=1000)
    ends = known(torch.cat([task.pairs.first, task.pairs.last]))
    assert ends & known(task.training_images)

    def ways(starts: Tensor, ends: Tensor) -> set[frozenset[bytes]]:
        return {frozenset(known(torch.stack(pair))) for pair in zip(starts, ends, strict=True)}

    training, scored = task.training_pairs, ways(task.pairs.starts, task.pairs.ends)
    assert scored & ways(*task.truth.pairs(3000, task.generator("practice")))
    assert not scored & ways(training.starts, training.ends)
    assert 2900 < len(training) < 3000
    assert known(task.reference) == known(task.truth.render(task.truth.reference_grid()).float()) - ends


def test_images_of_all_classes_join_those_that_frames_are_compared_with() -> None:
    """Of 3,000 images in the order of their classes, some of the last class are taken, too."""
    shades = torch.linspace(0, 1, 3000).view(-1, 1, 1, 1).expand(-1, 1, 16, 16).contiguous()
    protocol = TINY.model_copy(update={"training": 3000, "reference": 2000})
    held_out = tiny_task().data.test(40)["image"]
    task = Task(Component(name="mine"), first_image(), protocol, data=Mine(held_out, shades))
    found = task.reference[:, 0, 0, 0]
    joined = found[torch.isin(found, shades[:, 0, 0, 0])]
    assert len(task.reference) == 1000
    assert joined.max() > 0.99
    assert joined.diff().max() < 0.01
    found = Task(Component(name="mine"), first_image(), protocol, data=Mine(shades, held_out)).reference[:, 0, 0, 0]
    assert len(found) == 2000
    assert found.max() > 0.99
    assert found.diff().max() < 0.01
    few = protocol.model_copy(update={"training": 100})
    chosen = Task(Component(name="mine"), first_image(), few, data=Mine(held_out, shades)).training_images[:, 0, 0, 0]
    assert len(chosen) == 100
    assert chosen.max() > 0.98


def test_the_interval_of_a_share_ends_at_1() -> None:
    """Resamples of a full coverage are smaller, and the interval is shifted up by as much."""
    [coverage] = metrics_named(["coverage"])
    task = tiny_task(pairs=256, reference=1000, resamples=20)
    score = measure(Evaluation(task, ControlCandidate("truth")), coverage)
    assert score.value is not None
    assert score.value > 0.99
    assert score.low is not None
    assert score.low < score.value
    assert score.high == 1


def test_where_nearly_all_images_are_ends_frames_are_compared_with_training_images() -> None:
    images = tiny_task().training_images[:8]
    task = Task(Component(name="mine"), first_image(), TINY, data=Mine(images[:1], images[1:]))
    assert len(task.pairs) == 4
    assert torch.equal(task.reference, images[1:])


def test_slow_decoders_have_no_training_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = Evaluation(tiny_task(), ControlCandidate("blend"))
    assert fast.training_frames.shape == (8, *fast.frames.shape[1:])
    model = tiny_model()
    monkeypatch.setattr(type(model.decoder), "differentiable", False)  # as an autoregressive one's
    assert len(Evaluation(tiny_task(), ModelCandidate(model)).training_frames) == 0


def test_slow_decoders_are_tried_on_images_of_all_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 40 held-out images in the order of their classes, 8 are reconstructed: 4 for each of 2 pairs."""
    shades = torch.linspace(0, 1, 40).view(-1, 1, 1, 1).expand(-1, 1, 16, 16).contiguous()
    task = Task(Component(name="mine"), first_image(), TINY, data=Mine(shades, shades))
    model = tiny_model()
    monkeypatch.setattr(type(model.decoder), "differentiable", False)
    found = build_metric("reconstruction-mse").measure(Evaluation(task, ModelCandidate(model)))
    assert isinstance(found, Measured)
    images = task.test["image"][torch.arange(8) * 5]
    assert found.value == pytest.approx(float((model.reconstruct(images) - images).square().mean()), rel=1e-5)


def test_no_end_of_a_pair_is_among_the_images_that_frames_are_compared_with() -> None:
    """The pairs take all but a few of the held-out images; training images take their place."""
    data = tiny_task().data
    held_out = data.test(20)["image"]
    task = Task(Component(name="mine"), first_image(), TINY, data=Mine(held_out, tiny_task().training_images))
    ends = known(torch.cat([task.pairs.first, task.pairs.last]))
    assert len(ends) == 16
    assert not ends & known(task.reference)
    assert sum(torch.equal(image, other) for image in held_out for other in task.reference) == 4
    assert len(task.reference) == 54  # and all of the training images


def test_the_nearest_image_is_that_of_least_squared_error() -> None:
    images = tiny_task().training_images
    task = Task(Component(name="mine"), first_image(), TINY, data=Mine(images[:40], images[40:]))
    blends, nearest = (
        Evaluation(task, ControlCandidate(name)).frames.flatten(0, 1).flatten(1) for name in ("blend", "nearest")
    )
    expected = torch.cdist(blends.double(), images[40:].flatten(1).double()).amin(1)
    torch.testing.assert_close((blends - nearest).double().norm(dim=1), expected, rtol=1e-4, atol=1e-4)


class Mine(DataSet[ComponentConfig]):
    """Images without ground truth."""

    def __init__(self, held_out: Tensor, training: Tensor) -> None:
        super().__init__(ComponentConfig(), first_image())
        self.held_out, self.training, self.size = held_out, training, len(training)

    def train(self, indices: Tensor, generator: Generator) -> Batch:
        return {"image": self.training[indices]}

    def test(self, limit: int | None = None) -> Batch:
        return {"image": self.held_out[:limit]}


def first_image() -> ImageSpec:
    return ImageSpec(channels=1, height=16, width=16)


def test_controls_begin_and_end_where_they_should() -> None:
    task = tiny_task()
    for name in ("truth", "jump", "blend"):
        frames = ControlCandidate(name).frames(task, task.pairs, task.positions)
        torch.testing.assert_close(frames[:, 0], task.pairs.first)
        torch.testing.assert_close(frames[:, -1], task.pairs.last, rtol=0, atol=1e-6)
    nearest = ControlCandidate("nearest").frames(task, task.pairs, task.positions).flatten(0, 1)
    assert all(any(torch.equal(frame, image) for image in task.training_images) for frame in nearest[::17])


def test_constant_images_have_a_score_or_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_STEPS", 5)
    monkeypatch.setattr(probes, "_TREES", 5)
    evaluation = Evaluation(tiny_task(), Given(constant))
    scores = {named.name: measure(evaluation, named) for named in metrics_named()}
    assert all((score.value is None) == bool(score.reason) for score in scores.values()), scores
    assert scores["largest-jump"].reason == "no path moves"
    assert scores["mean-smoothness"].reason == "no path ends elsewhere than it began"
    assert scores["path-length"].value == 0


def test_one_pair_has_a_score_without_an_interval_or_a_reason() -> None:
    evaluation = Evaluation(tiny_task(pairs=1), ControlCandidate("blend"))
    for named in metrics_named():
        score = measure(evaluation, named)
        assert (score.value is None) == bool(score.reason), named
        assert (score.low, score.high) == (None, None), named
        if named.metric.family == "realism" and named.name != "sharpness":  # of single paths
            assert any(word in score.reason for word in ("pairs", "control")), named


def test_frames_that_are_not_finite_are_an_error() -> None:
    evaluation = Evaluation(tiny_task(), Given(broken))
    for named in metrics_named():
        if not named.metric.needs - {"truth"}:
            with pytest.raises(InputError, match="'given': frames of pair 0 are not finite"):
                measure(evaluation, named)


def test_a_model_is_scored_on_its_own_path_and_codes() -> None:
    record = score_candidate(
        tiny_task(), ModelCandidate(tiny_model()), metrics_named(["in-*", "reconstruction-*", "cycle-*"])
    )
    assert all(figure.value is not None and math.isfinite(figure.value) for figure in record.scores.values())
    assert (record.candidate, record.control, record.task) == ("ae-tiny", False, "lines-16")


def test_metrics_by_pattern_and_family() -> None:
    names = [named.name for named in metrics_named(["frechet-*", "motion"])]
    assert names == ["frechet-distance", "largest-jump", "speed-variation", "path-length"]
    with pytest.raises(UnknownNameError, match=r"no metric or family matches 'frechet'.*'frechet-distance'"):
        metrics_named(["frechet"])


def test_models_by_pattern() -> None:
    assert "acai-lines" in models_named(["acai-*"])
    assert models_named(["./runs/mine"]) == ["./runs/mine"]
    with pytest.raises(UnknownNameError, match=r"no model matches 'acai-linse'.*'acai-lines'"):
        models_named(["acai-linse"])


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a model that is registered and nowhere, as a new plugin's is until it is bundled."""
    entry = PretrainedModel("ae", "lines", "apache-2.0", package="interpzoo")
    row = Registration("absent-lines", Owner("mine", "interpzoo-mine", "1.0"), entry)
    monkeypatch.setitem(registry().models._rows, row.name, [row])
    return row.name


def test_matching_models_that_are_not_installed_are_skipped(absent: str) -> None:
    skipped: list[str] = []
    names = models_named(["*-lines", "a*"], skipped=skipped.append)
    assert skipped == [absent]
    assert "ae-lines" in names
    assert absent not in names
    assert absent in models_named(["*-lines", absent])  # asked for by its name: an error, as whoever loads it says
    with pytest.raises(WeightsError, match=r"'mine:absent-lines' is registered by .*, but its folder is not installed"):
        jobs_of([absent])
    with pytest.raises(WeightsError, match=r"nothing that 'absent-\*' matches is installed.*'absent-lines'.*Train it"):
        models_named(["absent-*"])


def test_models_of_one_name_have_separate_records(tmp_path: Path) -> None:
    first, second = (own_training(tmp_path / f"t{seed}", seed=seed) for seed in (1, 2))
    jobs = jobs_of(["ae-lines", str(first), second])
    names = [*jobs[0].models]
    assert (len(jobs), names[0], len({*names})) == (1, "ae-lines", 3)
    assert names[1:] == ["t1", "t2"]
    records = list(benchmark(jobs, metrics_named(FAST), tmp_path / "out", protocol=TINY))
    found = {record.candidate: record for record in read_records(tmp_path / "out") if not record.control}
    assert sorted(found) == sorted(names)
    assert len({record.weights for record in found.values()}) == 3
    assert len({record.scores["in-between-mse"].value for record in found.values()}) == 3
    assert {r.candidate: r for r in records if not r.control} == found


def test_models_whose_paths_are_searched_for_are_begun_first(tmp_path: Path) -> None:
    folders = [
        own_training(tmp_path / path, interpolator=path) for path in ("slerp", "geodesic", "mixup", "metamorphosis")
    ]
    (job,) = jobs_of([str(folder) for folder in folders])
    assert [*job.models] == ["geodesic", "metamorphosis", "slerp", "mixup"]


def test_a_model_is_named_as_its_config_if_no_other_is(tmp_path: Path) -> None:
    """So that a model that is measured before it is bundled has its final name."""
    own = own_training(tmp_path / "own")
    assert jobs_of([own])[0].models == {"ae-lines": own}
    assert jobs_of(["ae-lines"])[0].models == {"ae-lines": "ae-lines"}


def test_copies_are_one_model_and_another_interpolator_is_another_model(tmp_path: Path) -> None:
    own, copy, curved = (own_training(tmp_path / name) for name in ("own", "copy", "curved"))
    own_training(curved, interpolator="slerp")
    assert [*jobs_of([own, copy, curved])[0].models.values()] == [own, curved]


def test_an_untrained_model_has_no_task(tmp_path: Path) -> None:
    tiny_model().save_pretrained(tmp_path / "tiny")
    with pytest.raises(DataError, match="'ae-tiny' does not say what it was trained on"):
        jobs_of([tmp_path / "tiny"])


JOB = Job(Component(name="lines"), first_image())


def run(output: Path, metrics: list[str] = FAST, protocol: EvaluationProtocol = TINY) -> list[tuple[str, str]]:
    """Score the controls; what was asked for in order."""
    told: list[tuple[str, str]] = []
    list(benchmark([JOB], metrics_named(metrics), output, protocol=protocol, progress=lambda *what: told.append(what)))
    return told


def test_a_stopped_run_continues_to_the_same_records(tmp_path: Path) -> None:
    run(tmp_path / "whole")
    stopped = tmp_path / "stopped"
    job = benchmark([JOB], metrics_named(FAST), stopped, protocol=TINY)
    first = next(job)
    job.close()
    assert [path.name for path in stopped.rglob("*.json")] == ["truth.json"]
    marked = first.model_copy(
        update={
            "scores": {
                **first.scores,
                "largest-jump": first.scores["largest-jump"].model_copy(update={"value": 7.0}),
            }
        }
    )
    write_record(marked, stopped)
    run(stopped)
    whole, resumed = (figures(tmp_path / name) for name in ("whole", "stopped"))
    assert resumed[0]["largest-jump"] == 7  # was not measured again
    resumed[0]["largest-jump"] = whole[0]["largest-jump"]
    assert whole == resumed


def figures(folder: Path) -> list[dict[str, float | None]]:
    return [{name: f.value for name, f in record.scores.items()} for record in read_records(folder)]


def test_more_metrics_are_added_and_another_protocol_starts_again(tmp_path: Path) -> None:
    run(tmp_path, ["largest-jump"])
    run(tmp_path, ["in-between-mse"])
    assert all([*f] == ["in-between-mse", "largest-jump"] for f in figures(tmp_path))
    run(tmp_path, ["in-between-mse"], TINY.model_copy(update={"pairs": 7}))
    assert all([*f] == ["in-between-mse"] for f in figures(tmp_path))


class Failing(Metric):
    """Raises what it is made with."""

    title = "failing"
    family = "motion"
    better = "lower"

    def __init__(self, error: Exception | None) -> None:
        super().__init__(ComponentConfig())
        self.error = error

    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        if self.error is not None:
            raise self.error
        return Measured(1.0)


def test_a_failing_metric_is_recorded_and_tried_again(tmp_path: Path) -> None:
    def figure(error: Exception | None) -> Score:
        metrics = [NamedMetric("failing", Failing(error)), *metrics_named(["largest-jump"])]
        records = list(benchmark([JOB], metrics, tmp_path, protocol=TINY))
        assert all(record.scores["largest-jump"].value is not None for record in records)
        return records[0].scores["failing"]

    assert figure(KeyError("lost")).error == "KeyError: 'lost'"
    assert figure(InputError("a fault\nof the model")).error == "a fault of the model"
    assert (figure(None).value, figure(None).error) == (1, "")


def test_an_infinite_score_is_not_applicable(tmp_path: Path) -> None:
    class Infinite(Failing):
        def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
            return Measured(math.inf)

    evaluation = Evaluation(tiny_task(), ControlCandidate("blend"))
    assert measure(evaluation, NamedMetric("infinite", Infinite(None))).reason == "the score is inf"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"figures": 3}, "figures"),
        ({"strange": 1}, "unknown field 'strange'"),
        ({"format": 99}, "format = 99"),
    ],
)
def test_a_damaged_record_is_an_error(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    run(tmp_path)
    path = path_of(read_records(tmp_path)[0], tmp_path)
    value = json.loads(path.read_text())
    path.write_text(json.dumps({**value, **change}))
    with pytest.raises(ConfigError, match=message):
        read_record(path)
    path.write_text("[1")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_records(tmp_path)
    run(tmp_path)  # measures it anew
    assert len(read_records(tmp_path)) == len(controls(tiny_task()))


def test_evaluate_takes_a_data_set_by_name_or_spec() -> None:
    model = tiny_model()
    by_name, with_settings = (
        evaluate(model, dataset=data, metrics=["reconstruction-mse"], protocol=TINY)
        for data in ("lines", Component(name="lines"))
    )
    assert (by_name.dataset, by_name.results) == ("lines", with_settings.results)
    with pytest.raises(UnknownNameError, match=r"'lins'.*'lines'"):
        evaluate(model, dataset="lins")
    with pytest.raises(DataError, match=r"'ae-tiny' does not say .* --dataset lines \(dataset='lines' in Python\)"):
        evaluate(model)
