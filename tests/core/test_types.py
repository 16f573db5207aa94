"""What a type checker tells a user of the library."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

GOOD = """\
# pyright: strict
import numpy as np
import torch
from torch import Tensor
from typing_extensions import assert_type

import interpzoo
from interpzoo.classifiers import FeatureClassifier
from interpzoo.interfaces import FeatureNetwork


def use(model: interpzoo.InterpolationModel, network: FeatureNetwork, classifier: FeatureClassifier) -> None:
    x = torch.zeros(1, *model.config.image.shape)
    z = model.encode(x)
    assert_type(model(x), Tensor)
    assert_type(model.encoder(x), Tensor)
    assert_type(model.decoder(z), Tensor)
    assert_type(network(x), Tensor)
    assert_type(classifier(x), Tensor)
    assert_type(model.solve(z, z, [0.5]).report, object)
    t = np.linspace(0, 1, 5)
    model.interpolate(x, x, t=t)
    model.interpolate_codes(z, z, np.stack([t, t]))
    model.interpolate_codes(z, z, torch.tensor(t))
    model.interpolate_codes(z, z, [[0, 1], [0.5, 1]])
    model.walk(z, z, t=t)
    model.morph([x, x], t=t)
    model.mix([x, x], np.array([0.25, 0.75]))
    model.edit(x, "smile", np.array([-1, 1]))
    model.traverse(x, strengths=t)
    interpzoo.stimuli("acai-mnist", "pairs.csv", "pack", spacing="linear")
"""
BAD = """\
# pyright: strict
import interpzoo

interpzoo.stimuli("acai-mnist", "pairs.csv", "pack", spacing="evn")
interpzoo.load("acai-mnist").encoder("three.png")
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("pyright") is None, reason="pyright is not installed")
def test_calls_have_types_and_numbers_come_in_any_form(tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.py" for name in ("good", "bad")}
    files["good"].write_text(GOOD, "utf-8")
    files["bad"].write_text(BAD, "utf-8")
    run = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, str(tmp_path)]
    done = subprocess.run(run, capture_output=True, encoding="utf-8", timeout=500)
    errors = [line.strip() for line in done.stdout.splitlines() if " - error: " in line]
    assert [line.partition("bad.py:")[2].partition(":")[0] for line in errors] == ["4", "5"], done.stdout + done.stderr
