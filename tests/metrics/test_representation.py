"""The probes of codes and the distances of reconstructions, on data whose answers are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from interpzoo_metrics.reconstruction import PSNR, ReconstructionError
from interpzoo_metrics.representation import kmeans_accuracy, linear_probe, whiten
from torch import Tensor

from interpzoo.errors import InputError


def clusters(n: int, seed: int, centres: int = 4, spread: float = 0.05) -> tuple[Tensor, Tensor]:
    """`n` codes (n, 2, 1, 2) around the corners of a simplex, and which corner each is at."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % centres
    codes = torch.eye(4)[labels] + spread * torch.randn(n, 4, generator=generator)
    return codes.view(n, 2, 1, 2), labels


class TestLinearProbe:
    def test_separable_codes(self) -> None:
        assert linear_probe(*clusters(200, 0), *clusters(100, 1)) == 1

    def test_wrong_labels_count_as_wrong(self) -> None:
        codes, labels = clusters(100, 1)
        labels[:13] = (labels[:13] + 1) % 4
        assert linear_probe(*clusters(200, 0), codes, labels) == pytest.approx(0.87)

    def test_codes_that_know_nothing(self) -> None:
        generator = torch.Generator().manual_seed(0)
        codes, labels = torch.randn(4000, 5, generator=generator), torch.randint(4, (4000,), generator=generator)
        assert linear_probe(codes[:2000], labels[:2000], codes[2000:], labels[2000:]) == pytest.approx(0.25, abs=0.04)

    def test_scale_and_offset_of_a_dimension_do_not_matter(self) -> None:
        (train, y), (test, y_test) = clusters(60, 0, spread=0.5), clusters(500, 1, spread=0.5)
        scale, offset = torch.tensor([1e-3, 1, 50, 1e4]).view(2, 1, 2), torch.tensor([0.0, 9, -30, 1e3]).view(2, 1, 2)
        plain = linear_probe(train, y, test, y_test)
        assert plain < 1
        assert linear_probe(train * scale + offset, y, test * scale + offset, y_test) == pytest.approx(plain, abs=0.005)

    def test_a_dead_dimension_is_no_harm(self) -> None:
        (train, y), (test, y_test) = clusters(200, 0), clusters(100, 1)
        train[:, 0], test[:, 0] = 3, 3
        assert linear_probe(train, y, test, y_test) > 0.5

    def test_gradients_are_not_tracked(self) -> None:
        codes, labels = clusters(40, 0)
        assert linear_probe(codes.requires_grad_(), labels, codes, labels) == 1

    def test_one_class(self) -> None:
        codes, labels = clusters(20, 0)
        with pytest.raises(InputError, match="at least 2 classes"):
            linear_probe(codes, 0 * labels, codes, labels)


class TestKMeans:
    def test_clusters_are_matched_to_classes_whatever_their_numbers(self) -> None:
        (train, _), (test, labels) = clusters(200, 0), clusters(100, 1)
        for names in ([0, 1, 2, 3], [3, 0, 1, 2], [17, 5, 900, -1]):
            assert kmeans_accuracy(train, test, torch.tensor(names)[labels], clusters=4) == 1

    def test_strangers_in_a_cluster_count_as_wrong(self) -> None:
        (train, _), (test, labels) = clusters(200, 0), clusters(100, 1)
        labels[:13] = (labels[:13] + 1) % 4
        assert kmeans_accuracy(train, test, labels, clusters=4) == pytest.approx(0.87)

    def test_two_clusters_cannot_have_the_same_class(self) -> None:
        (train, _), (test, labels) = clusters(200, 0), clusters(100, 1)
        assert kmeans_accuracy(train, test, torch.zeros_like(labels), clusters=4) == pytest.approx(0.25)
        assert kmeans_accuracy(train, test, labels, clusters=2) == pytest.approx(0.5)

    def test_whitening_finds_classes_in_a_direction_of_little_variance(self) -> None:
        generator = torch.Generator().manual_seed(0)
        labels = torch.arange(2000) % 2
        codes = torch.stack([100 * torch.rand(2000, generator=generator), 0.01 * labels], 1)
        codes = codes @ torch.tensor([[0.8, 0.6], [-0.6, 0.8]])
        assert kmeans_accuracy(codes[:1000], codes[1000:], labels[1000:], clusters=2) == 1

    def test_same_seed_same_score(self) -> None:
        (train, _), (test, labels) = clusters(200, 0, spread=0.6), clusters(300, 1, spread=0.6)
        scores = [kmeans_accuracy(train, test, labels, clusters=4, n_init=1, seed=seed) for seed in (1, 1, 1)]
        assert len(set(scores)) == 1

    @pytest.mark.parametrize("n", [0, 21])
    def test_number_of_clusters(self, n: int) -> None:
        codes, labels = clusters(20, 0)
        with pytest.raises(InputError, match=f"clusters = {n}: expected a whole number from 1 to 20"):
            kmeans_accuracy(codes, codes, labels, clusters=n)


