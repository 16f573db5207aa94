"""How much longer other solvers take to curves as good: ``python benchmarks/factors.py [--write]``.

Read from the tables of benchmarks/solvers, which benchmarks/geodesics.py writes. The rule: a curve is as good if the
energy of all pairs is at most 0.25 % above the lowest one in its table, and no pair is above the straight line. CPU
times are multiples of the default's (`interpzoo`). ``--write`` writes benchmarks/solvers/factors.md.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from interpzoo.files import write_text
from interpzoo.markdown import markdown_table

SOLVERS: Final = Path(__file__).parent / "solvers"
PAGE: Final = SOLVERS / "factors.md"
LIMIT: Final = 0.0025
"""Share of energy above the lowest one, up to which a curve is as good."""
NUMBERS: Final = {"small": 2, "riemannian-mnist": 8, "conv-32": 32, "conv-64": 64, "acai-celeba": 256}
"""How many numbers a code has, by table."""
DEFAULT: Final = "interpzoo"
_HEAD: Final = """\
# Geodesics: how much longer other solvers take

`python benchmarks/factors.py --write`, from the tables of this folder. Each cell has the CPU time as a multiple of that
of the default, `interpzoo`, and how much more energy the curves have than the best ones of the table. **Bold** are
curves as good as the best: at most 0.25 % more energy, and no pair above the straight line. A time is that of a whole
run: Adam always takes 1,000 iterations, and may be as good before.
"""


@dataclass(frozen=True)
class Row:
    """What one solver came to."""

    seconds: float
    """Of the CPU."""
    energy: float
    """Of all pairs, as a ratio to the straight lines'."""
    above: int
    """Pairs whose curve is above the straight line."""


def rows_of(text: str) -> dict[str, Row]:
    """The rows of a table of solvers, by solver."""
    cells = [[cell.strip() for cell in line.strip("|\n ").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return {name: Row(float(cpu), float(energy), int(above)) for name, cpu, _, energy, above, *_ in cells[2:]}


def cells(rows: dict[str, Row]) -> tuple[dict[str, str], list[float]]:
    """The cell of each solver, and the multiples of the solvers of others whose curves are as good."""
    lowest, default = min(row.energy for row in rows.values()), rows[DEFAULT].seconds
    found, factors = dict[str, str](), list[float]()
    for solver, row in rows.items():
        more, factor = row.energy / lowest - 1, row.seconds / default
        text = f"{factor:.0f}" if factor >= 10 else f"{factor:.1f}"
        good = round(more, 4) <= LIMIT and not row.above  # as shown: the tables are rounded, too
        found[solver] = f"**{text}** ({100 * more:.2f} %)" if good else f"{text} ({100 * more:.2f} %)"
        if good and not solver.startswith(DEFAULT):
            factors.append(factor)
    return found, factors


def _span(factors: list[float]) -> str:
    ends = dict.fromkeys(f"{factor:.0f}" for factor in (min(factors), max(factors)))
    return " to ".join(ends)


def page() -> str:
    """The multiples of all tables, in Markdown."""
    tables = {name: cells(rows_of((SOLVERS / f"{name}.md").read_text("utf-8"))) for name in NUMBERS}
    solvers = list(dict.fromkeys(solver for found, _ in tables.values() for solver in found))
    header = ["solver", *(f"[{name}]({name}.md), {numbers} numbers" for name, numbers in NUMBERS.items())]
    rows = [[solver, *(found.get(solver, "-") for found, _ in tables.values())] for solver in solvers]
    ranges = [f"{_span(good)} with {name}" for name, (_, good) in tables.items() if good]
    none = [name for name, (_, good) in tables.items() if not good]
    foot = f"Solvers of others that get to a curve as good, in times: {', '.join(ranges)}.\n"
    foot += f"None gets there with {' and '.join(none)}.\n" if none else ""
    return f"{_HEAD}\n{markdown_table(header, rows)}\n{foot}"


def main() -> None:
    """Print the page, or write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name} beside the tables")
    if parser.parse_args().write:
        write_text(PAGE, page())
    else:
        print(page())  # noqa: T201


if __name__ == "__main__":
    main()
