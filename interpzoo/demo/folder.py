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
from interpzoo.files import atomic_write, expanded, is_leftover
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.load import load
from interpzoo.text import quoted

DEFAULT: Final = ("acai-mnist", "ae-mnist", "vae-mnist", "acai-lines", "ae-lines", "vae-lines", "acai-celeba64")
"""The models of ``interpzoo demo`` without names."""

SITE: Final = ("index.html", "style.css", "page.js", "films.js", "runtime.js", "licenses.txt")
_INDEX, _MODELS = "index.js", "models"

Skipped = Callable[[str, InterpzooError], None]
Progress = Callable[[int, int], None]


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
    _write(folder, contents)
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
    try:
        found = [*folder.iterdir()] if folder.exists() else []
        found += (folder / _MODELS).iterdir() if (folder / _MODELS).exists() else []
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}") from None
    for path in found:
        own = path.suffix == ".js" if path.parent.name == _MODELS else path.name in (*SITE, _INDEX, _MODELS)
        if not own and not is_leftover(path):
            name = str(path.relative_to(folder))
            raise OutputError(f"{folder} already holds {name!r}: choose an empty or a new folder")


def _write(folder: Path, contents: dict[str, bytes]) -> None:
    """Put the files in the folder, the index last: a page without one says that it is not complete."""
    try:
        (folder / _MODELS).mkdir(parents=True, exist_ok=True)
        (folder / _INDEX).unlink(missing_ok=True)
        for path in (folder / _MODELS).iterdir():
            if f"{_MODELS}/{path.name}" not in contents:
                path.unlink()
        for name, content in contents.items():
            with atomic_write(folder / name) as temporary:
                temporary.write_bytes(content)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}") from error
