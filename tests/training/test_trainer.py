"""The trainer: what a step does, in which order, to whom, and on which images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import mse_loss

from interpzoo import create, wrap
from interpzoo.build import build_component
from interpzoo.config import ComponentConfig, OptimizerConfig, Recipe
from interpzoo.data.lines import Lines
from interpzoo.errors import DataError, InputError, TrainingError
from interpzoo.interfaces import Batch, DataSet, LatentModel, Regularizer, Step, Update
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.folder import CHECKPOINT
from interpzoo.training.trainer import Trainer
from interpzoo.training.workers import Workers
from tests.pixels import copied, trainer_of
from tests.tiny import Noted, tiny_model, tiny_recipe

Losses = Callable[["Levers", Step], dict[str, Tensor]]


class Levers(Regularizer):
    """Two numbers, ``a`` and ``b``, each with an update; what either loses is the test's to say."""

    def __init__(
        self, losses: Losses, start: tuple[float, float] = (0, 0), **options: Mapping[str, Any] | frozenset[str] | bool
    ) -> None:
        image = tiny_recipe().image
        super().__init__(ComponentConfig(), image, (2, 4, 4))
        self.a, self.b = (nn.Parameter(torch.tensor(float(value))) for value in start)
        self.losses = losses
        self.options: dict[str, Any] = options

    def updates(self, model: LatentModel) -> Sequence[Update]:
        return [Update(name, [getattr(self, name)], **self.options.get(name, {})) for name in ("a", "b")]

    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        return {f"of {update}": self.losses(self, step)[update]}


def each_its_own(levers: Levers, step: Step) -> dict[str, Tensor]:
    """Slopes of 1: Adam moves by the learning rate, but for its epsilon."""
    return {"a": levers.a, "b": levers.b}


def recipe_of(steps: int = 8, *, optimizer: Mapping[str, Any] | None = None, **training: Any) -> Recipe:
    """So many steps of 8 images, at a constant rate of 0.001 and without clipping unless told otherwise."""
    options = {"schedule": "constant", "clip_norm": None, **(optimizer or {})}
    return tiny_recipe("ae", training={"samples": 8 * steps, **training}, optimizer=options)


def trainer_with(
    recipe: Recipe,
    folder: Path,
    regularizer: Regularizer | None = None,
    *,
    data: DataSet | None = None,
    workers: Workers | None = None,
    model: InterpolationModel | None = None,
) -> Trainer:
    """A trainer of parts that no plugin has registered."""
    model = create(recipe) if model is None else model
    if regularizer is None:
        regularizer = build_component(Regularizer, recipe.regularizer, recipe.image, model.latent_shape)
    if data is None:
        data = build_component(DataSet, recipe.data, recipe.image, None)
    return Trainer(recipe, model, regularizer, data, workers or Workers(), folder)


def path_of(trainer: Trainer, number: Tensor) -> list[float]:
    """Where a number is at the start and after each step of the run."""
    places = [float(number.detach())]
    for index in range(trainer.total):
        trainer.step(index)
        places.append(float(number.detach()))
    return places


def moves(trainer: Trainer, number: Tensor) -> list[float]:
    """By how much each step of the run lowers a number."""
    places = path_of(trainer, number)
    return [before - after for before, after in pairwise(places)]


def ignore(done: int, values: object) -> None:
    """A report that nobody reads."""


