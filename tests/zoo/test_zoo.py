"""The bundled models are what their cards and the registry say, and were trained by the committed recipes."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest

import interpzoo
from interpzoo.config import ModelConfig, Recipe, TrainedWith
from interpzoo.evaluation import evaluate
from interpzoo.files import folder_bytes
from interpzoo.listing import summary_of
from interpzoo.plugins import registry
from interpzoo.pretrained.card import read_results, render_card
from interpzoo.pretrained.folder import (
    CARD,
    CODES,
    FILES,
    SUMS,
    WEIGHTS,
    check_hash,
    read_config,
    read_hashes,
    read_tensors,
    sha256,
    write_hashes,
    write_tensors,
)
from interpzoo.recipes import load_recipe
from interpzoo.registry import FIRST_PARTY, bundled_folder
from tests.tiny import run_python, write_distribution
from tools import bundle
from tools.bundle import CARDS, LARGEST

ROWS = {row.name: row for row in registry().models if row.owner.distribution == FIRST_PARTY}
LARGEST_ZOO = 60_000_000


@pytest.fixture(params=sorted(ROWS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def folder(name: str) -> Path:
    found = bundled_folder(ROWS[name])
    assert found is not None
    return found


@pytest.fixture
def config(folder: Path) -> ModelConfig:
    return read_config(folder)


def trained(config: ModelConfig) -> TrainedWith:
    assert config.trained is not None
    return config.trained


def test_there_is_a_model() -> None:
    assert "acai-mnist" in ROWS


def test_every_folder_is_a_model_and_all_together_are_small() -> None:
    folders = [path for path in CARDS.iterdir() if path.is_dir()]
    assert {path.name for path in folders} == {*ROWS}
    assert sum(map(folder_bytes, folders)) <= LARGEST_ZOO


def test_a_folder_holds_what_it_should_and_is_small(folder: Path) -> None:
    needed = {*FILES} - {CODES}
    assert needed <= {path.name for path in folder.iterdir()} <= {*FILES}
    assert folder_bytes(folder) <= LARGEST


def test_every_file_but_the_card_is_pinned(name: str, folder: Path) -> None:
    assert ROWS[name].entry.sha256 == sha256(folder / SUMS)
    sums = read_hashes(folder)
    assert {*sums} == {path.name for path in folder.iterdir()} - {CARD, SUMS}
    for file in sums:
        check_hash(folder, file, sums)


def test_the_registry_says_what_the_config_says(name: str, config: ModelConfig) -> None:
    entry = ROWS[name].entry
    assert (entry.method, entry.dataset, entry.license, summary_of(ROWS[name])) == (
        config.method,
        trained(config).data.name,
        config.license,
        config.summary,
    )
    assert config.name == name
    assert ROWS[name].owner.plugin == registry().methods.find(config.method).owner.plugin


def test_the_committed_recipe_trains_it(name: str, config: ModelConfig) -> None:
    recipe, run = load_recipe(name), trained(config)
    assert run.samples_seen >= recipe.training.samples
    assert (run.recipe, run.regularizer, run.data, run.training, run.started_from) == (
        recipe.name,
        recipe.regularizer,
        recipe.data,
        recipe.training,
        recipe.start_from,
    )
    for part in ("encoder", "decoder", "prior", "interpolator"):
        made, asked = getattr(config, part), getattr(recipe, part)
        assert (made is None) == (asked is None)
        if made is not None:
            assert made.options == asked.options
            assert made.name.rpartition(":")[2] == asked.name.rpartition(":")[2]


def test_methods_on_one_data_set_have_the_same_networks_and_samples() -> None:
    """Among models of one size of image, shape of codes and kind of decoder: a data set may have other families.

    Those that start from another of them see the same samples after it, all of them.
    """

    def key(recipe: Recipe) -> tuple[str, str, str, str]:
        latent_shape = interpzoo.load(recipe.name).latent_shape
        return recipe.data.name, f"{recipe.image.height}x{recipe.image.width}", recipe.decoder.name, str(latent_shape)

    names = [name for name, row in ROWS.items() if row.entry.kind == "interpolator"]
    for _, group in itertools.groupby(sorted(map(load_recipe, names), key=key), key):
        first, *others = recipes = list(group)
        fresh = [recipe for recipe in recipes if recipe.start_from is None]
        tuned = [recipe for recipe in recipes if recipe.start_from is not None]
        assert {recipe.start_from for recipe in tuned} <= {recipe.name for recipe in fresh}
        for alike in (fresh, tuned):
            assert len({recipe.training.samples for recipe in alike}) <= 1
        for recipe in others:
            assert recipe.image == first.image
            # A posterior, a sigmoid and skips are the method's; the layers in between are everybody's.
            own = dict.fromkeys(("posterior", "output", "skip"))
            for part in ("encoder", "decoder"):
                assert {**getattr(recipe, part).options, **own} == {**getattr(first, part).options, **own}


def test_the_card_is_what_config_and_results_make(folder: Path, config: ModelConfig) -> None:
    results = read_results(folder)
    assert results
    assert (folder / CARD).read_text("utf-8") == render_card(config, results, preview=True)
    assert config.limitations


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(name for name, row in ROWS.items() if row.entry.dataset == "lines"))
def test_evaluate_gives_the_figures_on_the_card(name: str) -> None:
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


def test_it_is_whole_and_still_makes_the_frames_that_it_came_with(name: str, folder: Path) -> None:
    findings = {finding.name: finding.problem for finding in interpzoo.verify(name)}
    assert findings == dict.fromkeys([*read_hashes(folder), "frames"], "")


def test_one_changed_byte_is_found_and_its_file_named(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    for file in read_hashes(copy):
        data = bytearray((copy / file).read_bytes())
        data[len(data) // 2] ^= 1
        (copy / file).write_bytes(data)
        assert file in {finding.name for finding in interpzoo.verify(copy) if finding.problem}
        data[len(data) // 2] ^= 1
        (copy / file).write_bytes(data)


PLUGIN = """
from interpzoo.plugins import hookimpl

