"""Every registered recipe can be read, built and trained; recipes are found, copied and changed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor

import interpzoo
from interpzoo.build import build_component, component_class
from interpzoo.config import Recipe, validate
from interpzoo.errors import AmbiguousNameError, ConfigError, UnknownNameError
from interpzoo.interfaces import DataSet, Regularizer, Step
from interpzoo.model import InterpolationModel
from interpzoo.plugins import registry
from interpzoo.pretrained.card import render_card
from interpzoo.recipes import load_recipe
from interpzoo.registry import Method, Owner, Registration, Registry
from tests.tiny import random_images

BATCH = 4


def batch_for(recipe: Recipe, fields: frozenset[str]) -> dict[str, Tensor]:
    """Random images and whatever other fields are asked for."""
    images = random_images(BATCH, recipe.image)
    spare = {"partner": images.flip(0), "midpoint": images, "distance": torch.ones(BATCH), "angle": torch.ones(BATCH)}
    spare["label"] = torch.arange(BATCH)
    return {"image": images} | {name: spare[name] for name in fields}


def check_images(recipe: Recipe, model: InterpolationModel) -> None:
    """The model takes and gives images of the recipe's shape."""
    assert model.training
    assert model.config.image == recipe.image
    with torch.no_grad():
        codes = model.eval().encode(random_images(2, recipe.image))
        images = model.decode(codes)
    assert codes.shape == (2, *model.latent_shape)
    assert images.shape == (2, *recipe.image.shape)
    assert images.isfinite().all()
    if model.prior is not None:
        assert model.prior.sample(3, generator=Generator().manual_seed(0)).shape == (3, *model.latent_shape)


def check_names(recipe: Recipe) -> None:
    """The recipe has a summary, its method a recipe, and its data set takes its options."""
    assert recipe.summary
    assert registry().recipes.find(registry().methods.find(recipe.method).entry.recipe)
    validate(component_class(DataSet, recipe.data.name).Config, recipe.data.options, "data")


def check_losses(recipe: Recipe, model: InterpolationModel) -> None:
    """Every update's losses reach its own parameters, and no two updates of one step share parameters."""
    regularizer = build_component(Regularizer, recipe.regularizer, recipe.image, model.latent_shape)
    batch = batch_for(recipe, regularizer.requires)
    generator = Generator().manual_seed(0)
    regularizer.setup(model, batch, generator)
    step = Step(batch=batch, model=model, generator=generator, index=0, total=10)
    updates = regularizer.updates(model)
    assert len({update.name for update in updates}) == len(updates)
    moved = [id(parameter) for update in updates if update.active(step) for parameter in update.parameters]
    assert len(set(moved)) == len(moved)
    for update in updates:
        if update.active(step):
            loss = torch.stack([term.float() for term in regularizer.loss(step, update.name).values()]).sum()
            assert loss.isfinite()
            gradients = torch.autograd.grad(loss, update.parameters, retain_graph=True, allow_unused=True)
            assert any(gradient is not None and gradient.abs().max() > 0 for gradient in gradients)


@pytest.mark.parametrize("name", registry().recipes.names())
def test_a_registered_recipe_can_be_built_and_trained(name: str, torchvision_shim: object) -> None:
    recipe, model = load_recipe(name), interpzoo.create(name)
    check_names(recipe)
    check_images(recipe, model)
    check_losses(recipe, model)


def test_every_method_stands_for_its_recipe() -> None:
    for method in registry().methods.names():
        recipe = load_recipe(method)
        assert recipe.method == method
        assert load_recipe(registry().methods.find(method).qualified) == recipe


