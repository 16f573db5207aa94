"""What the commands that draw have in common: how models draw, where frames lie, and how they are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from interpzoo.arguments import LENGTHS, MOST_FRAMES, RATES, real
from interpzoo.cli.console import echo
from interpzoo.cli.draw_options import RATE, RATE_OF_STEPS, SECONDS, STEPS, STRIPS
from interpzoo.cli.inputs import as_framed
from interpzoo.errors import InputError
from interpzoo.files import FILMS
from interpzoo.text import sized

if TYPE_CHECKING:
    from torch import Tensor

    from interpzoo.framing import Frame
    from interpzoo.images import ImageInput
    from interpzoo.model import InterpolationModel

_FILM_OPTIONS: Final = ("fps", "seconds", "hold", "loop")


@dataclass(frozen=True)
class Drawing:
    """What a command that draws was asked for, apart from models and images."""

    output: Path
    scale: int | None
    enlarge: Literal["smooth", "nearest"] | None
    batch_size: int | None
    device: str
    size: tuple[int, int] | None = None
    frame: Frame | None = None
    steps: int | None = None
    easing: Literal["linear", "in-out"] = "linear"
    t: Sequence[float] | None = None
    spacing: Literal["linear", "even"] = "linear"
    features: str | None = None
    fps: float | None = None
    seconds: float | None = None
    hold: float | None = None
    loop: Literal["back-and-forth", "closed", "once"] | None = None

    @property
    def is_film(self) -> bool:
        """Whether a film is written."""
        return self.output.suffix.lower() in FILMS and not self.output.is_dir()

    @property
    def is_folder(self) -> bool:
        """Whether one file is written for each frame."""
        return self.output.is_dir() or not self.output.suffix

    def check(self, ctx: click.Context) -> None:
        """Raise a usage error if options do not fit together."""
        given = [name for name in _FILM_OPTIONS if getattr(self, name) is not None]
        if self.loop == "closed":
            given.remove("loop")
        if given and not self.is_film:
            raise click.UsageError(f"--{given[0]} is for films: write to a file that ends in {', '.join(FILMS)}.", ctx)
        for name, least, most in (("fps", *RATES), ("seconds", *LENGTHS), ("hold", 0, LENGTHS[1])):
            if (value := getattr(self, name)) is not None:
                real(name, value, least, most)
        if self.features is not None and self.spacing == "linear":
            raise click.UsageError("--features is for even steps: give --spacing even.", ctx)
        if self.spacing == "even" and (self.t is not None or self.easing != "linear"):
            raise click.UsageError("--spacing even says where the frames lie: leave out --t and --easing.", ctx)
        if self.t is not None and (self.steps is not None or self.easing != "linear"):
            raise click.UsageError("--t says where the frames lie: leave out --steps and --easing.", ctx)
        if None not in (self.fps, self.seconds) and (self.steps is not None or self.t is not None):
            raise click.UsageError("--fps and --seconds say how many frames there are: leave out --steps and --t.", ctx)

    def framed(self, model: InterpolationModel, files: Sequence[str]) -> ImageInput:
        """What a model is given for files, see `as_framed`."""
        return as_framed(model, files, self.frame, self.size)

    def by_model_and_path(
        self,
        names: Sequence[str],
        draw: Callable[[InterpolationModel, str | None], Tensor],
        interpolators: Sequence[str] = (),
    ) -> dict[str, Tensor]:
        """What `draw` makes of each model with each interpolator, by a label that tells them apart."""
        from interpzoo.cli.progress import Waiting
        from interpzoo.pretrained.load import load

        found: dict[str, Tensor] = {}
        for name in names:
            model = load(name, device=self.device)
            for path in interpolators or (None,):
                words = [name] if len(names) > 1 else []
                words += [path] if path is not None and len(interpolators) > 1 else []
                with Waiting():
                    found[" ".join(words) or name] = draw(model, path).cpu()
        return found

    def positions(self, model: InterpolationModel, sections: int = 1) -> Mapping[str, Any]:
        """The arguments of `InterpolationModel.interpolate` that say where the frames of each section lie."""
        if self.t is not None:
            return {"t": self.t}
        if self.spacing == "linear":
            from interpzoo.films import ease

            return {"t": ease(self._count(sections), self.easing)}
        from interpzoo.features import features_named

        network = (
            None if self.features is None else features_named(self.features, model.config.image, device=model.device)
        )
        return {"steps": self._count(sections), "spacing": network or "even"}

    def _count(self, sections: int) -> int:
        if self.steps is not None or not self.is_film:
            return STEPS if self.steps is None else self.steps
        rate = RATE if self.fps is None else self.fps
        if self.seconds is None:
            return max(2, round(SECONDS * rate) + 1)
        back = self.loop in (None, "back-and-forth")
        ways, stops = sections * (2 if back else 1), 2 * sections if back else sections + (self.loop == "once")
        still = stops * (self.hold or 0)
        count = round((self.seconds - still) / ways * rate) + 1
        if not 2 <= count <= MOST_FRAMES:
            held = f" and {still:g} s of still images" if still else ""
            change = "fewer" if count > MOST_FRAMES else "a shorter hold, or more" if still else "more"
            raise InputError(
                f"seconds = {self.seconds:g}: a round has {ways} ways between images{held}, at {rate:g} frames a "
                f"second. Each way needs 1 to {MOST_FRAMES - 1:,} frames: choose {change} seconds or fps"
            )
        return count

    def write_paths(self, frames: Mapping[str, Tensor], sections: int = 1) -> None:
        """Write paths (rows, T, C, H, W) by their labels, which are shown if there are several; say what was written.

        `sections` is the number of parts between one image and the next that a path has.
        """
        self._write(frames, sections)
        paths = sum(len(table) for table in frames.values())
        count = next(iter(frames.values())).shape[1]
        echo(f"{self.output}: {paths} path{'s' * (paths != 1)} of {count} frames {_sizes(frames)}")

    def write_many(self, pairs: int, part: Callable[[int, int], Tensor]) -> None:
        """Write paths to a folder as they are computed, see `write_shared`."""
        from interpzoo.cli.streamed import write_shared

        write_shared(self.output, pairs, part, self.scale or 1, self.enlarge or "nearest")

    def write_images(self, images: Mapping[str, Tensor], columns: int) -> None:
        """Write images (n, C, H, W) by their labels, in a picture in rows of `columns`; say what was written."""
        from torch.nn.functional import pad

        count = sum(len(table) for table in images.values())
        if self.output.suffix.lower() in STRIPS and not self.output.is_dir():
            missing = -next(iter(images.values())).shape[0] % columns
            padded = {name: pad(table, (0,) * 7 + (missing,), value=1.0) for name, table in images.items()}
            rows = {name: table.unflatten(0, (-1, columns)) for name, table in padded.items()}
            if len(rows) > 1:  # the rows of one model after those of another; spaces keep their labels apart
                rows = {name + " " * n: row[None] for name, table in rows.items() for n, row in enumerate(table)}
            self._write(rows, 1)
        else:
            self._write({name: table[None] for name, table in images.items()}, 1)
        echo(f"{self.output}: {count} image{'s' * (count != 1)} {_sizes(images)}")

    def _write(self, frames: Mapping[str, Tensor], sections: int) -> None:
        from interpzoo.cli.progress import Waiting
        from interpzoo.films import save_video
        from interpzoo.pictures import save_frames, save_strip

        one = next(iter(frames.values()))
        shown = frames if len(frames) > 1 else one
        suffix = self.output.suffix.lower()
        if self.is_folder:
            save_frames(self.output, shown, scale=self.scale or 1, enlarge=self.enlarge or "nearest")
        elif suffix == ".npy":
            write_numbers(self.output, frames)
        elif self.is_film:
            with Waiting():
                save_video(
                    self.output,
                    shown,
                    **self._rate(),
                    loop=self.loop or "back-and-forth",
                    hold=self.hold or 0,
                    keys=range(0, one.shape[1], max(1, (one.shape[1] - 1) // sections)),
                    scale=self.scale,
                    enlarge=self.enlarge or "smooth",
                )
        else:
            save_strip(self.output, shown, scale=self.scale, enlarge=self.enlarge or "nearest")

    def _rate(self) -> Mapping[str, float]:
        fixed = self.steps is not None or self.t is not None
        if self.seconds is not None and (fixed and self.fps is None):
            return {"seconds": self.seconds}
        return {"fps": self.fps if self.fps is not None else RATE_OF_STEPS if fixed else RATE}


def _sizes(frames: Mapping[str, Tensor]) -> str:
    found = {tuple(table.shape[-2:]) for table in frames.values()}
    return f"of {', and of '.join(sized(*size) for size in sorted(found))}"


def write_numbers(output: Path, frames: Mapping[str, Tensor]) -> None:
    """Write the frames of one model as an array: (T, C, H, W), or (rows, T, C, H, W) if there are several paths.

    Raises an `InputError` if there are several models or interpolators.
    """
    from interpzoo.files import atomic_write
    from interpzoo.writing import write_array

    if len(frames) > 1:
        raise InputError(
            f"{str(output)!r} holds the frames of one model and one interpolator, got {len(frames)} of them: expected "
            "a folder, such as -o frames"
        )
    (table,) = frames.values()
    with atomic_write(output) as temporary:
        write_array(temporary, (table[0] if len(table) == 1 else table).numpy())