class KeptLines(Lines):
    """Lines, and all that were given out for training."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(ComponentConfig(), recipe.image)
        self.batches: list[Tensor] = []

    def train(self, indices: Tensor, generator: Generator) -> Batch:
        batch = super().train(indices, generator)
        self.batches.append(batch["image"])
        return batch


def test_a_run_is_the_loop_that_one_would_write(tmp_path: Path) -> None:
    """Adam, clipping by the norm, warm-up and cosine, and the average, with torch's own parts and formulas."""
    options = {"warmup_steps": 3, "final_fraction": 0.1, "clip_norm": 0.5, "learning_rate": 0.01}
    found = tiny_recipe("ae", training={"samples": 80, "ema_decay": 0.8}, optimizer=options)
    data = KeptLines(found)
    trainer = trainer_with(found, tmp_path, data=data)
    reports: list[Mapping[str, float]] = []
    trainer.run(lambda done, values: reports.append(values))

    model = create(found)
    average = copied([*model.parameters()])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for index, x in enumerate(data.batches[1:]):  # the first one was for the set-up
        loss = mse_loss(2 * model.decoder(model.encoder(x)) - 1, 2 * x - 1)
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        assert reports[index] == {
            "reconstruction": pytest.approx(float(loss.detach()), rel=1e-4),
            "autoencoder gradient": pytest.approx(float(norm), rel=1e-3),
        }
        cosine = 0.1 + 0.9 * (1 + math.cos(math.pi * index / 10)) / 2
        optimizer.param_groups[0]["lr"] = 0.01 * min(1, (index + 1) / 4) * cosine
        optimizer.step()
        for mean, p in zip(average, model.parameters(), strict=True):
            mean.copy_(p.detach() if index == 0 else 0.8 * mean + 0.2 * p.detach())
    assert len(reports) == 10
    assert max(values["autoencoder gradient"] for values in reports) > 0.5
    for mine, theirs in zip(trainer.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)
    for mine, theirs in zip(trainer.trained().parameters(), average, strict=True):
        torch.testing.assert_close(mine.detach(), theirs, rtol=1e-3, atol=1e-4)
    assert not trainer.trained().training


class TestRate:
    """The learning rate, which is how far a slope of 1 moves a number."""

    def test_cosine_goes_from_the_rate_to_the_final_fraction(self, tmp_path: Path) -> None:
        found = recipe_of(10, optimizer={"schedule": "cosine", "final_fraction": 0.2})
        levers = Levers(each_its_own)
        expected = [1e-3 * (0.2 + 0.8 * (1 + math.cos(math.pi * i / 10)) / 2) for i in range(10)]
        assert moves(trainer_with(found, tmp_path, levers), levers.a) == pytest.approx(expected, rel=1e-3)

    def test_warm_up_reaches_the_rate_after_its_steps(self, tmp_path: Path) -> None:
        found, levers = recipe_of(6, optimizer={"warmup_steps": 4}), Levers(each_its_own)
        expected = [2e-4, 4e-4, 6e-4, 8e-4, 1e-3, 1e-3]
        assert moves(trainer_with(found, tmp_path, levers), levers.a) == pytest.approx(expected, rel=1e-3)

    def test_an_update_scales_its_own_rate_at_each_step(self, tmp_path: Path) -> None:
        levers = Levers(each_its_own, a={"learning_rate_scale": lambda step: step.index / 2})
        trainer = trainer_with(recipe_of(4), tmp_path, levers)
        assert moves(trainer, levers.a) == pytest.approx([0, 5e-4, 1e-3, 1.5e-3], rel=1e-3)
        assert float(levers.b.detach()) == pytest.approx(-4e-3, rel=1e-3)

    def test_an_update_may_bring_an_optimizer_of_its_own(self, tmp_path: Path) -> None:
        own = OptimizerConfig(name="adamw", learning_rate=0.01, weight_decay=0.5, schedule="constant")
        levers = Levers(each_its_own, (2, 0), a={"optimizer": own})
        expected = 2.0
        for _ in range(3):
            expected = expected * (1 - 0.01 * 0.5) - 0.01
        assert path_of(trainer_with(recipe_of(3), tmp_path, levers), levers.a)[-1] == pytest.approx(expected, rel=1e-5)
        assert float(levers.b.detach()) == pytest.approx(-3e-3, rel=1e-3)


