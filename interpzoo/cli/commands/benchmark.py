"""``interpzoo benchmark``: models and controls scored by every metric, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from interpzoo.cli.options import data_root_option, device_option, features_option, full_option, metrics_option


@click.command(
    short_help="Score models and controls side by side.",
    epilog="""\b
Examples:
  interpzoo benchmark
  interpzoo benchmark '*-lines' ./runs/mine --metrics truth --metrics motion
  interpzoo benchmark '*-mnist' --output scores --plots
  interpzoo benchmark '*-celeba' --features timm:resnet18.a1_in1k
  accelerate launch -m interpzoo benchmark
""",
)
@click.argument("patterns", nargs=-1, metavar="[PATTERN]...")
@metrics_option
@data_root_option
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("benchmark"),
    show_default=True,
    metavar="DIR",
    help="Folder of the results; what is there already is not measured again.",
)
@features_option
@full_option
@click.option("--seed", default=0, show_default=True, help="Of the pairs and of everything else that is random.")
@click.option("--plots", is_flag=True, help="Pictures, too: strips, bars and how metrics agree.")
@device_option
def command(
    patterns: Sequence[str],
    *,
    metrics: Sequence[str],
    data_root: Path | None,
    output: Path,
    features: str | None,
    full: bool,
    seed: int,
    plots: bool,
    device: str | None,
) -> int:
    """Score the pretrained models whose name matches a PATTERN, all without one; a folder stands for itself.

    Each is scored on the data that it was trained on, beside controls: paths of no model, which tell whether a metric
    is fit there. Of several models with one name, those that are not the zoo's have digits of a hash in it. A run that
    was stopped goes on where it was. Figures by other --features have a folder and tables of their own. Exit code 1: a
    measurement failed.
    """
    from rich.console import Console
    from rich.table import Table

    from interpzoo.benchmark.metric import metrics_named
    from interpzoo.benchmark.page import render
    from interpzoo.benchmark.plots import matplotlib_figure, save_pictures
    from interpzoo.benchmark.processes import all_done
    from interpzoo.benchmark.progress import BenchmarkProgress
    from interpzoo.benchmark.protocol import FULL, EvaluationProtocol
    from interpzoo.benchmark.report import leaderboards, table
    from interpzoo.benchmark.results import read_records
    from interpzoo.benchmark.run import benchmark
    from interpzoo.benchmark.selection import jobs_of, models_named
    from interpzoo.pretrained.folder import write_text

    if plots:
        matplotlib_figure()  # reported before the work
    chosen = metrics_named(metrics)
    jobs = jobs_of(models_named(patterns, skipped=_report_skipped))
    protocol = (FULL if full else EvaluationProtocol()).model_copy(update={"seed": seed})
    failed = 0
    with BenchmarkProgress(sum(job.candidates for job in jobs) * len(chosen)) as progress:
        for record in benchmark(
            jobs,
            chosen,
            output,
            protocol=protocol,
            data_root=data_root,
            device=device,
            features=features,
            progress=progress,
        ):
            for name, score in record.scores.items():
                if score.error:
                    failed += 1
                    click.echo(f"{record.candidate}: {name} failed: {score.error}", err=True)
    if not all_done():
        return int(failed > 0)
    found = leaderboards(read_records(output), metrics_named())
    for board in found:
        rows = table(board, board.headlines())
        shown = Table(*rows[0], title=board.name, title_justify="left")
        for row in rows[1:]:
            shown.add_row(*(text.replace("[", r"\[") for text in row))
        Console().print(shown)
    write_text(output / "README.md", render(found, pictures=plots))
    if plots:
        save_pictures(output, jobs, found, protocol, data_root=data_root, device=device, features=features)
    click.echo(f"{output / 'README.md'}: all scores, and which metrics are valid where")
    return int(failed > 0)


def _report_skipped(name: str) -> None:
    click.echo(f"{name} is skipped: it is registered, but its folder is not installed", err=True)
