"""The images of a run: each once an epoch, in an order of the seed, shared by all processes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from interpzoo.errors import InputError
from interpzoo.interfaces import Step
from interpzoo.training.workers import Workers
from tests.pixels import trainer_of
from tests.tiny import Noted, tiny_recipe
from tests.training.runs import Watcher, ignore, recipe_of, trainer_with


class Share(Workers):
    """One process of several, which are not there."""

    def __init__(self, rank: int, count: int) -> None:
        super().__init__()
        self.rank, self.count = rank, count


def visits(size: int, steps: int, folder: Path, *, seed: int = 0, workers: Workers | None = None) -> list[list[int]]:
    """The images of each step of a run on `size` images."""
    found = recipe_of(steps, seed=seed)
    data = Noted(found.image, size)
    trainer_with(found, folder, data=data, workers=workers).run(ignore)
    return data.visited[1:]  # the first batch was for the set-up


class TestImages:
    """Which images a run sees."""

    @pytest.mark.parametrize("size", [8, 24, 10, 3])
    def test_every_epoch_has_each_image_once_in_a_new_order(self, size: int, tmp_path: Path) -> None:
        """Also where a batch reaches into the next epochs."""
        steps = 9
        seen = [image for batch in visits(size, steps, tmp_path) for image in batch]
        epochs = [seen[start : start + size] for start in range(0, 8 * steps, size)]
        for epoch in epochs[: 8 * steps // size]:
            assert sorted(epoch) == [*range(size)]
        assert len(set(epochs[-1])) == len(epochs[-1])
        assert len({tuple(epoch) for epoch in epochs}) > 1

    def test_the_seed_determines_the_order(self, tmp_path: Path) -> None:
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

    def test_processes_share_generated_batches_with_all_fields(self, tmp_path: Path) -> None:
        """So that partners, which are of the same batch, are of the same process."""

        class Seen(Watcher):
            def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
                self.batch = step.batch
                return super().loss(step, update)

        def images(workers: Workers) -> Tensor:
            seen = Seen()
            trainer_with(recipe_of(3), tmp_path, seen, workers=workers).run(ignore)
            rows = 8 // workers.count
            assert seen.rows == [{"image": rows, "label": rows, "angle": rows}] * 3
            return seen.batch["image"]

        assert torch.equal(torch.cat([images(Share(rank, 4)) for rank in range(4)]), images(Workers()))

    def test_processes_draw_different_noise(self, tmp_path: Path) -> None:
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

    def test_the_global_random_state_is_not_used(self, tmp_path: Path) -> None:
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