INTERPZOO_API = 1


@hookimpl
def register(registry):
    registry.add_package("interpzoo_still")
"""
LOADING = """
import interpzoo

try:
    interpzoo.load("still")
except interpzoo.InterpzooError as error:
    print(error)
"""


@pytest.mark.parametrize("changed", [False, True])
def test_weights_and_list_changed_together_are_found_out(tmp_path: Path, changed: bool) -> None:
    """By the checksum of the list itself, which the plugin registers."""
    zoo = bundle.register("", read_config(CARDS / "acai-mnist"), "mnist", CARDS / "acai-mnist")
    zoo = zoo.replace("models.acai-mnist", "models.still").replace('"interpzoo"', '"interpzoo_still"')
    package = write_distribution(tmp_path, "interpzoo-still", {"__init__.py": PLUGIN, "zoo.toml": zoo}, plugin="still")
    folder = tmp_path / package / "model_cards" / "still"
    shutil.copytree(CARDS / "acai-mnist", folder)
    if changed:
        tensors = read_tensors(folder / WEIGHTS)
        name = next(iter(tensors))
        write_tensors(folder / WEIGHTS, {**tensors, name: tensors[name] + 1})
        write_hashes(folder)
        interpzoo.load(folder)  # whole by its own list
    done = run_python(LOADING, site=tmp_path)
    assert done.returncode == 0, done.stderr
    assert bool(done.stdout) is ("SHA256SUMS is damaged" in done.stdout) is changed


def test_registering_a_model_again_replaces_its_table_alone(config: ModelConfig, name: str) -> None:
    path = Path("plugins", f"interpzoo_{ROWS[name].owner.plugin}", "zoo.toml")
    text = (bundle.ROOT / path).read_text("utf-8")
    assert bundle.register(text, config, trained(config).data.name, CARDS / name) == text
    renamed = config.model_copy(update={"name": "new-model"})
    longer = bundle.register(text, renamed, "mnist", CARDS / name)
    assert longer.startswith(f"{text}\n[models.new-model]\n")
    assert bundle.register(longer, renamed, "mnist", CARDS / name) == longer
