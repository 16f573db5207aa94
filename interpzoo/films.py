"""Films: frames that are played, as MP4, GIF, animated WebP or APNG."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from interpzoo.arguments import LENGTHS, MOST_FRAMES, RATES, one_of, real, whole
from interpzoo.errors import InputError, MissingDependencyError, OutputError, how_to_install, warn
from interpzoo.files import ANIMATIONS, FILMS, atomic_write
from interpzoo.pictures import Enlarge, Frames, Sheet
from interpzoo.progress import tracked
from interpzoo.text import explained, quoted, sized
from interpzoo.writing import suffix_of, write_pictures

Loop = Literal["back-and-forth", "closed", "once"]
"""How a film continues after its last frame. ``back-and-forth``: back to the first frame, and again. ``closed``: on to
the first frame, which the last one repeats, and again. ``once``: it stops. An MP4 has one round; players repeat it."""

Easing = Literal["linear", "in-out"]
"""How the speed changes. ``linear``: it is even. ``in-out``: it rises at the start and falls at the end."""

MOST_SIDE: Final = 4096
"""Longest side of an MP4, in pixels: what the decoders of phones and browsers take."""

_VISIBLE: Final = 256  # pixels that the longer side of a film is enlarged to
_HUNDREDTHS: Final = (2, 65_535)  # of one frame of a GIF; browsers slow down what is faster
_MOST_SECONDS: Final = 655.0  # of one frame of a GIF
_WRITING: Final = "writing the film"
_RATE: Final = 25.0
_BT709: Final = 1  # in the tables of H.264 for primaries, transfer and matrix


def ease(steps: int = 9, easing: Easing = "in-out") -> Tensor:
    """Positions (steps,) from 0 to 1 along a path, for ``t=`` of `InterpolationModel.interpolate` and ``morph``.

    Args:
        steps: number of frames, both ends included; 2 to 10,000.
        easing: ``in-out``: 3x^2 - 2x^3 at even x, slow at the ends. ``linear``: even.

    Raises:
        InputError: `steps` or `easing` is not valid.

    Example:
        >>> import interpzoo
        >>> interpzoo.ease(5)
        tensor([0.0000, 0.1562, 0.5000, 0.8438, 1.0000])
    """
    x = torch.linspace(0, 1, whole("steps", steps, 2, MOST_FRAMES))
    return x if one_of("easing", easing, get_args(Easing)) == "linear" else x.square() * (3 - 2 * x)


def save_video(
    path: str | os.PathLike[str],
    frames: Frames,
    *,
    fps: float | None = None,
    seconds: float | None = None,
    loop: Loop = "back-and-forth",
    hold: float = 0.0,
    keys: Sequence[int] | None = None,
    scale: int | None = None,
    enlarge: Enlarge = "smooth",
) -> None:
    """Write interpolations as a film: MP4 (H.264, yuv420p), GIF, animated WebP or APNG.

    Args:
        path: the file, ``.mp4``, ``.gif``, ``.webp`` or ``.apng``. MP4 needs the package ``av`` (the extra ``film``).
        frames: (T, C, H, W) or (rows, T, C, H, W), rows side by side; values are clamped to [0, 1]. A mapping from
            labels to such tensors writes the labels above. An odd size of an MP4 gets one more row or column, of the
            edge's colors.
        fps: frames a second, 0.01 to 120; 25 if `seconds` is not given either.
        seconds: length of one round of the film instead, still frames included.
        loop: ``back-and-forth``, ``closed`` (for frames that end where they begin, as of a morph from `a` to `a`) or
            ``once``.
        hold: seconds for which the film stands still at each of `keys`.

    Other Parameters:
        keys: numbers of frames, from 0; by default the first and the last.
        scale: how many times as large each image becomes; ``None`` enlarges small images to at least 256 pixels.
        enlarge: ``smooth`` or ``nearest``.

    A GIF shows a frame for whole hundredths of a second, and at least for two: another duration is rounded, with a
    warning. For slow ends compute the frames at eased positions: ``model.interpolate(a, b, t=ease(50))``.

    Raises:
        ImageError: a wrong shape, or values that are not finite.
        InputError: another argument is not valid.
        OutputError: the suffix is unknown, or the file cannot be written; an existing file is then left as it was.
        MissingDependencyError: ``av`` is not installed.

    Example:
        >>> import interpzoo
        >>> model = interpzoo.load("acai-mnist")
        >>> a, b = model.decode(model.examples[:2])
        >>> interpzoo.save_video("film.webp", model.interpolate(a, b, t=interpzoo.ease(25)), seconds=2)
    """
    suffix = suffix_of(path, FILMS)
    sheet = Sheet(frames, scale, enlarge, _VISIBLE)
    shots, period = _shots(sheet.count, fps, seconds, loop, hold, keys)
    if suffix == ".mp4":
        _write_mp4(path, sheet, shots, period)
    else:
        _write_animation(path, suffix, sheet, shots, endless=loop != "once")


def save_gif(path: str | os.PathLike[str], frames: Frames, *, scale: int | None = None, seconds: float = 0.1) -> None:
    """Write interpolations as an endless animation, forward and back, with all rows side by side.

    It is `save_video` with other defaults: pixels stay squares, and a frame has a duration.

    Args:
        path: the file, ``.gif`` or ``.webp``.
        frames: as in `save_video`.
        scale: as in `save_strip`.
        seconds: duration of a frame, 0.01 to 655; in a GIF whole hundredths, and at least two of them.

    Raises:
        ImageError, OutputError: as `save_image`.
        InputError: `seconds` is out of range.
    """
    suffix = suffix_of(path, (".gif", ".webp"))
    period = real("seconds", seconds, 0.01, _MOST_SECONDS)
    sheet = Sheet(frames, scale, "nearest")
    shots = [_Shot(index, period) for index in _order(sheet.count, "back-and-forth")]
    _write_animation(path, suffix, sheet, shots, endless=True)


@dataclass(frozen=True)
class _Shot:
    """A frame that is shown for a time."""

    index: int
    seconds: float


def _order(count: int, loop: Loop) -> list[int]:
    there = [*range(count)]
    if loop == "back-and-forth":
        return there + there[-2:0:-1]
    return there[: max(1, count - 1)] if loop == "closed" else there


def _shots(
    count: int, fps: float | None, seconds: float | None, loop: Loop, hold: float, keys: Sequence[int] | None
) -> tuple[list[_Shot], float]:
    """What one round shows, and how long it shows a frame that it does not hold."""
    one_of("loop", loop, get_args(Loop))
    hold = real("hold", hold, 0, _MOST_SECONDS)
    try:
        still = {whole("keys", key, 0, count - 1) for key in ((0, count - 1) if keys is None else keys)}
    except TypeError:
        raise InputError(f"keys = {quoted(keys)}: expected numbers of frames") from None
    order = _order(count, loop)
    held = hold * sum(index in still for index in order)
    if fps is not None and seconds is not None:
        raise InputError(f"fps = {quoted(fps)} and seconds = {quoted(seconds)}: give one of them, not both")
    if seconds is None:
        period = 1 / real("fps", _RATE if fps is None else fps, *RATES)
    else:
        period = (real("seconds", seconds, *LENGTHS) - held) / len(order)
        if not 1 / RATES[1] <= period <= _MOST_SECONDS:
            rate = f"{1 / period:.4g} a second" if period > 0 else "no time, as the still frames take all of it"
            raise InputError(
                f"seconds = {seconds}: {len(order):,} frames would be shown at {rate}, expected "
                f"{1 / _MOST_SECONDS:.2g} to {RATES[1]:g} a second: choose other seconds, hold or frames"
            )
    return [_Shot(index, period + hold * (index in still)) for index in order], period


def _write_animation(
    path: str | os.PathLike[str], suffix: str, sheet: Sheet, shots: Sequence[_Shot], *, endless: bool
) -> None:
    if suffix == ".gif":
        durations = [10 * min(max(round(100 * shot.seconds), _HUNDREDTHS[0]), _HUNDREDTHS[1]) for shot in shots]
        odd = {
            shot.seconds: ms for shot, ms in zip(shots, durations, strict=True) if abs(1e3 * shot.seconds - ms) > 0.5
        }
        for seconds, ms in odd.items():
            warn(
                f"{os.fspath(path)!r}: a GIF shows a frame for whole hundredths of a second, at least 2: "
                f"{ms / 1000:g} s instead of {seconds:.4g} s"
            )
    else:  # whole milliseconds; rounding the times instead of the durations keeps the film's length
        ends = np.cumsum([0.0, *(1000 * shot.seconds for shot in shots)]).round().astype(int)
        durations = [max(1, int(ms)) for ms in np.diff(ends)]
    pictures: dict[int, Image.Image] = {}
    for shot in shots:
        pictures.setdefault(shot.index, sheet.frame(shot.index))
    if suffix == ".gif" and sum(durations) > 10 * _HUNDREDTHS[1]:
        _check_joined([pictures[shot.index] for shot in shots], durations)
    options: dict[str, Any] = {"duration": durations if len(durations) > 1 else durations[0]}
    if endless:
        options["loop"] = 0
    elif suffix != ".gif":  # a GIF without the word is played once
        options["loop"] = 1
    write_pictures(path, ANIMATIONS, (pictures[shot.index] for shot in tracked(_WRITING, shots)), **options)


def _check_joined(pictures: Sequence[Image.Image], durations: Sequence[int]) -> None:
    """Raise an `InputError` if equal frames in a row, which Pillow joins to one, are shown longer than a GIF can."""
    most, shown, before = 10 * _HUNDREDTHS[1], 0, None
    for picture, ms in zip(pictures, durations, strict=True):
        shown = shown + ms if picture == before else ms
        if shown > most:
            raise InputError(
                f"equal frames would stand still for {shown / 1000:g} s, expected at most {most / 1000:g} s in a GIF: "
                "choose a shorter hold or fewer seconds, or write a .webp or .apng"
            )
        before = picture


def _write_mp4(path: str | os.PathLike[str], sheet: Sheet, shots: Sequence[_Shot], period: float) -> None:
    try:
        av: Any = import_module("av")
    except ImportError:
        raise MissingDependencyError(
            f"MP4 films need PyAV: {how_to_install('film')}; or write a .gif, .webp or .apng"
        ) from None
    width, height = sheet.frame_size
    if max(width, height) > MOST_SIDE:
        raise InputError(
            f"a film of {sized(height, width)} pixels, expected sides of at most {MOST_SIDE:,} in an MP4: choose a "
            "smaller scale or fewer rows, or write a .webp or .apng"
        )
    rate = Fraction(1 / period).limit_denominator(1001)
    pictures = [shot.index for shot in shots for _ in range(max(1, round(shot.seconds / period)))]
    with atomic_write(path) as temporary:
        try:
            _encode(av, temporary, (_even(sheet.frame(index)) for index in tracked(_WRITING, pictures)), rate)
        except av.error.FFmpegError as error:
            if isinstance(error, OSError) and error.strerror:
                raise
            raise OutputError(f"cannot write {os.fspath(path)!r} as MP4: {explained(error)}") from error


def _even(picture: Image.Image) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """The pixels (H, W, 3), H and W even: the last row and column are repeated where they are not."""
    pixels = np.asarray(picture.convert("RGB"))
    return np.pad(pixels, ((0, pixels.shape[0] % 2), (0, pixels.shape[1] % 2), (0, 0)), mode="edge")


def _encode(av: Any, path: Path, pictures: "Iterator[np.ndarray[Any, np.dtype[np.uint8]]]", rate: Fraction) -> None:
    first = next(pictures)
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        # What every browser, phone and editor plays; crf 16 is hardly told from the original.
        stream = container.add_stream("libx264", rate=rate, options={"crf": "16", "preset": "slow", "profile": "high"})
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = 1  # limited, as players expect
        for pixels in chain([first], pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