class TestClipping:
    """The norm of an update's whole gradient."""

    def steep(self, levers: Levers, step: Step) -> dict[str, Tensor]:
        """Slopes of 1 and then 100 for a; b is as steep but has no part in a's norm."""
        slope = 1.0 if step.index == 0 else 100.0
        return {"a": slope * levers.a, "b": 1000 * levers.b}

    @pytest.mark.parametrize(
        ("clip", "second"),
        [
            (1.0, 1.0),
            # Bias-corrected moments of the slopes 1 and 100, which Adam divides.
            (None, (0.09 * 1 + 0.1 * 100) / 0.19 / math.sqrt((0.000999 + 0.001 * 100**2) / 0.001999)),
        ],
    )
    def test_a_larger_gradient_is_scaled_down_before_the_optimizer_sees_it(
        self, clip: float | None, second: float, tmp_path: Path
    ) -> None:
        levers = Levers(self.steep)
        trainer = trainer_with(recipe_of(2, optimizer={"clip_norm": clip}), tmp_path, levers)
        assert moves(trainer, levers.a) == pytest.approx([1e-3, second * 1e-3], rel=1e-3)

    def test_what_is_reported_is_the_norm_before(self, tmp_path: Path) -> None:
        levers = Levers(self.steep)
        trainer = trainer_with(recipe_of(2, optimizer={"clip_norm": 1.0}), tmp_path, levers)
        norms = [{name: float(value) for name, value in trainer.step(index).items()} for index in range(2)]
        assert [values["a gradient"] for values in norms] == [1, 100]
        assert [values["b gradient"] for values in norms] == [1000, 1000]


