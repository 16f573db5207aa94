"""A model is replaced in one step, and what `load` would refuse is not saved."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import interpzoo
from interpzoo.errors import ConfigError, InputError, InterpzooError, WeightsError
from interpzoo.model import InterpolationModel
from tests.tiny import files_of, run_python, tiny_model

KILLED = """
import json, os, signal, sys
from pathlib import Path
import torch
import interpzoo
from tests.tiny import tiny_model

torch.set_num_threads(1)  # a forked process may not use its parent's threads
folder, other, most, after = json.loads(sys.argv[1])

def load_state():
    model = interpzoo.load(Path(folder, "model"))
    return [model.state_dict()["decoder.layers.0.bias"].tolist(), None if model.codes is None else model.codes.tolist()]

def make(seed, codes):
    model = tiny_model(seed=seed)
    model.examples = torch.full((2, *model.latent_shape), float(seed))
    model.codes = torch.full((3, *model.latent_shape), float(seed)) if codes else None
    return model

def replace(point):
    # Saves the second model over the first in a process that is killed at the change `point`.
    make(1, True).save_pretrained(Path(folder, "model"))
    pid = os.fork()
    if pid == 0:
        count = 0
        def counted(change):
            def run(*arguments, **options):
                nonlocal count
                inside = any(str(folder) in str(argument) for argument in arguments)
                count += inside
                if inside and count == point and not after:
                    os.kill(os.getpid(), signal.SIGKILL)
                try:
                    return change(*arguments, **options)
                finally:
                    if inside and count == point:
                        os.kill(os.getpid(), signal.SIGKILL)
            return run
        for name in ("replace", "rename", "unlink", "remove"):
            setattr(os, name, counted(getattr(os, name)))
        make(2, other).save_pretrained(Path(folder, "model"))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

make(1, True).save_pretrained(Path(folder, "model")); old = load_state()
make(2, other).save_pretrained(Path(folder, "model")); new = load_state()
seen = []
for point in range(1, most):
    code = replace(point)
    state = load_state()
    assert state in (old, new), (point, state)
    seen.append("old" if state == old else "new")
    make(3, True).save_pretrained(Path(folder, "model"))  # a save after a killed one finds its way
    assert not [name for name in os.listdir(Path(folder, "model")) if name.endswith(".tmp")]
    if code == 0:
        break
else:
    raise AssertionError("there are more points")
print(json.dumps(seen))
"""


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("codes", [True, False], ids=["with codes", "without codes"])
def test_a_save_that_is_killed_at_any_change_leaves_a_whole_model(tmp_path: Path, codes: bool, after: bool) -> None:
    done = run_python(KILLED, json.dumps([str(tmp_path), codes, 60, after]))
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout)
    assert len(seen) > 8
    assert seen == sorted(seen, reverse=True)  # old, and from one change on new
    assert {*seen} == {"old", "new"}


def test_saves_of_several_processes_to_one_folder_wait_for_each_other(tmp_path: Path) -> None:
    code = """
import sys
import interpzoo
from tests.tiny import tiny_model

model = tiny_model(seed=int(sys.argv[2]))
for _ in range(8):
    model.save_pretrained(sys.argv[1])
"""
    command = [sys.executable, "-c", code, str(tmp_path / "shared")]
    processes = [
        subprocess.Popen([*command, str(seed)], cwd=Path(__file__).parents[2], stderr=subprocess.PIPE)
        for seed in (1, 2)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    interpzoo.load(tmp_path / "shared")
    assert not [*(tmp_path / "shared").glob(".*")]


def _poison(value: float) -> Any:
    def change(model: InterpolationModel) -> None:
        next(model.decoder.parameters()).data.view(-1)[0] = value

    return change


UNLOADABLE: dict[str, tuple[Any, torch.dtype | None]] = {
    "NaN": (_poison(float("nan")), None),
    "infinity": (_poison(float("-inf")), None),
    "beyond float16": (_poison(1e6), torch.float16),
    "an added layer": (lambda model: model.encoder.add_module("extra", nn.Linear(2, 2)), None),
    "a layer of another kind": (lambda model: setattr(model.decoder.layers, "1", nn.Tanh()), None),
    "a parametrization": (lambda m: torch.nn.utils.parametrizations.spectral_norm(m.decoder.layers[0]), None),
    "complex numbers": (lambda m: setattr(m.decoder.layers[0], "bias", nn.Parameter(torch.ones(4) + 0j)), None),
    "a forward of its own": (lambda m: setattr(m.decoder, "forward", lambda z: torch.zeros(1, 1, 16, 16)), None),
    "codes of another shape": (lambda model: setattr(model, "codes", torch.zeros(3, 5)), None),
    "huge codes": (lambda model: setattr(model, "codes", torch.full((3, *model.latent_shape), 1e30)), None),
    "whole numbers as type": (lambda model: None, torch.int8),
    "bool as type": (lambda model: None, torch.bool),
    "complex as type": (lambda model: None, torch.complex64),
    "float64 as type": (lambda model: None, torch.float64),
}


@pytest.mark.parametrize("kind", UNLOADABLE)
def test_what_load_would_refuse_is_not_saved(kind: str, tmp_path: Path) -> None:
    tiny_model(seed=1).save_pretrained(tmp_path)
    before = files_of(tmp_path)
    change, dtype = UNLOADABLE[kind]
    model = tiny_model(seed=2)
    change(model)
    with pytest.raises((ConfigError, WeightsError, InputError)) as refused:
        model.save_pretrained(tmp_path, dtype=dtype)
    assert isinstance(refused.value, InterpzooError)
    assert files_of(tmp_path) == before


def test_a_float64_model_is_saved_in_float32(tmp_path: Path) -> None:
    model = tiny_model().double()
    loaded = interpzoo.load(model.save_pretrained(tmp_path / "model"))
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, model.state_dict()[name].float())
