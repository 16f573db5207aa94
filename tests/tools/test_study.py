"""A study is trained once, written as it goes, and shown as a table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from interpzoo.training.run import train
from tools.study import Results, main

ROOT = Path(__file__).parents[2]
STUDIES = ROOT / "benchmarks" / "studies"
RECIPES = ROOT / "plugins" / "interpzoo_baselines" / "recipes"
CHANGES = ["training.samples=64", "training.precision=float32"]
STUDY = f"""
title = "Wider"
question = "Does width matter?"
answer = "It does."
metrics = ["reconstruction-mse"]
changes = {CHANGES}
protocol = {{ pairs = 8 }}

[[runs]]
name = "narrow"
recipe = "ae-lines"
changes = ["encoder.width=2", "decoder.width=2"]

[[runs]]
name = "wide one"
recipe = "ae-lines"
changes = ["encoder.width=4", "decoder.width=4"]
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "width.toml"
    file.write_text(STUDY)
    return file


def conduct(study: Path, said: str = "") -> Results:
    result = CliRunner().invoke(main, [str(study)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert said in result.output
    return Results.model_validate_json(study.with_suffix(".json").read_text())


def test_a_study_trains_only_what_is_new_or_changed(study: Path) -> None:
    first = conduct(study)
    assert [*first.runs] == ["narrow", "wide one"]
    values = [scored.scores["reconstruction-mse"].value for scored in first.runs.values()]
    assert None not in values
    assert values[0] != values[1]
    narrow = Path("runs/studies/width/narrow/config.json")
    written = narrow.stat().st_mtime_ns
    assert conduct(study) == first
    assert narrow.stat().st_mtime_ns == written

    study.write_text(STUDY.replace("encoder.width=4", "encoder.width=3"))
    second = conduct(study)
    assert second.runs["narrow"] == first.runs["narrow"]
    assert second.runs["wide one"].changes[-2:] == ["encoder.width=3", "decoder.width=4"]
    assert second.runs["wide one"].scores != first.runs["wide one"].scores
    assert narrow.stat().st_mtime_ns == written

    page = study.with_suffix(".md").read_text()
    assert "# Wider" in page
    assert "Does width matter?" in page
    assert "It does." in page
    assert "| wide one | `ae-lines` `encoder.width=3` `decoder.width=4` | " in page
    assert "Samples seen: 64." in page


def test_a_run_is_scored_again_by_another_protocol_or_metric_but_not_trained(study: Path) -> None:
    first = conduct(study).runs
    narrow = Path("runs/studies/width/narrow/config.json")
    written = narrow.stat().st_mtime_ns
    study.write_text(STUDY.replace("pairs = 8", "pairs = 16").replace('"reconstruction-mse"', '"in-between-mse"'))
    second = conduct(study).runs
    assert {name: scored.scores["in-between-mse"].pairs for name, scored in second.items()} == dict.fromkeys(first, 16)
    assert "over at most 16 pairs" in study.with_suffix(".md").read_text()
    study.write_text(study.read_text().replace("pairs = 16", "pairs = 8"))
    assert {scored.scores["in-between-mse"].pairs for scored in conduct(study).runs.values()} == {8}
    assert narrow.stat().st_mtime_ns == written


def test_a_recipe_file_that_changed_is_trained_again(study: Path) -> None:
    recipe = study.with_name("mine.toml")
    recipe.write_text((RECIPES / "ae-lines.toml").read_text())
    study.write_text(STUDY.replace('"ae-lines"', '"mine.toml"', 1))
    first = conduct(study).runs
    recipe.write_text(recipe.read_text().replace("seed = 0", "seed = 7"))
    second = conduct(study).runs
    assert second["narrow"].scores != first["narrow"].scores
    assert second["wide one"] == first["wide one"]


def test_results_without_a_protocol_are_kept(study: Path) -> None:
    conduct(study)
    file = study.with_suffix(".json")
    old = json.loads(file.read_text())
    for run in old["runs"].values():
        del run["digest"], run["protocol"]
    file.write_text(json.dumps(old))
    kept = conduct(study, "narrow: kept, though its protocol is not known")
    assert kept == Results.model_validate(old)
    study.write_text(STUDY.replace('"reconstruction-mse"', '"in-between-mse"'))
    assert all(scored.protocol is not None for scored in conduct(study).runs.values())


@pytest.mark.parametrize("file", sorted(STUDIES.glob("*.json")), ids=lambda file: file.stem)
def test_the_results_of_our_studies_can_be_read(file: Path) -> None:
    assert Results.model_validate_json(file.read_text("utf-8")).runs


def test_a_model_of_the_same_recipe_is_not_trained_again(study: Path) -> None:
    """One that another recipe has made is not."""
    changes = [*CHANGES, "encoder.width=2", "decoder.width=2"]
    folders = [Path("runs/studies/width", name) for name in ("narrow", "wide-one")]
    for folder in folders:
        train("ae-lines", output=folder, changes=changes)
    narrow, wide = ((folder / "config.json").stat().st_mtime_ns for folder in folders)
    conduct(study)
    assert (folders[0] / "config.json").stat().st_mtime_ns == narrow
    assert (folders[1] / "config.json").stat().st_mtime_ns != wide

    study.with_suffix(".json").unlink()
    study.write_text(STUDY.replace('"encoder.width=2"', '"training.seed=1", "encoder.width=2"'))
    conduct(study)
    assert (folders[0] / "config.json").stat().st_mtime_ns != narrow


def test_scores_survive_a_later_run_that_fails(study: Path) -> None:
    study.write_text(STUDY.replace("encoder.width=4", "encoder.width=0"))
    result = CliRunner().invoke(main, [str(study)])
    assert result.exit_code == 1
    assert "encoder.width = 0" in result.output or "width = 0" in result.output
    assert "Traceback" not in result.output
    kept = Results.model_validate_json(study.with_suffix(".json").read_text())
    assert [*kept.runs] == ["narrow"]


def test_an_invalid_file(study: Path) -> None:
    study.write_text("title = 1\nruns = []")
    result = CliRunner().invoke(main, [str(study)])
    assert result.exit_code == 1
    assert "width.toml: " in result.output
    assert "question" in result.output
