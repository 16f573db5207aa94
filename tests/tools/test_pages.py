"""The generated pages: the committed ones are fresh, and stale or broken ones are reported."""

from __future__ import annotations

from pathlib import Path

import pytest
from click import ClickException
from click.testing import CliRunner

from interpzoo.benchmark.metric import metrics_named
from interpzoo.benchmark.page import render
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.benchmark.report import leaderboards
from interpzoo.benchmark.results import Record, write_record
from interpzoo.config import Component, ImageSpec
from tools import leaderboard, tables
from tools.pages import main

PATHS = tables.ROOT / "docs" / "python.md"


def record(candidate: str, weights: str = "of the bundled model") -> Record:
    return Record(
        candidate=candidate,
        weights=weights,
        data=Component(name="lines"),
        image=ImageSpec(channels=1, height=32, width=32),
        features="none",
        protocol=EvaluationProtocol(),
    )


def test_the_committed_pages_are_fresh() -> None:
    outcome = CliRunner().invoke(main, ["--check"])
    assert outcome.exit_code == 0, outcome.output


def test_stale_pages_are_reported_and_rewritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, results, table = tmp_path / "LEADERBOARD.md", tmp_path / "results", tmp_path / "python.md"
    (tmp_path / "cards").mkdir()
    committed = PATHS.read_text("utf-8")
    for name, value in (("ROOT", tmp_path), ("PAGE", page), ("RECORDS", results), ("CARDS", tmp_path / "cards")):
        monkeypatch.setattr(leaderboard, name, value)
    monkeypatch.setattr(tables, "PARTS", {table: tables.PARTS[PATHS]})
    write_record(record("mine"), results)
    table.write_text(committed.replace("| `slerp` |", "| `loxodrome` |"), "utf-8")

    stale = CliRunner().invoke(main, ["--check"])
    assert stale.exit_code == 1
    assert "stale: LEADERBOARD.md, python.md. Run 'python -m tools.pages'" in stale.output
    assert CliRunner().invoke(main, []).exit_code == 0
    assert page.read_text("utf-8") == render(leaderboards([record("mine")], metrics_named()))
    assert table.read_text("utf-8") == committed
    assert CliRunner().invoke(main, ["--check"]).exit_code == 0

    table.write_text(committed.replace("<!-- generated: interpolators -->", ""), "utf-8")
    outcome = CliRunner().invoke(main, ["--check"])
    assert outcome.exit_code == 1
    assert "the generated parts of python.md are none, expected interpolators once" in outcome.output


def test_models_without_a_record_of_their_weights_are_reported() -> None:
    own = record("acai-celeba")
    chosen = own.model_copy(update={"chosen": True})  # scores by features that the user asked for are not on cards
    for records, message in (
        ([], "has no record"),
        ([chosen], "has no record"),
        ([own], "has a record with other weights"),
        ([own, chosen], "has a record with other weights"),
    ):
        command = "run 'interpzoo benchmark acai-celeba --output benchmarks/results'"
        with pytest.raises(ClickException, match=f"acai-celeba {message}: {command}"):
            dict(leaderboard.pages(records))
