"""``interpzoo benchmark``: the scores of models and controls, side by side."""

from collections.abc import Sequence
from pathlib import Path

import click

from interpzoo.cli.console import columns, echo
from interpzoo.cli.inputs import report_absent
from interpzoo.cli.options import UserPath, scoring_options
from interpzoo.errors import InterpzooError


@click.command(
    short_help="Compare models by all metrics.",
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
@scoring_options
@click.option(
    "--output",
    type=UserPath(file_okay=False),
    default=Path("benchmark"),
    show_default=True,
    metavar="DIR",
    help="Folder for the scores; scores that are there already are not computed again.",
)
@click.option("--plots", is_flag=True, help="Also draw pictures: paths, bar charts and the agreement of metrics.")
def command(
    patterns: Sequence[str],
    *,
    metrics: Sequence[str],
    dataset: str | None,
    data_root: Path | None,
    output: Path,
    features: str | None,
    full: bool,
    seed: int,
    plots: bool,
    device: str,
) -> int:
    """Score the pretrained models whose names match a PATTERN, or all of them; a PATTERN can also be a model's folder.

    Each model is scored on the data that it was trained on, or on that of --dataset. Controls are scored beside it:
    paths that come from no model and show whether a metric is valid on this data. Models that share a name are told
    apart by their folders. A run that was stopped continues where it was. Scores with other --features get a folder and
    tables of their own.

    The exit code is 1 if a metric failed or a model could not be loaded.
    """
    from interpzoo.benchmark.html import render_html
    from interpzoo.benchmark.metric import metrics_named
    from interpzoo.benchmark.page import render
    from interpzoo.benchmark.plots import matplotlib_figure, save_pictures
    from interpzoo.benchmark.protocol import FULL, EvaluationProtocol
    from interpzoo.benchmark.report import leaderboards, table
    from interpzoo.benchmark.results import HTML, README, claim_output, claimed, read_records
    from interpzoo.benchmark.run import benchmark
    from interpzoo.benchmark.selection import data_named, jobs_of, models_named
    from interpzoo.cli.progress import BenchmarkProgress
    from interpzoo.files import write_text
    from interpzoo.processes import all_done

    if plots:
        matplotlib_figure()  # a missing matplotlib is an error now, not after the work
    chosen = metrics_named(metrics)
    data = None if dataset is None else data_named(dataset)
    jobs = jobs_of(models_named(patterns, skipped=report_absent), data)
    click.get_current_context().with_resource(claimed(output))
    protocol = (FULL if full else EvaluationProtocol()).model_copy(update={"seed": seed})
    failed = 0

    def report_skipped(name: str, error: InterpzooError) -> None:
        nonlocal failed
        failed += 1
        echo(f"{name} is skipped: {error}", err=True)

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
            skipped=report_skipped,
        ):
            for name, score in record.scores.items():
                if score.error:
                    failed += 1
                    echo(f"{record.candidate}: {name} failed: {score.error}", err=True)
    if not all_done():
        return int(failed > 0)
    found = leaderboards(read_records(output), metrics_named())
    for board in found:
        header, *rows = table(board, board.headlines())
        echo(board.name, *columns(header, rows, wrap=True), "")
    claim_output(output)
    write_text(output / README, render(found, pictures=plots))
    if plots:
        save_pictures(output, jobs, found, protocol, data_root=data_root, device=device, features=features)
    write_text(output / HTML, render_html(found, output))
    echo(f"{output / 'README.md'} and {output / 'index.html'}: all scores, and which metrics are valid where")
    return int(failed > 0)