class TestUpdates:
    """Who moves, and when."""

    def test_a_loss_moves_only_what_its_update_names(self, tmp_path: Path) -> None:
        """The loss of a depends on b, on the encoder and on the decoder, none of which it may move."""

        def losses(levers: Levers, step: Step) -> dict[str, Tensor]:
            return {"a": (levers.a - levers.b + step.reconstruction.mean()).square(), "b": levers.b}

        levers = Levers(losses, (0.5, -2), b={"active": lambda step: False})
        trainer = trainer_with(recipe_of(3), tmp_path, levers)
        before = copied([*trainer.model.parameters()])
        trainer.run(ignore)
        assert float(levers.a.detach()) != 0.5
        assert float(levers.b.detach()) == -2
        assert all(torch.equal(x, y) for x, y in zip(before, trainer.model.parameters(), strict=True))
        assert all(p.grad is None for p in (*trainer.model.parameters(), *levers.parameters()))

    def test_all_losses_are_computed_before_anything_moves(self, tmp_path: Path) -> None:
        """b climbs or falls by the sign of a, which a's own move turns round."""

        def losses(levers: Levers, step: Step) -> dict[str, Tensor]:
            return {"a": levers.a, "b": levers.b * levers.a}

        levers = Levers(losses, (5e-4, 0))
        trainer_with(recipe_of(1), tmp_path, levers).run(ignore)
        assert float(levers.a.detach()) == pytest.approx(-5e-4, rel=1e-3)
        assert float(levers.b.detach()) == pytest.approx(-1e-3, rel=1e-3)

    def test_an_update_is_due_at_every_nth_step_from_the_first(self, tmp_path: Path) -> None:
        levers = Levers(each_its_own, a={"every": 3})
        trainer = trainer_with(recipe_of(8), tmp_path, levers)
        assert [move != 0 for move in moves(trainer, levers.a)] == [index % 3 == 0 for index in range(8)]
        assert float(levers.b.detach()) == pytest.approx(-8e-3, rel=1e-3)

    def test_an_update_is_active_when_it_says_so(self, tmp_path: Path) -> None:
        levers = Levers(each_its_own, a={"active": lambda step: step.index >= step.total // 2}, b={"every": 2})
        trainer = trainer_with(recipe_of(6), tmp_path, levers)
        reported = [set(trainer.step(index)) for index in range(6)]
        a, b = {"of a", "a gradient"}, {"of b", "b gradient"}
        assert reported == [b, set(), b, a, a | b, a]

    def test_a_step_in_which_nothing_is_due_is_taken_all_the_same(self, tmp_path: Path) -> None:
        levers = Levers(each_its_own, a={"every": 2}, b={"every": 4})
        trainer = trainer_with(recipe_of(5), tmp_path, levers)
        reports: list[set[str]] = []
        trainer.run(lambda done, values: reports.append(set(values)))
        a, b = {"of a", "a gradient"}, {"of b", "b gradient"}
        assert reports == [a | b, set(), a, set(), a | b]
        assert trainer.done == 5

    def test_weights_that_a_loss_does_not_reach_stay(self, tmp_path: Path) -> None:
        class Half(Levers):
            def updates(self, model: LatentModel) -> Sequence[Update]:
                return [Update("a", [self.a, self.b])]

        levers = Half(lambda levers, step: {"a": levers.a}, (0, 7))
        trainer_with(recipe_of(2, optimizer={"name": "adamw", "weight_decay": 0.5}), tmp_path, levers).run(ignore)
        assert float(levers.a.detach()) < 0
        assert float(levers.b.detach()) == 7

    def test_frozen_weights_stay_and_the_rest_is_trained(self, tmp_path: Path) -> None:
        found = recipe_of(2)
        model = create(found)
        model.encoder.requires_grad_(False)
        encoder, decoder = copied([*model.encoder.parameters()]), copied([*model.decoder.parameters()])
        trainer_with(found, tmp_path, model=model).run(ignore)
        assert all(torch.equal(x, y) for x, y in zip(encoder, model.encoder.parameters(), strict=True))
        assert not any(torch.equal(x, y) for x, y in zip(decoder, model.decoder.parameters(), strict=True))

    def test_nothing_but_frozen_weights_is_an_error(self, tmp_path: Path) -> None:
        found = recipe_of()
        model = create(found).requires_grad_(False)
        with pytest.raises(InputError, match="update 'autoencoder' has nothing to train: all of its weights are froz"):
            trainer_with(found, tmp_path, model=model)

    def test_weights_that_both_networks_share_move_once_and_are_checkpointed(self, tmp_path: Path) -> None:
        """By hand: a pixel's weight w in both networks, so that the image of x is w^2 x."""
        shared = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.constant_(shared.weight, 0.5)
        model = wrap(shared, shared, image=(1, 16, 16))
        trainer = trainer_with(recipe_of(1), tmp_path, model=model)
        trainer.run(ignore)
        assert float(shared.weight.detach()) == pytest.approx(0.5 + 1e-3, rel=1e-4)
        assert (tmp_path / CHECKPOINT).is_file()
        assert float(trainer.step(1)["autoencoder gradient"]) > 0


class Watcher(Regularizer):
    """Reconstruction alone, and what it saw of each step."""

    def __init__(self, *, autocast: bool = True, requires: frozenset[str] = frozenset()) -> None:
        super().__init__(ComponentConfig(), tiny_recipe().image, (2, 4, 4))
        self.autocast = autocast
        self.requires = requires
        self.calls: list[str] = []
        self.epochs: list[int] = []
        self.rows: list[dict[str, int]] = []
        self.dtypes: set[torch.dtype] = set()
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def setup(self, model: LatentModel, batch: Batch, generator: Generator) -> None:
        self.calls.append("setup")
        self.batch = batch
        self.tracks = model.encoder(batch["image"]).requires_grad

    def updates(self, model: LatentModel) -> Sequence[Update]:
        return [Update("autoencoder", [*model.encoder.parameters(), *model.decoder.parameters()])]

    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        self.calls.append(f"loss {step.index}")
        self.epochs.append(step.epoch)
        self.rows.append({name: len(value) for name, value in step.batch.items()})
        self.dtypes.add(step.codes.dtype)
        self.weights = copied([*step.model.decoder.parameters()])
        step.log("brightness", step.x.mean())
        return {"reconstruction": mse_loss(step.reconstruction.float(), step.x)}

    def after(self, step: Step) -> None:
        moved = not torch.equal(self.weights[0], next(iter(step.model.decoder.parameters())))
        self.calls.append(f"after {step.index}, {'moved' if moved else 'still'}")
        self.count += 1


class TestHooks:
    """What a regularizer is called for."""

    def test_setup_once_then_loss_and_after_at_each_step(self, tmp_path: Path) -> None:
        watcher = Watcher()
        trainer_with(recipe_of(2), tmp_path, watcher).run(ignore)
        expected = ["setup", "loss 0", "after 0, moved", "loss 1", "after 1, moved"]
        assert watcher.calls == expected
        assert watcher.batch["image"].shape == (8, 1, 16, 16)
        assert not watcher.tracks

    def test_buffers_of_a_regularizer_go_on_with_a_resumed_run(self, tmp_path: Path) -> None:
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

    def test_a_field_that_the_data_lacks_is_named_with_those_it_has(self, tmp_path: Path) -> None:
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
            pytest.skip("not the CPU, or this torch cannot tell")
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
    def test_nor_where_the_user_turns_the_newer_switches(self, tmp_path: Path) -> None:
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


class Share(Workers):
    """One process of several, which are not there."""

    def __init__(self, rank: int, count: int) -> None:
        super().__init__()
        self._place = rank, count

    @property
    def rank(self) -> int:
        return self._place[0]

    @property
    def count(self) -> int:
        return self._place[1]


def visits(size: int, steps: int, folder: Path, *, seed: int = 0, workers: Workers | None = None) -> list[list[int]]:
    """The images of each step of a run on `size` images."""
    found = recipe_of(steps, seed=seed)
    data = Noted(found.image, size)
    trainer_with(found, folder, data=data, workers=workers).run(ignore)
    return data.visited[1:]  # the first batch was for the set-up


class TestImages:
    """Which images a run sees."""

    @pytest.mark.parametrize("size", [8, 24, 10, 3])
    def test_each_is_seen_once_an_epoch_in_an_order_of_its_own(self, size: int, tmp_path: Path) -> None:
        """Also where a batch reaches into the next epochs."""
        steps = 9
        seen = [image for batch in visits(size, steps, tmp_path) for image in batch]
        epochs = [seen[start : start + size] for start in range(0, 8 * steps, size)]
        for epoch in epochs[: 8 * steps // size]:
            assert sorted(epoch) == [*range(size)]
        assert len(set(epochs[-1])) == len(epochs[-1])
        assert len({tuple(epoch) for epoch in epochs}) > 1

    def test_the_seed_settles_the_order(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        assert visits(24, 6, tmp_path, seed=1) == visits(24, 6, tmp_path / "a", seed=1)
        assert visits(24, 6, tmp_path, seed=1) != visits(24, 6, tmp_path, seed=2)

    def test_steps_know_their_epoch(self, tmp_path: Path) -> None:
        found, watcher = recipe_of(6), Watcher()
        trainer_with(found, tmp_path, watcher, data=Noted(found.image, 16)).run(ignore)
        assert watcher.epochs == [0, 0, 1, 1, 2, 2]

    def test_the_last_step_completes_its_batch(self, tmp_path: Path) -> None:
        found = recipe_of(samples=17)
        trainer = trainer_with(found, tmp_path, data=Noted(found.image, 100))
        trainer.run(ignore)
        assert (trainer.total, trainer.done) == (3, 3)

    def test_processes_share_the_batches_of_one(self, tmp_path: Path) -> None:
        whole = visits(20, 5, tmp_path)
        shares = [visits(20, 5, tmp_path, workers=Share(rank, 2)) for rank in range(2)]
        assert [left + right for left, right in zip(*shares, strict=True)] == whole
        assert all(len(share) == 4 for share in (*shares[0], *shares[1]))

    def test_processes_share_what_is_drawn_afresh_with_all_its_fields(self, tmp_path: Path) -> None:
        """So that partners, which are of the same batch, are of the same process."""
        found = recipe_of(3)

        def images(workers: Workers) -> Tensor:
            watcher = Watcher()
            trainer_with(found, tmp_path, watcher, workers=workers).run(ignore)
            rows = 8 // workers.count
            assert watcher.rows == [{"image": rows, "label": rows, "angle": rows}] * 3
            return watcher.batch["image"]

        assert torch.equal(torch.cat([images(Share(rank, 4)) for rank in range(4)]), images(Workers()))

    def test_processes_draw_noise_of_their_own(self, tmp_path: Path) -> None:
        class Noise(Watcher):
            def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
                self.drawn = step.uniform(4)
                return super().loss(step, update)

        drawn: list[Tensor] = []
        for rank in (0, 1, 0):
            noise = Noise()
            trainer_with(recipe_of(1), tmp_path, noise, workers=Share(rank, 2)).run(ignore)
            drawn.append(noise.drawn)
        assert torch.equal(drawn[0], drawn[2])
        assert not torch.equal(drawn[0], drawn[1])

    def test_a_batch_that_cannot_be_shared_equally_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(
            InputError,
            match=r"training\.batch_size = 8 cannot be shared equally by 3 processes: choose a multiple of 3",
        ):
            trainer_with(recipe_of(), tmp_path, workers=Share(0, 3))

    def test_the_global_random_state_is_neither_asked_nor_moved(self, tmp_path: Path) -> None:
        found = tiny_recipe("acai", training={"samples": 32})
        results: list[list[Tensor]] = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            before = torch.get_rng_state()
            trainer = trainer_of(found, tmp_path)
            trainer.run(ignore)
            assert torch.equal(torch.get_rng_state(), before)
            results.append([*trainer.model.parameters(), *trainer.regularizer.parameters()])
        assert all(torch.equal(x, y) for x, y in zip(*results, strict=True))


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


class TestFaults:
    """Losses that are no numbers."""

    @pytest.mark.parametrize(
        ("how", "said"),
        [("nan", "penalty is nan"), ("inf", "penalty is inf"), ("slope", "autoencoder gradient is nan")],
    )
    def test_it_stops_with_the_name_of_what_is_not_finite_and_the_last_checkpoint_goes_on(
        self, how: str, said: str, tmp_path: Path
    ) -> None:
        found = recipe_of(8, checkpoint_steps=2, ema_decay=0.9)
        trainer = trainer_with(found, tmp_path, Failing(5, how))
        with pytest.raises(TrainingError, match=rf"{said} at step 5 of 8; the last checkpoint is intact\. Try a lower"):
            trainer.run(ignore)
        mended = trainer_with(found, tmp_path, Watcher())
        seen: list[int] = []
        mended.run(lambda done, values: seen.append(done), resume=True)
        assert seen == [5, 6, 7, 8]
        (tmp_path / "sound").mkdir()
        sound = trainer_with(found, tmp_path / "sound", Watcher())
        sound.run(ignore)
        for mine, theirs in zip(mended.trained().parameters(), sound.trained().parameters(), strict=True):
            assert torch.equal(mine, theirs)

    def test_before_the_first_checkpoint_none_is_promised(self, tmp_path: Path) -> None:
        with pytest.raises(TrainingError, match=r"penalty is nan at step 1 of 8\. Try a lower"):
            trainer_with(recipe_of(8, checkpoint_steps=2), tmp_path, Failing(1, "nan")).run(ignore)
        assert not [*tmp_path.iterdir()]

    def test_a_fault_in_the_step_of_a_checkpoint_is_found_before_it_is_written(self, tmp_path: Path) -> None:
        trainer = trainer_with(recipe_of(8, checkpoint_steps=2), tmp_path, Failing(3, "nan"))
        with pytest.raises(TrainingError, match="at step 3 of 8"):
            trainer.run(ignore)
        mended = trainer_with(recipe_of(8, checkpoint_steps=2), tmp_path, Watcher())
        mended.run(ignore, resume=True, stop_after=1)
        assert mended.done == 3


class TestAverage:
    """The exponential average of the weights."""

    def test_it_begins_at_the_first_steps_weights(self, tmp_path: Path) -> None:
        class Sliding(Regularizer):
            """Moves every weight of the decoder by the learning rate."""

            def updates(self, model: LatentModel) -> Sequence[Update]:
                return [Update("decoder", [*model.decoder.parameters()])]

            def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
                return {"sum": torch.stack([p.sum() for p in step.model.decoder.parameters()]).sum()}

        found = recipe_of(3, ema_decay=0.75)
        trainer = trainer_with(found, tmp_path, Sliding(ComponentConfig(), found.image, (2, 4, 4)))
        bias = trainer.model.decoder.get_parameter("layers.0.bias")
        start = float(bias[0].detach())
        trainer.run(ignore)
        # After the first step -1, then 3/4 (-1) + 1/4 (-2) = -1.25, then 3/4 (-1.25) + 1/4 (-3) = -1.6875.
        average = trainer.trained().decoder.get_parameter("layers.0.bias")
        assert float(average[0].detach()) - start == pytest.approx(-1.6875e-3, rel=1e-3)
        assert float(bias[0].detach()) - start == pytest.approx(-3e-3, rel=1e-3)

    def test_buffers_are_the_last_ones(self, tmp_path: Path) -> None:
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

    def test_without_one_the_model_itself_is_given(self, tmp_path: Path) -> None:
        model = tiny_model()
        trainer = trainer_with(recipe_of(1), tmp_path, model=model)
        trainer.run(ignore)
        assert trainer.trained() is model
        assert not model.training
