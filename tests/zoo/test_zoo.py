"""The bundled models are what their cards and the registry say, and were trained by the committed recipes."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest
import torch

import interpzoo
from interpzoo.build import Parts, build_parts, resolved
from interpzoo.config import Component, MethodConfig, ModelConfig, Recipe, TrainedWith
from interpzoo.errors import ConfigError, WeightsError
from interpzoo.evaluation import evaluate
from interpzoo.files import folder_bytes
from interpzoo.listing import summary_of
from interpzoo.plugins import registry
from interpzoo.pretrained.card import read_results, render_card
from interpzoo.pretrained.folder import (
    CARD,
    CODES,
    DIRECTIONS,
    FILES,
    FITNESS,
    SUMS,
    WEIGHTS,
    read_config,
    read_hashes,
    write_hashes,
)
from interpzoo.pretrained.reading import sha256
from interpzoo.pretrained.stored import read_tensors, write_tensors
from interpzoo.recipes import load_recipe
from interpzoo.registry import FIRST_PARTY, bundled_folder
from tests.site import Site
from tools import bundle, untrained
from tools.bundle import CARDS, LARGEST

ROWS = {row.name: row for row in registry().models if row.owner.distribution == FIRST_PARTY}
UNTRAINED = {config.name for config in untrained.MODELS}
LARGEST_ZOO = 72_000_000


def folder_of(name: str) -> Path:
    found = bundled_folder(ROWS[name])
    assert found is not None
    return found


def trained(config: ModelConfig) -> TrainedWith:
    assert config.trained is not None
    return config.trained


def data_of(config: ModelConfig) -> str:
    """The name of the data that a model was trained on; empty for those that nothing is trained for."""
    return "" if config.name in UNTRAINED else trained(config).data.name


def test_every_folder_is_a_registered_model_and_all_together_are_small() -> None:
    assert "acai-mnist" in ROWS
    folders = [path for path in CARDS.iterdir() if path.is_dir()]
    assert {path.name for path in folders} == {*ROWS}
    assert sum(map(folder_bytes, folders)) <= LARGEST_ZOO


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_bundled_model_is_whole_registered_and_trained_by_its_recipe(name: str) -> None:
    """Every file has its registered hash, the weights still give the stored frames, and no description differs."""
    folder, config = folder_of(name), read_config(folder_of(name))
    check_files(name, folder)
    check_registration(name, config)
    check_recipe(name, config)
    check_card(folder, config)
    check_register_tool(name, config)


def check_files(name: str, folder: Path) -> None:
    files = {path.name for path in folder.iterdir()}
    assert {*FILES} - {CODES, DIRECTIONS, FITNESS} <= files <= {*FILES}
    assert folder_bytes(folder) <= LARGEST
    assert ROWS[name].entry.sha256 == sha256(folder / SUMS)
    hashes = read_hashes(folder)
    assert {*hashes} == files - {CARD, SUMS}
    findings = {finding.name: finding.problem for finding in interpzoo.verify(name)}
    assert findings == dict.fromkeys([*hashes, "frames"], "")


def check_registration(name: str, config: ModelConfig) -> None:
    entry = ROWS[name].entry
    assert (entry.method, entry.dataset, entry.license, summary_of(ROWS[name])) == (
        config.method,
        data_of(config),
        config.license,
        config.summary,
    )
    assert config.name == name
    assert ROWS[name].owner.plugin == registry().methods.find(config.method).owner.plugin


def check_recipe(name: str, config: ModelConfig) -> None:
    if name in UNTRAINED:
        assert config.trained is None
        with pytest.raises(ConfigError, match="nothing is trained"):
            load_recipe(name)
        return
    recipe, run = load_recipe(name), trained(config)
    assert run.samples_seen >= recipe.training.samples
    assert (run.recipe, run.regularizer, run.data, run.training, run.started_from) == (
        recipe.name,
        recipe.regularizer,
        recipe.data,
        recipe.training,
        recipe.start_from,
    )
    assert resolved(config) == config, "an option is not written: 'python -m tools.resolve' writes it"
    assert config.model_copy(update=parts_of(resolved(recipe))) == config


def parts_of(config: MethodConfig) -> dict[str, Component | None]:
    return {part: getattr(config, part) for part in Parts._fields}


def check_card(folder: Path, config: ModelConfig) -> None:
    results = read_results(folder)
    assert bool(results) == (config.name not in UNTRAINED)
    assert (folder / CARD).read_text("utf-8") == render_card(config, results, preview=True)
    assert config.limitations


def check_register_tool(name: str, config: ModelConfig) -> None:
    """Registering a model again changes nothing; a new model gets a table at the end."""
    text = (bundle.ROOT / "plugins" / f"interpzoo_{ROWS[name].owner.plugin}" / "zoo.toml").read_text("utf-8")
    assert bundle.register(text, config, data_of(config), CARDS / name) == text
    renamed = config.model_copy(update={"name": "new-model"})
    longer = bundle.register(text, renamed, "mnist", CARDS / name)
    assert longer.startswith(f"{text}\n[models.new-model]\n")
    assert bundle.register(longer, renamed, "mnist", CARDS / name) == longer


def test_methods_on_one_data_set_have_the_same_networks_and_samples() -> None:
    """Among models of one size of image, shape of codes and kind of decoder: a data set may have other families.

    Those that start from another of them see the same samples after it, all of them.
    """

    def key(recipe: Recipe) -> tuple[str, str, str, str]:
        with torch.device("meta"):
            latent_shape = build_parts(recipe).encoder.latent_shape
        return recipe.data.name, f"{recipe.image.height}x{recipe.image.width}", recipe.decoder.name, str(latent_shape)

    names = [name for name, row in ROWS.items() if row.entry.kind == "interpolator" and name not in UNTRAINED]
    for _, group in itertools.groupby(sorted(map(load_recipe, names), key=key), key):
        first, *others = recipes = list(group)
        fresh = [recipe for recipe in recipes if recipe.start_from is None]
        tuned = [recipe for recipe in recipes if recipe.start_from is not None]
        assert {recipe.start_from for recipe in tuned} <= {recipe.name for recipe in fresh}
        for alike in (fresh, tuned):
            assert len({recipe.training.samples for recipe in alike}) <= 1
        for recipe in others:
            assert recipe.image == first.image
            # A method may have its own posterior, heads, output and skips; all other layers are the same.
            own = dict.fromkeys(("posterior", "heads", "output", "skip"))
            for part in ("encoder", "decoder"):
                assert {**getattr(recipe, part).options, **own} == {**getattr(first, part).options, **own}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(name for name, row in ROWS.items() if row.entry.dataset == "lines"))
def test_evaluate_gives_the_scores_on_the_card(name: str) -> None:
    printed = {result.metric: result.value for result in read_results(CARDS / name)}
    measured = {result.metric: result.value for result in evaluate(name, metrics=bundle.EXACT).results}
    assert len(measured) == 4
    assert measured == pytest.approx({metric: printed[metric] for metric in measured}, rel=0.02)


def test_acai_beats_the_autoencoder_as_its_paper_says() -> None:
    acai, ae = ({r.metric: r.value for r in read_results(CARDS / f"{method}-lines")} for method in ("acai", "ae"))
    assert acai["Mean Distance"] <= ae["Mean Distance"] / 5
    assert acai["Mean Smoothness"] <= min(0.12, ae["Mean Smoothness"] / 2)
    acai, ae = ({r.metric: r.value for r in read_results(CARDS / f"{method}-mnist")} for method in ("acai", "ae"))
    assert acai["linear probe accuracy"] >= max(0.97, ae["linear probe accuracy"])
    assert acai["K-means accuracy"] >= max(0.85, ae["K-means accuracy"])


PLUGIN = """
from interpzoo.plugins import hookimpl

INTERPZOO_API = 1


@hookimpl
def register(registry):
    registry.add_package(__name__)
"""


def test_weights_changed_together_with_their_list_are_detected_by_the_registered_hash(site: Site) -> None:
    zoo = bundle.register("", read_config(CARDS / "acai-mnist"), "mnist", CARDS / "acai-mnist")
    zoo = zoo.replace("models.acai-mnist", "models.still").replace('"interpzoo"', '"{package}"')
    name = site.install("still", {"__init__.py": PLUGIN, "zoo.toml": zoo})
    folder = site.path / name.replace("-", "_") / "model_cards" / "still"
    shutil.copytree(CARDS / "acai-mnist", folder)
    interpzoo.load("still")
    tensors = read_tensors(folder / WEIGHTS)
    first = next(iter(tensors))
    write_tensors(folder / WEIGHTS, {**tensors, first: tensors[first] + 1})
    write_hashes(folder)
    interpzoo.load(folder)  # whole by its own list
    with pytest.raises(WeightsError, match="SHA256SUMS is damaged"):
        interpzoo.load("still")
