"""What a model does along directions of its codes: find them, edit images, and show what they change."""

from collections.abc import Sequence
from typing import Final, Literal

import torch
from torch import Tensor

from interpzoo.arguments import MOST_FRAMES
from interpzoo.directions import Direction, axis_directions, direction_between, principal_directions
from interpzoo.errors import InputError, UnknownNameError, did_you_mean
from interpzoo.images import ImageInput, is_single
from interpzoo.paths import Paths
from interpzoo.tensors import NumberInput, as_numbers
from interpzoo.text import quoted

STRENGTHS: Final = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""How far images are moved along a direction unless a user says so, in its lengths."""


class Edited(Paths):
    """Base of `InterpolationModel`, which sets the attributes: directions of codes."""

    directions: dict[str, Direction]

    @torch.no_grad()
    def direction(
        self,
        positive: ImageInput,
        negative: ImageInput,
        *,
        name: str = "direction",
        probe: bool = False,
        orthogonal_to: Sequence[str | Direction] = (),
        batch_size: int | None = None,
    ) -> Direction:
        """The direction from images without something to images with it, such as a smile.

        Args:
            positive, negative: images that have it and images that do not; the more, the better.
            name: what changes along it.
            probe: the difference of the mean codes (``False``), or its part along the normal of a linear classifier,
                which leaves out what merely goes with it in these images; see `interpzoo.directions`.
            orthogonal_to: directions, or names of the model's, along which nothing shall change.
            batch_size: images encoded at once; chosen to bound the memory by default.

        Raises:
            ImageError: as `encode`.
            InputError: both groups have the same mean code, or nothing is left without `orthogonal_to`.
            UnknownNameError: the model has no direction of a name.
        """
        groups = [self._encode_in_chunks(images, None, 0, batch_size) for images in (positive, negative)]
        found = direction_between(*groups, name=name, probe=probe)
        return found.orthogonal_to(self._listed("orthogonal_to", orthogonal_to))

    @torch.no_grad()
    def edit(
        self,
        images: ImageInput,
        direction: str | Direction,
        strengths: NumberInput = STRENGTHS,
        *,
        size: Sequence[int] | None = None,
        refine: int = 0,
        batch_size: int | None = None,
    ) -> Tensor:
        """Images moved along a direction; tracks no gradients.

        Args:
            images: one image or several.
            direction: a `Direction`, or the name of one of the model's.
            strengths: how far (S,), in lengths of the direction; 0 is the reconstruction.
            size: as in `interpolate`; a model of any size takes the direction's by default.
            refine, batch_size: as in `interpolate`.

        Returns:
            (S, C, H, W) for a single image, (B, S, C, H, W) for several.

        Raises:
            ImageError: as `encode`.
            InputError: the direction is of another model's codes, or `strengths` are not 1 to 10,000 finite numbers.
            UnknownNameError: the model has no direction of this name.

        Example:
            >>> import interpzoo
            >>> model = interpzoo.load("acai-celeba")
            >>> face = model.decode(model.examples)[0]
            >>> model.edit(face, "smiling", [-1, 0, 1]).shape
            torch.Size([3, 3, 32, 32])
        """
        along = self._direction(direction)
        codes = self._encode_in_chunks(images, size if size is not None else self._size_of(along), refine, batch_size)
        frames = self._decode_paths(self._moved(codes, along, strengths), batch_size)
        return frames[0] if is_single(images) else frames

    @torch.no_grad()
    def traverse(
        self,
        image: ImageInput | None = None,
        directions: Literal["principal", "axes"] | Sequence[str | Direction] = "principal",
        strengths: NumberInput = STRENGTHS,
        *,
        count: int | None = None,
        batch_size: int | None = None,
    ) -> Tensor:
        """Images (D, S, C, H, W): one row for each direction, along which one image is moved.

        Args:
            image: the image; by default the mean of the model's example codes. A model of any size resizes
                it to the size of the first direction.
            directions: ``"principal"``: those in which the model's training codes (or, without them, its examples) vary
                most. ``"axes"``: single numbers of the code, beginning with those that
                vary most. Or directions, or names of
                the model's.
            strengths: how far, in standard deviations or lengths of the direction.
            count: number of principal directions or axes; by default 8, or all where there are fewer.
            batch_size: as in `interpolate`.

        Raises:
            ImageError: as `encode`.
            InputError: the model has too few codes, or there is more than one image; or as `edit`.
            UnknownNameError: the model has no direction of a name.
        """
        if isinstance(directions, str):
            find = {"principal": principal_directions, "axes": axis_directions}.get(directions)
            if find is None:
                raise InputError(f"directions = {quoted(directions)}: expected 'principal', 'axes' or a list")
            codes = self._many_codes()
            if self.codes is None and directions == "principal" and isinstance(count, int) and count >= len(codes) > 1:
                raise InputError(
                    f"count = {count}: {self.name!r} has no training codes, only {len(codes)} examples, which vary in "
                    f"{len(codes) - 1} direction{'s' * (len(codes) > 2)}: expected at most that many. For more, give "
                    "directions=principal_directions(model.encode(images)) of many images of your own (from "
                    "interpzoo.directions), or a file of them that save_directions wrote"
                )
            rows = find(codes, count)
        else:
            rows = self._listed("directions", directions)
        if not rows:
            raise InputError("directions = []: expected at least one")
        size = self._size_of(rows[0])
        code = self._encode_in_chunks(image, size, 0, batch_size) if image is not None else self._mean_code()
        if len(code) != 1:
            raise InputError(f"a traversal moves one image, got {len(code)}: use edit for several")
        paths = torch.cat([self._moved(code, one, strengths) for one in rows])
        return self._decode_paths(paths, batch_size)

    def _listed(self, name: str, directions: Sequence[str | Direction]) -> list[Direction]:
        if not isinstance(directions, list | tuple):
            raise InputError(f"{name} = {quoted(directions)}: expected a list of directions or names")
        return [self._direction(one) for one in directions]

    def _direction(self, direction: str | Direction) -> Direction:
        if isinstance(direction, Direction):
            return direction
        if not isinstance(direction, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"direction = {quoted(direction)}: expected a Direction or its name")
        if direction not in self.directions:
            there = f" There are {', '.join(self.directions)}." if self.directions else " It has none."
            there += did_you_mean(direction, self.directions) or " Find one with model.direction(positive, negative)."
            raise UnknownNameError(f"{self.name!r} has no direction {quoted(direction)}.{there}")
        return self.directions[direction]

    def _size_of(self, direction: Direction) -> tuple[int, int] | None:
        """Height and width of the images whose codes a direction fits, or ``None`` if it fits none (see `_moved`)."""
        try:
            spec = self.sizes.of_codes(direction.vector[None])
        except InputError:
            return None
        return spec.height, spec.width

    def _moved(self, codes: Tensor, direction: Direction, strengths: NumberInput) -> Tensor:
        """Codes (B, S, ...) of codes (B, ...)."""
        if direction.vector.shape != codes.shape[1:]:
            raise InputError(
                f"direction {direction.name!r} has shape {tuple(direction.vector.shape)}, expected that of the codes, "
                f"{tuple(codes.shape[1:])}"
            )
        far = as_numbers("strengths", strengths, self.device)
        if far.ndim != 1 or not 0 < len(far) <= MOST_FRAMES:
            raise InputError(f"strengths have shape {tuple(far.shape)}, expected (S,), 1 to {MOST_FRAMES:,} numbers")
        far = far.reshape(1, -1, *(1 for _ in codes.shape[1:]))
        return codes[:, None] + far * direction.vector.to(self.device)

    def _many_codes(self) -> Tensor:
        found = self.codes if self.codes is not None else self.examples
        if found is None:
            raise InputError(f"{self.name!r} has neither training codes nor examples: give directions")
        return found

    def _mean_code(self) -> Tensor:
        return self._many_codes().float().mean(0, keepdim=True).to(self.device)