class TestWhiten:
    def test_against_numbers_worked_out_by_hand(self) -> None:
        # Centred: (+-3, 0), (0, +-4), so that s = (4 sqrt 2, 3 sqrt 2) and V swaps the axes.
        train = np.array([[4.0, 1], [-2, 1], [1, 5], [1, -3]])
        white, test = whiten(train, np.array([[7.0, 9]]))
        root = 1 / math.sqrt(2)
        assert np.allclose(np.abs(white), [[0, root], [0, root], [root, 0], [root, 0]], atol=1e-5)
        assert np.allclose(np.abs(test), [[2 * root, 2 * root]], atol=1e-5)

    def test_columns_are_orthonormal(self) -> None:
        rng = np.random.default_rng(0)
        white, _ = whiten(rng.normal(size=(500, 6)) @ rng.normal(size=(6, 6)) + 3, np.zeros((1, 6)))
        assert np.allclose(white.T @ white, np.eye(6), atol=1e-5)
        assert np.allclose(white.mean(0), 0)

    def test_dead_directions_are_quieted(self) -> None:
        rng = np.random.default_rng(0)
        train = np.concatenate([rng.normal(size=(50, 2)), np.full((50, 1), 0.1)], 1)
        white, _ = whiten(train, train)
        assert np.abs(white[:, 2]).max() < 1e-6

    def test_fewer_codes_than_dimensions(self) -> None:
        rng = np.random.default_rng(0)
        white, test = whiten(rng.normal(size=(5, 9)), rng.normal(size=(3, 9)))
        assert white.shape == (5, 5)
        assert test.shape == (3, 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_codes": torch.zeros(20)}, r"train_codes of shape \(20,\)"),
        ({"train_codes": torch.zeros(0, 4)}, r"train_codes of shape \(0, 4\)"),
        ({"train_codes": torch.full((20, 4), torch.nan)}, "train_codes hold values that are not finite"),
        ({"test_codes": torch.zeros(20, 5)}, "test_codes have 5 dimensions, the training codes 4"),
        ({"test_labels": torch.zeros(19, dtype=torch.long)}, r"test_labels are .*: expected integers \(20,\)"),
        ({"test_labels": torch.zeros(20)}, "test_labels are torch.float32"),
    ],
)
def test_arguments_that_do_not_fit(change: dict[str, Tensor], message: str) -> None:
    codes, labels = clusters(20, 0)
    arguments: dict[str, Any] = {"train_codes": codes, "test_codes": codes, "test_labels": labels} | change
    with pytest.raises(InputError, match=message):
        linear_probe(train_labels=labels, **arguments)
    with pytest.raises(InputError, match=message):
        kmeans_accuracy(**arguments, clusters=4)


def test_reconstruction_is_scored_image_by_image() -> None:
    images = torch.zeros(3, 1, 2, 2)
    reconstructions = torch.tensor([0.0, 0.1, -1.0]).view(3, 1, 1, 1).expand(3, 1, 2, 2)
    assert torch.allclose(ReconstructionError.values(images, reconstructions), torch.tensor([0, 0.01, 1]))
    assert torch.allclose(PSNR.values(images, reconstructions), torch.tensor([torch.inf, 20, 0]), atol=1e-4)


def test_reconstruction_of_another_shape() -> None:
    with pytest.raises(InputError, match="expected the same"):
        ReconstructionError.values(torch.zeros(2, 1, 4, 4), torch.zeros(1, 1, 4, 4))
    with pytest.raises(InputError, match="expected the same"):
        PSNR.values(torch.zeros(4, 4), torch.zeros(4, 4))
