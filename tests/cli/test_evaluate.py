"""``interpzoo evaluate``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from interpzoo.card import read_results
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
