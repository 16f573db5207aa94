"""The card of a model: its text, and its metadata as the Hub reads it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from interpzoo.config import Component, ModelConfig, TrainedWith
from interpzoo.errors import ConfigError, UnknownNameError
from interpzoo.pretrained.card import Result, read_results, render_card, write_card
from tests.tiny import tiny_model, tiny_recipe

RESULTS = [
    Result("Mean Distance", 0.00069, "lines", better="lower"),
    Result("reconstruction PSNR (dB)", 31.25, "lines"),
    Result("K-means accuracy", 1 / 3, "lines"),
]


def config_of(method: str = "ae", **changes: object) -> ModelConfig:
    """The config of a small model that was trained on lines."""
    recipe = tiny_recipe(method)
    trained = TrainedWith(
        recipe=recipe.name,
        regularizer=recipe.regularizer,
        data=recipe.data,
        training=recipe.training,
        samples_seen=12_345,
        started_from="ae-lines",
        versions={"torch": "2.6"},
    )
    return tiny_model(method).config.model_copy(update={"trained": trained, **changes})


def test_the_hub_reads_its_metadata() -> None:
    card = ModelCard(render_card(config_of(license="cc0-1.0"), RESULTS))
    data = card.data.to_dict()
    assert data["license"] == "cc0-1.0"
    assert data["library_name"] == "interpzoo"
    assert data["tags"] == ["interpzoo", "interpolation", "autoencoder", "ae"]
    (model,) = data["model-index"]
    assert model["name"] == "ae-tiny"
    metrics = {m["name"]: m["value"] for result in model["results"] for m in result["metrics"]}
    assert metrics == {result.metric: result.value for result in RESULTS}


def test_a_card_says_which_scores_are_better(tmp_path: Path) -> None:
    write_card(tmp_path, config_of(), RESULTS)
    card = tmp_path / "README.md"
    assert "| Mean Distance | lines | 0.00069 | lower |" in card.read_text("utf-8")
    assert [result.better for result in read_results(tmp_path)] == ["lower", "", ""]
    card.write_text(card.read_text("utf-8").replace("better: lower", "better: '| <b>'"), "utf-8")
    assert [result.better for result in read_results(tmp_path)] == ["", "", ""]


def test_no_option_breaks_a_table() -> None:
    config = config_of(decoder=Component.model_validate({"name": "conv", "note": "a | b"}))
    (row,) = [line for line in render_card(config).splitlines() if line.startswith("| decoder |")]
    assert row == "| decoder | conv (note = a &#124; b) |"


@pytest.mark.parametrize(
    ("plugins", "packages"),
    [
        ({}, "interpzoo"),
        ({"acai": "interpzoo 0.1.0", "baselines": "interpzoo 0.1.0"}, "interpzoo"),
        (
            {"b": "their-paths 2.0", "a": "interpzoo-mine 1.0", "c": "their-paths 2.0"},
            "interpzoo interpzoo-mine their-paths",
        ),
    ],
)
def test_it_names_the_packages_to_install(plugins: dict[str, str], packages: str) -> None:
    assert f"```sh\npip install {packages}\n```" in render_card(config_of(plugins=plugins))


@pytest.mark.parametrize(
    ("data", "hub_id"),
    [
        (Component(name="lines"), None),
        (Component(name="mnist"), "ylecun/mnist"),
        (Component.model_validate({"name": "images", "source": "somebody/cats"}), "somebody/cats"),
        (Component.model_validate({"name": "images", "source": "./cats"}), None),
        (Component(name="of-a-missing-plugin"), None),
    ],
)
def test_data_sets_have_their_names_on_the_hub(data: Component, hub_id: str | None) -> None:
    config = config_of()
    assert config.trained is not None
    trained = config.trained.model_copy(update={"data": data})
    card = render_card(config.model_copy(update={"trained": trained}), [Result("Mean Distance", 0.5, data.name)])
    found = ModelCard(card).data.to_dict()
    assert found.get("datasets") == (None if hub_id is None else [hub_id])
    assert found["model-index"][0]["results"][0]["dataset"] == {"name": data.name, "type": hub_id or data.name}


@pytest.mark.parametrize(
    ("start", "base"),
    [(None, None), ("ae-lines", None), ("somebody/faces", "somebody/faces"), ("somebody/faces@v2", "somebody/faces")],
)
def test_a_fine_tuned_repository_is_the_base_model(start: str | None, base: str | None) -> None:
    """The Hub's tree of models has repositories, not registered names."""
    config = config_of()
    assert config.trained is not None
    trained = config.trained.model_copy(update={"started_from": start})
    card = render_card(config.model_copy(update={"trained": trained}))
    assert ModelCard(card).data.to_dict().get("base_model") == base
    assert (f"| started from | {start} |" in card) == (start is not None)


def test_results_are_read_back_exactly(tmp_path: Path) -> None:
    write_card(tmp_path, config_of(), RESULTS)
    assert read_results(tmp_path) == RESULTS


def test_nan_is_read_back(tmp_path: Path) -> None:
    write_card(tmp_path, config_of(), [Result("Mean Smoothness", math.nan, "lines")])
    (result,) = read_results(tmp_path)
    assert math.isnan(result.value)


