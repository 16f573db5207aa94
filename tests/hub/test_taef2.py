"""The whole way on real weights, those of TAEF2: load, interpolate, score, benchmark, save, push, load elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

import interpzoo
from interpzoo.benchmark.metric import metrics_named
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.benchmark.run import benchmark
from interpzoo.benchmark.selection import jobs_of
from interpzoo.build import build_component
from interpzoo.config import Component, ImageSpec
from interpzoo.interfaces import DataSet
from tests.hub.test_origins import CODES, PUSH, VERIFY
from tests.hub.warm import Warm
from tests.hubserver import Hub

DATA = Path(os.environ.get("INTERPZOO_DATA", "nowhere"))
REAL = DATA.parent / "models" / "taef2"
PORTRAITS = Component.model_validate({"name": "images", "source": "debruine/portraits256"})
SIDE = 96
"""Of most images here: portraits of 256 pixels take seven times as long."""
SAVE = """
import torch, interpzoo
model = interpzoo.load("tae:user/taef2", cache_dir=cache)
model.examples = model.encode(torch.full((1, 3, 256, 256), 0.5))
result = str(model.save_pretrained(target))
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not REAL.is_dir(), reason="the weights of TAEF2 are not beside the data sets"),
    pytest.mark.skipif(not (DATA / "portraits256").is_dir(), reason="INTERPZOO_DATA has no portraits256"),
]


def test_from_portraits_to_scores(tmp_path: Path) -> None:
    data = build_component(DataSet, PORTRAITS, ImageSpec(channels=3, height=256, width=256), None)
    portraits = data.test(4)["image"]
    model = interpzoo.load(f"tae:{REAL}")
    found = model.reconstruct(portraits[:1]).clamp(0, 1)
    assert float(-10 * (found - portraits[:1]).square().mean((1, 2, 3)).log10().min()) > 33
    small = torch.nn.functional.interpolate(portraits, (SIDE, SIDE), mode="area")
    a, b = small[:2], small[2:]
    even = model.interpolate(a[0], b[0], 5, spacing="even")
    steps = even.diff(dim=0).flatten(1).norm(dim=1)
    assert float(steps.max() / steps.min()) < 1.3
    paths = ("linear", "slerp", "metamorphosis")
    frames = {path: model.interpolate(a, b, 5, interpolator=path).clamp(0, 1) for path in paths}
    scores = interpzoo.score(frames, ends=(a, b), metrics=["sharpness", "fade-distance"]).values()
    assert scores["linear"]["sharpness"] < 0.8 < scores["metamorphosis"]["sharpness"]
    assert scores["linear"]["fade-distance"] < scores["metamorphosis"]["fade-distance"]
    protocol = EvaluationProtocol(pairs=1, frames=3, resamples=2)
    jobs = jobs_of([f"tae:{REAL}"], PORTRAITS)
    records = {r.candidate: r for r in benchmark(jobs, metrics_named(["sharpness"]), tmp_path, protocol=protocol)}
    found = {name: record.scores["sharpness"].value for name, record in records.items()}
    assert {"jump", "blend"} < {*found}
    assert found["taef2"] is not None
    assert found["taef2"] < 0.9


def test_it_is_pointed_to_pushed_verified_and_loaded_elsewhere(hub: Hub, process: Warm, tmp_path: Path) -> None:
    content = {path.name: path.read_bytes() for path in REAL.glob("*.safetensors")}
    hub.add_repo("user/taef2", content)
    cache, folder = str(tmp_path / "cache"), tmp_path / "pointing"
    process(SAVE, cache=cache, target=str(folder))
    assert sum(path.stat().st_size for path in folder.iterdir()) < 4_000_000  # 11 MB of weights stay where they are
    options = {"cache_dir": cache}
    commit = process(PUSH, name=str(folder), options=options, repository="user/pointing")
    pushed, elsewhere = f"user/pointing@{commit}", {"cache_dir": str(tmp_path / "elsewhere")}
    assert process(CODES, name=pushed, options=elsewhere) == process(CODES, name="tae:user/taef2", options=options)
    findings = process(VERIFY, name=pushed, options={**elsewhere, "local_files_only": True})
    assert {*content, "examples.safetensors", "frames"} <= {name for name, _ in findings}
    assert not [problem for _, problem in findings if problem]
