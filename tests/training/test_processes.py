"""Several processes share each batch and come to what one process comes to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from interpzoo import load
from interpzoo.config import Recipe
from interpzoo.pretrained.folder import read_hashes
from tests.pixels import trainer_of
from tests.processes import TWO
from tests.tiny import tiny_recipe

STEPS = 20

SCRIPT = """
import json
import signal
import sys
from pathlib import Path

import torch

from interpzoo import train
from interpzoo.config import Recipe
from safetensors.torch import save_file
from tests.pixels import trainer_of

torch.set_num_threads(1)
folder = Path(sys.argv[1])
recipe = Recipe.model_validate_json((folder / "recipe.json").read_text())
reports = []
trainer = trainer_of(recipe, folder)
trainer.run(lambda done, values: reports.append(values))
rank = trainer.workers.rank
(folder / f"reports-{rank}.json").write_text(json.dumps([trainer.workers.count, reports]))
tensors = {name: value.contiguous() for name, value in trainer.model.state_dict().items()}
save_file(tensors, folder / f"weights-{rank}.safetensors")
train(recipe, output=folder / "trained")
(folder / "cut").mkdir(exist_ok=True)
signal.signal(signal.SIGINT, signal.default_int_handler)
cut = trainer_of(recipe, folder / "cut")
try:
    cut.run(lambda done, values: signal.raise_signal(signal.SIGINT) if (rank, done) == (1, 5) else None)
except KeyboardInterrupt as stop:
    (folder / f"stop-{rank}").write_text(str(stop))
cut = trainer_of(recipe, folder / "cut")
cut.run(lambda done, values: None, resume=True)
resumed = {name: value.contiguous() for name, value in cut.model.state_dict().items()}
save_file(resumed, folder / f"resumed-{rank}.safetensors")
"""
"""Each process runs this: first the trainer, whose reports and weights it keeps, then the whole of `train`.

At last a run that Ctrl-C in one process stops, and that is resumed."""


def recipe() -> Recipe:
    """A plain autoencoder of lines in float32, with an average of the weights."""
    return tiny_recipe("ae", training={"samples": STEPS * 8, "ema_decay": 0.9})


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes leave."""
    folder = tmp_path_factory.mktemp("together")
    (folder / "recipe.json").write_text(recipe().model_dump_json())
    (folder / "run.py").write_text(SCRIPT)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("INTERPZOO_")}
    environment |= {"ACCELERATE_USE_CPU": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, *TWO, str(folder / "run.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if "ae-tiny step" in line]
    assert len(lines) == 2, done.stderr  # the first step and the last, of the main process alone
    return folder


@pytest.mark.slow
def test_two_processes_report_the_losses_of_one(together: Path, tmp_path: Path) -> None:
    alone: list[dict[str, float]] = []
    trainer_of(recipe(), tmp_path).run(lambda done, values: alone.append(dict(values)))
    assert len(alone) == STEPS
    for rank in range(2):
        count, reports = json.loads((together / f"reports-{rank}.json").read_text())
        assert count == 2
        assert len(reports) == STEPS
        for mine, theirs in zip(alone, reports, strict=True):
            assert theirs == pytest.approx(mine, rel=1e-3)


@pytest.mark.slow
def test_two_processes_end_with_the_weights_of_one(together: Path, tmp_path: Path) -> None:
    trainer = trainer_of(recipe(), tmp_path)
    trainer.run(lambda done, values: None)
    first, second = (load_file(together / f"weights-{rank}.safetensors") for rank in range(2))
    for name, value in trainer.model.state_dict().items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], value, rtol=1e-3, atol=1e-4)
    for name, value in load(together / "trained").state_dict().items():
        torch.testing.assert_close(value, trainer.trained().state_dict()[name], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_ctrl_c_in_one_process_stops_both_after_the_same_step(together: Path) -> None:
    for rank in range(2):
        assert (together / f"stop-{rank}").read_text() == "stopped after step 6 of 20: continue with --resume"
        whole, resumed = (load_file(together / f"{name}-{rank}.safetensors") for name in ("weights", "resumed"))
        for name, value in whole.items():
            assert torch.equal(resumed[name], value)


@pytest.mark.slow
def test_one_process_writes_the_model(together: Path) -> None:
    names = {path.name for path in (together / "trained").iterdir()}
    kept = {"README.md", "SHA256SUMS", "history.jsonl", "checkpoint.former.safetensors"}
    assert names == {*read_hashes(together / "trained"), *kept}
    assert load(together / "trained").config.trained is not None
    assert not [*together.rglob("*.tmp")]
