"""Where public names are used: the guides and notebooks whose code calls them, for their entries in the reference."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Final

import interpzoo
from tools.site.staging import DOCS, NAVIGATION, ROOT

_CODE: Final = re.compile(r"^```py(?:thon)?$(.*?)^```$", re.DOTALL | re.MULTILINE)
_MOST: Final = 4
_METHOD, _FUNCTION = "interpzoo.InterpolationModel.", "interpzoo."


@cache
def uses(name: str) -> list[str]:
    """The pages whose code calls a function of `interpzoo` or a method of models: a few, as the navigation has them."""
    last = name.rpartition(".")[2]
    if name.removeprefix(_METHOD) == last:
        call = re.compile(rf"\bmodel\.{last}\(")
    elif name.removeprefix(_FUNCTION) == last and last in interpzoo.__all__:
        call = re.compile(rf"(?:(?<![.\w])|\binterpzoo\.){last}\(")
    else:
        return []
    return [page for page, code in _pages() if call.search(code)][:_MOST]


@cache
def _pages() -> list[tuple[str, str]]:
    order = [page for pages in NAVIGATION.values() for page in pages]
    order = [page for page in order if page.startswith("guides")] + order
    return sorted(_read_pages(), key=lambda found: order.index(found[0]) if found[0] in order else len(order))


def _read_pages() -> Iterator[tuple[str, str]]:
    for path in (*sorted((DOCS / "guides").glob("*.md")), *sorted(DOCS.glob("*.md"))):
        name = path.relative_to(DOCS).with_suffix("").as_posix()
        yield name, "".join(_CODE.findall(path.read_text("utf-8")))
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        yield f"notebooks/{path.stem}", "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
