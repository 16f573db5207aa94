"""The plot of frames: how tools and controls change along the path."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from interpzoo.benchmark.plots import matplotlib_figure, save_figure
from interpzoo.scoring.profile import Profile

_CONTROLS: Final = {"jump": ":", "blend": "--", "nearest": "-."}


def save_profiles(path: str | os.PathLike[str], boards: Sequence[tuple[str, Mapping[str, Profile]]]) -> None:
    """A PNG with a row of three panels for each table of tools: steps, sharpness, and distance from a fade.

    Raises as `save_figure`, and a `MissingDependencyError` without matplotlib.
    """
    figure: Any = matplotlib_figure()(figsize=(13, 3.4 * len(boards)), layout="constrained")
    panels: Any = figure.subplots(len(boards), 3, squeeze=False)
    for (title, profiles), row in zip(boards, panels, strict=True):
        for name, profile in profiles.items():
            even = [share * len(profile.steps) for share in profile.steps]
            between = [(index + 0.5) / len(even) for index in range(len(even))]
            t = [index / (len(profile.fade) - 1) for index in range(len(profile.fade))]
            look = {"linestyle": _CONTROLS.get(name, "-"), "linewidth": 1.3, "marker": ".", "label": name}
            look |= {"color": "0.5"} if name in _CONTROLS else {}
            for panel, x, y in zip(row, (between, t, t), (even, profile.sharpness, profile.fade), strict=True):
                panel.plot(x, y, **look)
        words = ("step, in mean steps", "sharpness, of the ends'", "distance from a fade, of the ends' distance")
        for panel, label in zip(row, words, strict=True):
            panel.set_title(label, fontsize=9)
            panel.set_xlabel("along the path", fontsize=8)
            panel.set_xlim(0, 1)
            panel.set_ylim(bottom=0)
            panel.tick_params(labelsize=7)
        highest = max((max(p.steps) * len(p.steps) for n, p in profiles.items() if n not in _CONTROLS), default=2.0)
        row[0].set_ylim(0, max(2.0, 1.1 * highest))  # the one step of a cut would hide all others
        row[0].set_ylabel(title, fontsize=8)
        row[0].legend(fontsize=7)
    save_figure(figure, path)
