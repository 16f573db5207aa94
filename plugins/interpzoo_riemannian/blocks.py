"""Block-tridiagonal positive definite systems, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_DENSE = 64
"""Largest number of rows that are solved faster as one matrix than block by block."""


@dataclass(frozen=True)
class BlockTridiagonal:
    """Symmetric matrices with blocks `diagonal` and, right of them, `coupling`, factored by cyclic reduction.

    Every other block is eliminated in one batch, until the rest is small: log2(n) steps instead of n. A matrix that is
    not positive definite makes its own solution meaningless or NaN, but leaves the others alone.
    """

    rounds: list[tuple[Tensor, Tensor, Tensor]]
    """Per round: the even blocks' factor, and the couplings of the odd blocks to the even ones before and after."""
    rest: Tensor
    """The factor of the remaining rows as one matrix."""

    @classmethod
    def factor(cls, diagonal: Tensor, coupling: Tensor) -> BlockTridiagonal:
        """Factor matrices with blocks (i, i) `diagonal`, (B, n, d, d), and (i, i + 1) `coupling`, (B, n - 1, d, d)."""
        rounds: list[tuple[Tensor, Tensor, Tensor]] = []
        while diagonal.shape[1] > 1 and diagonal.shape[1] * diagonal.shape[2] > _DENSE:
            factor = torch.linalg.cholesky_ex(diagonal[:, 0::2])[0]
            odd, before, after = diagonal[:, 1::2].clone(), coupling[:, 0::2], coupling[:, 1::2]
            rounds.append((factor, before, after))
            n, k = before.shape[1], after.shape[1]
            through_before = torch.cholesky_solve(before, factor[:, :n])
            odd -= before.mT @ through_before
            odd[:, :k] -= after @ torch.cholesky_solve(after.mT, factor[:, 1:])
            diagonal, coupling = odd, -after[:, : n - 1] @ through_before[:, 1:]
        return cls(rounds, torch.linalg.cholesky_ex(_dense(diagonal, coupling))[0])

    def solve(self, b: Tensor) -> Tensor:
        """The solutions (B, n, d) for right-hand sides `b` (B, n, d)."""
        rest = b[..., None]
        evens: list[Tensor] = []
        for factor, before, after in self.rounds:
            even, odd = rest[:, 0::2], rest[:, 1::2].clone()
            evens.append(even)
            solved = torch.cholesky_solve(even, factor)
            odd -= before.mT @ solved[:, : before.shape[1]]
            odd[:, : after.shape[1]] -= after @ solved[:, 1:]
            rest = odd
        x = torch.cholesky_solve(rest.flatten(1, 2), self.rest).view(rest.shape)
        for (factor, before, after), even in zip(reversed(self.rounds), reversed(evens), strict=True):
            even = even.clone()
            even[:, : before.shape[1]] -= before @ x
            even[:, 1:] -= after.mT @ x[:, : after.shape[1]]
            both = x.new_empty(len(x), even.shape[1] + x.shape[1], *x.shape[2:])
            both[:, 0::2], both[:, 1::2] = torch.cholesky_solve(even, factor), x
            x = both
        return x.view(b.shape)


def solve_banded(bands: Sequence[Tensor], b: Tensor) -> Tensor:
    """Solutions (B, n, d) of symmetric positive definite systems, for right-hand sides `b` (B, n, d).

    `bands` are the blocks (i, i + k) of the matrices, (B, n - k, d, d) for k = 0, 1, ...: with `reach` rows taken
    together, the matrices are block-tridiagonal.
    """
    pairs, n, d = b.shape
    reach = max(1, len(bands) - 1)
    groups = -(-n // reach)
    rows = bands[0].new_zeros(pairs, groups, reach, 2 * reach, d, d)  # a group's own columns and those of the next
    i = torch.arange(groups * reach, device=b.device)
    for k, band in enumerate(bands):
        rows[:, i[: n - k] // reach, i[: n - k] % reach, i[: n - k] % reach + k] = band
    rows[:, i[n:] // reach, i[n:] % reach, i[n:] % reach] = torch.eye(d, dtype=b.dtype, device=b.device)
    own, next_ = (
        part.transpose(3, 4).reshape(pairs, groups, reach * d, reach * d) for part in rows.split(reach, dim=3)
    )
    padded = torch.cat([b, b.new_zeros(pairs, groups * reach - n, d)], 1)
    # The factorization reads the lower half of blocks on the diagonal.
    solved = BlockTridiagonal.factor(own.mT, next_[:, :-1]).solve(padded.view(pairs, groups, reach * d))
    return solved.reshape(padded.shape)[:, :n]


def _dense(diagonal: Tensor, coupling: Tensor) -> Tensor:
    """Whole matrices (B, n d, n d), filled on the diagonal and below."""
    pairs, n, d, _ = diagonal.shape
    whole = diagonal.new_zeros(pairs, n, n, d, d)
    i = torch.arange(n, device=diagonal.device)
    whole[:, i, i] = diagonal
    whole[:, i[1:], i[:-1]] = coupling.mT
    return whole.transpose(2, 3).reshape(pairs, n * d, n * d)
