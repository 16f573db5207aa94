"""Controlled runs: ``python -m tools.study benchmarks/studies/NAME.toml`` trains the runs of a study and scores them.

A study is a table of recipes and changes to them, all else equal. Its results are next to it as ``NAME.json``, and as a
table in ``NAME.md``. A run is not trained and scored again while its recipe, with all that it takes from files and
defaults, the protocol and the metrics are as before. A training that was killed continues from its checkpoint in
``runs/studies/NAME``. A model of the same recipe that is already there, trained here or elsewhere, is only scored.

Results that were written before recipes and protocols were noted are kept while the names in them are the same.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any, Final

import click
from pydantic import ConfigDict, Field

from interpzoo.benchmark import Task
from interpzoo.benchmark.candidates import ModelCandidate
from interpzoo.benchmark.metric import metrics_named
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.benchmark.ranking import words_of
from interpzoo.benchmark.report import number
from interpzoo.benchmark.results import Score
from interpzoo.benchmark.run import score_candidate
from interpzoo.build import resolved
from interpzoo.config import MethodConfig, Recipe, Schema, validate
from interpzoo.errors import InterpzooError
from interpzoo.files import parse_toml, write_text
from interpzoo.markdown import markdown_table
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.folder import CHECKPOINT, WEIGHTS
from interpzoo.pretrained.load import load
from interpzoo.pretrained.locate import recorded_name
from interpzoo.recipes import load_recipe
from interpzoo.training.run import train

RUNS: Final = Path("runs", "studies")


class Run(Schema):
    """One training."""

    name: str = Field(min_length=1)
    recipe: str
    changes: list[str] = Field(default_factory=list[str])
    """Changes ``key=value``, applied after those of the whole study."""


class Study(Schema):
    """Trainings that differ in one thing, and the metrics that score them."""

    title: str
    question: str
    """The question, and the difference between the runs that answers it."""
    answer: str = ""
    """What the scores show."""
    metrics: list[str]
    """Names or patterns of metrics."""
    changes: list[str] = Field(default_factory=list[str])
    """Changes to every recipe."""
    protocol: EvaluationProtocol = Field(default_factory=EvaluationProtocol)
    runs: list[Run]


class Scored(Schema):
    """The scores of one run."""

    model_config = ConfigDict(populate_by_name=True)

    recipe: str
    changes: list[str]
    digest: str = ""
    """SHA-256 of all that the recipe says about the training; empty in results written before it was noted."""
    protocol: EvaluationProtocol | None = None
    """What the run was scored on; ``None`` in results written before it was noted."""
    samples: int
    versions: dict[str, str]
    scores: dict[str, Score] = Field(validation_alias="figures", serialization_alias="figures")


class Results(Schema):
    """The scores of a study, by the name of the run."""

    runs: dict[str, Scored] = Field(default_factory=dict[str, Scored])


def conduct(path: Path, *, data_root: Path | None = None) -> None:
    """Train and score the missing runs of the study in a TOML file; results are written after every run.

    Raises:
        InterpzooError: the file or a recipe is invalid, or a training or a metric failed.
    """
    study = validate(Study, parse_toml(path.read_text("utf-8"), str(path)), str(path))
    file = path.with_suffix(".json")
    known = validate(Results, json.loads(file.read_text("utf-8")), str(file)).runs if file.is_file() else {}
    names = {named.name for named in metrics_named(study.metrics)}
    done: dict[str, Scored] = {}
    for run in study.runs:
        changes = [*study.changes, *run.changes]
        former = known.get(run.name)
        if former is not None and _is_current(former, study, run.recipe, changes, names):
            if former.protocol is None:
                click.echo(
                    f"{run.name}: kept, though its protocol is not known. To score it again, remove it from {file}"
                )
            done[run.name] = former
            continue
        done[run.name] = _run(study, run, changes, RUNS / path.stem / _slug(run.name), data_root)
        _write(file, Results(runs={**known, **done}).model_dump_json(indent=1, by_alias=True) + "\n")
    _write(file, Results(runs=done).model_dump_json(indent=1, by_alias=True) + "\n")
    _write(path.with_suffix(".md"), page(study, done))


def _is_current(former: Scored, study: Study, recipe: str, changes: list[str], metrics: set[str]) -> bool:
    """Whether scoring a run again could give nothing else; what was not noted counts as the same."""
    return (
        (former.recipe, former.changes) == (recipe, changes)
        and former.scores.keys() == metrics
        and former.protocol in (None, study.protocol)
        and former.digest in ("", _digest(load_recipe(recipe, changes)))
    )


def page(study: Study, done: dict[str, Scored]) -> str:
    """The study as Markdown: question, table and answer."""
    metrics = [named for named in metrics_named(study.metrics) if any(_has(s, named.name) for s in done.values())]
    header = ["run", "recipe and changes", *(f"{n.metric.title} ({words_of(n.metric, truth=False)})" for n in metrics)]
    rows: list[list[str]] = []
    for run in study.runs:
        scored = done[run.name]
        what = " ".join([f"`{run.recipe}`", *(f"`{change}`" for change in run.changes)])
        rows.append([run.name, what, *(_cell(scored.scores.get(named.name)) for named in metrics)])
    common = "; ".join(f"`{change}`" for change in study.changes) or "none"
    samples = sorted({scored.samples for scored in done.values()})
    made = sorted({", ".join(f"{k} {v}" for k, v in scored.versions.items()) for scored in done.values()})
    return (
        f"# {study.title}\n\n{study.question}\n\n{markdown_table(header, rows)}\n"
        + (f"{study.answer}\n\n" if study.answer else "")
        + f"Changes to every recipe: {common}. Samples seen: {', '.join(f'{n:,}' for n in samples)}. Brackets are "
        f"95 % intervals over at most {study.protocol.pairs} pairs; they do not cover other seeds. "
        f"Scored with {'; '.join(made)}.\n"
    )


def _run(study: Study, run: Run, changes: list[str], folder: Path, data_root: Path | None) -> Scored:
    recipe = load_recipe(run.recipe, changes)
    model = _trained(folder, recipe)
    if model is None:
        resume = (folder / CHECKPOINT).is_file()
        if folder.exists() and not resume:
            shutil.rmtree(folder)
        model = train(recipe, output=folder, data_root=data_root, resume=resume)
    task = Task(recipe.data, recipe.image, study.protocol, data_root)
    record = score_candidate(task, ModelCandidate(model), metrics_named(study.metrics))
    return Scored(
        recipe=run.recipe,
        changes=changes,
        digest=_digest(recipe),
        protocol=study.protocol,
        samples=recipe.training.samples,
        versions=record.versions,
        scores=record.scores,
    )


def _trained(folder: Path, recipe: Recipe) -> InterpolationModel | None:
    """The model in `folder`, if it was trained by this recipe."""
    if (folder / CHECKPOINT).is_file() or not (folder / WEIGHTS).is_file():
        return None
    model = load(folder)
    config, trained = model.config, model.config.trained
    if trained is None:
        return None
    made = (trained.regularizer, trained.data, trained.training, trained.started_from)
    asked = (recipe.regularizer, recipe.data, recipe.training, recipe.start_from and recorded_name(recipe.start_from))
    same = _parts(config) == _parts(recipe) and made == asked
    return model if same else None


def _digest(recipe: Recipe) -> str:
    said = recipe.model_dump(mode="json", include={"regularizer", "data", "training", "start_from", "base"})
    return hashlib.sha256(json.dumps({**said, "networks": _parts(recipe)}, sort_keys=True).encode()).hexdigest()


def _parts(config: MethodConfig) -> dict[str, Any]:
    return resolved(config).networks()


def _has(scored: Scored, metric: str) -> bool:
    figure = scored.scores.get(metric)
    return figure is not None and figure.value is not None


def _cell(figure: Score | None) -> str:
    if figure is None or figure.value is None:
        return "-"
    interval = "" if figure.low is None or figure.high is None else f" ({number(figure.low)} - {number(figure.high)})"
    return number(figure.value) + interval


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name)


def _write(path: Path, text: str) -> None:
    write_text(path, text)


@click.command()
@click.argument("study", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder of local data sets.")
def main(study: Path, *, data_root: Path | None) -> None:
    """Train and score the missing runs of STUDY, a TOML file."""
    try:
        conduct(study, data_root=data_root)
    except InterpzooError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
