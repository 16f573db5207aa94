"""`stimuli`: frames between many pairs of images, as files with a manifest, the same on every run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, nullcontext
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from interpzoo.arguments import called
from interpzoo.config import ImageSpec
from interpzoo.errors import ImageError, InputError, OutputError
from interpzoo.features import Features, default_features, features_named
from interpzoo.files import expanded, filled, is_leftover, open_regular, write_text, writing
from interpzoo.framing import Frame
from interpzoo.metrics.along import step_lengths
from interpzoo.model import InterpolationModel
from interpzoo.packs.contents import Settings, about, claimed, conditions_of, settings_of, versions
from interpzoo.packs.frames import ROWS, FrameFormat, Sheets, thumbnails, write_frame
from interpzoo.packs.manifest import COLUMNS, MANIFEST, Manifest, Parts, Row
from interpzoo.packs.pairs import Pair, pairs_of
from interpzoo.packs.texts import Condition, methods_text, write_programs
from interpzoo.pretrained.load import load
from interpzoo.processes import agreed, all_done, is_alone, is_first, turns
from interpzoo.progress import Progress
from interpzoo.spacing import NamedSpacing, Spacing, measure_of, warn_if_uneven
from interpzoo.tensors import NumberInput
from interpzoo.text import quoted

FRAMES: Final = "frames"
METHODS: Final = "methods.md"

_AT_ONCE: Final = 64  # frames that are decoded at once: always as many, for the same bits


def stimuli(
    models: str | Path | Sequence[str | Path],
    pairs: str | os.PathLike[str] | Iterable[Sequence[str | os.PathLike[str]]],
    output: str | Path,
    *,
    steps: int = 11,
    t: NumberInput | None = None,
    spacing: NamedSpacing = "even",
    features: str | None = None,
    size: Sequence[int] | None = None,
    interpolators: Sequence[str] = (),
    frame: Frame | None = None,
    format: FrameFormat = "png",
    device: str | None = None,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Make a pack of stimuli: the frames between each pair of images, as files, with all that an experiment needs.

    In the folder are ``frames/``, ``manifest.csv`` (a row for each frame), contact sheets, ``methods.md`` (sentences
    for a methods section, with citations), and for pictures ``experiment.html`` (jsPsych) and ``experiment.py``
    (PsychoPy), which show the frames in the order of the manifest. Each pair is computed alone, in one thread, so that
    the files do not depend on other pairs or on the number of threads. A run that was stopped or killed continues where
    it was, with the same arguments; what was done before is checked by its hashes. Memory does not grow with the number
    of pairs. Processes that torchrun or accelerate has started share the paths; the first one finishes the pack, and
    the others may return before.

    Args:
        models: names, folders or repositories as `load` takes them, one or several.
        pairs: a CSV file with the columns ``first`` and ``second``, image files relative to it, and, if you like,
            ``pair`` with a name; or pairs of image files. At most 100,000.
        output: a new or empty folder, or one with a part of the same pack.
        steps: frames of a path, both ends included.
        t: positions instead, such as [0, 0.25, 0.5, 0.75, 1].
        spacing: ``even``: at even distances between images; ``linear``: even in t.
        interpolators: registered names of paths; the model's own by default.
        frame: ``face`` or ``ink``, see `InterpolationModel.frame`.

    Other Parameters:
        features: a network to measure distances by, see `interpzoo.features.features_named`, also for even steps; the
            manifest has distances by that of the model's data set by default, or by random convolutions.
        size: (height, width), for a model that takes any size.
        format: ``png``, ``png16`` (16 bits a channel) or ``npy`` (float32, not clamped).
        device: where to compute; the CPU by default. Other devices may give other bits on another machine.
        progress: called at first, with what is done already, and after each path; with several processes, in the first
            one, after each path of its own.

    Returns:
        The path of the manifest.

    Raises:
        InputError: an argument or a table is not valid.
        ImageError: an image cannot be read, or has no face; the paths before it are kept, and the next run continues.
        OutputError: the folder holds something else, or another pack; another run writes to it; or it cannot be
            written.
        UnknownNameError, ConfigError, WeightsError, HubError, PluginError: as `load`.
    """
    settings = settings_of(steps, t, spacing, features, size, frame, format)
    found = pairs_of(pairs)
    called("progress", progress)
    if not isinstance(models, (str, Path, Iterable)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"models = {quoted(models)}: expected names or folders of models, one or several")
    names = [models] if isinstance(models, (str, Path)) else [*models]
    if not names:
        raise InputError("models is empty: expected at least one name")
    sources = conditions_of(names, interpolators)
    conditions = [condition for condition, _ in sources]
    # Of several processes that share a pack the first one has the lock.
    mine = claimed(output, about(found, conditions, settings)) if is_first() else nullcontext(expanded(output))
    with mine as folder, _one_thread():
        loaded = {condition.model: load(source, device=device) for condition, source in sources}
        return _Pack(folder, found, conditions, loaded, settings).run(progress)


