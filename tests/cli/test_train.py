"""``interpzoo train``: from a name on the command line to a folder that loads."""

from __future__ import annotations

import os
import pty
import random
import re
import shlex
import shutil
import signal
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from interpzoo import load
from interpzoo.pretrained.folder import read_config
from tests.cli.conftest import RECIPE, Cli


def test_the_default_folder_is_named_after_the_recipe_and_loads(trained: Path) -> None:
    assert trained.parts[-2:] == ("runs", "tiny")
    model = load(trained)
    assert model.config.method == "ae"
    assert model.example_strip().shape == (4, 9, 1, 16, 16)


def test_stdout_says_only_what_to_do_next(cli: Cli) -> None:
    done = cli("train", "tiny", "--output", "mine")
    assert done.stdout == "mine: trained; draw its paths with: interpzoo interpolate ./mine -o strip.png\n"
    assert all(line.startswith("tiny step ") for line in done.stderr.splitlines())
    assert cli("interpolate", "./mine", "-o", "strip.png").returncode == 0


def test_what_to_do_next_can_be_pasted_whatever_the_folder_is_called(cli: Cli, trained: Path) -> None:
    run = ("train", "tiny", "--set", "training.samples=8", "--output", "my cells µm")
    _, command = cli(*run).stdout.strip().split(": trained; draw its paths with: interpzoo ")
    assert shlex.split(command) == ["interpolate", "./my cells µm", "-o", "strip.png"]
    assert "fine-tune it with --from './my cells µm' (" in cli.refuses(*run)


def test_set_changes_a_recipe_in_a_file(cli: Cli, tmp_path: Path) -> None:
    """The ``~`` of ``--output=~/own`` is left by the shell."""
    (tmp_path / "own.toml").write_text('name = "own"\n' + RECIPE)
    cli = replace(cli, variables={**cli.variables, "HOME": str(tmp_path)})
    sets = ("--set", "training.samples=16", "--set", "encoder.activation=silu", "--set", "training.seed=3")
    assert cli("train", "~/own.toml", *sets, "--output=~/own").returncode == 0
    config = read_config(tmp_path / "own")
    assert config.encoder.options["activation"] == "silu"
    assert config.trained is not None
    assert (config.trained.samples_seen, config.trained.training.seed) == (16, 3)


def test_from_starts_at_a_pretrained_model(cli: Cli, trained: Path, tmp_path: Path) -> None:
    still = ("--set", "training.optimizer.learning_rate=1e-12", "--set", "training.samples=8")
    assert cli("train", "tiny", *still, "--from", trained, "--output", "tuned").returncode == 0
    old, new = load(trained).state_dict(), load(tmp_path / "tuned").state_dict()
    for name, tensor in old.items():
        torch.testing.assert_close(new[name], tensor, rtol=0, atol=1e-8)
    config = read_config(tmp_path / "tuned")
    assert config.trained is not None
    assert config.trained.started_from == "tiny"


