"""timm backbones as encoders, the decoder beside them, and errors where timm is not available."""

from __future__ import annotations

import copy
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from interpzoo_timm.backbone import TimmEncoder, TimmEncoderConfig, UpsamplingDecoder, UpsamplingDecoderConfig
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.func import jvp
from torch.nn.functional import mse_loss

import interpzoo
from interpzoo.config import ImageSpec
from interpzoo.data.lines import draw_lines
from interpzoo.errors import ConfigError, MissingDependencyError
from interpzoo.model import InterpolationModel
from interpzoo.nets import Activation
from interpzoo.recipes import load_recipe
from tests.hubserver import Hub, environment

pytestmark = pytest.mark.usefixtures("torchvision_shim")

ROOT = Path(__file__).parents[2]
SMALL = ("encoder.backbone=test_resnet", "decoder.width=4", "data.name=lines", "training.precision=float32")


def create(*changes: str) -> InterpolationModel:
    return interpzoo.create(load_recipe("ae-resnet-mnist", changes))


def encoder(backbone: str, channels: int = 1) -> TimmEncoder:
    config = TimmEncoderConfig(backbone=backbone, latent_dim=8)
    return TimmEncoder(config, ImageSpec(channels=channels, height=32, width=32))


def decoder(
    image: ImageSpec, *latent_shape: int, activation: Activation = "leaky_relu", scales: int = 3
) -> UpsamplingDecoder:
    config = UpsamplingDecoderConfig(width=4, scales=scales, activation=activation)
    return UpsamplingDecoder(config, image, latent_shape)