def test_create_is_a_function_of_the_seed_and_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    first, same = interpzoo.create("ae-mnist"), interpzoo.create("ae-mnist")
    other = interpzoo.create("ae-mnist", seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    pairs = [*zip(first.parameters(), same.parameters(), other.parameters(), strict=True)]
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not all(torch.equal(a, c) for a, _, c in pairs)


def test_changes_are_taken_in_order_and_read_as_json_or_words() -> None:
    recipe = load_recipe(
        "ae-mnist",
        [
            "training.samples=100",
            "training.samples=200",
            "training.optimizer.name=adamw",
            "training.optimizer.betas=[0.5, 0.9]",
            "training.ema_decay=null",
            "interpolator.name=slerp",
            "encoder.width = 8",
            'summary="quoted"',
        ],
    )
    assert recipe.training.samples == 200
    assert recipe.training.optimizer.name == "adamw"
    assert recipe.training.optimizer.betas == (0.5, 0.9)
    assert recipe.training.ema_decay is None
    assert recipe.interpolator.name == "slerp"
    assert recipe.encoder.options["width"] == 8
    assert recipe.summary == "quoted"
    # The file itself is read afresh.
    assert load_recipe("ae-mnist").training.samples != 200


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("training.samples", "'training.samples': expected key=value"),
        ("=3", "'=3': expected key=value"),
        ("training..seed=3", "expected key=value"),
        ("training.=3", "expected key=value"),
        ("method.title=x", "'method' is not a table"),
        ("training.sample=3", "unknown field 'training.sample'"),
        ("training.samples=many", "training.samples = 'many'"),
        ("training.samples=NaN", "training.samples"),
        ("width=3", "unknown field 'width'"),
    ],
)
def test_a_wrong_change_is_quoted(change: str, part: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_recipe("ae-mnist", [change])
    assert part in str(error.value)


def test_a_wrong_option_of_a_component_is_reported_when_it_is_built() -> None:
    with pytest.raises(ConfigError, match=r"encoder 'conv': unknown field 'depth' \(known: width"):
        interpzoo.create(load_recipe("ae-mnist", ["encoder.depth=3"]))


def test_a_copied_recipe_file_works_under_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(registry().recipes.find("ae-mnist").entry.read(), "utf-8")
    expected = load_recipe("ae-mnist").model_copy(update={"name": "mine"})
    assert load_recipe(path) == expected
    assert load_recipe(str(path)) == expected
    path.write_text(f'name = "other"\n{path.read_text()}')
    assert load_recipe(path).name == "other"


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"method = ", "is not TOML"),
        (b"\xff\xfe\x00", "is not TOML"),
        (b"", "field 'image' is missing"),
        (None, "cannot read recipe"),
    ],
)
def test_an_invalid_recipe_file_is_named(tmp_path: Path, content: bytes | None, part: str) -> None:
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        load_recipe(path)
    assert part in str(error.value)
    assert "mine.toml" in str(error.value)


def test_a_folder_is_not_a_recipe(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read recipe"):
        load_recipe(tmp_path)


@pytest.mark.parametrize(
    ("name", "nearest"), [("acai-mnits", "acai-mnist"), ("vea", "vae"), ("acai:acai-mnits", "acai")]
)
def test_an_unknown_recipe_suggests_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(UnknownNameError, match=f"unknown recipe or method '{name}'.*{nearest}"):
        load_recipe(name)


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The process's registry and one more plugin, which has its own method ``ae``."""
    known = registry()
    rows = [row for row in known.methods if row.name == "ae"]
    clash = Registration("ae", Owner("mine", "interpzoo-mine", "1.0"), Method("Another", "vae-mnist"))
    monkeypatch.setitem(known.methods._rows, "ae", [*rows, clash])
    return known


def test_a_clash_of_methods_is_reported_and_full_names_work(crowded: Registry) -> None:
    with pytest.raises(AmbiguousNameError, match=r"interpzoo-mine.*baselines:ae.*mine:ae"):
        load_recipe("ae")
    assert load_recipe("baselines:ae").name == "ae-mnist"
    assert load_recipe("mine:ae").name == "vae-mnist"


def test_a_model_keeps_the_method_of_its_own_plugins(crowded: Registry) -> None:
    """Even if its bare name has become ambiguous."""
    model = interpzoo.load("ae-lines")
    assert "Autoencoder trained on reconstruction alone" in render_card(model.config)
    unknown = model.config.model_copy(update={"plugins": {}})
    with pytest.raises(AmbiguousNameError, match=r"baselines:ae.*mine:ae"):
        render_card(unknown)


def test_a_recipe_is_taken_as_it_is_and_changed() -> None:
    recipe = load_recipe("ae-mnist")
    assert load_recipe(recipe) == recipe
    assert load_recipe(recipe, ["training.seed=3"]).training.seed == 3
