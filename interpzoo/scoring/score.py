"""`score`: frames of any tools by every metric that needs no model, beside a cut and a cross-fade of the same ends."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from torch import Tensor
from typing_extensions import override

from interpzoo.arguments import called, seed_of
from interpzoo.benchmark.candidates import controls
from interpzoo.benchmark.evaluation import Candidate
from interpzoo.benchmark.metric import NamedMetric, metrics_named
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.benchmark.report import Leaderboard, table
from interpzoo.benchmark.run import Progress, score_candidate
from interpzoo.benchmark.selection import data_named, distinct
from interpzoo.config import Component, ImageSpec
from interpzoo.errors import InputError, UnknownNameError
from interpzoo.evaluation import grouped
from interpzoo.features import features_named
from interpzoo.files import expanded
from interpzoo.images import ImageInput, as_batch
from interpzoo.markdown import markdown_table
from interpzoo.metrics.along import returns
from interpzoo.pixels import as_size
from interpzoo.scoring.plot import save_profiles
from interpzoo.scoring.profile import Profile, profile_of
from interpzoo.scoring.reading import FramesLike, Paths, read_paths
from interpzoo.scoring.task import FramesCandidate, FrameTask
from interpzoo.tensors import ordinary_mode
from interpzoo.text import quoted, sized

Layout = Callable[[Sequence[str], Sequence[Sequence[str]]], Iterable[str]]
"""Header and rows of a table to its lines."""

_POSSIBLE: Final = frozenset({"data", "ends", "apart"})
"""Needs of metrics that frames alone may meet."""


def markdown_lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table in Markdown."""
    return markdown_table(header, rows).splitlines()


@dataclass(frozen=True)
class FrameScores:
    """Scores of frames, as `score` gives them. Printed, it is a table."""

    boards: tuple[Leaderboard, ...]
    """One for all tools with the same numbers of paths, frames and pixels: `models` are the tools, `controls` a cut
    (``jump``) and a cross-fade (``blend``) of the same ends, and ``nearest`` where there is a data set. Tools that end
    where they begin have a table of their own, without controls."""
    profiles: tuple[Mapping[str, Profile], ...]
    """For each board how each tool and control changes along the path, by name."""
    notes: tuple[str, ...]
    """What was left out or cannot be compared, in words."""

    def lines(self, layout: Layout = markdown_lines) -> list[str]:
        """What the frames are, the scores and the notes, as text; `layout` makes the lines of a table."""
        found: list[str] = []
        for board, profiles in zip(self.boards, self.profiles, strict=True):
            found += [f"{record.candidate}: {profiles[record.candidate].verdict}" for record in board.models]
            record = board.records[0]
            found += ["", f"{board.name}; features: {record.features}"]
            header, *rows = table(board, _shown(board))
            found += [*layout(header, rows), ""]
        return [*found, *(f"note: {note}" for note in self.notes)]

    @override
    def __str__(self) -> str:
        return "\n".join(self.lines())

    def to_json(self) -> str:
        """Scores, profiles and notes as a JSON object."""
        boards: list[dict[str, Any]] = []
        for board, profiles in zip(self.boards, self.profiles, strict=True):
            rows = [
                {
                    "name": record.candidate,
                    "control": record.control,
                    "is": profiles[record.candidate].verdict,
                    "scores": {name: s.model_dump(exclude={"seconds", "draws"}) for name, s in record.scores.items()},
                    "profile": asdict(profiles[record.candidate]),
                }
                for record in board.records
            ]
            first = board.records[0]
            about = {"name": board.name, "features": first.features, "data": first.data.model_dump()}
            boards.append({**about, "seed": first.protocol.seed, "versions": first.versions, "candidates": rows})
        return json.dumps({"boards": boards, "notes": self.notes}, indent=2, allow_nan=False) + "\n"

    def save_plot(self, path: str | os.PathLike[str]) -> None:
        """Draw how each tool and control changes along the path, as a PNG.

        Raises:
            MissingDependencyError: matplotlib is not installed.
            OutputError: the file cannot be written.
        """
        save_profiles(path, [(b.name, p) for b, p in zip(self.boards, self.profiles, strict=True)])

    def values(self) -> dict[str, dict[str, float]]:
        """The scores of each tool by the name of the metric; those that are not applicable are left out."""
        return {
            record.candidate: {name: score.value for name, score in record.scores.items() if score.value is not None}
            for board in self.boards
            for record in board.models
        }