@pytest.mark.slow
def test_own_images_in_a_process_without_messages_of_libraries(cli: Cli, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for i in range(8):  # one of them is held out, too few for a path
        Image.fromarray(rng.integers(0, 256, (21, 34, 3), dtype=np.uint8)).save(tmp_path / "photos" / f"{i}.png")
    done = cli.process("train", "tiny", "--dataset", "./photos")
    assert done.returncode == 0, done.stderr
    found, *steps = done.stderr.splitlines()
    counts = "7 images to train on and 1 held out (in color); the model takes them in color"
    assert found == f"ae-photos: {counts}. A model memorizes so few: use some hundreds"
    assert all(line.startswith("ae-photos step ") for line in steps)
    model = load(tmp_path / "runs" / "ae-photos")
    assert model.config.image.shape == (3, 16, 16)


def test_ctrl_c_is_quiet_and_the_run_goes_on_with_resume(cli: Cli, tmp_path: Path) -> None:
    """It goes on from the step it was stopped after, long before the next checkpoint was due."""
    run = ("train", "tiny", "--set", "training.samples=1600")
    process = cli.start(*run)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("tiny step 1/200 ")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert re.fullmatch(r"stopped after step \d+ of 200: continue with --resume\n\n", err)
    assert (tmp_path / "runs" / "tiny" / "checkpoint.safetensors").is_file()
    assert "continue with --resume" in cli.refuses(*run)
    message = cli.refuses("train", "tiny", "--resume", "--set", "training.seed=8")
    assert "belongs to another recipe: training.seed was 0, is 8. Resume" in message
    done = cli(*run, "--resume")
    assert done.returncode == 0, done.stderr
    config = read_config(tmp_path / "runs" / "tiny")
    assert config.trained is not None
    assert config.trained.samples_seen == 1600


def test_ctrl_c_after_the_last_step_says_how_to_go_on(cli: Cli, tmp_path: Path) -> None:
    """While codes and figures for warnings are computed, before the model is written."""
    run = ("train", "tiny", "--set", "training.batch_size=2", "--set", "training.codes=2000")
    process = cli.start(*run)
    assert process.stderr is not None
    assert any(line.startswith("tiny step 16/16 ") for line in iter(process.stderr.readline, ""))
    time.sleep(0.1)  # by then the last checkpoint is written, or on a slow machine being written
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    stopped = r"(interrupted after the last checkpoint|stopped after step 16 of 16): continue with --resume\n\n"
    assert re.fullmatch(stopped, err)
    assert cli(*run, "--resume").returncode == 0
    assert load(tmp_path / "runs" / "tiny").codes is not None


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_sigterm_at_any_time_loses_no_step(seed: int, cli: Cli, tmp_path: Path) -> None:
    """Before the first step it leaves nothing, and later a run that goes on to the weights of an uninterrupted one."""
    run = ("train", "tiny", "--set", "training.samples=3200")
    drawn = random.Random(seed)
    process = cli.start(*run)
    assert process.stderr is not None
    if seed:
        assert process.stderr.readline().startswith("tiny step 1/400 ")
    time.sleep(drawn.uniform(0, 1.5))
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    folder = tmp_path / "runs" / "tiny"
    if (folder / "checkpoint.safetensors").exists():
        assert (process.returncode, "continue with --resume" in err) == (130, True), err
        assert cli(*run, "--resume").returncode == 0
    elif not (folder / "model.safetensors").exists():  # unless the whole run was faster than the signal
        assert process.returncode == 130 if seed else process.returncode != 0, err
        assert not folder.exists() or os.listdir(folder) == []
        return
    assert cli(*run, "--output", "whole").returncode == 0
    left, whole = load(folder).state_dict(), load(tmp_path / "whole").state_dict()
    assert all(torch.equal(value, whole[name]) for name, value in left.items())


def test_a_run_that_fails_leaves_no_folder(cli: Cli, tmp_path: Path) -> None:
    """Nor those above it that it made."""
    for change in ("data.source=1", "encoder.scales=7", "training.batch_size=3000000000", "regularizer.more=1"):
        assert cli("train", "tiny", "--set", change).returncode == 2
        assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_the_bar_has_steps_and_time_left_at_80_columns(cli: Cli) -> None:
    """Whatever the length of the recipe's name and of the names of the losses."""
    leader, follower = pty.openpty()
    changes = ("--set", f"name={'a-long-name-' * 6}", "--set", "training.samples=1600", "--output", "run")
    process = cli.start("train", "tiny", *changes, stderr=follower, stdout=follower)
    os.close(follower)
    shown = b""
    with suppress(OSError):  # the other end was closed
        while part := os.read(leader, 10_000):
            shown += part
    os.close(leader)
    assert process.wait(60) == 0
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()))
    bars = [line for line in lines if "/200" in line]
    assert any(re.search(r"\d+/200 +\d:\d\d:\d\d +reconstruction", line) for line in bars), bars
    assert all(len(line) <= 80 for line in bars)


def test_an_unknown_recipe_and_a_folder_with_other_content(cli: Cli, tmp_path: Path) -> None:
    assert "unknown recipe or method 'tin'. Did you mean 'tiny'" in cli.refuses("train", "tin")
    (tmp_path / "notes.txt").write_text("mine")
    message = cli.refuses("train", "tiny", "--output", tmp_path)
    assert message == f"{tmp_path} already holds 'notes.txt': choose an empty or a new folder"
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]


def test_invalid_input(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('name = "own"\n' + RECIPE)
    (tmp_path / "notes.toml").write_text("mine")
    for arguments, expected in (
        (("none.toml",), "cannot read recipe 'none.toml': No such file or directory"),
        (("notes.toml",), "notes.toml is not TOML: "),
        (("own.toml", "--set", "samples"), "cannot understand 'samples': expected key=value"),
        (("own.toml", "--set", "training.sample=1"), "own.toml: unknown field 'training.sample'"),
        (("own.toml", "--set", "encoder.width=1000000"), "encoder 'conv': width = 1000000: "),
        (("own.toml", "--resume"), "there is no checkpoint.safetensors in runs/own to resume from"),
        (("own.toml", "--dataset", "./none"), "data set './none': there is no such folder"),
        (("own.toml", "--data-root", "none", "--set", "data.name=mnist"), "Directory 'none' does not exist"),
        (("own.toml", "--from", "./none"), "there is no folder 'none'"),
        (("own.toml", "--log-with", "notebook"), "unknown tracker 'notebook': accelerate has all, "),
        (("own.toml", "--output", "notes.toml"), "Directory 'notes.toml' is a file"),
    ):
        assert expected in cli.refuses("train", *arguments)
        assert (tmp_path / "notes.toml").read_text() == "mine"
        assert not [*tmp_path.rglob("*.safetensors")]
        shutil.rmtree(tmp_path / "runs", ignore_errors=True)
