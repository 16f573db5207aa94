"""``interpzoo show``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from interpzoo.recipes import load_recipe
from tests.cli.conftest import Cli


def test_a_model_by_its_name_with_networks_limits_and_license(cli: Cli) -> None:
    done = cli("show", "ae-tiny")
    assert (done.returncode, done.stderr) == (0, "")
    text = done.stdout
    assert text.splitlines()[0] == "ae-tiny"
    for label, value in (
        ("method", "ae: Autoencoder trained on reconstruction alone"),
        ("license", "cc0-1.0"),
        ("image", "1 x 16 x 16, values in [0, 1]"),
        ("encoder", "baselines:conv (width = 4, scales = 2, latent_channels = 2,"),
        ("default path", "baselines:linear"),
    ):
        assert f"  {label} " in text
        assert value in text
    assert "It was never trained." in text
    assert "Training" not in text
    assert "Results" not in text


def test_a_trained_folder_with_its_results_and_citation(cli: Cli, model: Path) -> None:
    from interpzoo.pretrained.card import Result, write_card
    from interpzoo.pretrained.folder import read_config

    config = read_config(model).model_copy(update={"method": "vae"})
    (model / "config.json").write_text(config.model_dump_json(exclude_none=True))
    write_card(model, config, [Result("Mean Distance", 0.00069, "lines")])
    text = cli("show", "./model").stdout
    assert "https://arxiv.org/abs/1312.6114" in text
    assert "@inproceedings{kingma2014vae," in text
    assert [line.split() for line in text.splitlines() if "Mean Distance" in line] == [
        ["Mean", "Distance", "lines", "0.00069"]
    ]


def test_how_it_was_trained(cli: Cli, trained: Path) -> None:
    text = cli("show", trained).stdout
    assert "samples seen" in text
    assert "adam, rate 0.0004 (cosine)" in text


def test_json_has_the_config_and_what_is_known_of_the_folder(cli: Cli, trained: Path) -> None:
    shown = json.loads(cli("show", trained, "--json").stdout)
    assert shown["name"] == "tiny"
    assert shown["folder"] == str(trained)
    assert shown["bytes"] == sum(file.stat().st_size for file in trained.iterdir())
    assert shown["method"]["recipe"] == "ae-mnist"
    assert shown["results"] == []
    assert shown["config"]["trained"]["samples_seen"] == 32


def test_a_model_whose_method_is_not_installed_is_shown(cli: Cli, model: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"method": "unheard-of"}))
    done = cli("show", "./model")
    assert (done.returncode, done.stderr) == (0, "")
    assert "unheard-of\n" in done.stdout


@pytest.mark.parametrize("name", ["tiny", "acai"])
def test_a_printed_recipe_can_be_trained(cli: Cli, name: str, tmp_path: Path) -> None:
    done = cli("show", name, "--recipe")
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "mine.toml").write_text(done.stdout)
    found = load_recipe(tmp_path / "mine.toml")
    assert found.name == {"tiny": "tiny", "acai": "acai-mnist"}[name]
    if name == "acai":
        assert found == load_recipe(name)


def test_a_recipe_is_not_json(cli: Cli) -> None:
    assert "give one of --recipe and --json" in cli.refuses("show", "acai", "--recipe", "--json")
    assert "unknown recipe or method 'acay'" in cli.refuses("show", "acay", "--recipe")