def _shown(board: Leaderboard) -> list[NamedMetric]:
    return [n for n in board.metrics if any(record.scores[n.name].value is not None for record in board.models)]


@ordinary_mode
def score(
    paths: FramesLike | Sequence[str | os.PathLike[str]] | Mapping[str, FramesLike],
    *,
    ends: tuple[ImageInput, ImageInput] | None = None,
    size: Sequence[int] | None = None,
    metrics: Sequence[str] = (),
    dataset: str | Path | Component | None = None,
    data_root: str | Path | None = None,
    features: str | Path | None = None,
    seed: int = 0,
    progress: Progress = lambda tool, metric: None,
) -> FrameScores:
    """Score frames of any tool by every metric that needs no model, side by side with other tools' and with controls.

    The scores are those of `benchmark`, from the same code. Metrics that need other paths to learn from use two thirds
    of these. Each tool is compared with a cut and a cross-fade of the same ends.

    Args:
        paths: the frames of one tool, see `FramesLike`: a folder of pictures, a film, an ``.npy`` file, a tensor (T, C,
            H, W) or (N, T, C, H, W), or a folder with several of these; the files and folders of several tools, which
            are named after them; or a mapping from names to any of these.
        ends: the N first and the N last images that the paths should begin and end with. They are needed to say how
            well the ends are kept; the controls are made from them. By default from the first tool's own ends.
        metrics: shell patterns of metrics or families; all that can be computed by default.
        dataset: what the frames should look like, as in `evaluate`: then metrics that compare with real images are
            computed too, and features and their scale are those of the data set.

    Other Parameters:
        size: (height, width) that all frames are cropped and resized to.
        data_root: folder of local data sets.
        features: what images are compared by, see `interpzoo.features.features_named`; by default those of the data
            set, or random convolutions.
        seed: 0 to 2^32 - 1.
        progress: called before each measurement.

    Raises:
        ImageError: frames or ends cannot be read, are too few, or differ in size on a path.
        InputError: an argument is not valid, there are too many frames, or `ends` are not one pair for each path.
        UnknownNameError: there is no such metric, data set or network of features.
        ConfigError, WeightsError, DataError: as `evaluate`.
        MissingDependencyError: a video is given, and ``av`` is not installed.

    Example:
        >>> import interpzoo
        >>> model = interpzoo.load("acai-mnist")
        >>> a, b = model.decode(model.examples[:2])
        >>> found = interpzoo.score({"acai": model.interpolate(a, b)}, metrics=["sharpness"])
        >>> found.values()
        {'acai': {'sharpness': 0.8...}}
    """
    seed = seed_of(seed)
    called("progress", progress)
    wanted = None if size is None else as_size(size)
    chosen = _metrics(metrics)
    component = None if dataset is None else data_named(dataset)
    tools = _one_color([read_paths(name, source, wanted) for name, source in _named(paths).items()])
    groups: dict[tuple[tuple[int, ...], bool], list[Paths]] = {}
    for tool in tools:
        groups.setdefault((tuple(tool.frames.shape), returns(tool.frames)), []).append(tool)
    notes = [note for tool in tools for note in tool.notes]
    notes += [
        f"{tool.name} ends where it begins: scores that compare with a fade are left out"
        for (_, loops), members in groups.items()
        for tool in members
        if loops
    ]
    if len({shape for shape, _ in groups}) > 1:
        notes.append(
            "only tools with the same numbers of paths, frames and pixels are compared, in a table for each group"
        )
    boards: list[Leaderboard] = []
    profiles: list[dict[str, Profile]] = []
    for (shape, loops), members in groups.items():
        n, t, _, height, width = shape
        first, last = _ends(ends, members)
        network = None if features is None else features_named(features, ImageSpec.of(first.shape))
        protocol = EvaluationProtocol(pairs=n, frames=t, motion_pairs=n, slow_pairs=n, seed=seed)
        root = None if data_root is None else expanded(data_root)
        task = FrameTask(
            first,
            last,
            t,
            protocol,
            given=ends is not None,
            loops=loops,
            dataset=component,
            root=root,
            features=network,
        )
        candidates: list[Candidate] = [FramesCandidate(tool.name, tool.frames) for tool in members]
        candidates += controls(task)
        records = [score_candidate(task, c, chosen, progress=progress, tolerant=True) for c in candidates]
        name = f"{n} path{'s' * (n != 1)} of {t} frames of {sized(height, width)}"
        tables = tuple(r for r in records if not r.control), tuple(r for r in records if r.control)
        boards.append(Leaderboard(name, *tables, tuple(chosen)))
        profiles.append({c.name: profile_of(c.frames(task, task.pairs, task.positions)) for c in candidates})
        scores = [s for record in records for s in record.scores.values()]
        notes += [f"{title} failed: {error}" for title, error in {s.title: s.error for s in scores if s.error}.items()]
        notes += [f"not applicable: {text}" for text in grouped({s.title: s.reason for s in scores if s.reason})]
    return FrameScores(tuple(boards), tuple(profiles), tuple(dict.fromkeys(notes)))


