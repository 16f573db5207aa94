"""Whether published alpha predictability understates: ``python benchmarks/probes.py [NAME ...]``.

A probe of its own looks at other pairs than those of the records: boosted trees on local binary patterns, on the energy
of Haar wavelets and on the directions of edges, which no probe of the metric has. It must not find more than the upper
end of the published interval plus 0.02. The controls are checked too: the jump is at most 0.01 on all data, and the
blend at least 0.5 on faces. A record by older measures, or of other weights, is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click
import torch
from sklearn.ensemble import HistGradientBoostingRegressor
from torch import Tensor
from torch.nn.functional import avg_pool2d

from interpzoo.benchmark import Candidate, Evaluation, Task
from interpzoo.benchmark.candidates import ModelCandidate
from interpzoo.benchmark.results import FORMAT, Record, read_records
from interpzoo.pretrained.load import load

RECORDS: Final = Path(__file__).parent / "results"
METRIC: Final = "alpha-predictability"
SEED: Final = 1
"""Seed of the pairs; the records have 0."""
EXCESS: Final = 0.02
JUMP: Final = 0.01
BLEND: Final = 0.5
_CHUNK: Final = 500


@click.command()
@click.argument("names", nargs=-1)
@click.option("--records", type=click.Path(path_type=Path), default=RECORDS, help="Folder that `benchmark` wrote.")
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder of local data sets.")
def main(names: tuple[str, ...], *, records: Path, data_root: Path | None) -> None:
    """Check the records of the models NAMES, or of all."""
    wrong: list[str] = []
    for record in read_records(records):
        score = record.scores.get(METRIC)
        if score is None or score.value is None or score.high is None or record.chosen:
            continue
        if record.format < FORMAT:
            raise click.ClickException(f"{record.candidate} has scores by older measures: run the benchmark again")
        if record.control:
            bad = (record.candidate == "jump" and score.value > JUMP) or (
                record.candidate == "blend" and record.data.name == "celeba" and score.value < BLEND
            )
            wrong += [f"{record.candidate}@{record.task}"] * bad
            click.echo(f"{record.task:40} {record.candidate:24} {score.value:.3f} {'WRONG' if bad else ''}")
        elif not names or record.candidate in names:
            found = probed(record, data_root)
            bad = found > score.high + EXCESS
            wrong += [record.candidate] * bad
            published = f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]"
            click.echo(f"{record.task:40} {record.candidate:24} {published} {found:.3f} {'WRONG' if bad else ''}")
    if wrong:
        raise click.ClickException(f"alpha is better predictable than published: {', '.join(wrong)}")


def probed(record: Record, data_root: Path | None) -> float:
    """The share of the variance of folded alpha that the other probe explains on other pairs."""
    protocol = record.protocol.model_copy(update={"seed": SEED})
    task = Task(record.data, record.image, protocol, data_root)
    candidate: Candidate = ModelCandidate(load(record.candidate))
    evaluation = Evaluation(task, candidate)
    seen, unseen = evaluation.training_frames, evaluation.frames
    if not len(seen):
        seen, unseen = unseen[::2], unseen[1::2]
    folded = torch.minimum(task.positions, 1 - task.positions)
    targets = (folded - folded.mean()) / folded.std(correction=0)
    settings: Any = {"max_iter": 300, "learning_rate": 0.05, "max_features": 0.3, "early_stopping": False}
    trees: Any = HistGradientBoostingRegressor(random_state=SEED, **settings)
    trees.fit(figures(seen).numpy(), targets.repeat(len(seen)).numpy())
    guesses = torch.from_numpy(trees.predict(figures(unseen).numpy())).view(len(unseen), -1)
    return max(0.0, 1 - float((guesses - targets).square().mean()))


@torch.no_grad()
def figures(frames: Tensor) -> Tensor:
    """(N T, K): figures of frames (N, T, C, H, W)."""
    return torch.cat([_figures(part.float()) for part in frames.flatten(0, 1).split(_CHUNK)])


def _figures(x: Tensor) -> Tensor:
    gray = x.mean(1)
    found = [_patterns(gray), _directions(gray), x.flatten(2).mean(2), x.flatten(2).std(2)]
    level = gray[:, None]
    while min(level.shape[2:]) >= 4:
        a, b, c, d = (level[:, :, i::2, j::2][:, :, : level.shape[2] // 2, : level.shape[3] // 2] for i, j in _CORNERS)
        for part in (a - b + c - d, a + b - c - d, a - b - c + d):
            size = part.flatten(1).abs()
            found.append(torch.stack([size.square().mean(1).sqrt(), size.mean(1), size.amax(1)], 1))
        level = avg_pool2d(level, 2)
    return torch.cat(found, 1)


_CORNERS: Final = ((0, 0), (0, 1), (1, 0), (1, 1))
_AROUND: Final = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))


def _patterns(gray: Tensor) -> Tensor:
    """(B, 256): shares of the patterns of which neighbors of a pixel are brighter (Ojala et al. 2002)."""
    height, width = gray.shape[1] - 2, gray.shape[2] - 2
    middle = gray[:, 1:-1, 1:-1]
    code = torch.zeros_like(middle, dtype=torch.long)
    for bit, (i, j) in enumerate(_AROUND):
        code += (gray[:, i : i + height, j : j + width] > middle).long() << bit
    counts = torch.zeros(len(gray), 256).scatter_add_(1, code.flatten(1), torch.ones(code.flatten(1).shape))
    return counts / (height * width)


def _directions(gray: Tensor) -> Tensor:
    """(B, 24): strength and squared strength of edges in each of 12 directions, and their peaks."""
    down, across = gray.diff(dim=1)[:, :, :-1], gray.diff(dim=2)[:, :-1]
    size = (down.square() + across.square()).sqrt().flatten(1)
    bins = ((torch.atan2(down, across).flatten(1) / torch.pi + 1) * 6).long().clamp(max=11)
    sums = [torch.zeros(len(gray), 12).scatter_add_(1, bins, part) for part in (size, size.square())]
    return torch.cat(sums, 1) / size.shape[1]


if __name__ == "__main__":
    main()
