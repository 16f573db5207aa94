"""Follows every link of a built site, and finds whatever it would load from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

_LOADING: Final = {"img": "src", "script": "src", "link": "href", "source": "src", "video": "src", "iframe": "src"}
"""The attribute of each element that names what a browser fetches by itself."""
_STYLED: Final = re.compile(r"""url\(\s*['"]?([^'")]+)|@import\s+['"]([^'"]+)""")


class _Page(HTMLParser):
    """The anchors and links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = {"", "top"}
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors.update(given[name] for name in ("id", "name") if name in given)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in _LOADING and _LOADING[tag] in given:
            self.loaded.append(given[_LOADING[tag]])


def faults(site: Path) -> Iterator[str]:
    """One line for each link that leads nowhere, and for each thing that is loaded from elsewhere."""
    pages = {path.resolve(): _Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        for target in page.loaded:
            if target != "#" and not target.startswith("data:") and not _exists(path, target):
                yield f"{name} loads {target}"
        for target in page.links:
            if not urlsplit(target).scheme and not _leads(path, target, pages):
                yield f"{name} links to {target}"
    for path in sorted(site.rglob("*.css")):
        for found in _STYLED.finditer(path.read_text("utf-8")):
            target = found[1] or found[2]
            if not target.startswith(("data:", "#")) and not _exists(path, target):
                yield f"{path.relative_to(site)} loads {target}"


def _exists(page: Path, target: str) -> bool:
    parts = urlsplit(target)
    return not parts.scheme and not parts.netloc and (page.parent / unquote(parts.path)).is_file()


def _leads(page: Path, target: str, pages: dict[Path, _Page]) -> bool:
    parts = urlsplit(target)
    path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if parts.netloc or not path.is_file():
        return False
    # What follows '#' in the gallery is the choice of models.
    return path not in pages or "=" in parts.fragment or unquote(parts.fragment) in pages[path].anchors
