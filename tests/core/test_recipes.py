"""Recipes are found, copied and changed. That each can be built and trained is checked in tests/kit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import interpzoo
from interpzoo.build import build_component
from interpzoo.errors import AmbiguousNameError, ConfigError, UnknownNameError
from interpzoo.interfaces import Encoder
from interpzoo.nets import standard_images
from interpzoo.plugins import registry
from interpzoo.pretrained.card import render_card
from interpzoo.recipes import load_recipe
from interpzoo.registry import Method, Owner, Registration, Registry


def test_every_method_stands_for_its_recipe() -> None:
    for method in registry().methods.names():
        if not registry().methods.find(method).entry.recipe:
            with pytest.raises(ConfigError, match=f"method '{method}' has no recipe, because nothing is trained"):
                load_recipe(method)
            continue
        recipe = load_recipe(method)
        assert recipe.method == method
        assert load_recipe(registry().methods.find(method).qualified) == recipe


@pytest.mark.parametrize("method", ["amr", "gaia", "aeai", "ae"])
def test_recipes_on_one_data_set_differ_only_in_the_method(method: str) -> None:
    """The same networks, codes and samples as ACAI, so that scores can be compared."""
    fourth = "celeba" if method in ("amr", "gaia") else "pole-shadow"
    for data in ("lines", "mnist", "coil20", fourth):
        ours, acai = load_recipe(f"{method}-{data}"), load_recipe(f"acai-{data}")
        for part in ("image", "encoder", "decoder", "prior", "data", "license"):
            assert getattr(ours, part) == getattr(acai, part), (data, part)
        assert method == "amr" or ours.interpolator == acai.interpolator
        assert method == "ae" or ours.regularizer.options["discriminator"] == acai.regularizer.options["critic"]
        same = ["batch_size", "seed"]
        if method != "ae" and data == "lines":  # these methods draw lines only when they start from a trained model
            assert ours.start_from == "ae-lines"
        else:
            same += ["samples"] if method == "ae" else ["samples", "ema_decay"]
        for name in same:
            assert getattr(ours.training, name) == getattr(acai.training, name), (data, name)


@pytest.mark.parametrize("name", registry().recipes.names())
def test_codes_are_spread_at_the_start(name: str) -> None:
    """On images of patches, other ones than those of the initialization.

    Less, and the first steps see no difference between images; more, and the posteriors start far from the prior.
    """
    recipe = load_recipe(name)
    options = recipe.encoder.options
    smooth, variational = options.get("activation") in ("elu", "silu"), options.get("posterior") == "gaussian"
    if recipe.encoder.name != "conv" or not (smooth or variational) or options.get("heads") == "code":
        return  # timm's own, the ACAI paper's with its initialization, or one that is there to load an old model
    torch.manual_seed(0)
    encoder = build_component(Encoder, recipe.encoder, recipe.image)
    with torch.no_grad():
        spread = encoder(standard_images(recipe.image, seed=1)).std(0)
    assert spread.min() > 0.2
    assert spread.max() < 3


def test_create_is_a_function_of_the_seed_and_keeps_the_global_random_state() -> None:
    before = torch.get_rng_state()
    first, same = interpzoo.create("ae-mnist"), interpzoo.create("ae-mnist")
    other = interpzoo.create("ae-mnist", seed=1)
    assert first.training
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
        ("training.samples=" + "[" * 100_000, "training.samples = '[[[["),
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
