"""Tables in Markdown."""

from collections.abc import Iterable, Sequence

from interpzoo.text import printable


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, one line for each row, with a line break at the end of each, whatever the cells hold."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(printable(cell).replace('|', '&#124;') for cell in cells)} |\n" for cells in lines)