def run(code: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-c", code]
    return subprocess.run(arguments, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)


def random_images(model: InterpolationModel, n: int = 4) -> Tensor:
    return torch.rand(n, *model.config.image.shape, generator=torch.Generator().manual_seed(0))


# Backbones


def test_a_recurrent_backbone_for_large_images_is_checked_in_seconds() -> None:
    """Torch takes the steps of a recurrent layer in Python on the meta device: 292 of them for each row and column."""
    start = time.process_time()
    config = TimmEncoderConfig(backbone="sequencer2d_s", latent_dim=8)
    with torch.device("meta"):
        found = TimmEncoder(config, ImageSpec(channels=3, height=2048, width=2048))
    assert time.process_time() - start < 10
    assert found.latent_shape == (8,)
    layers = [module for module in found.modules() if isinstance(module, nn.LSTM)]
    assert layers
    assert not any("forward" in vars(layer) for layer in layers)


@pytest.mark.parametrize(
    "changes",
    [
        ("encoder.backbone=resnet10t",),
        pytest.param(("encoder.backbone=resnet18", "image.channels=3"), marks=pytest.mark.slow),
        ("encoder.backbone=convnext_atto", "image.height=48"),
        pytest.param(("encoder.backbone=vit_tiny_patch16_224",), marks=pytest.mark.slow),
        ("encoder.backbone=vit_tiny_patch16_224", "encoder.patch_size=8", "image.channels=3", "image.height=48"),
        # Tables of relative positions that timm does not save,
        pytest.param(("encoder.backbone=efficientvit_m0",), marks=pytest.mark.slow),
        ("encoder.backbone=test_vit_relpos",),
        # and tables that get their shape from the first image.
        pytest.param(("encoder.backbone=convit_tiny",), marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_a_trained_backbone_comes_back_bit_for_bit(changes: tuple[str, ...], tmp_path: Path):
    model = create(*changes)
    x = random_images(model)
    model(x).sum().backward()  # in train mode: running statistics move
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    model.eval()
    loaded = interpzoo.load(model.save_pretrained(tmp_path / "model"))
    state, expected = loaded.state_dict(), model.state_dict()
    assert state.keys() == expected.keys()
    assert [name for name in state if not torch.equal(state[name], expected[name])] == []
    # Weights mapped from a file are less aligned than torch's own, and kernels may then round in another order.
    torch.testing.assert_close(loaded.reconstruct(x), model.reconstruct(x), rtol=0, atol=1e-5)
    assert torch.equal(copy.deepcopy(loaded).reconstruct(x), model.reconstruct(x))


def test_images_are_normalized_as_the_backbone_was_trained():
    import timm

    known = timm.get_pretrained_cfg("resnet18")
    assert known is not None
    mean, deviation = torch.tensor(known.mean), torch.tensor(known.std)
    color = encoder("resnet18", channels=3).eval()
    x = torch.rand(2, 3, 32, 32)
    expected = color.head(color.backbone((x - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)))
    torch.testing.assert_close(color(x), expected)
    grey, five = encoder("resnet18", channels=1), encoder("resnet18", channels=5)
    torch.testing.assert_close(grey.mean.flatten(), mean.mean(0, keepdim=True))
    torch.testing.assert_close(five.deviation.flatten(), deviation[[0, 1, 2, 0, 1]])


@pytest.mark.parametrize("backbone", ["test_vit_relpos", "rexnet_100"])
def test_nothing_is_drawn_at_random_in_training(backbone: str):
    # By default timm gives the first stochastic depth, the second dropout.
    network = encoder(backbone)
    x = torch.rand(4, 1, 32, 32)
    state = torch.get_rng_state()
    first = network(x)
    assert torch.equal(network(x), first)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_seed_settles_the_weights():
    first, second, other = (interpzoo.create(load_recipe("ae-resnet-mnist", SMALL), seed=seed) for seed in (1, 1, 2))
    x = random_images(first)
    assert torch.equal(first.encode(x), second.encode(x))
    assert not torch.equal(first.encode(x), other.encode(x))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("encoder.backbone=resnt18",), "timm has no backbone 'resnt18'. Did you mean 'resnet18'"),
        (("encoder.backbone=hf-hub:timm/resnet18.a1_in1k",), "timm has no backbone 'hf-hub:timm/resnet18.a1_in1k'"),
        (("encoder.backbone=resnet18.nope",), "Invalid pretrained tag (nope)"),
        (("encoder.backbone=resnet18", "encoder.patch_size=4"), "does not take images of 1x32x32 in patches of 4: "),
        (("encoder.backbone=inception_v3",), "'inception_v3' does not take images of 1x32x32: "),
        (("encoder.backbone=coat_tiny",), "'coat_tiny' uses weights in several layers"),
        (("encoder.latent_dim=0",), "encoder 'timm': latent_dim = 0"),
    ],
)
def test_invalid_backbones(changes: tuple[str, ...], message: str):
    with pytest.raises(ConfigError) as caught:
        create(*changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# timm's own weights, in processes whose Hub is the tests'


def on(hub: Hub, cache: Path, code: str) -> str:
    shim = "from tests.conftest import shim_torchvision\nshim = shim_torchvision()\n"
    return run(shim + code, environment(hub, cache, user=None)).stdout


@pytest.mark.slow
def test_pretrained_weights_are_fetched_for_training_and_never_for_loading(tmp_path: Path):
    import timm

    source = timm.create_model("test_resnet").state_dict()
    with Hub() as hub:
        hub.add_repo("timm/test_resnet.r160_in1k", {"model.safetensors": save(source)})
        train = f"""
import interpzoo
from interpzoo.recipes import load_recipe

def create(backbone):
    changes = [f"encoder.backbone={{backbone}}", "encoder.pretrained=true"]
    return interpzoo.create(load_recipe("ae-resnet-mnist", changes))

create("test_resnet").save_pretrained({str(tmp_path / "model")!r})
for backbone in ("resnet10t", "resnetaa34d"):
    try:
        create(backbone)
    except interpzoo.InterpzooError as error:
        print(type(error).__name__, error)
"""
        absent, without = on(hub, tmp_path / "cache", train).splitlines()
        assert absent.startswith("WeightsError timm's weights of 'resnet10t' cannot be loaded: ")
        assert without.startswith(
            "WeightsError timm's weights of 'resnetaa34d' cannot be loaded: No pretrained weights"
        )
        assert hub.transfers("model.safetensors") == 1

        prefix, first = "encoder.backbone.", "conv1.0.weight"
        weights = load_file(tmp_path / "model" / "model.safetensors")
        state = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        # Three channels become one, and the classifier goes.
        torch.testing.assert_close(state.pop(first), source[first].sum(1, keepdim=True))
        assert source.keys() - state.keys() == {first, "fc.weight", "fc.bias"}
        assert all(torch.equal(value, source[name]) for name, value in state.items())

        hub.requests.clear()
        load = f"""
import interpzoo
print(interpzoo.load({str(tmp_path / "model")!r}).config.encoder.options["pretrained"])
"""
        assert on(hub, tmp_path / "empty-cache", load) == "True\n"
        assert hub.requests == []


# The decoder


@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 33, 17), (1, 5, 64), (2, 1, 1)])
@pytest.mark.parametrize("latent_shape", [(8,), (2, 3, 5)])
def test_any_code_is_decoded_to_any_size(shape: tuple[int, int, int], latent_shape: tuple[int, ...]):
    channels, height, width = shape
    network = decoder(ImageSpec(channels=channels, height=height, width=width), *latent_shape)
    z = torch.randn(3, *latent_shape)
    images = network(z)
    assert images.shape == (3, *shape)
    torch.testing.assert_close(network(z[1:2]), images[1:2])  # no image knows of the others in its batch


