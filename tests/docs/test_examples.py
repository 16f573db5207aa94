"""The examples of the reference: those in docstrings run, and the functions that are used most have one."""

from __future__ import annotations

import doctest
import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tools.site import reference

SLOW = ("interpzoo.evaluate", "interpzoo.train")
EXAMPLES = (
    *(f"interpzoo.{name}" for name in ("create", "ease", "list_models", "load", "save_strip", "save_video", "score")),
    *(f"interpzoo.{name}" for name in ("verify", "wrap")),
    *(f"interpzoo.InterpolationModel.{name}" for name in ("edit", "encode", "grid", "interpolate", "mix", "morph")),
    "interpzoo.geometry.curve_length",
    "interpzoo_metamorphosis.morph",
    "interpzoo_riemannian",
    "interpzoo_riemannian.metric",
    *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW),
)
WITH_FILES = ("interpzoo", "interpzoo.onnx")
"""Modules whose examples take files that the reader has."""


def described(name: str) -> str:
    """The docstring of a module, or of a public name of one."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: Any = import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        documented = inspect.ismodule(found) or callable(found)
        return inspect.getdoc(found) or "" if documented else ""
    raise AssertionError(name)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_as_written(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    test = doctest.DocTestParser().get_doctest(described(name), {}, name, None, None)
    assert test.examples
    failures: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=failures.append)
    assert not failures, "".join(failures)


def test_no_example_of_the_reference_is_left_out() -> None:
    names = {*reference.described(), *reference.MODULES, "interpzoo"} - {*WITH_FILES}
    written = {name for name in names if ">>>" in described(name)}
    assert written == {*EXAMPLES[: -len(SLOW)], *SLOW}
