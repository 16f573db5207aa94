"""Runs that are killed, and what is left of them: a resumed run is the uninterrupted one, bit for bit."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch.optim.optimizer import register_optimizer_step_post_hook

from interpzoo import load, train
from interpzoo.config import Recipe
from interpzoo.errors import TrainingError
from interpzoo.pretrained.folder import CHECKPOINT, HISTORY, SUMS, read_config, read_hashes
from interpzoo.recipes import load_recipe
from interpzoo.signals import ended_like_ctrl_c
from interpzoo.training.trainer import Trainer
from tests.pixels import trainer_of
from tests.tiny import Noted, tiny_model, tiny_recipe
from tests.training.runs import forge, ignore, trainer_with

STEPS = 8

KILLED = """
from pathlib import Path
from interpzoo import train
from interpzoo.config import Recipe
train(Recipe.model_validate_json(Path("recipe.json").read_text()), output="run")
"""


def recipe(method: str = "acai", **training: Any) -> Recipe:
    """Eight steps with an average of the weights."""
    return tiny_recipe(method, training={"samples": STEPS * 8, "ema_decay": 0.9, **training})


def everything(trainer: Trainer) -> dict[str, torch.Tensor]:
    """Weights, critic and average of a run."""
    parts = {"model": trainer.model, "regularizer": trainer.regularizer, "average": trainer.trained()}
    return {f"{part}/{name}": value for part, module in parts.items() for name, value in module.state_dict().items()}


def assert_equal(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> None:
    """Bit for bit."""
    assert left.keys() == right.keys()
    for name, value in left.items():
        assert torch.equal(value, right[name]), name


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """What the run of `recipe` ends with."""
    trainer = trainer_of(recipe(), tmp_path_factory.mktemp("whole"))
    trainer.run(ignore)
    return everything(trainer)


@pytest.mark.parametrize("stops", [[1], [7], [3, 1, 2], [8]], ids=str)
def test_a_stopped_run_ends_like_an_uninterrupted_one(
    stops: list[int], uninterrupted: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    """Weights, the critic's and the average's, however often it was stopped; also at the very end."""
    for number, stop in enumerate(stops):
        trainer_of(recipe(), tmp_path).run(ignore, resume=number > 0, stop_after=stop)
    resumed = trainer_of(recipe(), tmp_path)
    resumed.run(ignore, resume=True)
    assert resumed.done == STEPS
    assert_equal(everything(resumed), uninterrupted)


def test_reduced_precision_and_decoupled_weight_decay_resume_too(tmp_path: Path) -> None:
    found = tiny_recipe(
        "vae", training={"samples": 64, "precision": "bfloat16"}, optimizer={"name": "adamw", "weight_decay": 0.1}
    )
    whole = trainer_of(found, tmp_path)
    whole.run(ignore)
    trainer_of(found, tmp_path).run(ignore, stop_after=3)
    resumed = trainer_of(found, tmp_path)
    resumed.run(ignore, resume=True)
    assert_equal(everything(resumed), everything(whole))


def test_a_resumed_run_reports_the_remaining_steps(tmp_path: Path) -> None:
    reports: list[tuple[int, float]] = []
    trainer = trainer_of(recipe(), tmp_path)
    trainer.run(lambda done, values: reports.append((done, values["reconstruction"])))
    trainer_of(recipe(), tmp_path).run(ignore, stop_after=5)
    again: list[tuple[int, float]] = []
    trainer_of(recipe(), tmp_path).run(lambda done, values: again.append((done, values["reconstruction"])), resume=True)
    assert [done for done, _ in again] == [6, 7, 8]
    assert again == reports[5:]


@pytest.fixture
def ctrl_c() -> Iterator[Callable[[], None]]:
    """Presses it; pytest itself may be a shell's background job, which ignores it."""
    yield from sent(signal.SIGINT)


@pytest.fixture(params=["SIGINT", "SIGTERM", "SIGHUP"])
def stop(request: pytest.FixtureRequest) -> Iterator[Callable[[], None]]:
    """Ctrl-C, the end that a system or a batch queue asks for, and a closed terminal."""
    yield from sent(getattr(signal, request.param))


