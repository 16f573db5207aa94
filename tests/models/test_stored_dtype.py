"""Weights that are stored in half precision."""

from __future__ import annotations

from pathlib import Path

import torch

import interpzoo
from interpzoo.pretrained.folder import EXAMPLES, WEIGHTS
from interpzoo.pretrained.stored import read_tensors
from tests.tiny import random_images, tiny_model


def test_half_precision_stores_rounded_weights_and_their_frames(tmp_path: Path) -> None:
    model = tiny_model()
    model.examples = model.encode(random_images(4, model.config.image)).detach()
    whole = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.save_pretrained(tmp_path / "whole")
    model.save_pretrained(tmp_path / "half", dtype=torch.float16)

    stored = read_tensors(tmp_path / "half" / WEIGHTS)
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    assert (tmp_path / "half" / WEIGHTS).stat().st_size < 0.7 * (tmp_path / "whole" / WEIGHTS).stat().st_size
    for name, tensor in model.state_dict().items():  # the model itself is not rounded
        assert torch.equal(tensor, whole[name])

    loaded = interpzoo.load(tmp_path / "half")
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, whole[name].half().float())
    examples = read_tensors(tmp_path / "half" / EXAMPLES)
    assert torch.equal(examples["codes"], model.examples)
    with torch.no_grad():
        assert torch.equal(loaded.decode(examples["codes"]), examples["frames"])
    assert not torch.equal(examples["frames"], read_tensors(tmp_path / "whole" / EXAMPLES)["frames"])
