"""The processes of a run and its trackers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from accelerate import Accelerator

from interpzoo.errors import how_to_install
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


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        (None, "pip install 'interpzoo[train]'"),
        ('{"url": "https://example.org/interpzoo.whl", "archive_info": {}}', "pip install 'interpzoo[train]'"),
        ('{"url": "file:///clone", "dir_info": {"editable": true}}', "run pip install -e '.[train]' in your clone"),
    ],
)
def test_what_is_missing_is_installed_as_interpzoo_was(
    origin: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index need not have what comes from a clone."""
    found = SimpleNamespace(read_text=lambda name: origin)
    monkeypatch.setattr("importlib.metadata.distribution", lambda name: found)
    assert how_to_install("train") == said
