"""Schemas: values are validated and bounded, and errors name component and field."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from interpzoo.build import build_component
from interpzoo.config import (
    FORMAT_VERSION,
    Component,
    ComponentConfig,
    ImageSpec,
    ModelConfig,
    Recipe,
    TrainingConfig,
    validate,
)
from interpzoo.errors import ConfigError, InterpzooError
from interpzoo.interfaces import Decoder, Encoder, Regularizer
from tests.tiny import tiny_recipe

IMAGE = ImageSpec(channels=1, height=16, width=16)


class Sizes(ComponentConfig):
    width: int = Field(ge=1, le=8)
    mode: Literal["a", "b"] = "a"


def build(interface: type[Any], name: str, *shapes: Any, **options: Any) -> Any:
    return build_component(interface, Component.model_validate({"name": name, **options}), *shapes)


def nested(value: object, levels: int) -> object:
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


@pytest.mark.parametrize("place", ["name", "data", "encoder", "training"])
def test_values_that_could_not_be_written_again_are_refused(place: str) -> None:
    recipe = tiny_recipe().model_dump()
    for value in (nested(1, 30), 2**63 - 1, -(2**63)):
        validate(Recipe, {**recipe, "data": {"name": "lines", "option": value}}, "here")
    for value in (nested(1, 33), nested(1, 900), 2**63, -(2**63) - 1, 16**5000, nested(16**5000, 3)):
        with pytest.raises(ConfigError, match=r"^here: .* is too (large: expected whole|deep: expected at most 32)"):
            validate(Recipe, {**recipe, place: {"name": "conv", "option": value}}, "here")


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ({}, ["field 'width' is missing"]),
        ({"width": 0}, ["width = 0", "greater than or equal to 1"]),
        ({"width": 9}, ["width = 9", "less than or equal to 8"]),
        ({"width": "wide"}, ["width = 'wide'", "integer"]),
        ({"width": 1, "widht": 2}, ["unknown field 'widht'", "known: width, mode"]),
        ({"width": 1, "mode": "c"}, ["mode = 'c'", "'a' or 'b'"]),
        ({"width": 9, "mode": "c"}, ["width = 9", "mode = 'c'"]),
        ({"width": "w" * 5000}, ["width = 'www", "..."]),
    ],
)
def test_errors_quote_the_field_and_the_input(value: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        validate(Sizes, value, "encoder 'mine'")
    message = str(error.value)
    assert message.startswith("encoder 'mine': ")
    assert len(message) < 300
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("interface", "name", "options", "parts"),
    [
        (Encoder, "conv", {"widht": 3}, ["encoder 'conv'", "'widht'", "width"]),
        (Encoder, "conv", {"width": 1 << 20}, ["encoder 'conv'", "width = 1048576", "4096"]),
        (Encoder, "conv", {"scales": 9}, ["encoder 'conv'", "scales = 9", "8"]),
        (Encoder, "conv", {"scales": 5}, ["scales = 5", "16x16", "multiples of 32"]),
        (Encoder, "conv", {"activation": "relu"}, ["activation = 'relu'", "leaky_relu"]),
        (Encoder, "conv", {"width": float("nan")}, ["width = nan"]),
    ],
)
def test_a_component_is_named_with_its_wrong_field(
    interface: type[Encoder], name: str, options: dict[str, Any], parts: list[str]
) -> None:
    with pytest.raises(ConfigError) as error:
        build(interface, name, IMAGE, **options)
    for part in parts:
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({}, ["regularizer 'acai'", "'critic' is missing"]),
        ({"critic": {"wide": 1}}, ["regularizer 'acai'", "'critic.wide'"]),
        ({"critic": {"scales": -1}}, ["critic.scales = -1"]),
        ({"critic": {}, "gamma": 1.5}, ["gamma = 1.5"]),
        ({"critic": {}, "gamma": float("nan")}, ["gamma = nan"]),
        ({"critic": {}, "weight": float("inf")}, ["weight = inf"]),
    ],
)
def test_a_nested_field_is_named_in_full(options: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        build(Regularizer, "acai", IMAGE, (2, 4, 4), **options)
    for part in parts:
        assert part in str(error.value)


@pytest.mark.parametrize("latent_shape", [(2,), (2, 5, 5), (2, 32, 32), (2, 4, 8)])
def test_a_decoder_refuses_codes_that_do_not_double_to_the_image(latent_shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"codes"):
        build(Decoder, "conv", IMAGE, latent_shape)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"sizes": 3}, "unknown field 'sizes'"),
        ({"encoder": {"width": 3}}, "field 'encoder.name' is missing"),
        ({"encoder": "conv"}, "encoder = 'conv'"),
        ({"encoder": {"name": "interpzoo.nets:ConvEncoder.x y"}}, "encoder.name"),
        ({"encoder": {"name": "os/system"}}, "encoder.name"),
        ({"image": {"channels": 1, "height": 4096, "width": 32}}, "image.height = 4096"),
        ({"image": {"channels": 0, "height": 32, "width": 32}}, "image.channels = 0"),
        ({"image": {"channels": 1, "height": 32}}, "'image.width' is missing"),
        ({"training": {"batch_size": 1}}, "training.batch_size = 1"),
        ({"training": {"samples": 0}}, "training.samples = 0"),
        ({"training": {"samples": 1e400}}, "training.samples = inf"),
        ({"training": {"seed": -1}}, "training.seed = -1"),
        ({"training": {"ema_decay": 1}}, "training.ema_decay = 1"),
        ({"training": {"precision": "float8"}}, "training.precision = 'float8'"),
        ({"training": {"optimizer": {"learning_rate": 0}}}, "training.optimizer.learning_rate = 0"),
        ({"training": {"optimizer": {"learning_rate": float("nan")}}}, "training.optimizer.learning_rate = nan"),
        ({"training": {"optimizer": {"betas": [0.9]}}}, "training.optimizer.betas"),
        ({"training": {"optimizer": {"momentum": 0.9}}}, "unknown field 'training.optimizer.momentum'"),
        ({"name": "a/b"}, "name = 'a/b'"),
    ],
)
def test_a_recipe_names_what_is_wrong(change: dict[str, Any], part: str) -> None:
    value = tiny_recipe().model_dump() | change
    with pytest.raises(ConfigError) as error:
        validate(Recipe, value, "recipe 'mine'")
    assert str(error.value).startswith("recipe 'mine': ")
    assert part in str(error.value)


@pytest.mark.parametrize("version", [FORMAT_VERSION + 1, str(FORMAT_VERSION + 1), float(FORMAT_VERSION + 1), 0, -1])
def test_other_format_versions_are_refused(version: Any) -> None:
    recipe = tiny_recipe()
    value = {"image": recipe.image, "encoder": recipe.encoder, "decoder": recipe.decoder, "name": "a", "method": "ae"}
    validate(ModelConfig, value, "config")
    with pytest.raises(ConfigError, match="format"):
        validate(ModelConfig, {**value, "format": version}, "config")


def test_a_component_can_be_given_by_its_full_name() -> None:
    assert build(Encoder, "baselines:conv", IMAGE, width=2).latent_shape == (16, 2, 2)
    recipe = tiny_recipe().model_dump() | {"method": "baselines:ae"}
    assert validate(Recipe, recipe, "recipe").method == "baselines:ae"


def test_an_unknown_component_suggests_the_nearest() -> None:
    with pytest.raises(InterpzooError, match=r"unknown encoder 'cnov'\. Did you mean 'conv'"):
        build(Encoder, "cnov", IMAGE)


def test_schemas_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        TrainingConfig().seed = 3


def test_a_recipe_survives_json() -> None:
    recipe = tiny_recipe("acai", gamma=0.3)
    again = Recipe.model_validate_json(recipe.model_dump_json())
    assert again == recipe
    assert again.regularizer.options == {"critic": {"width": 2, "scales": 2, "latent_channels": 2}, "gamma": 0.3}


def test_a_config_class_that_is_none_is_refused_where_it_is_named() -> None:
    class Foreign(BaseModel):
        power: float = 2.0

    with pytest.raises(TypeError, match=r"the config of 'Mine' is <class .*Foreign'>: expected a class that derives"):

        class Mine(Regularizer[Foreign]):  # pyright: ignore[reportInvalidTypeArguments]
            pass


def test_a_default_outside_its_own_bounds_is_an_error() -> None:
    class Slack(ComponentConfig):
        width: int = Field(default=9, le=8)

    with pytest.raises(ConfigError, match=r"^here: width = 9: Input should be less than or equal to 8$"):
        validate(Slack, {}, "here")
    assert validate(Slack, {"width": 8}, "here").width == 8
