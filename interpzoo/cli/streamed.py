"""Many paths to a folder: written as they are computed, and shared by the processes that torchrun has started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from interpzoo.cli.console import echo
from interpzoo.text import sized

if TYPE_CHECKING:
    from torch import Tensor

_PART: Final = 64  # pairs that a process takes at once


def write_shared(
    folder: Path, pairs: int, part: Callable[[int, int], Tensor], scale: int, enlarge: Literal["smooth", "nearest"]
) -> None:
    """Write the paths between so many pairs to a folder, as `save_frames` names them; say what was written.

    `part` gives the paths (rows, T, C, H, W) of the pairs from one to before another.
    """
    from interpzoo.cli.progress import PathProgress
    from interpzoo.files import filled
    from interpzoo.pictures import write_paths
    from interpzoo.processes import agreed, all_done, is_first, turns

    first_process, what = is_first(), ""
    with PathProgress() as progress, filled(folder, agreed, all_done) as (_, scratch):
        for turn in turns():
            first, end = turn * _PART, min(pairs, (turn + 1) * _PART)
            if first >= pairs:
                break
            frames = part(first, end).cpu()
            write_paths(scratch, first, frames, scale=scale, enlarge=enlarge)
            what = f" of {frames.shape[1]} frames of {sized(*frames.shape[3:])}"
            if first_process:
                progress(end, pairs)
    if first_process:
        echo(f"{folder}: {pairs} paths{what}")
