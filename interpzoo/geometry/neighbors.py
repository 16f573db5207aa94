"""Nearest neighbors among codes, and shortest paths through them."""

import torch
from torch import Tensor

from interpzoo.errors import InputError

_AT_ONCE = 2**24
"""Numbers in one block of a larger table (64 MiB of float32)."""


def nearest_neighbors(codes: Tensor, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Distances and row numbers, both (Q, k) and nearest first, of the `k` of `codes` (N, d) nearest to each query.

    Raises:
        InputError: `k` is not between 1 and N.
    """
    if not 1 <= k <= len(codes):
        raise InputError(f"k is {k}, expected 1 to {len(codes)}, the number of codes")
    # Exact differences: the expanded square loses the digits that distinguish near neighbors.
    blocks = queries.split(max(1, _AT_ONCE // len(codes)))
    tables = (torch.cdist(block, codes, compute_mode="donot_use_mm_for_euclid_dist") for block in blocks)
    found = [table.topk(k, dim=1, largest=False) for table in tables]
    return torch.cat([distances for distances, _ in found]), torch.cat([rows for _, rows in found])


class NeighborGraph:
    """Codes (N, d), joined by an edge where one is among the `k` nearest of the other (itself not counted).

    Raises:
        InputError: `k` is not between 1 and N - 1.
    """

    neighbors: Tensor
    """(N, degree): row numbers, each row filled up with its own number."""
    lengths: Tensor
    """(N, degree): lengths of the edges to `neighbors`, Euclidean unless set otherwise; infinite where filled up."""

    def __init__(self, codes: Tensor, k: int) -> None:
        if not 1 <= k < len(codes):
            raise InputError(f"k is {k}, expected 1 to {len(codes) - 1}, one less than the number of codes")
        self.codes = codes
        n = len(codes)
        rows = torch.arange(n, device=codes.device)
        _, near = nearest_neighbors(codes, codes, k + 1)
        start, end = rows.repeat_interleave(k + 1), near.flatten()
        edges = torch.cat([start * n + end, end * n + start])[torch.cat([start != end] * 2)].unique()
        start, end = edges // n, edges % n
        degree = torch.bincount(start, minlength=n)
        slot = torch.arange(len(edges), device=codes.device) - (degree.cumsum(0) - degree)[start]
        self.neighbors = rows[:, None].repeat(1, int(degree.max()))
        self.neighbors[start, slot] = end
        self.lengths = torch.full(self.neighbors.shape, torch.inf, dtype=codes.dtype, device=codes.device)
        self.lengths[start, slot] = (codes[start] - codes[end]).norm(dim=1)

    def distances(self, sources: Tensor) -> tuple[Tensor, Tensor]:
        """Length of the shortest path to each of `sources` (S,) from every code, and the next code on it, both (S, N).

        Infinite where there is no path; the next code of a source, or of a code cut off from it, is the code itself.
        """
        found = [self._relax(block) for block in sources.split(max(1, _AT_ONCE // self.neighbors.numel()))]
        return torch.cat([length for length, _ in found]), torch.cat([step for _, step in found])

    def shortest_paths(self, starts: Tensor, ends: Tensor) -> list[list[int]]:
        """Row numbers from each of `starts` (S,) to its end in `ends` (S,), both included; empty without a path."""
        length, following = self.distances(ends)
        paths: list[list[int]] = []
        for pair, (node, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            path = [node] if bool(length[pair, node].isfinite()) else []
            while path and path[-1] != end:
                path.append(int(following[pair, path[-1]]))
            paths.append(path)
        return paths

    def _relax(self, sources: Tensor) -> tuple[Tensor, Tensor]:
        """Bellman-Ford from all sources together, as many rounds as the longest path has edges.

        By hand, as scipy, whose `shortest_path` the tests compare it with, is no dependency of the core.
        """
        count, n = len(sources), len(self.codes)
        length = torch.full((count, n), torch.inf, dtype=self.lengths.dtype, device=sources.device)
        length[torch.arange(count, device=sources.device), sources] = 0
        following = torch.arange(n, device=sources.device).repeat(count, 1)
        while True:
            through, slot = (length[:, self.neighbors] + self.lengths).min(2)
            shorter = through < length
            if not bool(shorter.any()):
                return length, following
            length = torch.where(shorter, through, length)
            following = torch.where(shorter, self.neighbors.gather(1, slot.T).T, following)
