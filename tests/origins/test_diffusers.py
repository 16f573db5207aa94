"""Autoencoders of diffusers: the same codes and images as by diffusers' own calls, bit for bit."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from interpzoo_diffusers import library
from interpzoo_diffusers.source import Diffusers
from safetensors.torch import load_file, save_file
from torch import Tensor

import interpzoo
from interpzoo.errors import ConfigError, InterpzooError, MissingDependencyError, WeightsError
from interpzoo.model import InterpolationModel
from interpzoo.testing import check_plugin
from tests.tiny import noise

_TWO = {"down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2}
SMALL: dict[str, dict[str, Any]] = {
    "AutoencoderKL": {
        **_TWO,
        "block_out_channels": [32, 32],
        "latent_channels": 3,
        "scaling_factor": 0.3611,
        "shift_factor": 0.1159,
        "sample_size": 32,
    },
    "AutoencoderTiny": {
        "encoder_block_out_channels": [8, 8, 8, 8],
        "decoder_block_out_channels": [8, 8, 8, 8],
        "num_encoder_blocks": [1, 1, 1, 1],
        "num_decoder_blocks": [1, 1, 1, 1],
    },
    "AutoencoderDC": {
        "latent_channels": 4,
        "attention_head_dim": 4,
        "encoder_block_types": ["ResBlock", "EfficientViTBlock"],
        "decoder_block_types": ["ResBlock", "EfficientViTBlock"],
        "encoder_block_out_channels": [8, 8],
        "decoder_block_out_channels": [8, 8],
        "encoder_layers_per_block": [1, 1],
        "decoder_layers_per_block": [1, 1],
        "encoder_qkv_multiscales": [[], [5]],
        "decoder_qkv_multiscales": [[], [5]],
        "scaling_factor": 0.41407,
    },
    "AsymmetricAutoencoderKL": {
        "down_block_types": _TWO["down_block_types"],
        "up_block_types": _TWO["up_block_types"],
        "down_block_out_channels": [32, 32],
        "up_block_out_channels": [32, 32],
        "sample_size": 32,
    },
    "AutoencoderKLFlux2": {
        **_TWO,
        "block_out_channels": [32, 32],
        "latent_channels": 2,
        "layers_per_block": 1,
        "sample_size": 32,
    },
    "VQModel": {**_TWO, "block_out_channels": [32, 32], "num_vq_embeddings": 16, "sample_size": 32},
}


def tuples(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}


class Saved:
    """A random model and the folder that diffusers saved it in."""

    def __init__(self, name: str, folder: Path, **changes: Any) -> None:
        cls = getattr(import_module("diffusers"), name, None)
        if cls is None:
            pytest.skip(f"this diffusers has no {name}")
        torch.manual_seed(2)
        self.network: Any = cls(**tuples({**SMALL[name], **changes})).eval().requires_grad_(False)
        for buffer in self.network.buffers():
            if buffer.is_floating_point():
                buffer.uniform_(0.5, 1.5)  # not the values of a new network
        self.folder = folder / name
        self.network.save_pretrained(self.folder)

    def load(self, **options: Any) -> InterpolationModel:
        return interpzoo.load(f"diffusers:{self.folder}", **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, torchvision_shim: object) -> Path:
    return tmp_path_factory.mktemp("diffusers")


def own_codes(network: Any, x: Tensor) -> Tensor:
    """Codes as diffusers' pipelines for images compute them."""
    found, config = network.encode(2 * x - 1), network.config
    if hasattr(network, "bn"):  # Flux2Pipeline
        z = found.latent_dist.mode()
        b, c, h, w = z.shape
        z = z.view(b, c, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4).reshape(b, c * 4, h // 2, w // 2)
        mean = network.bn.running_mean.view(1, -1, 1, 1)
        return (z - mean) / torch.sqrt(network.bn.running_var.view(1, -1, 1, 1) + config.batch_norm_eps)
    if hasattr(found, "latent_dist"):
        z = found.latent_dist.mode()
    else:
        z = found.latents if hasattr(found, "latents") else found.latent
    return (z - (getattr(config, "shift_factor", None) or 0)) * config.scaling_factor


def own_images(network: Any, z: Tensor) -> Tensor:
    """Images as diffusers' pipelines compute them from the diffusion model's result."""
    config = network.config
    if hasattr(network, "bn"):
        deviation = torch.sqrt(network.bn.running_var.view(1, -1, 1, 1) + config.batch_norm_eps)
        z = z * deviation + network.bn.running_mean.view(1, -1, 1, 1)
        b, c, h, w = z.shape
        z = z.reshape(b, c // 4, 2, 2, h, w).permute(0, 1, 4, 2, 5, 3).reshape(b, c // 4, h * 2, w * 2)
    else:
        z = z / config.scaling_factor + (getattr(config, "shift_factor", None) or 0)
    return (network.decode(z).sample + 1) / 2  # VaeImageProcessor: sample / 2 + 0.5, up to rounding


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_codes_and_images_are_those_of_diffusers(folder: Path, name: str) -> None:
    saved = Saved(name, folder)
    model = saved.load()
    for size in ((64, 64), (64, 96), *([(256, 256)] if name == "AutoencoderTiny" else [])):
        x = noise(1, 3, *size)
        z = model.encode(x)
        assert torch.equal(z, own_codes(saved.network, x))
        assert torch.equal(model.decode(z), own_images(saved.network, z))
    assert model.interpolate(x[0], x[0].flip(-1), 3, size=(64, 64)).shape == (3, 3, 64, 64)


@pytest.mark.slow
def test_means_and_deviations_of_channels(folder: Path) -> None:
    """As in StableDiffusionXLPipeline."""
    mean, deviation = [0.1, -0.2, 0.3], [0.5, 1.5, 2.5]
    saved = Saved("AutoencoderKL", folder / "means", latents_mean=mean, latents_std=deviation, shift_factor=None)
    model, x = saved.load(), noise(1, 3, 32, 32)
    raw = saved.network.encode(2 * x - 1).latent_dist.mode()
    mean_, deviation_ = (torch.tensor(value).view(1, -1, 1, 1) for value in (mean, deviation))
    z = model.encode(x)
    assert torch.equal(z, (raw - mean_) * saved.network.config.scaling_factor / deviation_)
    back = z * deviation_ / saved.network.config.scaling_factor + mean_
    assert torch.equal(model.decode(z), (saved.network.decode(back).sample + 1) / 2)


@pytest.mark.slow
def test_layers_with_their_former_names_and_half_precision(folder: Path) -> None:
    saved, x = Saved("AutoencoderKL", folder / "former"), noise(1, 3, 32, 32)
    codes, path = saved.load().encode(x), saved.folder / "diffusion_pytorch_model.safetensors"
    former = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
    tensors: dict[str, Tensor] = {}
    for name, value in load_file(path).items():
        for new, old in former.items():
            name = name.replace(new, old)
        tensors[name] = value
    assert any(".proj_attn." in name for name in tensors)
    save_file(tensors, path)
    assert torch.equal(saved.load().encode(x), codes)
    path.unlink()
    save_file({k: v.half() for k, v in tensors.items()}, path.with_name("diffusion_pytorch_model.fp16.safetensors"))
    torch.testing.assert_close(saved.load(dtype=torch.bfloat16).encode(x), codes, atol=0.05, rtol=0.05)


@pytest.mark.slow
def test_it_is_saved_whole_and_conforms(folder: Path, tmp_path: Path) -> None:
    saved = Saved("AutoencoderKL", folder / "whole")
    model, x = saved.load(), noise(1, 3, 32, 32)
    model.examples = model.encode(noise(2, 3, 32, 32))
    again = interpzoo.load(model.save_pretrained(tmp_path / "saved"))
    assert torch.equal(again.encode(x), model.encode(x))
    assert not any(finding.problem for finding in interpzoo.verify(tmp_path / "saved"))
    check_plugin("diffusers", folders={"diffusers": saved.folder})


CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "another class": ({"_class_name": "AutoencoderKLWan"}, "_class_name = 'AutoencoderKLWan': expected AutoencoderKL,"),
    "code": ({"_class_name": ["vae", "Mine"]}, r"_class_name = \['vae', 'Mine'\]: expected AutoencoderKL,"),
    "a map to code": ({"auto_map": {"AutoModel": "vae.Mine"}}, "needs code of its repository, which is not run"),
    "an unknown setting": ({"depth_scale": 2}, "has no setting 'depth_scale': expected some of in_channels"),
    "a million layers": ({"layers_per_block": 10**6}, "layers_per_block = 1000000: expected at most 32"),
    "wide layers": ({"block_out_channels": [32, 10**6]}, "block_out_channels = 1000000: expected at most 4096"),
    "many levels": ({"block_out_channels": [32] * 9}, "block_out_channels has 9 values: expected at most 8"),
    "an object": ({"act_fn": {"a": 1}}, "act_fn is a dict: expected numbers"),
    "other blocks": ({"down_block_types": ["Mine", "Mine"]}, "diffusers cannot build AutoencoderKL"),
    "other channels": ({"out_channels": 1}, "takes 3 channels and gives 1"),
    "no size": ({"sample_size": "big"}, "sample_size = 'big': expected one number or two"),
}


@pytest.mark.slow
def test_configs_that_make_no_network_are_refused(folder: Path) -> None:
    saved = Saved("AutoencoderKL", folder / "configs")
    good = json.loads((saved.folder / "config.json").read_text())
    for changes, message in CONFIGS.values():
        (saved.folder / "config.json").write_text(json.dumps({**good, **changes}))
        with pytest.raises(ConfigError, match=message):
            saved.load()
    (saved.folder / "config.json").write_text("[]")
    with pytest.raises(ConfigError, match="_class_name = None"):
        saved.load()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["model_index.json", "README.md"], "it is a whole pipeline: name the sub-folder of its autoencoder"),
        (["diffusion_pytorch_model.safetensors"], "expected 'config.json', which is not there"),
        (["config.json", "diffusion_pytorch_model.bin"], "found 'diffusion_pytorch_model.bin': only safetensors"),
        (["config.json", "vae.py"], "found 'none': only safetensors are read"),
    ],
)
def test_repositories_without_safetensors_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        Diffusers(Diffusers.Config()).files(names)


def test_whole_weights_are_preferred() -> None:
    source, model = Diffusers(Diffusers.Config()), "diffusion_pytorch_model"
    half, shards = f"{model}.fp16.safetensors", [f"{model}-0000{n}-of-00002.safetensors" for n in (1, 2)]
    names = ["config.json", f"{model}.bin", half, f"{model}.safetensors", f"{model}.safetensors.index.json", "vae.py"]
    assert source.files(names) == ["config.json", f"{model}.safetensors"]
    assert source.files([*names[:3]]) == ["config.json", half]
    assert source.files(["config.json", *shards[::-1]]) == ["config.json", *shards]


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """diffusers is not installed."""
    monkeypatch.setattr(library, "find_spec", lambda name: None)


@pytest.mark.usefixtures("absent")
def test_without_diffusers_the_error_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(MissingDependencyError, match=r"models of diffusers need diffusers: .*\[diffusers\]"):
        interpzoo.load(f"diffusers:{tmp_path}")
    with pytest.raises(InterpzooError, match="need diffusers"):
        library.network_class("AutoencoderKL")
