"""Models and data of one's own: folders by any path, several of one name, and what is damaged among them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from interpzoo.benchmark import Evaluation
from interpzoo.benchmark.candidates import controls
from interpzoo.benchmark.metric import metrics_named
from interpzoo.benchmark.page import render
from interpzoo.benchmark.report import leaderboards
from interpzoo.benchmark.results import read_records, task_name
from interpzoo.benchmark.run import benchmark
from interpzoo.benchmark.selection import jobs_of, own_data
from interpzoo.config import Component, ImageSpec
from interpzoo.errors import DataError, InputError, UnknownNameError
from interpzoo.evaluation import evaluate
from interpzoo.pretrained.folder import read_config
from tests.benchmark.conftest import TINY, own_training, task_of
from tests.tiny import tiny_model

FAST = ["in-between-mse", "largest-jump"]


@pytest.mark.parametrize("given", [str, Path])
def test_evaluate_takes_a_folder_of_images_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: type[str] | type[Path]
) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(8):
        grey = Image.new("L", (16, 16), 20 * number)
        grey.putpixel((number, number), 255)
        grey.save(tmp_path / "photos" / f"{number}.png")
    found = [evaluate(tiny_model(), dataset=given(tmp_path / "photos"), metrics=["reconstruction-mse"], protocol=TINY)]
    monkeypatch.chdir(tmp_path)
    found += [
        evaluate(tiny_model(), dataset=where, metrics=["reconstruction-mse"], protocol=TINY)
        for where in (given("./photos") if given is str else Path("photos"), "./photos")
    ]
    assert len({found[0].results[0].value, *(scores.results[0].value for scores in found)}) == 1
    with pytest.raises(UnknownNameError, match=r"unknown dataset 'photos'.* For the folder write './photos'"):
        evaluate(tiny_model(), dataset="photos")
    with pytest.raises(InputError, match="dataset = 3: expected a name, a folder or a Component"):
        evaluate(tiny_model(), dataset=3)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "images-16"),
        ({"source": "./photos"}, "images-photos-16"),
        ({"source": "./photos", "fit": "pad"}, "images-fit=pad-photos-16"),
    ],
)
def test_a_task_is_named_after_the_folder_of_its_images(options: dict[str, str], name: str) -> None:
    data = Component.model_validate({"name": "images", **options})
    assert task_name(data, ImageSpec(channels=1, height=16, width=16)) == name


def test_a_model_of_a_folder_that_is_not_here_says_how_to_name_it(tmp_path: Path) -> None:
    own = own_training(tmp_path / "own")
    config = read_config(own)
    assert config.trained is not None
    data = Component.model_validate({"name": "images", "source": "./my-photos"})
    moved = config.model_copy(update={"trained": config.trained.model_copy(update={"data": data})})
    with pytest.raises(DataError, match=r"trained on the folder './my-photos', which is not here: .* --dataset FOLDER"):
        own_data(moved)


def test_one_metric_that_fails_does_not_cost_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object, evaluation: Evaluation) -> None:
        raise ZeroDivisionError("no\x1b[2J such number")

    (jump,) = metrics_named(["largest-jump"])
    monkeypatch.setattr(type(jump.metric), "measure", fail)
    scores = evaluate(tiny_model(), dataset="lines", metrics=FAST, protocol=TINY)
    assert [result.metric for result in scores.results] == ["in-between MSE"]
    assert scores.failed == {jump.metric.title: r"ZeroDivisionError: no\x1b[2J such number"}
    json.loads(scores.to_json())
    with pytest.raises(InputError, match="nothing could be measured: ZeroDivisionError"):
        evaluate(tiny_model(), dataset="lines", metrics=["largest-jump"], protocol=TINY)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"plugins": {"gone": "interpzoo-gone 1.0"}}, "plugin 'gone' of interpzoo-gone 1.0, which is not installed"),
        ({"interpolator": {"name": "gone:path"}}, "unknown interpolator 'gone:path'"),
    ],
    ids=["plugin", "path"],
)
def test_a_model_that_cannot_be_loaded_does_not_cost_the_others(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    good, bad = own_training(tmp_path / "good"), own_training(tmp_path / "bad", seed=2)
    config = json.loads((bad / "config.json").read_text())
    (bad / "SHA256SUMS").unlink()
    (bad / "config.json").write_text(json.dumps({**config, **changes}))
    jobs = jobs_of([good, bad])
    skipped: dict[str, str] = {}
    found = benchmark(
        jobs,
        metrics_named(FAST),
        tmp_path / "out",
        protocol=TINY,
        skipped=lambda name, error: skipped.update({name: str(error)}),
    )
    assert [record.candidate for record in found if not record.control] == ["good"]
    assert [*skipped] == ["bad"]
    assert message in skipped["bad"]


def test_folders_of_one_name_are_told_apart_by_the_folders_above(tmp_path: Path) -> None:
    sources = [own_training(tmp_path / name / "run|x", seed=seed) for seed, name in enumerate(("a", "b"))]
    (job,) = jobs_of([*sources, "ae-lines"])
    assert [*job.models] == ["a/run|x", "b/run|x", "ae-lines"]
    records = [*benchmark([job], metrics_named(FAST), tmp_path / "out", protocol=TINY)]
    assert {r.candidate for r in read_records(tmp_path / "out") if not r.control} == {*job.models}
    assert len(records) == len(job.models) + len(controls(task_of("lines", size=32, protocol=TINY)))
    assert "| a/run&#124;x" in render(leaderboards(records, metrics_named()))