def test_results_on_several_data_sets_are_kept_apart(tmp_path: Path) -> None:
    results = [Result("Mean Distance", 0.5, "lines"), Result("Mean Distance", 0.25, "discs")]
    write_card(tmp_path, config_of(), results)
    assert sorted(read_results(tmp_path), key=lambda r: r.value, reverse=True) == results


def test_a_card_whose_example_is_not_a_name_is_written_again(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text('model = interpzoo.load("C:\\models\\x")\n')
    write_card(tmp_path, config_of(), RESULTS)
    assert f'model = interpzoo.load("{config_of().name}")\n' in (tmp_path / "README.md").read_text()


def test_without_results_or_a_card_there_are_none(tmp_path: Path) -> None:
    assert read_results(tmp_path) == []
    write_card(tmp_path, config_of())
    assert read_results(tmp_path) == []
    assert "## Results" not in (tmp_path / "README.md").read_text()


def test_the_table_shows_four_digits() -> None:
    text = render_card(config_of(), [Result("Mean Distance", 0.000691234, "lines", " px")])
    assert "| Mean Distance | lines | 0.0006912 px |" in text


def test_the_card_describes_model_and_training() -> None:
    text = render_card(config_of("vae", limitations="Lines only.", summary="A small one."))
    for line in (
        "# vae-tiny",
        "A small one.",
        'model = interpzoo.load("vae-tiny")',
        "Auto-Encoding Variational Bayes ([paper](https://arxiv.org/abs/1312.6114))",
        "| image | 1 x 16 x 16, values in [0, 1] |",
        "| encoder | baselines:conv (width = 4, scales = 2, latent_channels = 2, activation = leaky_relu, posterior = ",
        "| prior | baselines:normal |",
        "| samples seen | 12,345 |",
        "| started from | ae-lines |",
        "| optimizer | adam, rate 0.001 (cosine), betas (0.9, 0.999), gradient norm at most 1 |",
        "| weight average | none |",
        "| versions | torch 2.6 |",
        "Lines only.",
        "@inproceedings{kingma2014vae,",
    ):
        assert line in text, line


@pytest.mark.parametrize(
    ("changes", "absent"),
    [
        ({"trained": None}, "## Training"),
        ({"limitations": ""}, "## Limits"),
        ({}, "## Citation"),  # the plain autoencoder has no paper
        ({}, "![Interpolations"),
    ],
)
def test_empty_sections_are_left_out(changes: dict[str, object], absent: str) -> None:
    text = render_card(config_of(**changes))
    assert absent not in text
    assert "\n\n\n" not in text


def test_a_preview_is_shown_if_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "preview.png").write_bytes(b"")
    write_card(tmp_path, config_of())
    assert "](./preview.png)" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize("text", ["---\nlicense: mit\n---", "a: b # c", "ä – 日本", "| a | b |"])
def test_text_from_the_config_cannot_change_the_metadata(text: str, tmp_path: Path) -> None:
    config = config_of(summary=text, limitations=text, license="other")
    write_card(tmp_path, config, RESULTS)
    assert ModelCard.load(tmp_path / "README.md").data.to_dict()["license"] == "other"
    assert read_results(tmp_path) == RESULTS
    assert (tmp_path / "README.md").read_text("utf-8").count(text) == 2


@pytest.mark.parametrize("license", ["yes", "1", "a: b", "- x", "'", "#", "---"])
def test_a_license_stays_a_string(license: str) -> None:
    assert ModelCard(render_card(config_of(license=license))).data.to_dict()["license"] == license


def test_a_component_without_options_and_one_of_another_plugin() -> None:
    text = render_card(config_of(interpolator=Component(name="mine:eased")))
    assert "| default path | mine:eased |" in text


def test_an_unknown_method_is_reported() -> None:
    with pytest.raises(UnknownNameError, match="unknown method 'alchemy'"):
        render_card(config_of(method="alchemy"))


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        (b"---\ntags: [a\n---\n", "has no valid metadata: while parsing a flow sequence"),
        (b"---\n- a\n---\n", "has no valid metadata: repo card metadata block should be a dict"),
        (b"---\n1: 2\n---\n", "has no valid metadata: "),
        (b"---\nmodel-index: 3\n---\n", "has no valid metadata: Invalid `model_index`"),
        (b"---\ntitle: \xff\n---\n", "has no valid metadata: 'utf-8' codec can't decode"),
        (b"---\n!!python/object/apply:os.abort []\n---\n", "has no valid metadata: could not determine a constructor"),
        (
            b"---\nmodel-index:\n- name: x\n  results:\n  - task: {type: a}\n    dataset: {type: b, name: c}\n"
            b"    metrics:\n    - {type: d, name: Mean Distance, value: small}\n---\n",
            "has Mean Distance = 'small', expected a number",
        ),
    ],
    ids=lambda value: value[:24].decode("latin1") if isinstance(value, bytes) else "",
)
def test_an_invalid_card_is_reported_in_one_line(card: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(card)
    with pytest.raises(ConfigError) as error:
        read_results(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / 'README.md'} {reason}")
    assert "\n" not in str(error.value)
