"""What `load` would refuse is not saved, and leaves the former model as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import interpzoo
from interpzoo.errors import ConfigError, InputError, InterpzooError, WeightsError
from interpzoo.model import InterpolationModel
from tests.tiny import tiny_model


def _poison(value: float) -> Any:
    def change(model: InterpolationModel) -> None:
        next(model.decoder.parameters()).data.view(-1)[0] = value

    return change


UNLOADABLE: dict[str, tuple[Any, torch.dtype | None]] = {
    "NaN": (_poison(float("nan")), None),
    "infinity": (_poison(float("-inf")), None),
    "beyond float16": (_poison(1e6), torch.float16),
    "an added layer": (lambda model: model.encoder.add_module("extra", nn.Linear(2, 2)), None),
    "a layer of another kind": (lambda model: setattr(model.decoder.layers, "1", nn.Tanh()), None),
    "a parametrization": (lambda m: torch.nn.utils.parametrizations.spectral_norm(m.decoder.layers[0]), None),
    "complex numbers": (lambda m: setattr(m.decoder.layers[0], "bias", nn.Parameter(torch.ones(4) + 0j)), None),
    "a forward of its own": (lambda m: setattr(m.decoder, "forward", lambda z: torch.zeros(1, 1, 16, 16)), None),
    "codes of another shape": (lambda model: setattr(model, "codes", torch.zeros(3, 5)), None),
    "huge codes": (lambda model: setattr(model, "codes", torch.full((3, *model.latent_shape), 1e30)), None),
    "whole numbers as type": (lambda model: None, torch.int8),
    "bool as type": (lambda model: None, torch.bool),
    "complex as type": (lambda model: None, torch.complex64),
    "float64 as type": (lambda model: None, torch.float64),
}


@pytest.mark.parametrize("kind", UNLOADABLE)
def test_what_load_would_refuse_is_not_saved(kind: str, tmp_path: Path) -> None:
    tiny_model(seed=1).save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    change, dtype = UNLOADABLE[kind]
    model = tiny_model(seed=2)
    change(model)
    with pytest.raises((ConfigError, WeightsError, InputError)) as refused:
        model.save_pretrained(tmp_path, dtype=dtype)
    assert isinstance(refused.value, InterpzooError)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_float64_model_is_saved_in_float32(tmp_path: Path) -> None:
    model = tiny_model().double()
    loaded = interpzoo.load(model.save_pretrained(tmp_path / "model"))
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, model.state_dict()[name].float())