def sent(number: signal.Signals) -> Iterator[Callable[[], None]]:
    """A function that sends the signal, inside of what `train` does with signals."""
    default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    former = signal.signal(number, default)
    with ended_like_ctrl_c():
        yield lambda: signal.raise_signal(number)
        assert signal.getsignal(number) is signal.default_int_handler
    assert signal.getsignal(number) is default
    signal.signal(number, former)


@pytest.fixture
def at_move(request: pytest.FixtureRequest) -> Callable[[int, Callable[[], None]], None]:
    """Calls an action after so many moves of the optimizers; the recipe has two, which move once per step each."""

    def arrange(number: int, action: Callable[[], None]) -> None:
        moves: list[object] = []

        def count(optimizer: object, arguments: object, options: object) -> None:
            moves.append(optimizer)
            if len(moves) == number:
                action()

        request.addfinalizer(register_optimizer_step_post_hook(count).remove)

    return arrange


@pytest.mark.parametrize(("moves", "steps"), [(1, 1), (7, 4), (8, 4), (16, 8)])
def test_what_ends_a_run_saves_every_completed_step(
    moves: int,
    steps: int,
    stop: Callable[[], None],
    at_move: Callable[[int, Callable[[], None]], None],
    uninterrupted: dict[str, torch.Tensor],
    tmp_path: Path,
) -> None:
    """Also between the moves of one step."""
    at_move(moves, stop)
    with pytest.raises(KeyboardInterrupt, match=rf"^stopped after step {steps} of 8: continue with --resume$"):
        trainer_of(recipe(), tmp_path).run(ignore)
    assert steps_in(tmp_path / CHECKPOINT) == steps
    resumed = trainer_of(recipe(), tmp_path)
    resumed.run(ignore, resume=True)
    assert_equal(everything(resumed), uninterrupted)


def test_ctrl_c_after_the_last_step_is_raised(ctrl_c: Callable[[], None], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt, match="stopped after step 8 of 8"):
        trainer_of(recipe(), tmp_path).run(lambda done, values: ctrl_c() if done == STEPS else None)
    assert steps_in(tmp_path / CHECKPOINT) == STEPS


def test_a_second_ctrl_c_stops_at_once(
    ctrl_c: Callable[[], None], at_move: Callable[[int, Callable[[], None]], None], tmp_path: Path
) -> None:
    def twice() -> None:
        ctrl_c()
        ctrl_c()

    at_move(7, twice)
    trainer = trainer_of(recipe(), tmp_path)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        trainer.run(ignore)
    assert trainer.done == 3
    assert not (tmp_path / CHECKPOINT).exists()


def test_a_handler_of_the_program_for_ctrl_c_is_kept(
    ctrl_c: Callable[[], None], uninterrupted: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    handled: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: handled.append(number))
    trainer = trainer_of(recipe(), tmp_path)
    trainer.run(lambda done, values: ctrl_c() if done == 3 else None)
    assert handled == [signal.SIGINT]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert_equal(everything(trainer), uninterrupted)


def test_a_run_in_a_thread(uninterrupted: dict[str, torch.Tensor], tmp_path: Path) -> None:
    """Where no signal can be handled."""
    trainer = trainer_of(recipe(), tmp_path)
    thread = threading.Thread(target=trainer.run, args=(ignore,))
    thread.start()
    thread.join()
    assert trainer.done == STEPS
    assert_equal(everything(trainer), uninterrupted)


def steps_in(checkpoint: Path) -> int:
    """How many steps a checkpoint has seen; 0 where there is none."""
    if not checkpoint.is_file():
        return 0
    with safe_open(checkpoint, framework="pt") as file:
        return int(file.metadata()["steps"])


