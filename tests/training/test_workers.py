"""The processes of a run and its trackers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from accelerate import Accelerator

from interpzoo.recipes import load_recipe
from interpzoo.training.workers import Workers


@pytest.mark.parametrize("recipe", ["acai-mnist", "vae-celeba", "skipvae-mnist"])
def test_trackers_get_the_recipe_as_numbers_and_text(
    recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorBoard refuses anything else."""
    seen: dict[str, Any] = {}
    monkeypatch.setattr(Accelerator, "init_trackers", lambda self, run, config: seen.update(config))
    workers = Workers(folder=str(tmp_path))
    vars(vars(workers)["_accelerator"])["log_with"] = ["tensorboard"]
    workers.start_trackers("run", load_recipe(recipe).model_dump(mode="json"))
    assert {type(value) for value in seen.values()} <= {int, float, bool, str}
    assert seen["method"] == recipe.partition("-")[0]
    assert seen["training.optimizer.betas"].startswith("[")
    assert isinstance(seen["training.samples"], int)
