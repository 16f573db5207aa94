"""Paths by name: with options, and with weights of their own."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch
from torch import nn

import interpzoo
from interpzoo.config import named
from interpzoo.errors import ConfigError, InputError
from tests.kit.cases import CASES, registered
from tests.tiny import tiny_model

importlib.import_module("tests.kit.sound")


def test_options_follow_the_name() -> None:
    assert named("geodesic", "x").options == {}
    found = named("geodesic nodes=5 tolerance=1e-2 method=newton", "x")
    assert (found.name, found.options) == ("geodesic", {"nodes": 5, "tolerance": 0.01, "method": "newton"})
    model = interpzoo.load("ae-lines", interpolator="geodesic nodes=7")
    assert model.config.interpolator.options == {"nodes": 7}
    assert model.interpolator.config.model_dump()["nodes"] == 7


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("geodesic nodes", "cannot understand 'nodes': expected a name and options, each once"),
        ("geodesic nodes=5 nodes=6", "cannot understand 'nodes=6'"),
        ("geodesic name=linear", "cannot understand 'name=linear'"),
        ("geodesic nodes=two", "nodes = 'two'"),
        ("geodesic knots=5", "unknown field 'knots'"),
        ("", "name = ''"),
    ],
)
def test_options_that_are_not_are_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        tiny_model().interpolate(torch.zeros(1, 16, 16), torch.zeros(1, 16, 16), 3, interpolator=text)


def test_weights_of_a_path_are_saved_with_its_model(tmp_path: Path) -> None:
    with registered(CASES["BentPath"]):
        model = interpzoo.create("tried").eval()
        loaded = interpzoo.load(model.save_pretrained(tmp_path / "bent"))
        assert isinstance(model.interpolator, nn.Module)
        z = torch.zeros(1, 3)
        middle = model.interpolate_codes(z, z, [0.5])
        assert torch.equal(middle.flatten(), model.interpolator.get_buffer("bend") / 4)
        assert torch.equal(loaded.interpolate_codes(z, z, [0.5]), middle)
        assert torch.equal(loaded.interpolate_codes(z, z, [0.5], interpolator="tried-interpolator"), middle)
        other = interpzoo.load(tmp_path / "bent", interpolator="linear")
        assert torch.equal(other.interpolate_codes(z, z, [0.5]), z[None])
        assert "bend" not in str([*other.state_dict()])
        with pytest.raises(InputError, match="the path 'tried-interpolator' has weights, which a name does not"):
            interpzoo.load("ae-lines", interpolator="tried-interpolator")