@pytest.mark.slow
def test_a_killed_process_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    """SIGKILL between two checkpoints; the average is what is saved, and the critic has moved it."""
    killed = recipe(samples=240 * 8, checkpoint_steps=20)
    (tmp_path / "recipe.json").write_text(killed.model_dump_json())
    checkpoint = tmp_path / "run" / CHECKPOINT
    environment = {k: v for k, v in os.environ.items() if not k.startswith("INTERPZOO_")} | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-c", KILLED], cwd=tmp_path, env=environment, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while steps_in(checkpoint) < 20 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert 20 <= steps_in(checkpoint) < 240
    assert not (tmp_path / "run" / "model.safetensors").exists()

    train(killed, output=tmp_path / "run", resume=True)
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "README.md",
        SUMS,
        "checkpoint.former.safetensors",
        "config.json",
        "examples.safetensors",
        "fitness.safetensors",
        "history.jsonl",
        "model.safetensors",
        "preview.png",
    ]
    whole = train(killed, output=tmp_path / "whole")
    assert_equal(load(tmp_path / "run").state_dict(), whole.state_dict())
    assert read_hashes(tmp_path / "run") == read_hashes(tmp_path / "whole")


def test_temporary_files_of_a_killed_process_are_removed(
    uninterrupted: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    trainer_of(recipe(), tmp_path).run(ignore, stop_after=4)
    (tmp_path / ".0123456789abcdef.tmp").write_bytes((tmp_path / CHECKPOINT).read_bytes()[:1000])
    model = train(recipe(), output=tmp_path, resume=True)
    for name, value in model.state_dict().items():
        assert torch.equal(value, uninterrupted[f"average/{name}"]), name
    assert not [*tmp_path.glob(".*")]


@pytest.mark.parametrize(
    ("other", "part"),
    [
        (recipe(seed=1), "training.seed was 0, is 1"),
        (recipe("ae"), "method was 'acai', is 'ae'"),
        (load_recipe(recipe(), ["training.optimizer.betas=[0.5, 0.9]"]), "optimizer.betas was [0.9, 0.999], is [0.5, "),
        (load_recipe(recipe(), ["regularizer.weight=0.25"]), "regularizer.weight was 0.5, is 0.25"),
    ],
    ids=["seed", "method", "optimizer", "regularizer"],
)
def test_a_checkpoint_of_another_recipe_says_what_differs(other: Recipe, part: str, tmp_path: Path) -> None:
    trainer_of(recipe(), tmp_path).run(ignore, stop_after=1)
    before = (tmp_path / CHECKPOINT).read_bytes()
    with pytest.raises(TrainingError, match="belongs to another recipe") as error:
        trainer_of(other, tmp_path).run(ignore, resume=True)
    assert part in str(error.value)
    assert "{" not in str(error.value)
    assert (tmp_path / CHECKPOINT).read_bytes() == before


def test_a_resumed_run_of_another_recipe_is_refused_before_its_images_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer_of(recipe(), tmp_path).run(ignore, stop_after=1)

    def read(*_: object) -> None:
        pytest.fail("the images are read")

    monkeypatch.setattr("interpzoo.training.run.build_component", read)
    with pytest.raises(TrainingError, match=r"belongs to another recipe: training\.seed was 0, is 1"):
        train(recipe(seed=1), output=tmp_path, resume=True)


@pytest.mark.parametrize(
    "change",
    [
        "summary=Better said.",
        "license=mit",
        "training.checkpoint_steps=3",
        "training.codes=5",
        "encoder.activation=leaky_relu",  # the default
        "encoder.name=baselines:conv",
    ],
)
def test_what_changes_no_weights_does_not_prevent_resuming(
    change: str, uninterrupted: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    trainer_of(recipe(), tmp_path).run(ignore, stop_after=2)
    resumed = trainer_of(load_recipe(recipe(), [change]), tmp_path)
    resumed.run(ignore, resume=True)
    assert_equal(everything(resumed), uninterrupted)


def test_a_setting_that_did_not_exist_before_has_its_default(
    uninterrupted: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    """As after an update of interpzoo: at each level of the recipe."""
    trainer_of(recipe(), tmp_path).run(ignore, stop_after=2)

    def without(metadata: dict[str, str]) -> None:
        old = json.loads(metadata["recipe"])
        for keys in (("kind",), ("training", "codes"), ("training", "optimizer", "epsilon"), ("encoder", "activation")):
            table = old
            for key in keys[:-1]:
                table = table[key]
            del table[keys[-1]]
        metadata["recipe"] = json.dumps(old)

    forge(tmp_path / CHECKPOINT, metadata=without)
    resumed = trainer_of(recipe(), tmp_path)
    resumed.run(ignore, resume=True)
    assert_equal(everything(resumed), uninterrupted)


class TestMoreSamples:
    """A run that is extended."""

    def test_a_finished_run_goes_on_with_its_optimizers(self, tmp_path: Path) -> None:
        """At a constant rate, to what it would have come to at once."""
        short, long = (tiny_recipe(training={"samples": n}, optimizer={"schedule": "constant"}) for n in (32, 64))
        whole = train(long, output=tmp_path / "whole")
        train(short, output=tmp_path / "run")
        extended = train(long, output=tmp_path / "run", resume=True)
        assert_equal(extended.state_dict(), whole.state_dict())
        assert_equal(load(tmp_path / "run").state_dict(), whole.state_dict())
        steps = [json.loads(line)["step"] for line in (tmp_path / "run" / HISTORY).read_text().splitlines()]
        assert steps == [*range(1, 9)]

    def test_fewer_samples_than_seen_are_refused(self, tmp_path: Path) -> None:
        trainer_of(recipe(), tmp_path).run(ignore, stop_after=4)
        with pytest.raises(TrainingError, match=r"training\.samples = 16: .* has already seen 32"):
            trainer_of(recipe(samples=16), tmp_path).run(ignore, resume=True)

    def test_other_images_are_refused(self, tmp_path: Path) -> None:
        found = recipe("ae")
        trainer_with(found, tmp_path, data=Noted(found.image, 20)).run(ignore, stop_after=4)
        with pytest.raises(TrainingError, match="there were 20 to train on, and now there are 21"):
            trainer_with(found, tmp_path, data=Noted(found.image, 21)).run(ignore, resume=True)


def test_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=rf"no checkpoint\.safetensors in {tmp_path} .*: start without"):
        trainer_of(recipe(), tmp_path).run(ignore, resume=True)


@pytest.mark.parametrize("repeated", [True, False])
def test_a_resumed_fine_tuning_still_says_where_it_started(repeated: bool, tmp_path: Path) -> None:
    """Also where the second command does not repeat it: the weights come from the checkpoint anyway."""
    origin = tiny_model(seed=5).save_pretrained(tmp_path / "origin")
    found = tiny_recipe(training={"samples": 32})
    whole = train(found, output=tmp_path / "whole", start_from=origin)
    (tmp_path / "cut").mkdir()
    trainer = trainer_of(found, tmp_path / "cut")
    trainer.model.load_state_dict(load(origin).state_dict())
    trainer.started_from = "origin"
    trainer.run(ignore, stop_after=2)
    shutil.rmtree(origin)  # it is not needed any more
    train(found, output=tmp_path / "cut", resume=True, start_from=origin if repeated else None)
    trained = read_config(tmp_path / "cut").trained
    assert trained is not None
    assert trained.started_from == "origin"
    assert read_config(tmp_path / "cut") == whole.config
    assert_equal(load(tmp_path / "cut").state_dict(), whole.state_dict())


def test_a_checkpoint_has_only_tensors_and_text(tmp_path: Path) -> None:
    """It is safetensors, with the recipe as JSON: nothing in it could run."""
    trainer_of(recipe(), tmp_path).run(ignore, stop_after=1)
    tensors = load_file(tmp_path / CHECKPOINT)
    prefixes = {name.partition("/")[0] for name in tensors}
    assert prefixes == {"model", "regularizer", "average", "optimizer.autoencoder", "optimizer.critic"}
    with safe_open(tmp_path / CHECKPOINT, framework="pt") as file:
        assert json.loads(file.metadata()["recipe"])["method"] == "acai"


def test_a_checkpoint_of_other_networks_is_refused(tmp_path: Path) -> None:
    """As after an update of the code under the same recipe."""
    trainer_of(recipe(), tmp_path).run(ignore, stop_after=1)
    forge(tmp_path / CHECKPOINT, tensors=lambda tensors: tensors.pop("model/encoder.layers.0.bias"))
    with pytest.raises(TrainingError, match=r"encoder\.layers\.0\.bias"):
        trainer_of(recipe(), tmp_path).run(ignore, resume=True)
