"""Nearest neighbors and shortest paths against scikit-learn and SciPy."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import shortest_path
from sklearn.neighbors import NearestNeighbors

from interpzoo.errors import InputError
from interpzoo.geometry import NeighborGraph, nearest_neighbors

CODES = torch.randn(90, 4, generator=torch.Generator().manual_seed(0)).double()


def test_neighbors_agree_with_scikit_learn() -> None:
    queries = torch.randn(20, 4, generator=torch.Generator().manual_seed(1)).double()
    distances, rows = nearest_neighbors(CODES, queries, 7)
    expected = NearestNeighbors(n_neighbors=7).fit(CODES.numpy()).kneighbors(queries.numpy())
    np.testing.assert_allclose(distances, expected[0])
    np.testing.assert_array_equal(rows, expected[1])
    assert torch.equal(nearest_neighbors(CODES, CODES, 1)[1][:, 0], torch.arange(90))


def test_paths_agree_with_scipy() -> None:
    graph = NeighborGraph(CODES, 3)
    table = np.zeros((90, 90))
    start, slot = graph.lengths.isfinite().nonzero().unbind(1)
    table[start, graph.neighbors[start, slot]] = graph.lengths[start, slot]
    np.testing.assert_allclose(table, table.T)
    expected = shortest_path(csr_matrix(table), directed=False)
    length, _ = graph.distances(torch.tensor([0, 50]))
    np.testing.assert_allclose(length, expected[[0, 50]])
    (route,) = graph.shortest_paths(torch.tensor([0]), torch.tensor([50]))
    assert (route[0], route[-1]) == (0, 50)
    assert sum(table[i, j] for i, j in pairwise(route)) == pytest.approx(expected[0, 50])


def test_unconnected_parts_have_no_path() -> None:
    graph = NeighborGraph(torch.cat([CODES, CODES + 100]), 4)
    assert graph.shortest_paths(torch.tensor([0, 3]), torch.tensor([120, 3])) == [[], [3]]


@pytest.mark.parametrize("k", [0, 90])
def test_invalid_numbers_of_neighbors(k: int) -> None:
    with pytest.raises(InputError, match=f"k is {k}, expected 1 to 89"):
        NeighborGraph(CODES, k)