def test_without_scales_the_decoder_starts_at_full_size():
    network = decoder(ImageSpec(channels=1, height=3, width=4), 2, scales=0)
    assert network(torch.zeros(1, 2)).shape == (1, 1, 3, 4)
    # Biases start at zero, so the code zero is the grey in the middle of [0, 1].
    torch.testing.assert_close(network(torch.zeros(1, 2)), torch.full((1, 1, 3, 4), 0.5))


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # torch's own, in its jvp
@pytest.mark.parametrize(("activation", "curved"), [("leaky_relu", False), ("elu", True), ("silu", True)])
def test_a_smooth_activation_gives_the_decoder_curvature(activation: Activation, curved: bool):
    network = decoder(ImageSpec(channels=1, height=9, width=7), 4, activation=activation).double()
    z, direction = torch.randn(2, 1, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def velocity(z: Tensor) -> Tensor:
        return jvp(network, (z,), (direction,))[1]

    speed, acceleration = jvp(velocity, (z,), (direction,))
    h = 1e-5
    torch.testing.assert_close((network(z + h * direction) - network(z - h * direction)) / (2 * h), speed)
    assert bool(acceleration.abs().max() > 1e-3) is curved


# Training


def test_a_short_training_learns_and_loads(tmp_path: Path):
    changes = (*SMALL, "training.samples=640", "training.batch_size=32", "training.optimizer.learning_rate=3e-3")
    recipe = load_recipe("ae-resnet-mnist", (*changes, "training.ema_decay=null"))
    x = draw_lines(torch.arange(0, 6, 0.4, dtype=torch.float64)).float()
    untrained = mse_loss(interpzoo.create(recipe).eval().reconstruct(x), x)
    trained = interpzoo.train(recipe, output=tmp_path / "run")
    loaded = interpzoo.load(tmp_path / "run")
    assert loaded.config.encoder.name == "timm:timm"
    torch.testing.assert_close(loaded.reconstruct(x), trained.reconstruct(x), rtol=0, atol=1e-5)
    assert mse_loss(loaded.reconstruct(x), x) < untrained / 4


# What is imported, and errors where that fails


def test_neither_listing_nor_recipes_nor_the_plugin_import_timm():
    code = """
import sys
import interpzoo, interpzoo_timm
interpzoo.list_models()
print(sorted({"torch", "timm", "torchvision"} & {*sys.modules}))
import interpzoo_timm.backbone
from interpzoo.recipes import load_recipe
load_recipe("ae-resnet-mnist")
print(sorted({"timm", "torchvision"} & {*sys.modules}))
"""
    assert run(code).stdout.split("\n") == ["[]", "[]", ""]


@pytest.mark.slow
def test_a_torchvision_for_another_torch_is_reported_in_one_line():
    if run("import torchvision").returncode == 0:
        pytest.skip("the installed torchvision matches torch")
    code = """
import interpzoo
for _ in range(2):
    try:
        interpzoo.create("ae-resnet-mnist")
    except interpzoo.InterpzooError as error:
        print(type(error).__name__, error)
"""
    lines = run(code).stdout.splitlines()
    minor = int(torch.__version__.split(".")[1])
    assert len(lines) == 2
    assert lines[0] == lines[1]
    assert lines[0].startswith("MissingDependencyError timm cannot be imported (")
    assert f"torch {torch.__version__} needs torchvision==0.{minor + 15}.* of the same build" in lines[0]


def test_a_timm_that_fails_to_import_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "timm.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingDependencyError, match="operator torchvision::nms does not exist") as caught:
        create()
    assert f"torch {torch.__version__} needs torchvision" in str(caught.value)


def test_a_missing_timm_is_reported(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingDependencyError, match="pip install timm"):
        create()
