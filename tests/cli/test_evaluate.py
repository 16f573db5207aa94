"""``interpzoo evaluate``."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants

from interpzoo.cli.app import run
from interpzoo.pretrained.card import read_results
from tests.cli.conftest import Cli


@pytest.fixture(scope="module")
def evaluated(site: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a trained model and its results as JSON, and what was printed."""
    folder = tmp_path_factory.mktemp("evaluated")
    shutil.copytree(trained, folder / "tiny")
    done = Cli(site, folder)("evaluate", "./tiny", "--seed", "1", "--json", "results.json", "--card")
    assert (done.returncode, done.stderr) == (0, "")
    return folder, done.stdout


def test_json_table_and_card_have_each_figure(cli: Cli, evaluated: tuple[Path, str]) -> None:
    folder, table = evaluated
    measured = json.loads((folder / "results.json").read_text())
    assert (measured["model"], measured["dataset"], measured["seed"]) == ("tiny", "lines", 1)
    assert measured["features"] == "random convolutions"
    assert "features: random convolutions\n" in table
    results = measured["results"]
    assert {"Mean Distance", "Mean Smoothness", "reconstruction MSE"} <= {r["metric"] for r in results}
    shown = cli("show", folder / "tiny").stdout
    for result in results:
        for text in (table, shown):
            row = next(line for line in text.splitlines() if result["metric"] in line)
            assert f"{result['value']:.4g}" in row
    assert [r.metric for r in read_results(folder / "tiny")] == [r["metric"] for r in results]


def test_a_model_that_was_not_trained_has_no_data_to_be_measured_on(cli: Cli) -> None:
    assert "'ae-tiny' does not say what it was trained on" in cli.refuses("evaluate", "ae-tiny")


def test_a_card_has_the_figures_by_the_features_of_the_data_set(cli: Cli) -> None:
    told = cli.refuses("evaluate", "./no-such-model", "--card", "--features", "features-mnist")
    assert "leave out --card or --features" in told


def test_results_that_could_not_be_written_are_refused_before_the_work(cli: Cli) -> None:
    assert "there is no folder 'no'" in cli.refuses("evaluate", "./no-such-model", "--json", "no/results.json")


@pytest.mark.usefixtures("model")
def test_results_that_the_disk_does_not_take_are_refused_before_the_work(
    refuses: Callable[..., str], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refuses("evaluate", "./model", "--json", "pipe") == "cannot write 'pipe': it is not a regular file"
    if Path("/proc/self").is_dir():
        assert "cannot write '/proc/results.json': " in refuses("evaluate", "./model", "--json", "/proc/results.json")


ONE = ("evaluate", "./tiny", "--metrics", "in-between-mse", "--seed", "2", "--card")


def figures(folder: Path) -> dict[str, float]:
    return {result.metric: result.value for result in read_results(folder)}


def test_what_is_measured_anew_joins_the_figures_on_the_card(
    evaluated: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(evaluated[0] / "tiny", tmp_path / "tiny")
    monkeypatch.chdir(tmp_path)
    before = figures(tmp_path / "tiny")
    assert run([*ONE]) == 0
    after = figures(tmp_path / "tiny")
    assert [*after] == [*before]
    assert [name for name in before if before[name] != after[name]] == ["in-between MSE"]


def test_a_card_that_somebody_has_edited_is_left_alone(
    refuses: Callable[..., str], trained: Path, tmp_path: Path
) -> None:
    card = shutil.copytree(trained, tmp_path / "tiny") / "README.md"
    edited = card.read_text("utf-8").replace("## Method", "Mine.\n\n## Method")
    card.write_text(edited, "utf-8")
    assert "'tiny/README.md' was edited, or is of another version, and --card would write" in refuses(*ONE)
    assert card.read_text("utf-8") == edited
    card.unlink()  # as the message says
    assert run([*ONE]) == 0
    assert [*figures(tmp_path / "tiny")] == ["in-between MSE"]


def test_a_card_of_the_hubs_cache_is_left_alone(
    refuses: Callable[..., str], trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "cache" / "models--someone--tiny"
    (repository / "blobs").mkdir(parents=True)
    folder = shutil.copytree(trained, repository / "snapshots" / commit)
    before = (folder / "README.md").read_bytes()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    for name in (f"someone/tiny@{commit}", folder):
        told = refuses("evaluate", name, "--card")
        assert "is of the Hub's cache" in told
        assert "model.save_pretrained('./mine')" in told
    assert (folder / "README.md").read_bytes() == before
