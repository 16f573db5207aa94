"""The folder of the page: the files of ``site/``, the models that it shows, and an index of these."""

import json
from collections.abc import Callable, Iterable
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import torch

from interpzoo.demo.groups import Groups
from interpzoo.demo.parts import content_of, script
from interpzoo.errors import InputError, InterpzooError, OutputError
from interpzoo.files import LOCKS, exchange, expanded, is_leftover, locked, made, writing
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.load import load
from interpzoo.progress import Progress
from interpzoo.text import quoted

DEFAULT: Final = ("acai-mnist", "ae-mnist", "vae-mnist", "acai-lines", "ae-lines", "vae-lines", "acai-celeba64")
"""The models of ``interpzoo demo`` without names."""

SITE: Final = ("index.html", "style.css", "page.js", "films.js", "runtime.js", "licenses.txt")
_INDEX, _MODELS = "index.js", "models"
_MARKS: Final = {".html": b"<title>interpzoo", ".js": b"interpzoo.part("}
"""What is at the start of the files of every page that no other one has: its own and those that `script` makes."""

Skipped = Callable[[str, InterpzooError], None]


@torch.no_grad()
def write_demo(
    models: Iterable[str | Path | InterpolationModel],
    target: str | Path,
    *,
    skipped: Skipped | None = None,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Write a page that walks between pictures with these models: open its ``index.html``, or serve the folder.

    The page shows models of the same data in rows, on the same pictures: what the first of them makes of its example
    codes. It loads nothing from elsewhere, and sends nothing.

    Args:
        models: what `interpzoo.load` takes, or models that are loaded.
        target: a folder, new or empty or with such a page, which is replaced.
        skipped: called with the name of each model that cannot be exported and the reason; by default the error is
            raised.
        progress: called before the first model and after each, with how many are done and of how many.

    Raises:
        InputError: a model cannot be exported, two have one name, or there are none.
        OutputError: the folder holds something else or cannot be written.
        MissingDependencyError: packages for ONNX are not installed.
    """
    if isinstance(models, str | Path | InterpolationModel):
        models = [models]
    elif not isinstance(models, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"models = {quoted(models)}: expected names of models, or models")
    folder, groups = expanded(target), Groups()
    _check(folder)
    sources = [*models]
    for done, source in enumerate(sources):
        progress(done, len(sources))
        try:
            groups.add(source if isinstance(source, InterpolationModel) else load(source))
        except InputError as error:
            if skipped is None:
                raise
            skipped(source.name if isinstance(source, InterpolationModel) else str(source), error)
    progress(len(sources), len(sources))
    described = groups.described()
    if not described:
        raise InputError("there are no models to show: expected at least one that can be exported")
    index = {"version": version("interpzoo"), "groups": described}
    contents = {name: site_file(name) for name in SITE} | {name: text.encode() for name, text in groups.files.items()}
    contents[_INDEX] = script({"index": json.dumps(index, ensure_ascii=False).encode()}).encode()
    with made(folder), locked(folder, wait=True):
        _check(folder)
        there = {f"{_MODELS}/{path.name}" for path in _entries(folder / _MODELS)}
        exchange(folder, contents, there - contents.keys())
    return folder


def site_file(name: str) -> bytes:
    """A file of the page itself."""
    return (files("interpzoo.demo") / "site" / name).read_bytes()


def is_demo(folder: Path) -> bool:
    """Whether a folder holds such a page, complete or not."""
    return any((folder / name).is_file() for name in ("page.js", _INDEX))


def demo_files(folder: Path) -> list[Path]:
    """All files of a page in a folder; raises an `InputError` if there is none, or it is not complete."""
    missing = [name for name in (*SITE, _INDEX) if not (folder / name).is_file()]
    if missing:
        raise InputError(f"{folder} has no {missing[0]}: expected a folder that interpzoo demo wrote")
    return [*(folder / name for name in (*SITE, _INDEX)), *sorted((folder / _MODELS).glob("*.js"))]


def read_index(folder: Path) -> dict[str, Any]:
    """What a page knows of its models; raises an `InputError` if its index is damaged."""
    try:
        content = content_of((folder / _INDEX).read_text("utf-8"), "index")
        if content is not None:
            return json.loads(content)
    except (OSError, ValueError, RecursionError):
        pass
    raise InputError(f"{folder / _INDEX} is damaged: write the page again with interpzoo demo")


def _check(folder: Path) -> None:
    """Raise an `OutputError` if a folder cannot be read, or holds anything that is not of such a page."""
    with writing(folder):
        found = [path for path in _entries(folder) if not is_leftover(path) and path.name not in LOCKS]
        linked = [path for path in found if path.is_symlink()]
        models = [] if linked else _entries(folder / _MODELS)
        odd = [path for path in found if path.name not in (*SITE, _INDEX, _MODELS)]
        odd += [path for path in models if not _is_marked(path)]
        if not any(_is_marked(folder / name) for name in ("index.html", _INDEX)):
            odd += [path for path in found if path.is_file()]  # a style.css alone may belong to anything
    if linked:
        name = linked[0].name
        raise OutputError(f"{folder} holds the link {name!r}, which may lead anywhere: choose an empty or a new folder")
    if odd:
        name = str(odd[0].relative_to(folder))
        raise OutputError(f"{folder} already holds {name!r}: choose an empty or a new folder")


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


def _is_marked(path: Path) -> bool:
    """Whether a file begins as those of a page do."""
    if path.is_symlink() or not path.is_file() or path.suffix not in _MARKS:
        return False
    with path.open("rb") as file:
        return _MARKS[path.suffix] in file.read(4000)
