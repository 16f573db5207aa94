"""What is computed ahead in a thread, and the batches of a run among it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from threading import Event, current_thread

import pytest
from torch import Generator, Tensor
from typing_extensions import override

from interpzoo import create
from interpzoo.build import build_component
from interpzoo.config import ComponentConfig
from interpzoo.interfaces import Batch, DataSet, Regularizer, Step
from interpzoo.training.ahead import computed_ahead
from interpzoo.training.trainer import Trainer
from interpzoo.training.workers import Workers
from tests.tiny import random_images, tiny_recipe

_LONGEST = 60


def test_results_come_in_order_from_one_other_thread() -> None:
    found = [*computed_ahead(lambda n: (n * n, current_thread()), range(5))]
    assert [square for square, _ in found] == [0, 1, 4, 9, 16]
    assert len({thread for _, thread in found} - {current_thread()}) == 1
    assert not [*computed_ahead(str, [])]


def test_the_next_is_computed_while_the_caller_works() -> None:
    began = [Event() for _ in range(3)]
    for number, _ in enumerate(computed_ahead(lambda n: began[n].set(), range(3))):
        assert number == 2 or began[number + 1].wait(_LONGEST)


def test_an_error_is_raised_when_its_result_is_due() -> None:
    results = computed_ahead(lambda n: 1 / n, [2, 0, 1])
    assert next(results) == 0.5
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_a_run_draws_the_next_batch_during_a_step(tmp_path: Path) -> None:
    drawn = [Event() for _ in range(4)]

    class Watched(DataSet):
        fields = frozenset({"image"})

        @override
        def train(self, indices: Tensor, generator: Generator) -> Batch:
            drawn[int(indices[0]) // 8].set()
            return {"image": random_images(len(indices), self.image)}

        @override
        def test(self, limit: int | None = None) -> Batch:
            raise NotImplementedError

    class Waiting(Regularizer):
        """Takes a step only once the batch of the next one is asked for."""

        @override
        def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
            assert step.index == step.total - 1 or drawn[step.index + 1].wait(_LONGEST)
            return inner.loss(step, update)

    recipe = tiny_recipe(training={"samples": 32, "batch_size": 8})
    model = create(recipe)
    inner = build_component(Regularizer, recipe.regularizer, recipe.image, model.latent_shape)
    regularizer = Waiting(ComponentConfig(), recipe.image, model.latent_shape)
    data = Watched(ComponentConfig(), recipe.image)
    workers = Workers()
    assert workers.draw_ahead is (workers.device.type != "cpu")
    workers.draw_ahead = True
    trainer = Trainer(recipe, model, regularizer, data, workers, tmp_path)
    trainer.run(lambda step, values: None)
    assert trainer.done == 4
