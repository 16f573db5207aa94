"""Each faulty component is caught by name with the sentence that mends it, and each sound one passes."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest

from interpzoo.testing import ConformanceError, conformance
from tests.kit.cases import CASES, PLUGIN, Case, registered

for module in ("faults", "sound"):
    importlib.import_module(f"tests.kit.{module}")

ELSEWHERE = ("imports nothing heavy", "a new process")
"""Checks that start a process, in which the tests' plugin is not registered."""


def said(case: Case) -> Iterator[str]:
    """What the kit says of a case."""
    with registered(case):
        for check in conformance(PLUGIN):
            if str(check) not in ELSEWHERE:
                try:
                    check()
                except ConformanceError as error:
                    yield f"{check}: {error}"


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.says])
def test_a_fault_is_named(name: str) -> None:
    heard: list[str] = []
    for problem in said(CASES[name]):
        if CASES[name].says in problem:
            return
        heard.append(problem)
    pytest.fail("\n".join(heard) or "nothing was said")


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.says])
def test_a_sound_component_passes(name: str) -> None:
    assert [*said(CASES[name])] == []
