"""Features: default ones, ones chosen by name, and scores by different features, which are never mixed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from interpzoo.benchmark.metric import metrics_named
from interpzoo.benchmark.plots import save_pictures
from interpzoo.benchmark.report import leaderboards
from interpzoo.benchmark.results import Record, read_records
from interpzoo.benchmark.run import benchmark
from interpzoo.benchmark.selection import Job
from interpzoo.config import Component, FeatureNetworkConfig, ImageSpec
from interpzoo.errors import ConfigError, InputError, UnknownNameError, WeightsError
from interpzoo.evaluation import evaluate
from interpzoo.features import default_features, features_named
from interpzoo.interfaces import FeatureNetwork
from interpzoo.plugins import registry
from interpzoo.registry import bundled_folder
from tests.benchmark.conftest import TINY
from tests.models.conftest import register as register
from tests.tiny import random_images, tiny_model

GREY = ImageSpec(channels=1, height=32, width=32)
OTHER = ImageSpec(channels=3, height=16, width=24)


class Means(FeatureNetwork):
    """The mean of every channel, times a number that is asked for."""

    def __init__(self, config: FeatureNetworkConfig, image: ImageSpec) -> None:
        super().__init__(config, image)
        self.drawn = nn.Parameter(torch.randn(1000))
        self.network = f"times {config.network}"
        self.scale = float(config.network.rpartition(":")[2])

    def forward(self, x: Tensor) -> Tensor:
        assert not self.training
        return x.mean((2, 3)) * self.scale


@pytest.fixture
def means(register: Callable[..., None]) -> None:
    """Registers `Means` as 'means' of plugin 'baselines'."""
    register("features", "means", Means)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the bundled features-mnist, whose weights may be changed."""
    source = bundled_folder(registry().models.find("features-mnist"))
    assert source is not None
    shutil.copytree(source, tmp_path / "mine")
    (tmp_path / "mine" / "SHA256SUMS").unlink()
    return tmp_path / "mine"


def test_a_named_network_equals_the_default_of_its_data_set() -> None:
    x = random_images(3, GREY)
    own, asked = default_features("mnist", GREY), features_named("features-mnist", GREY)
    assert own.name == asked.name == features_named("metrics:features-mnist", GREY).name == "features-mnist"
    assert torch.equal(own(x), asked(x))
    assert default_features("lines", GREY).name == "random convolutions"


def test_a_network_in_a_folder_is_named_by_its_weights(folder: Path) -> None:
    x = random_images(3, GREY)
    same = features_named(folder, GREY)
    assert torch.equal(same(x), features_named("features-mnist", GREY)(x))
    weights = load_file(folder / "model.safetensors")
    first = next(name for name in weights if name.startswith("encoder."))
    save_file({**weights, first: weights[first] * 2}, folder / "model.safetensors")
    changed = features_named(str(folder), GREY)
    assert not torch.equal(changed(x), same(x))
    assert len({same.name, changed.name, "features-mnist"}) == 3
    assert all(network.name.startswith("features-mnist@") for network in (same, changed))


@pytest.mark.usefixtures("means")
def test_a_component_gets_the_text_after_the_colon() -> None:
    x = random_images(300, OTHER)  # more than one part
    state = torch.get_rng_state()
    features = features_named("means:2", OTHER)
    assert torch.equal(torch.get_rng_state(), state)
    found = features(x)
    assert not found.requires_grad
    torch.testing.assert_close(found, 2 * x.mean((2, 3)))
    assert features.name == features_named("baselines:means:2", OTHER).name == "means:times 2"
    assert features_named("means:a/b:3", OTHER).name == "means:times a/b:3"  # what follows is its own affair


MISTAKES = [
    ("features-mnst", UnknownNameError, "unknown features 'features-mnst'. Did you mean 'features-mnist'"),
    ("mean:2", UnknownNameError, "unknown features 'mean:2'. Did you mean 'means:2'"),
    ("means/2:3", UnknownNameError, "There are features-celeba, features-mnist, means:NETWORK, timm:NETWORK"),
    ("means:" + "2" * 300, ConfigError, "at most 256 characters"),
    ("acai-mnist", ConfigError, "'acai-mnist' is a model of kind 'interpolator', not a network of features"),
    ("features-mnist", ConfigError, "are for images of 1x32x32, but the images to be compared are of 3x16x24"),
    ("./nowhere", WeightsError, "there is no folder 'nowhere'"),
]


@pytest.mark.usefixtures("means")
@pytest.mark.parametrize(("name", "error", "message"), MISTAKES, ids=[name[:20] for name, _, _ in MISTAKES])
def test_invalid_names(name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        features_named(name, OTHER)
    assert message in str(caught.value)


@pytest.mark.usefixtures("means")
@pytest.mark.parametrize("name", ["features-mnist", "means:2"])
def test_invalid_devices(name: str) -> None:
    with pytest.raises(InputError, match="device = 'no-such' cannot be used"):
        features_named(name, GREY, device="no-such")


LINES, SMALL = (Job(Component(name="lines"), spec) for spec in (GREY, ImageSpec(channels=1, height=16, width=16)))


def run(output: Path, features: str | None, *jobs: Job) -> list[Record]:
    metrics = metrics_named(["path-length", "largest-jump"])
    return list(benchmark(jobs or (LINES,), metrics, output, protocol=TINY, features=features))


def lengths(records: list[Record]) -> list[float | None]:
    return [record.scores["path-length"].value for record in records]


@pytest.mark.usefixtures("means")
def test_scores_by_different_features_are_kept_apart(tmp_path: Path) -> None:
    own = run(tmp_path, None)
    asked = {name: run(tmp_path, name) for name in ("features-mnist", "means:1")}
    assert [r.features for r in (own[0], *(records[0] for records in asked.values()))] == [
        "random convolutions",
        "features-mnist",
        "means:times 1",
    ]
    assert not set(lengths(own)) & set(lengths(asked["features-mnist"]))
    # Nothing took the place of what was there, and each goes on where it was.
    found = leaderboards(read_records(tmp_path), metrics_named())
    names = [board.name for board in found]
    assert names[:2] == ["lines-32", "lines-32-features-mnist"]
    assert re.fullmatch(r"lines-32-means_times_1-[0-9a-f]{8}", names[2])  # as 'times_1' would be another network
    assert [len(board.controls) for board in found] == [4, 4, 4]
    assert run(tmp_path, None) == own
    save_pictures(tmp_path, [LINES], found, TINY, features="means:1")
    assert [p.parent.name for p in tmp_path.rglob("strips.png")] == [names[2]]


def test_records_by_different_features_are_not_the_same(tmp_path: Path) -> None:
    record = run(tmp_path, None)[0]
    assert record.same_as(record.model_copy(update={"scores": {}}))
    assert not record.same_as(record.model_copy(update={"features": "features-mnist"}))
    assert not record.same_as(record.model_copy(update={"chosen": True}))


def test_features_for_other_images_are_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="1x32x32, but the images to be compared are of 1x16x16"):
        run(tmp_path, "features-mnist", LINES, SMALL)
    assert read_records(tmp_path) == []


@pytest.mark.usefixtures("means")
def test_scores_name_their_features() -> None:
    lines = Component(name="lines")
    model = tiny_model()
    own = evaluate(model, dataset=lines, metrics=["path-length"], protocol=TINY)
    asked = evaluate(model, dataset=lines, metrics=["path-length"], protocol=TINY, features="means:1")
    assert json.loads(own.to_json())["features"] == "random convolutions"
    assert json.loads(asked.to_json())["features"] == "means:times 1"
    assert own.results[0].value != asked.results[0].value
