"""timm backbones as networks of features: what they see of an image, where their weights come from, what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save, save_file
from torch import Tensor, nn

from interpzoo.config import ImageSpec
from interpzoo.errors import ConfigError, MissingDependencyError, WeightsError
from interpzoo.features import features_named
from tests.hubserver import Hub, environment

pytestmark = pytest.mark.usefixtures("torchvision_shim")

ROOT = Path(__file__).parents[2]


def spec(channels: int = 1, height: int = 32, width: int = 32) -> ImageSpec:
    return ImageSpec(channels=channels, height=height, width=width)


MISTAKES = [
    ("timm:", "features 'timm' need a backbone: expected 'timm:BACKBONE', such as 'timm:resnet18.a1_in1k'"),
    ("timm", "features 'timm' need a backbone: expected 'timm:BACKBONE', such as 'timm:resnet18.a1_in1k'"),
    ("timm:resnt18", "timm has no backbone 'resnt18'. Did you mean 'resnet18'"),
    ("timm:resnet18.a1_in2k", "Invalid pretrained tag (a1_in2k) for resnet18. Did you mean 'resnet18.a1_in1k'"),
    ("timm:hf-hub:timm/resnet18.a1_in1k", "timm has no backbone 'hf-hub:timm/resnet18.a1_in1k'"),
]


@pytest.mark.parametrize(("name", "message"), MISTAKES, ids=[name for name, _ in MISTAKES])
def test_unknown_backbones(name: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        features_named(name, spec())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_images_of_other_channels_are_refused_before_weights_are_fetched() -> None:
    with pytest.raises(ConfigError, match="takes images of 3 channels, and the images to compare have 2"):
        features_named("timm:resnet18", spec(channels=2))


def test_a_backbone_without_weights() -> None:
    with pytest.raises(WeightsError, match=r"'resnetaa34d.*' cannot be loaded: No pretrained weights"):
        features_named("timm:resnetaa34d", spec())


def test_a_missing_timm_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingDependencyError, match="pip install timm"):
        features_named("timm:resnet18", spec())


# timm's own weights, in processes whose Hub is the tests'


SHIM = """
from tests.conftest import shim_torchvision
shim = shim_torchvision()
"""


def process(code: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-c", SHIM + code]
    return subprocess.run(
        arguments, capture_output=True, text=True, check=False, cwd=ROOT, env={**variables, "OMP_NUM_THREADS": "1"}
    )


def stretched(images: Tensor, size: int) -> Tensor:
    """As Pillow does it, which interpolates enlarged images and averages reduced ones."""
    planes = [Image.fromarray(plane.numpy(), "F") for plane in images.flatten(0, 1)]
    resized = [np.asarray(plane.resize((size, size), Image.Resampling.BILINEAR)) for plane in planes]
    return torch.from_numpy(np.stack(resized)).unflatten(0, images.shape[:2])


def expected(backbone: nn.Module, images: Tensor) -> Tensor:
    """Features by hand: the test backbones were made for 160x160 in colour, with mean and deviation 0.5."""
    colour = stretched(images, 160).expand(-1, 3, -1, -1)
    return backbone.eval()((colour - 0.5) / 0.5)


@pytest.mark.slow
def test_features_are_those_of_the_backbone_with_its_own_weights(tmp_path: Path) -> None:
    import timm

    backbone = timm.create_model("test_resnet")
    weights = backbone.state_dict()
    backbone.reset_classifier(0)
    generator = torch.Generator().manual_seed(0)
    images = {
        "grey": torch.rand(40, 1, 16, 24, generator=generator),  # more than one part
        "colour": torch.rand(2, 3, 200, 180, generator=generator),
    }
    save_file(images, tmp_path / "images.safetensors")
    code = f"""
from safetensors.torch import load_file, save_file
from interpzoo.config import ImageSpec
from interpzoo.features import features_named

found = {{}}
for kind, images in load_file({str(tmp_path / "images.safetensors")!r}).items():
    image = ImageSpec.of(images.shape)
    features = features_named("timm:test_resnet", image)
    found[kind] = features(images)
    print(features.name)
save_file(found, {str(tmp_path / "features.safetensors")!r})

import interpzoo
from tests.benchmark.conftest import TINY

for name in ("timm:test_resnet", None):
    found = interpzoo.evaluate("acai-lines", metrics=["path-length"], protocol=TINY, features=name)
    print(found.features, found.results[0].value)
"""
    with Hub() as hub:
        hub.add_repo("timm/test_resnet.r160_in1k", {"model.safetensors": save(weights)})
        done = process(code, environment(hub, tmp_path / "cache", user=None))
        assert hub.transfers("model.safetensors") == 1
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["timm:test_resnet.r160_in1k"] * 2
    (asked, length), (own, other) = (line.rsplit(" ", 1) for line in lines[2:])
    assert (asked, own) == ("timm:test_resnet.r160_in1k", "random convolutions")
    assert length != other
    with torch.no_grad():
        for kind, found in load_file(tmp_path / "features.safetensors").items():
            torch.testing.assert_close(found, expected(backbone, images[kind]), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("damaged", [False, True], ids=["without a network", "with damaged weights"])
def test_weights_that_cannot_be_had_are_one_line(damaged: bool, tmp_path: Path) -> None:
    code = f"""
from interpzoo.cli.app import run

asked = ["acai-lines", "--features", "timm:test_resnet"]
print(run(["evaluate", *asked]), run(["benchmark", *asked, "--output", {str(tmp_path / "scores")!r}]))
"""
    with Hub() as hub:
        hub.add_repo("timm/test_resnet.r160_in1k", {"model.safetensors": b"no weights"})
        variables = environment(hub, tmp_path / "cache", user=None)
        done = process(code, variables if damaged else {**variables, "HF_HUB_OFFLINE": "1"})
    assert (done.returncode, done.stdout) == (0, "2 2\n"), done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert not (tmp_path / "scores").exists()
    assert all(line.startswith("Error: timm's weights of 'test_resnet.r160_in1k' cannot be loaded: ") for line in lines)