class _Pack:
    """A pack that is being made."""

    def __init__(
        self,
        folder: Path,
        pairs: Sequence[Pair],
        conditions: Sequence[Condition],
        models: dict[str, InterpolationModel],
        settings: Settings,
    ) -> None:
        self._folder = folder
        self._pairs = pairs
        self._conditions = conditions
        self._models = models
        self._settings = settings
        self._manifest = Manifest(folder)
        self._parts = Parts(folder)
        self._versions = versions()
        self._networks: dict[tuple[str, tuple[int, ...]], Features] = {}

    def run(self, progress: Progress) -> Path:
        """Make what is missing."""
        total = len(self._pairs) * len(self._conditions)
        done = int(agreed(str(self._done() if is_first() else 0)))
        whole = done == total and (self._folder / MANIFEST).is_file() and (self._folder / METHODS).is_file()
        if is_first():
            progress(done, total)
        self._share(done, total, progress)
        if not all_done() or whole:
            return self._folder / MANIFEST
        self._manifest.keep(done, self._settings.steps)
        sheets = Sheets(self._folder / "contact", done)
        for number, group in enumerate(self._manifest.groups(self._settings.steps)):
            if number >= done - done % ROWS:
                self._show(sheets, group)
        for number in range(done, total):
            rows = self._part(number) or self._made(number)
            self._manifest.add(rows)
            self._show(sheets, rows)
            if is_alone():
                progress(number + 1, total)
        sheets.finish()
        self._write_texts()
        self._parts.remove()
        return self._manifest.finish()

    def _share(self, done: int, total: int, progress: Progress) -> None:
        """Make the paths from number `done` on, those of them that no other process makes; alone none."""
        for turn in () if is_alone() else turns():
            if (number := done + turn) >= total:
                return
            if self._part(number) is None:
                self._parts.add(number, self._made(number))
            if is_first():
                progress(number + 1, total)

    def _part(self, number: int) -> list[Row] | None:
        """The rows of a path that one of several processes has made, now or in a former run, if its files are there."""
        rows = self._parts.rows(number, self._settings.steps)
        return rows if rows is not None and self._is_made(number, rows) else None

    def _show(self, sheets: Sheets, rows: Sequence[Row]) -> None:
        sheets.add(_label(rows[0]), thumbnails([self._folder / row["file"] for row in rows]))

    def _done(self) -> int:
        """How many paths are there already, each with all of its files as they were written, from the first on."""
        for leftover in self._folder.glob(f"{FRAMES}/**/.*.tmp"):
            if is_leftover(leftover):
                shutil.rmtree(leftover, ignore_errors=True)
        done = 0
        for number, group in enumerate(self._manifest.groups(self._settings.steps)):
            if number == len(self._pairs) * len(self._conditions) or not self._is_made(number, group):
                break
            done += 1
        return done

    def _is_made(self, number: int, rows: Sequence[Row]) -> bool:
        """Whether the files of a path are as they were written; raises an `OutputError` if its images have changed."""
        pair = self._pairs[number // len(self._conditions)]
        for column, file in (("first", pair.first), ("second", pair.second)):
            if rows[0][f"{column}_sha256"] != _hash(file):
                raise OutputError(
                    f"{str(file)!r} is not the image that frames of pair {pair.name!r} were made from: put that one "
                    "back, or choose another folder"
                )
        return all(_is_there(row, self._folder) for row in rows)

    def _made(self, number: int) -> list[Row]:
        """As `_make`; an error of an image says which pair it is of."""
        try:
            return self._make(number)
        except ImageError as error:
            raise ImageError(f"{self._pairs[number // len(self._conditions)].origin}: {error}") from error

    @torch.no_grad()
    def _make(self, number: int) -> list[Row]:
        """The rows of a path, whose folder of frames appears whole or not at all."""
        pair = self._pairs[number // len(self._conditions)]
        condition = self._conditions[number % len(self._conditions)]
        model, settings = self._models[condition.model], self._settings
        shown: Any = [pair.first, pair.second]
        if settings.frame is not None:
            shown = model.frame(shown, settings.frame, size=settings.size)
        z0, z1 = model.encode(shown, size=settings.size).split(1)
        where: dict[str, Any] = {"t": settings.t} if settings.t is not None else {"steps": settings.steps}
        spacing: Spacing = "linear"
        if settings.t is None and settings.spacing == "even":
            spacing = "even" if settings.features is None else self._network(model, model.decode(z0))
        codes, t = model.walk(z0, z1, spacing=spacing, interpolator=condition.path, **where)
        frames = torch.cat([model.decode(part).cpu() for part in codes[0].split(_AT_ONCE)])
        warn_if_uneven(frames[None], measure_of(spacing))
        pixels, features = _along(frames), _along(self._network(model, frames)(frames))
        common = {
            "pair": pair.name,
            "first": pair.first.name,
            "second": pair.second.name,
            "model": condition.model,
            "path": condition.path,
            "first_sha256": _hash(pair.first),
            "second_sha256": _hash(pair.second),
            "revision": condition.revision,
            "weights_sha256": condition.weights,
            "versions": self._versions,
        }
        rows: list[Row] = []
        for step, file in enumerate(self._write(Path(FRAMES, condition.label, pair.name), frames)):
            own = {"file": file.as_posix(), "step": str(step), "sha256": _hash(self._folder / file)}
            numbers = {"t": float(t[0, step]), "pixels": pixels[step], "features": features[step]}
            row = {**common, **own, **{name: f"{number:.6f}" for name, number in numbers.items()}}
            rows.append({column: row[column] for column in COLUMNS})
        return rows

    def _write(self, inside: Path, frames: Tensor) -> list[Path]:
        """The files of a path, relative to the pack."""
        form = self._settings.form
        digits = max(2, len(str(len(frames) - 1)))
        names = [f"{step:0{digits}}.{'npy' if form == 'npy' else 'png'}" for step in range(len(frames))]
        target = self._folder / inside
        with writing(target):
            shutil.rmtree(target, ignore_errors=True)
            target.parent.mkdir(parents=True, exist_ok=True)
        with filled(target) as (_, scratch):
            for name, frame in zip(names, frames, strict=True):
                write_frame(scratch / name, frame, form)
        return [inside / name for name in names]

    def _network(self, model: InterpolationModel, frames: Tensor) -> Features:
        """What distances of frames (T, C, H, W) are measured by."""
        spec = ImageSpec.of(frames.shape)
        key = model.name, spec.shape
        if key not in self._networks:
            trained = model.config.trained
            self._networks[key] = (
                default_features("" if trained is None else trained.data.name, spec)
                if self._settings.features is None
                else features_named(self._settings.features, spec)
            )
        return self._networks[key]

    def _write_texts(self) -> None:
        settings = self._settings
        if settings.form != "npy":
            write_programs(self._folder)
        by = settings.features or "pixel values (root mean square difference)"
        where = f"They lie at equal distances from each other, by {by}."
        if settings.t is not None:
            where = f"They lie at the positions {', '.join(f'{t:g}' for t in settings.t)} of the path."
        elif settings.spacing == "linear":
            where = "They lie at even positions from 0 to 1 of the path."
        kind = {"png": "PNG, 8 bits a channel", "png16": "PNG, 16 bits a channel", "npy": "arrays of float32"}
        networks = " and ".join(dict.fromkeys(network.name for network in self._networks.values()))
        text = methods_text(
            self._conditions,
            pairs=len(self._pairs),
            steps=settings.steps,
            where=where + (f" Distances of features in the manifest are by {networks}." if networks else ""),
            kind=kind[settings.form],
            versions=self._versions,
        )
        write_text(self._folder / METHODS, text)


@contextmanager
def _one_thread() -> Generator[None, None, None]:
    """Sums are then in one order, so that frames have the same bits whatever the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _along(points: Tensor) -> list[float]:
    """Lengths of the path from its first point to each (T, ...), in root mean square differences."""
    if len(points) < 2:
        return [0.0] * len(points)
    return [0.0, *step_lengths(points[None].flatten(2))[0].cumsum(0).tolist()]


def _label(row: Row) -> str:
    """The names of the folders that a path is in, below `FRAMES`."""
    return " ".join(Path(row["file"]).parts[1:-1])


def _hash(file: Path) -> str:
    try:
        with open_regular(file) as content:
            return sha256(content.read()).hexdigest()
    except OSError as error:
        raise ImageError(f"{str(file)!r}: the image cannot be read: {error.strerror or error}") from error


def _is_there(row: Row, folder: Path) -> bool:
    file = folder / row["file"]
    return file.is_file() and _hash(file) == row["sha256"]
