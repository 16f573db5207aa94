"""Many pairs to a folder, by one process and by several: ``python benchmarks/streams.py [MODEL] [--pairs 2000]``.

Pairs are drawn with a fixed seed from 256 held-out images, given to ``interpzoo interpolate MODEL - -o FOLDER`` as a
list of files. Each process has one thread. The table has the CPU seconds of all processes, the pairs a second (by the
clock, start included, so that few pairs say little), the largest memory of a process, and the bytes written.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from interpzoo.build import build_component
from interpzoo.interfaces import DataSet
from interpzoo.markdown import markdown_table
from interpzoo.pictures import save_frames
from interpzoo.pretrained.load import load

_IMAGES = 256


def pictures(name: str, folder: Path, root: Path | None) -> list[Path]:
    """Held-out images of the model's data set, as files."""
    model = load(name)
    if model.config.trained is None:
        sys.exit(f"{name} does not say on which data it was trained")
    images = build_component(DataSet, model.config.trained.data, model.config.image, root).test(_IMAGES)["image"]
    return save_frames(folder, images)


def row(name: str, steps: int, processes: int, pairs: Path, count: int) -> list[str]:
    """One row of the table."""
    several = (
        ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)] if processes > 1 else []
    )
    with TemporaryDirectory(dir=pairs.parent) as folder:
        output = Path(folder, "walks")
        command = [sys.executable, *several, "-m", "interpzoo", "interpolate", name, "-", "--steps", str(steps), "-o"]
        begin = time.perf_counter()
        with pairs.open() as lines:
            child = subprocess.Popen(
                [*command, str(output)],
                stdin=lines,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
            _, status, used = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            sys.exit(f"{' '.join(command)} ended with {child.returncode}")
        written = sum(file.stat().st_size for file in output.rglob("*.png"))
    cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20  # of the largest of all its processes
    cells = f"{cpu:.0f}", f"{seconds:.0f}", f"{count / seconds:.0f}", f"{peak:.2f}", f"{written / 1e6:.0f}"
    return [f"{count:,}", str(processes), *cells]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="Many pairs to a folder, by one process and by several.")
    parser.add_argument("model", nargs="?", default="acai-mnist")
    parser.add_argument("--pairs", type=int, nargs="+", default=[2000])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--steps", type=int, default=9)
    parser.add_argument("--data-root", type=Path)
    given = parser.parse_args(arguments)
    rows: list[list[str]] = []
    with TemporaryDirectory() as folder:
        files = pictures(given.model, Path(folder, "images"), given.data_root)
        drawn = torch.randint(len(files), (2 * max(given.pairs),), generator=torch.Generator().manual_seed(0)).tolist()
        for count in given.pairs:
            listed = Path(folder, "pairs.txt")
            listed.write_text("\n".join(str(files[index]) for index in drawn[: 2 * count]), "utf-8")
            for processes in given.processes:
                rows.append(row(given.model, given.steps, processes, listed, count))
                sys.stderr.write(f"{' | '.join(rows[-1])}\n")
    header = ("pairs", "processes", "CPU seconds", "seconds", "pairs a second", "peak GiB", "MB written")
    sys.stdout.write(f"`python benchmarks/streams.py {' '.join(arguments)}`\n\n{markdown_table(header, rows)}")


if __name__ == "__main__":
    main(sys.argv[1:])
