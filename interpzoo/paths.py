"""Paths between codes, and how their frames are spaced."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from interpzoo.arguments import MOST_AT_ONCE, MOST_FRAMES, whole
from interpzoo.autoencoder import Autoencoder
from interpzoo.build import build_path
from interpzoo.config import named
from interpzoo.errors import InputError
from interpzoo.interfaces import Interpolator, Solution
from interpzoo.returned import checked
from interpzoo.spacing import Measure, MeasuredPaths, Spacing, checked_positions, measure_of
from interpzoo.tensors import NumberInput, as_numbers
from interpzoo.text import quoted

_Path = Callable[[Tensor], Tensor]
"""Positions (T,) or (B, T) to codes (B, T, *latent_shape)."""


class Paths(Autoencoder):
    """Base of `InterpolationModel`, which sets the attributes: codes between codes."""

    interpolator: Interpolator
    examples: Tensor | None
    codes: Tensor | None

    def interpolate_codes(
        self, z0: Tensor, z1: Tensor, t: NumberInput, *, interpolator: str | Interpolator | None = None
    ) -> Tensor:
        """The codes of `solve`, without its report."""
        return self.solve(z0, z1, t, interpolator=interpolator).codes

    def solve(
        self, z0: Tensor, z1: Tensor, t: NumberInput, *, interpolator: str | Interpolator | None = None
    ) -> Solution:
        """Codes (B, T, *latent_shape) at `t`, (T,) or (B, T), between codes `z0` and `z1` (B, *latent_shape).

        They are bit for bit `z0` at 0 and `z1` at 1. Paths that are searched for come with a report on each pair; a
        geodesic's says whether it converged. `t` is used in float64 if the codes are of it, and in float32 otherwise.

        It tracks gradients only if `z0`, `z1` or `t` require them. Paths with a formula (`linear`, `slerp`, `lol`,
        `mixup` and `bernoulli`) track them to the codes and, where they are smooth in it, to `t`. Paths that are
        searched for do not track them to the codes, and raise an `InputError` inside `torch.func`.

        Raises:
            InputError: the shapes do not fit, values are not finite, or the path is not defined at some `t`.
        """
        z0, z1 = self._paired(z0, z1)
        t = checked_positions(t, self.device, len(z0), _precision(z0))
        self.sizes.check_number(len(z0) * t.shape[-1], self.sizes.of_codes(z0))
        tracked = z0.requires_grad or z1.requires_grad or t.requires_grad
        with torch.set_grad_enabled(torch.is_grad_enabled() and tracked):
            path = self._path(interpolator)
            solution = path.solve(z0, z1, t, model=self)
        what = f"the path {type(path).__name__!r}"
        codes = checked(solution.codes, (len(z0), t.shape[-1], *z0.shape[1:]), f"{what} gives codes")
        if not bool(codes.isfinite().all()):
            near = bool(((t >= 0) & (t <= 1)).all())
            expected = "other codes, or another path" if near else "t nearer to [0, 1]"
            raise InputError(f"{what} is not finite at t from {t.min():g} to {t.max():g}: expected {expected}")
        return solution

    @torch.no_grad()
    def positions(
        self,
        z0: Tensor,
        z1: Tensor,
        steps: int = 9,
        *,
        spacing: Spacing = "even",
        interpolator: str | Interpolator | None = None,
        batch_size: int | None = None,
    ) -> Tensor:
        """The `t` (B, steps) of the frames that `interpolate` gives with the same `spacing`, for paths between codes.

        Frames at even distances are found with at most three times the decoding and the memory of the frames. With nine
        frames, the longest step is at most 1.05 times the shortest for the median pair of each model of the zoo but
        ``vae-lines`` (1.09). Where paths are strongly curved it is more: for one pair in ten, over 1.23 with
        ``acai-lines`` and over 1.76 with ``vae-lines`` (benchmarks/studies/steps.md). A path that jumps or stands still
        has no even steps: its frames are as even as they were found, and `interpolate` warns of a ratio above 2.

        Raises:
            InputError: as `solve`; or `steps` is out of range, or `spacing` is none of the ways to space frames.
        """
        measure = measure_of(spacing)
        if measure is None:
            return _linear(steps).to(self.device).expand(len(self._paired(z0, z1)[0]), -1)
        path, paths = self._between(z0, z1, interpolator)
        return self._measured(path, measure, batch_size).positions(paths, steps).to(self.device, torch.float32)

    @torch.no_grad()
    def example_strip(
        self,
        pairs: int = 4,
        steps: int = 9,
        *,
        t: NumberInput | None = None,
        spacing: Spacing = "linear",
        interpolator: str | Interpolator | None = None,
        batch_size: int | None = None,
    ) -> Tensor:
        """Images (pairs, steps, C, H, W) between the first pairs of example codes; `t` and `spacing` are as in
        `interpolate`.

        Raises:
            InputError: the model has fewer than two examples, `steps` is below two or `pairs` below one.
        """
        pairs = whole("pairs", pairs, 1, MOST_AT_ONCE)
        if self.examples is None or len(self.examples) < 2:
            raise InputError(f"{self.config.name!r} has fewer than two example codes: give two images")
        codes = self.examples[: 2 * min(pairs, len(self.examples) // 2)]
        return self._frames(codes[::2], codes[1::2], steps, measure_of(spacing), interpolator, batch_size, t)

    @torch.no_grad()
    def walk(
        self,
        z0: Tensor,
        z1: Tensor,
        steps: int = 9,
        *,
        t: NumberInput | None = None,
        spacing: Spacing = "linear",
        interpolator: str | Interpolator | None = None,
        batch_size: int | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The codes (B, steps, *latent_shape) of the frames that `interpolate` gives, and their `t` (B, steps).

        Arguments are as in `interpolate`, and `z0` and `z1` as in `solve`. It tracks no gradients; `solve` does. Raises
        as both.
        """
        codes, where = self._placed(z0, z1, steps, measure_of(spacing), interpolator, batch_size, t)
        return codes, where.expand(len(codes), -1)

    def _path(self, interpolator: str | Interpolator | None) -> Interpolator:
        if isinstance(interpolator, str):
            return build_path(named(interpolator, "interpolator"), self.interpolator)
        path = self.interpolator if interpolator is None else interpolator
        if not isinstance(path, Interpolator):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"interpolator = {quoted(path)}: expected a registered name or an Interpolator")
        return path

    def _between(self, z0: Tensor, z1: Tensor, interpolator: str | Interpolator | None) -> tuple[_Path, int]:
        """Paths from `z0` to `z1`, and how many they are."""
        z0, z1 = self._paired(z0, z1)
        return self._path(interpolator).path(z0, z1, model=self), len(z0)

    def _placed(
        self,
        z0: Tensor,
        z1: Tensor,
        steps: int,
        measure: Measure | None,
        interpolator: str | Interpolator | None,
        batch_size: int | None,
        t: NumberInput | None,
    ) -> tuple[Tensor, Tensor]:
        """Codes (B, steps, *latent_shape) from `z0` to `z1`, even in t or as images are measured, or at `t`.

        And their positions (T,) or (B, T).
        """
        _refuse_both(t, measure)
        if measure is None:
            given = _linear(steps) if t is None else t
            codes = self.interpolate_codes(z0, z1, given, interpolator=interpolator)
            return codes, as_numbers("t", given, self.device, _precision(codes))
        path, paths = self._between(z0, z1, interpolator)
        t = self._measured(path, measure, batch_size).positions(paths, steps).to(self.device, torch.float32)
        return path(t), t

    def _frames(
        self,
        z0: Tensor,
        z1: Tensor,
        steps: int,
        measure: Measure | None,
        interpolator: str | Interpolator | None,
        batch_size: int | None,
        t: NumberInput | None = None,
    ) -> Tensor:
        """Images (B, steps, C, H, W) of the codes of `_placed`; warns where they should be even and are not."""
        if measure is None:
            return self._decode_paths(self._placed(z0, z1, steps, None, interpolator, batch_size, t)[0], batch_size)
        _refuse_both(t, measure)
        path, paths = self._between(z0, z1, interpolator)
        return self._measured(path, measure, batch_size).frames(paths, steps)

    def _frames_through(
        self,
        codes: Tensor,
        steps: int,
        measure: Measure | None,
        interpolator: str | Interpolator | None,
        batch_size: int | None,
        t: Tensor | None = None,
    ) -> Tensor:
        """Images ((k - 1) (steps - 1) + 1, C, H, W) through k codes in turn; `t` is (T,). Warns as `_frames`."""
        _refuse_both(t, measure)
        path = self._path(interpolator).through(codes, model=self)
        if measure is not None:
            return _joined(self._measured(path, measure, batch_size).frames(len(codes) - 1, steps))
        t = (_linear(steps) if t is None else t).to(self.device)
        self.sizes.check_number((len(codes) - 1) * len(t), self.sizes.of_codes(codes))
        return self._decode_in_chunks(_joined(path(t)), batch_size)

    def _measured(self, path: _Path, measure: Measure, batch_size: int | None) -> MeasuredPaths:
        def codes(t: Tensor) -> Tensor:
            found = path(t.to(self.device, torch.float32))
            self.sizes.check_number(found.shape[0] * found.shape[1], self.sizes.of_codes(found[:, 0]))
            return found

        return MeasuredPaths(codes, partial(self._decode_in_chunks, batch_size=batch_size), measure)

    def _paired(self, z0: Tensor, z1: Tensor) -> tuple[Tensor, Tensor]:
        z0, z1 = self._checked_codes(z0), self._checked_codes(z1)
        dtype = torch.promote_types(z0.dtype, z1.dtype)
        return _paired(z0.to(dtype), z1.to(dtype))

    def _decode_paths(self, codes: Tensor, batch_size: int | None) -> Tensor:
        return self._decode_in_chunks(codes.flatten(0, 1), batch_size).unflatten(0, codes.shape[:2])


def _precision(codes: Tensor) -> torch.dtype:
    """The type of positions between codes: float64 if the codes are of it, and float32 otherwise."""
    return torch.promote_types(codes.dtype, torch.float32)


def _joined(paths: Tensor) -> Tensor:
    """One row of k paths (k, T, ...), each of which ends where the next begins."""
    return torch.cat([paths[:, :-1].flatten(0, 1), paths[-1:, -1]])


def _refuse_both(t: object, measure: Measure | None) -> None:
    if t is not None and measure is not None:
        raise InputError("t and spacing are both given: expected one of them")


def _linear(steps: int) -> Tensor:
    return torch.linspace(0, 1, whole("steps", steps, 2, MOST_FRAMES))


def _paired(z0: Tensor, z1: Tensor) -> tuple[Tensor, Tensor]:
    if z0.shape[1:] != z1.shape[1:] or (len(z0) != len(z1) and 1 not in (len(z0), len(z1))):
        raise InputError(f"codes of shapes {tuple(z0.shape)} and {tuple(z1.shape)} cannot be paired")
    n = len(z1) if len(z0) == 1 else len(z0)
    return z0.expand(n, *z0.shape[1:]), z1.expand(n, *z1.shape[1:])
