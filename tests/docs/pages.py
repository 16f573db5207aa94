"""The pages of the documentation and their code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
README: Final = ROOT / "README.md"
GUIDES: Final = (README, *sorted((ROOT / "docs").rglob("*.md")))
PAGES: Final = (*GUIDES, *(ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")))

_BLOCK: Final = re.compile(
    r"^(?:<!-- not run: (?P<why>[^\n]+) -->\n\n?)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True)
class Block:
    """A block of code on a page."""

    language: str
    text: str
    why: str
    """Why the tests do not run it, if they do not: what the comment before it says."""


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str = "") -> Iterator[Block]:
    """The blocks of a page in order, all or those of one language."""
    for match in _BLOCK.finditer(page.read_text("utf-8")):
        if language in ("", match["language"]):
            yield Block(match["language"], match["text"], match["why"] or "")


def commands(block: Block) -> list[str]:
    """The commands of a block for the shell."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [command for line in lines for command in line.split(" && ") if command.strip()]