def _named(
    paths: FramesLike | Sequence[str | os.PathLike[str]] | Mapping[str, FramesLike],
) -> Mapping[str, FramesLike]:
    if isinstance(paths, Mapping):
        named = {str(name): source for name, source in paths.items()}
    elif isinstance(paths, (Tensor, np.ndarray)):
        named: dict[str, FramesLike] = {"frames": paths}
    else:
        files = [paths] if isinstance(paths, (str, os.PathLike)) else paths
        if not isinstance(files, Iterable) or not all(isinstance(f, (str, os.PathLike)) for f in files):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"paths = {quoted(paths)}: expected files or folders of frames, or a mapping from names")
        names = distinct([Path(os.fspath(file)) for file in files])
        named = {name: path for path, name in names.items()}
    if not named:
        raise InputError("there are no frames to score: give at least one folder, film or array")
    taken = {"jump", "blend", "nearest"} & {*named}
    if taken:
        raise InputError(f"{taken.pop()!r} is the name of a control: give the tool another name")
    return named


def _metrics(patterns: Sequence[str]) -> list[NamedMetric]:
    found = [named for named in metrics_named(patterns) if named.metric.needs <= _POSSIBLE]
    if not found:
        raise UnknownNameError(
            f"{' and '.join(map(quoted, patterns))} need a model or the truth: use 'interpzoo evaluate'"
        )
    return found


def _one_color(tools: list[Paths]) -> list[Paths]:
    """All gray, or all in color."""
    if len({tool.frames.shape[2] for tool in tools}) == 1:
        return tools
    return [Paths(p.name, p.frames.expand(*p.frames.shape[:2], 3, *p.frames.shape[3:]), p.notes) for p in tools]


def _ends(ends: tuple[ImageInput, ImageInput] | None, members: Sequence[Paths]) -> tuple[Tensor, Tensor]:
    frames = members[0].frames
    if ends is None:
        return frames[:, 0], frames[:, -1]
    if not isinstance(ends, (tuple, list)) or len(ends) != 2:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"ends = {quoted(ends)}: expected the first images and the last images, as a pair")
    first, last = (as_batch(images, ImageSpec.of(frames.shape)) for images in ends)
    if not len(first) == len(last) == len(frames):
        raise InputError(
            f"ends are {len(first)} first and {len(last)} last images for the {len(frames)} paths of "
            f"{members[0].name!r}: expected a pair of images for each path"
        )
    return first.cpu(), last.cpu()
