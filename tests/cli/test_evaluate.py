"""``interpzoo evaluate``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants

from interpzoo.pretrained.card import read_results
from tests.cli.conftest import Cli

FEW = ("--metrics", "mean-*", "--metrics", "reconstruction-mse", "--metrics", "in-between-mse")


@pytest.fixture(scope="module")
def evaluated(site: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a trained model and its results as JSON, and what was printed."""
    folder = tmp_path_factory.mktemp("evaluated")
    shutil.copytree(trained, folder / "tiny")
    done = Cli(site, folder)("evaluate", "./tiny", *FEW, "--seed", "1", "--json", "results.json", "--card")
    assert (done.returncode, done.stderr) == (0, "")
    return folder, done.stdout


def test_json_table_and_card_have_every_result(cli: Cli, evaluated: tuple[Path, str]) -> None:
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


def test_a_model_that_was_not_trained_has_no_data_to_be_evaluated_on(cli: Cli) -> None:
    assert "'ae-tiny' does not say what it was trained on" in cli.refuses("evaluate", "ae-tiny")


def test_a_card_has_results_by_the_features_of_the_data_set_only(cli: Cli) -> None:
    message = cli.refuses("evaluate", "./no-such-model", "--card", "--features", "features-mnist")
    assert "leave out --card or --features" in message


ONE = ("evaluate", "./tiny", "--metrics", "in-between-mse", "--seed", "2", "--card")


def scores(folder: Path) -> dict[str, float]:
    return {result.metric: result.value for result in read_results(folder)}


@pytest.mark.slow
def test_without_patterns_every_metric_is_measured(cli: Cli, evaluated: tuple[Path, str]) -> None:
    done = cli("evaluate", evaluated[0] / "tiny", "--json", "all.json")
    assert (done.returncode, done.stderr) == (0, "")
    measured = {result["metric"] for result in json.loads((cli.folder / "all.json").read_text())["results"]}
    assert measured > set(scores(evaluated[0] / "tiny"))
    assert len(measured) > 15


def test_new_results_replace_only_their_own_on_the_card(cli: Cli, evaluated: tuple[Path, str], tmp_path: Path) -> None:
    shutil.copytree(evaluated[0] / "tiny", tmp_path / "tiny")
    before = scores(tmp_path / "tiny")
    assert cli(*ONE).returncode == 0
    after = scores(tmp_path / "tiny")
    assert [*after] == [*before]
    assert [name for name in before if before[name] != after[name]] == ["in-between MSE"]


def test_an_edited_card_is_left_alone(cli: Cli, trained: Path, tmp_path: Path) -> None:
    card = shutil.copytree(trained, tmp_path / "tiny") / "README.md"
    edited = card.read_text("utf-8").replace("## Method", "Mine.\n\n## Method")
    card.write_text(edited, "utf-8")
    assert "'tiny/README.md' was edited, or written by another version, and --card would overwrite it" in cli.refuses(
        *ONE
    )
    assert card.read_text("utf-8") == edited
    card.unlink()  # as the message says
    assert cli(*ONE).returncode == 0
    assert [*scores(tmp_path / "tiny")] == ["in-between MSE"]


def test_a_card_in_the_hubs_cache_is_left_alone(
    cli: Cli, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "cache" / "models--someone--tiny"
    (repository / "blobs").mkdir(parents=True)
    folder = shutil.copytree(trained, repository / "snapshots" / commit)
    before = (folder / "README.md").read_bytes()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    for name in (f"someone/tiny@{commit}", folder):
        message = cli.refuses("evaluate", name, "--card")
        assert "is in the Hub's cache" in message
        assert "model.save_pretrained('./mine')" in message
    assert (folder / "README.md").read_bytes() == before


def test_what_is_not_applicable_is_one_line_and_other_data_can_be_named(cli: Cli, trained: Path) -> None:
    chosen = ("--metrics", "in-between-mse", "--metrics", "reconstruction-mse", "--metrics", "representation")
    done = cli("evaluate", trained, *chosen, "--dataset", "pendulum", "--json", "all.json")
    assert (done.returncode, done.stderr) == (0, "")
    *_, last = done.stdout.splitlines()
    assert done.stdout.count("not applicable") == 1
    assert last.startswith("not applicable: ")
    scores = json.loads((cli.folder / "all.json").read_text())
    assert (scores["dataset"], scores["failed"]) == ("pendulum", {})
    for reason in {*scores["not_applicable"].values()}:
        assert last.count(f"({reason})") == 1
    assert "unknown dataset 'lins'. Did you mean 'lines'" in cli.refuses("evaluate", trained, "--dataset", "lins")
