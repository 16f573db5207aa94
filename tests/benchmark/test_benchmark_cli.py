"""``interpzoo benchmark`` as a command: folders of models, records, the page, pictures, errors."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from interpzoo.benchmark import run as running
from interpzoo.benchmark.html import render_html
from interpzoo.benchmark.page import render
from interpzoo.benchmark.results import claimed, read_records
from interpzoo.cli.app import run
from tests.benchmark.conftest import own_training
from tests.benchmark.test_run import absent as absent
from tests.cli.conftest import Cli
from tests.cli.conftest import refuses as refuses
from tests.processes import TWO


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """In a folder with two small models."""
    folder = tmp_path_factory.mktemp("benchmark")
    for seed, name in enumerate(("ae-lines", "acai-lines")):
        own_training(folder / name, name, seed=seed)
    return Cli(folder, folder)


METRICS = ["--metrics", "largest-jump", "--metrics", "in-between-mse", "--metrics", "reconstruction-mse"]


@pytest.mark.slow
def test_models_and_controls_side_by_side(cli: Cli) -> None:
    done = cli("benchmark", "./ae-lines", "./acai-lines", *METRICS, "--output", "scores", "--plots")
    assert (done.returncode, "scoring truth\n" in done.stderr) == (0, True), done.stderr
    folder = cli.folder / "scores"
    records = read_records(folder)
    names = ["acai-lines", "ae-lines", "truth", "nearest", "jump", "blend"]
    assert [record.candidate for record in records] == names
    assert all([*record.scores] == ["in-between-mse", "reconstruction-mse", "largest-jump"] for record in records)
    page = (folder / "README.md").read_text("utf-8")
    for name in ("acai-lines", "ae-lines", "(truth)", "(blend)"):
        assert re.search(rf"^\| {re.escape(name)}(, worse than the blend)? \|", page, re.MULTILINE)
    assert "in-between MSE is valid: truth 0 [0, 0], nearest" in page
    for picture in ("strips", "bars"):
        with Image.open(folder / "lines-32" / f"{picture}.png") as image:
            assert min(image.size) > 50
    html = (folder / "index.html").read_text("utf-8")
    for picture in ("acai-lines", "ae-lines", "controls/truth", "controls/blend"):
        assert f'src="lines-32/{picture}.png"' in html
        with Image.open(folder / "lines-32" / f"{picture}.png") as image:
            assert image.size == (9 * 96, 3 * 98 - 2)
    # Again: nothing is measured, nothing changes.
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.json")}
    assert cli("benchmark", "./ae-lines", "./acai-lines", *METRICS, "--output", "scores").returncode == 0
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*.json")}


@pytest.mark.slow
def test_scores_by_chosen_features_have_a_table_of_their_own(cli: Cli) -> None:
    asked = ("benchmark", "./ae-lines", "--metrics", "path-length", "--output", "compared")
    for features in ((), ("--features", "features-mnist")):
        done = cli(*asked, *features)
        assert done.returncode == 0, done.stderr
    found = {(r.task, r.features) for r in read_records(cli.folder / "compared")}
    assert found == {("lines-32", "random convolutions"), ("lines-32-features-mnist", "features-mnist")}
    page = (cli.folder / "compared" / "README.md").read_text("utf-8")
    for task, features in found:
        assert f"## {task}\n\nAt most 256 pairs, seed 0; features: {features}." in page


@pytest.mark.slow
def test_evaluate_gives_the_same_scores(cli: Cli) -> None:
    done = cli("evaluate", "./ae-lines", "--metrics", "in-between-mse", "--metrics", "linear-probe")
    assert done.returncode == 0, done.stderr
    record = next(r for r in read_records(cli.folder / "scores") if r.candidate == "ae-lines")
    assert f"{record.scores['in-between-mse'].value:.4g}" in done.stdout
    assert "not applicable: linear probe accuracy (the data set has no train set of known size" in done.stdout


def test_mistakes_are_reported_in_one_line(cli: Cli) -> None:
    assert "no model matches 'acai-linse'" in cli.refuses("benchmark", "acai-linse")
    assert "no metric or family matches 'speed'" in cli.refuses("benchmark", "./ae-lines", "--metrics", "speed")
    assert "there is no folder 'nowhere'" in cli.refuses("benchmark", "./nowhere")
    told = cli.refuses("evaluate", "./ae-lines", "--features", "tim:resnet18")
    assert "unknown features 'tim:resnet18'. Did you mean 'timm:resnet18'" in told
    told = cli.refuses("benchmark", "./ae-lines", "--features", "features-celeba")
    assert "are for images of 3x32x32, but the images to be compared are of 1x32x32" in told


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("README.md", "# Leaderboard\n\nof my project"),
        ("index.html", "<title>Leaderboard</title>"),
        ("proj/package.json", '{"name": "mine"}'),
        ("tsconfig.json", "// not JSON"),
        ("list.json", "[]"),
    ],
)
def test_the_files_of_others_are_refused_at_once(
    refuses: Callable[..., str], tmp_path: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "write_record", lambda *_: pytest.fail("it was scored"))
    path = tmp_path / "out" / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    told = refuses("benchmark", "ae-lines", "--metrics", "largest-jump", "--output", str(tmp_path / "out"))
    assert f"'{path}' is not a file of interpzoo benchmark" in told
    assert "choose another folder" in told
    assert path.read_text() == text


def test_its_own_files_are_taken_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, page in (("README.md", render([])), ("index.html", render_html([]))):
        (tmp_path / name).write_text(page)
    shutil.copytree(Path(__file__).parents[2] / "benchmarks" / "results" / "lines-32", tmp_path / "lines-32")
    with claimed(tmp_path):
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("RANK", "1")
        with claimed(tmp_path):  # as the second of two processes that share a run
            pass
    assert len([*tmp_path.iterdir()]) == 3


def test_a_second_run_in_one_folder_is_refused_at_once(refuses: Callable[..., str], tmp_path: Path) -> None:
    with claimed(tmp_path / "out"):
        told = refuses("benchmark", "ae-lines", "--metrics", "largest-jump", "--output", str(tmp_path / "out"))
        assert f"another process is writing to '{tmp_path / 'out'}': wait until it has ended" in told
    assert not (tmp_path / "out").exists()


def test_plots_without_matplotlib_are_refused_at_once(
    refuses: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "plots need matplotlib: " in refuses("benchmark", "./nowhere", "--plots")


def test_a_skipped_model_is_reported(absent: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["benchmark", "absent-*", "./nowhere"]) == 2
    skipped, error = capsys.readouterr().err.splitlines()
    assert skipped == f"{absent} is skipped: it is registered, but its folder is not installed"
    assert "there is no folder 'nowhere'" in error  # what is left is gone on with


@pytest.mark.slow
def test_two_processes_share_the_candidates(cli: Cli) -> None:
    asked = ["benchmark", "./ae-lines", "--metrics", "in-between-mse", "--output", "shared"]
    done = cli.python(*TWO, "-m", "interpzoo", *asked)
    assert done.returncode == 0, done.stderr
    scored = [line.removeprefix("scoring ") for line in done.stderr.splitlines() if line.startswith("scoring ")]
    assert sorted(scored) == sorted(["ae-lines", "truth", "nearest", "jump", "blend"])  # each once
    assert done.stdout.count("README.md") == 1
    assert len(read_records(cli.folder / "shared")) == 5
