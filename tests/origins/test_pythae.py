"""Models that pythae has saved, made here as pythae makes them."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import interpzoo
from interpzoo.errors import InterpzooError
from interpzoo.testing import conformance

CONFIG: dict[str, Any] = {
    "name": "BetaVAEConfig",
    "input_dim": [1, 6, 5],
    "latent_dim": 3,
    "uses_default_encoder": True,
    "uses_default_decoder": True,
    "reconstruction_loss": "mse",
    "beta": 2.0,
}


def write(folder: Path, **changes: Any) -> dict[str, Tensor]:
    """Write a folder with hidden layers of 8 units; gives its tensors."""
    torch.manual_seed(0)
    layers = {
        "encoder.layers.0.0": nn.Linear(30, 8),
        "encoder.embedding": nn.Linear(8, 3),
        "encoder.log_var": nn.Linear(8, 3),
        "decoder.layers.0.0": nn.Linear(3, 8),
        "decoder.layers.1.0": nn.Linear(8, 30),
        "discriminator.layers.0.0": nn.Linear(3, 2),
    }
    state = OrderedDict(
        (f"{name}.{key}", value) for name, layer in layers.items() for key, value in layer.state_dict().items()
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "environment.json").write_text(json.dumps({"name": "EnvironmentConfig", "python_version": "3.11"}))
    (folder / "model_config.json").write_text(json.dumps({**CONFIG, **changes}))
    torch.save({"model_state_dict": state}, folder / "model.pt")
    return state


def linear(state: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def test_codes_and_images_are_pythaes(tmp_path: Path) -> None:
    state, x = write(tmp_path / "mine"), torch.rand(2, 1, 6, 5, generator=torch.Generator().manual_seed(1))
    model = interpzoo.load(f"pythae:{tmp_path / 'mine'}")
    hidden = linear(state, "encoder.layers.0.0", x.flatten(1)).relu()
    codes = linear(state, "encoder.embedding", hidden)
    torch.testing.assert_close(model.encode(x), codes)
    images = linear(state, "decoder.layers.1.0", linear(state, "decoder.layers.0.0", codes).relu()).sigmoid()
    torch.testing.assert_close(model.decode(codes), images.view(2, 1, 6, 5))
    posterior = model.encoder.posterior(x)
    assert posterior is not None
    torch.testing.assert_close(posterior.stddev.log(), linear(state, "encoder.log_var", hidden) / 2)
    assert (model.name, model.config.method, model.config.summary) == ("mine", "pythae", "BetaVAE trained with pythae.")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "VQVAEConfig"}, "name = 'VQVAEConfig': expected the config of AE, WAE_MMD,"),
        ({"name": None}, "name = None: expected the config of"),
        ({"input_dim": [30]}, r"input_dim = \[30\]: expected \[channels, height, width\]"),
        ({"input_dim": [1, 6, 10**9]}, "model_config.json: width = 1000000000"),
        ({"input_dim": [1, 6, 6]}, r"has 'encoder.layers.0.0.weight' of shape \(8, 30\), the config says \(8, 36\)"),
        ({"latent_dim": "many"}, "latent_dim = 'many'"),
        ({"name": "AEConfig"}, "has 'encoder.log_var.bias', which the config's modules do not"),
    ],
    ids=str,
)
def test_other_models_are_refused_by_name(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    write(tmp_path, **changes)
    with pytest.raises(InterpzooError, match=message):
        interpzoo.load(f"pythae:{tmp_path}")


def test_pickled_networks_are_named_and_not_read(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "encoder.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(InterpzooError, match=r"in 'encoder.pkl', pickled code that is not run: build it yourself"):
        interpzoo.load(f"pythae:{tmp_path}")
    (tmp_path / "encoder.pkl").rename(tmp_path / "other")
    (tmp_path / "model.pt").unlink()
    with pytest.raises(InterpzooError, match=r"expected 'model.pt', which is not there"):
        interpzoo.load(f"pythae:{tmp_path}")


def test_the_plugin_reads_its_format_as_the_kit_demands(tmp_path: Path) -> None:
    write(tmp_path / "mine")
    checks = [c for c in conformance("pythae", folders={"pythae": tmp_path / "mine"}) if str(c).startswith("source")]
    assert checks
    for check in checks:
        check()
