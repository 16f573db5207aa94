"""The sources of the site: the pages of docs/ and of the project, what is made for it alone, and the navigation."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from tools.site import commands, gallery, reference

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
LEADERBOARD: Final = "leaderboard"
"""Folder of the page that `tools.leaderboard_page` writes into the built site."""

NAVIGATION: Final[dict[str, tuple[str, ...]]] = {
    "Start": ("install", "python", "commands"),
    "Guides": (
        "guides/morph",
        "guides/film",
        "guides/continuum",
        "guides/smile",
        "guides/frame",
        "guides/compare",
        "guides/score",
        "guides/train",
        "guides/in-the-browser",
        "guides/geodesics",
        "guides/any-autoencoder",
        "guides/export",
        "plugins",
        "guides/publish",
        "guides/*",
    ),
    "Models": ("models/index", "project/leaderboard", "studies/index"),
    "Ideas": (
        "ideas/which",
        "ideas/lines",
        "ideas/measure",
        "ideas/decoders",
        "ideas/claims",
        "ideas/acai",
        "ideas/amr",
        "ideas/gaia",
        "ideas/aeai",
        "ideas/skipvae",
        "ideas/fmvae",
        "ideas/lowbend",
        "ideas/riemannian",
        "ideas/metamorphosis",
        "ideas/lol",
        "ideas/*",
    ),
    "Notebooks": ("notebooks/first-steps", "notebooks/geometry", "notebooks/*"),
    "Reference": ("reference/methods", "reference/data", "reference/api/index", "reference/cli/index", "reference/*"),
    "Project": ("project/changelog", "project/contributing", "project/security"),
}
"""The pages of each part in order, without their endings; ``*`` stands for all others of a folder."""

_MOVED: Final = (
    ("README.md", "index.md"),
    ("LEADERBOARD.md", "project/leaderboard.md"),
    ("CHANGELOG.md", "project/changelog.md"),
    ("CONTRIBUTING.md", "project/contributing.md"),
    ("SECURITY.md", "project/security.md"),
    ("LICENSE", "project/LICENSE.txt"),
    ("CITATION.cff", "project/CITATION.cff.txt"),
    ("benchmarks/studies/", "studies/"),
    ("benchmarks/solvers/", "studies/solvers/"),
    ("notebooks/", "notebooks/"),
    ("model_cards", "models/index.md"),
    ("docs/", ""),
)
"""Where files and folders of the repository are in the site."""

_CARD: Final = re.compile(r"model_cards/([^/]+)/(README\.md|preview\.png)")
_LINK: Final = re.compile(r"(?P<mark>!?)\[(?P<text>[^\]\n]*)\]\((?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)")
_FENCED: Final = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)


def stage(target: Path) -> None:
    """Write all sources of the site to a new folder."""
    for path in _sources():
        staged = target / _place(path)
        staged.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            staged.write_text(_relinked(path), "utf-8")
        else:
            shutil.copy(path, staged)
    gallery.write(target / "models")
    reference.write(target / "reference" / "api")
    commands.write(target / "reference" / "cli")
    _list_studies(target / "studies")
    with (target / "project" / "leaderboard.md").open("a", encoding="utf-8") as page:
        page.write(f'\n<p><a href="../{LEADERBOARD}/index.html">The same tables to sort, with strips</a></p>\n')
    with (target / "index.md").open("a", encoding="utf-8") as index:
        index.write(_navigation(target))


def _sources() -> Iterator[Path]:
    yield from (path for path in DOCS.rglob("*") if path.is_file())
    for name, _ in _MOVED:
        path = ROOT / name
        if path.is_file() and name != "README.md":
            yield path
    for pattern in ("benchmarks/studies/*.md", "benchmarks/studies/*.jpg", "benchmarks/solvers/*", "notebooks/*.ipynb"):
        yield from ROOT.glob(pattern)


def _place(path: Path) -> Path:
    """Where a file of the repository is among the sources of the site."""
    name = path.relative_to(ROOT).as_posix()
    if card := _CARD.fullmatch(name):
        return Path("models", card[1] + Path(card[2]).suffix)
    for old, new in _MOVED:
        if name == old or (old.endswith("/") and name.startswith(old)):
            return Path(new + name.removeprefix(old))
    raise click.ClickException(f"the site has no page for {name}")


def _relinked(page: Path) -> str:
    """The text of a page, with links that lead to the same files at their places in the site."""
    here = _place(page).parent

    def relinked(match: re.Match[str]) -> str:
        if ":" in match["target"]:
            return match[0]
        path = Path(os.path.normpath(page.parent / match["target"]))
        if path.suffix == ".py":
            return match["text"]  # the site has no sources but those of the reference
        target = Path(os.path.relpath(_place(path), here)).as_posix()
        return f"{match['mark']}[{match['text']}]({target}{match['anchor'] or ''})"

    parts = _FENCED.split(page.read_text("utf-8"))
    return "".join(p if p.startswith("```") else reference.linked(_LINK.sub(relinked, p)) for p in parts)


def _list_studies(folder: Path) -> None:
    pages = sorted(folder.rglob("*.md"))
    titles = [page.read_text("utf-8").partition("\n")[0].removeprefix("# ") for page in pages]
    names = [page.relative_to(folder).with_suffix("").as_posix() for page in pages]
    listed = "\n".join(f"- [{title}]({name}.md)" for title, name in zip(titles, names, strict=True))
    text = "# Studies\n\nWhat a term of a loss or a setting is for, measured with models that were trained for it.\n\n"
    (folder / "index.md").write_text(text + listed + "\n" + toctree(names), "utf-8")


def _navigation(target: Path) -> str:
    def exists(page: str) -> bool:
        return any((target / f"{page}{ending}").is_file() for ending in (".md", ".rst", ".ipynb"))

    text, shown = "", set[str]()
    for caption, patterns in NAVIGATION.items():
        pages: list[str] = []
        for pattern in patterns:
            found = [pattern]
            if pattern.endswith("*"):
                found = sorted(p.relative_to(target).with_suffix("").as_posix() for p in target.glob(pattern))
            pages += [page for page in found if exists(page) and page not in shown]
            shown.update(pages)
        text += toctree(pages, caption) if pages else ""
    return text


def toctree(pages: list[str], caption: str = "") -> str:
    """A hidden list of pages, from which the navigation is made."""
    title = f":caption: {caption}\n" if caption else ""
    return f"\n```{{toctree}}\n:hidden:\n{title}\n" + "\n".join(pages) + "\n```\n"
