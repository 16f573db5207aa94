"""The trainer: hooks of a regularizer, precision, losses that are not finite, and averaged weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import mse_loss

from interpzoo import wrap
from interpzoo.build import build_component
from interpzoo.config import ComponentConfig
from interpzoo.errors import DataError, TrainingError
from interpzoo.interfaces import Batch, DataSet, LatentModel, Regularizer, Step, Update
from interpzoo.recipes import load_recipe
from interpzoo.training.workers import Workers
from tests.tiny import tiny_model
from tests.training.runs import KeptLines, Watcher, ignore, recipe_of, trainer_with


class TestHooks:
    """What a regularizer is called for."""

    def test_setup_once_then_loss_and_after_at_each_step(self, tmp_path: Path) -> None:
        watcher = Watcher()
        trainer_with(recipe_of(2), tmp_path, watcher).run(ignore)
        expected = ["setup", "loss 0", "after 0, moved", "loss 1", "after 1, moved"]
        assert watcher.calls == expected
        assert watcher.batch["image"].shape == (8, 1, 16, 16)
        assert not watcher.tracks

    def test_setup_is_the_same_in_every_process(self, tmp_path: Path) -> None:
        """Each gets the whole first batch and the same random numbers, so that scales and codebooks agree."""

        class Codebook(Watcher):
            def setup(self, model: LatentModel, batch: Batch, generator: Generator) -> None:
                noise = torch.randn(batch["image"].shape, generator=generator)
                self.register_buffer("book", batch["image"] + noise)

        books: list[Tensor] = []
        for count, rank in ((1, 0), (2, 0), (2, 1), (4, 3)):
            workers = Workers()
            workers.rank, workers.count = rank, count
            book = Codebook()
            trainer_with(recipe_of(1), tmp_path, book, workers=workers)
            books.append(book.get_buffer("book"))
        assert all(torch.equal(book, books[0]) for book in books)

    def test_buffers_of_a_regularizer_are_resumed(self, tmp_path: Path) -> None:
        trainer_with(recipe_of(5), tmp_path, Watcher()).run(ignore, stop_after=2)
        watcher = Watcher()
        trainer_with(recipe_of(5), tmp_path, watcher).run(ignore, resume=True)
        assert int(watcher.count) == 5

    def test_logged_values_are_reported_beside_the_losses(self, tmp_path: Path) -> None:
        found = recipe_of(1)
        data = KeptLines(found)
        reports: list[Mapping[str, float]] = []
        trainer_with(found, tmp_path, Watcher(), data=data).run(lambda done, values: reports.append(values))
        assert set(reports[0]) == {"reconstruction", "brightness", "autoencoder gradient"}
        assert reports[0]["brightness"] == pytest.approx(float(data.batches[0].mean()))

    def test_missing_fields_of_the_data_are_named(self, tmp_path: Path) -> None:
        watcher = Watcher(requires=frozenset({"partner", "angle", "distance"}))
        message = (
            r"method 'ae' needs 'distance', 'partner' in every batch; data set 'lines' gives 'angle', 'image', 'label'"
        )
        with pytest.raises(DataError, match=message):
            trainer_with(recipe_of(), tmp_path, watcher)

    @pytest.mark.parametrize(
        ("precision", "autocast", "expected"),
        [
            ("bfloat16", True, torch.bfloat16),
            ("bfloat16", False, torch.float32),
            ("float32", True, torch.float32),
            ("auto", False, torch.float32),
        ],
    )
    def test_precision_is_that_of_the_recipe_unless_the_method_needs_float32(
        self, precision: str, autocast: bool, expected: torch.dtype, tmp_path: Path
    ) -> None:
        watcher = Watcher(autocast=autocast)
        workers = Workers()
        if workers.device.type != "cpu":
            pytest.skip("not every accelerator has bfloat16")
        trainer = trainer_with(recipe_of(1, precision=precision), tmp_path, watcher, workers=workers)
        trainer.run(ignore)
        assert watcher.dtypes == {expected}
        assert {p.dtype for p in trainer.model.parameters()} == {torch.float32}

    @pytest.mark.parametrize("fast", [True, False])
    def test_the_automatic_precision_is_reduced_where_that_is_faster(self, fast: bool, tmp_path: Path) -> None:
        class Machine(Workers):
            @property
            def has_fast_bfloat16(self) -> bool:
                return fast

        watcher = Watcher()
        trainer_with(recipe_of(1, precision="auto"), tmp_path, watcher, workers=Machine()).run(ignore)
        assert watcher.dtypes == {torch.bfloat16 if fast else torch.float32}

    def test_the_cpu_says_whether_bfloat16_is_fast(self) -> None:
        try:
            flags = set(Path("/proc/cpuinfo").read_text().split())
        except OSError:
            pytest.skip("this system has no /proc/cpuinfo")
        if Workers().device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
            pytest.skip("not the CPU, or this torch does not know")
        assert Workers().has_fast_bfloat16 == bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})

    @pytest.mark.parametrize("allowed", [True, False])
    @pytest.mark.parametrize(
        ("precision", "autocast", "exact"),
        [("auto", True, False), ("bfloat16", True, False), ("float32", True, True), ("auto", False, True)],
    )
    def test_float32_is_not_rounded_to_tf32_in_convolutions(
        self, precision: str, autocast: bool, exact: bool, allowed: bool, tmp_path: Path
    ) -> None:
        class Asking(Watcher):
            def setup(self, model: LatentModel, batch: Batch, generator: Generator) -> None:
                seen.append(torch.backends.cudnn.allow_tf32)
                super().setup(model, batch, generator)

            def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
                seen.append(torch.backends.cudnn.allow_tf32)
                return super().loss(step, update)

        seen: list[bool] = []
        before = torch.backends.cudnn.allow_tf32
        try:
            torch.backends.cudnn.allow_tf32 = allowed
            trainer_with(recipe_of(2, precision=precision), tmp_path, Asking(autocast=autocast)).run(ignore)
            assert torch.backends.cudnn.allow_tf32 == allowed
        finally:
            torch.backends.cudnn.allow_tf32 = before
        assert seen == [allowed and not exact] * 3  # once at the setup, and at each step

    @pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="this torch has the one switch alone")
    def test_float32_is_not_rounded_with_the_newer_switches_of_torch(self, tmp_path: Path) -> None:
        class Asking(Watcher):
            def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
                seen.append(convolutions.fp32_precision)
                return super().loss(step, update)

        seen: list[str] = []
        convolutions: Any = torch.backends.cudnn.conv
        trainer = trainer_with(recipe_of(1, precision="float32"), tmp_path, Asking())
        before = torch.backends.cudnn.allow_tf32
        try:
            torch.backends.cudnn.allow_tf32 = False
            convolutions.fp32_precision = "tf32"
            trainer.run(ignore)
            assert convolutions.fp32_precision == "tf32"
        finally:
            torch.backends.cudnn.allow_tf32 = before
        assert seen == ["ieee"]


class Failing(Watcher):
    """A loss that stops being a number, or only its slope does."""

    def __init__(self, at: int, how: str) -> None:
        super().__init__()
        self.at, self.how = at, how

    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        terms = dict(super().loss(step, update))
        if step.index == self.at:
            fault = {"nan": terms["reconstruction"] * math.nan, "inf": terms["reconstruction"] + math.inf}
            # The root of 0 is 0, and infinitely steep.
            fault["slope"] = (step.codes - step.codes.detach()).sum().abs().sqrt()
            terms["penalty"] = fault[self.how]
        return terms


class TestFrozenParts:
    """Networks of which the owner froze a part."""

    @pytest.mark.parametrize("frozen", [True, False])
    def test_running_statistics_of_a_frozen_part_stand_still(self, frozen: bool, tmp_path: Path) -> None:
        """Eval mode alone does not freeze: a loaded model is in eval mode, and is to be trained."""
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(256, 4), nn.BatchNorm1d(4))
        decoder = nn.Sequential(nn.Linear(4, 256), nn.Unflatten(1, (1, 16, 16)))
        model = wrap(encoder, decoder, image=(1, 16, 16))
        encoder[2].eval().requires_grad_(not frozen)
        before = encoder[2].get_buffer("running_mean").clone()
        trainer_with(recipe_of(3), tmp_path, model=model).run(ignore)
        assert torch.equal(encoder[2].get_buffer("running_mean"), before) == frozen


class TestFaults:
    """Losses that are not finite."""

    @pytest.mark.parametrize(
        ("how", "said"),
        [("nan", "penalty is nan"), ("inf", "penalty is inf"), ("slope", "autoencoder gradient is nan")],
    )
    def test_a_loss_that_is_not_finite_is_named_and_the_last_checkpoint_can_be_resumed(
        self, how: str, said: str, tmp_path: Path
    ) -> None:
        found = recipe_of(8, checkpoint_steps=2, ema_decay=0.9)
        trainer = trainer_with(found, tmp_path, Failing(5, how))
        with pytest.raises(TrainingError, match=rf"{said} at step 5 of 8; the last checkpoint is intact\. Try a lower"):
            trainer.run(ignore)
        fixed = trainer_with(found, tmp_path, Watcher())
        seen: list[int] = []
        fixed.run(lambda done, values: seen.append(done), resume=True)
        assert seen == [5, 6, 7, 8]
        (tmp_path / "sound").mkdir()
        sound = trainer_with(found, tmp_path / "sound", Watcher())
        sound.run(ignore)
        for mine, theirs in zip(fixed.trained().parameters(), sound.trained().parameters(), strict=True):
            assert torch.equal(mine, theirs)

    def test_before_the_first_checkpoint_the_message_mentions_none(self, tmp_path: Path) -> None:
        with pytest.raises(TrainingError, match=r"penalty is nan at step 1 of 8\. Try a lower"):
            trainer_with(recipe_of(8, checkpoint_steps=2), tmp_path, Failing(1, "nan")).run(ignore)
        assert not [*tmp_path.iterdir()]

    def test_a_fault_in_the_step_of_a_checkpoint_is_found_before_it_is_written(self, tmp_path: Path) -> None:
        trainer = trainer_with(recipe_of(8, checkpoint_steps=2), tmp_path, Failing(3, "nan"))
        with pytest.raises(TrainingError, match="at step 3 of 8"):
            trainer.run(ignore)
        fixed = trainer_with(recipe_of(8, checkpoint_steps=2), tmp_path, Watcher())
        fixed.run(ignore, resume=True, stop_after=1)
        assert fixed.done == 3


class TestAverage:
    """The exponential average of the weights."""

    def test_it_starts_at_the_weights_of_the_first_step(self, tmp_path: Path) -> None:
        class Sliding(Regularizer):
            """Moves every weight of the decoder by the learning rate."""

            def updates(self, model: LatentModel) -> Sequence[Update]:
                return [Update("decoder", [*model.decoder.parameters()])]

            def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
                return {"sum": torch.stack([p.sum() for p in step.model.decoder.parameters()]).sum()}

        found = recipe_of(3, ema_decay=0.2)
        trainer = trainer_with(found, tmp_path, Sliding(ComponentConfig(), found.image, (2, 4, 4)))
        bias = trainer.model.decoder.get_parameter("layers.0.bias")
        start = float(bias[0].detach())
        trainer.run(ignore)
        # After the first step -1, then 2/11 (-1) + 9/11 (-2) = -20/11, then 1/5 (-20/11) + 4/5 (-3) = -152/55.
        average = trainer.trained().decoder.get_parameter("layers.0.bias")
        assert float(average[0].detach()) - start == pytest.approx(-152 / 55 * 1e-3, rel=1e-3)
        assert float(bias[0].detach()) - start == pytest.approx(-3e-3, rel=1e-3)

    @pytest.mark.parametrize("stop", [None, 50], ids=["at once", "resumed"])
    def test_a_short_run_saves_a_model_as_good_as_its_last_weights(self, stop: int | None, tmp_path: Path) -> None:
        """Although the recipe's decay of 0.9995 would hold on to the weights of the first of its 100 steps."""
        found = recipe_of(samples=1600, batch_size=16, ema_decay=0.9995, optimizer={"learning_rate": 0.01})
        found = load_recipe(found, ["encoder.latent_channels=8"])
        trainer = trainer_with(found, tmp_path)
        trainer.run(ignore, stop_after=stop)
        if stop is not None:
            trainer = trainer_with(found, tmp_path)
            trainer.run(ignore, resume=True)
        lines = build_component(DataSet, found.data, found.image, None).test(200)["image"]
        last, saved = (mse_loss(model.eval().reconstruct(lines), lines) for model in (trainer.model, trainer.trained()))
        assert saved < 1.1 * last
        assert last < 0.8 * (lines - lines.mean(0)).square().mean()

    def test_buffers_are_those_of_the_last_step(self, tmp_path: Path) -> None:
        """Running statistics are averages already, and counters are no fractions."""
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(256, 4), nn.BatchNorm1d(4))
        decoder = nn.Sequential(nn.Linear(4, 256), nn.Unflatten(1, (1, 16, 16)))
        model = wrap(encoder, decoder, image=(1, 16, 16))
        trainer = trainer_with(recipe_of(3, ema_decay=0.5), tmp_path, model=model)
        trainer.run(ignore)
        average = dict(trainer.trained().named_buffers())
        assert int(average["encoder.module.2.num_batches_tracked"]) == 3
        for name, value in trainer.model.named_buffers():
            assert torch.equal(average[name], value), name

    def test_without_averaging_the_model_itself_is_returned(self, tmp_path: Path) -> None:
        model = tiny_model()
        trainer = trainer_with(recipe_of(1), tmp_path, model=model)
        trainer.run(ignore)
        assert trainer.trained() is model
        assert not model.training
