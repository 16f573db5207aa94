"""Images between images: `interpolate`, `interpolate_codes`, `morph`, `grid` and `example_strip`."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterator, Sequence

import pytest
import torch
from torch import Generator, Tensor, nn

from interpzoo import wrap
from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.errors import ConfigError, InputError, UnknownNameError
from interpzoo.geometry import lerp, slerp
from interpzoo.interfaces import Decoder, Interpolator
from interpzoo.model import InterpolationModel
from tests.tiny import python_json, random_images, tiny_model

IMAGE = (1, 16, 16)


class Counting(Decoder):
    """Passes codes on to a decoder and keeps how many came at once."""

    def __init__(self, decoder: nn.Module, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(ComponentConfig(), image, latent_shape)
        self.decoder = decoder
        self.calls: list[int] = []

    def forward(self, z: Tensor) -> Tensor:
        self.calls.append(len(z))
        return self.decoder(z)


class Spread(nn.Module):
    """One number to an image of it."""

    def __init__(self, image: tuple[int, int, int]) -> None:
        super().__init__()
        self.image = image

    def forward(self, z: Tensor) -> Tensor:
        return z.view(-1, 1, 1, 1).expand(-1, *self.image)


class Mean(nn.Module):
    """An image to the mean of its values."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((1, 2, 3))[:, None]


class Squared(Interpolator):
    """The straight line, at t^2."""

    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: InterpolationModel) -> Tensor:
        return lerp(z0, z1, t * t)


class Cautious(Interpolator):
    """Between its ends only; asks the model for its device."""

    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: InterpolationModel) -> Tensor:
        if bool(((t < 0) | (t > 1)).any()):
            raise InputError("only between the ends")
        return lerp(z0, z1, t.to(model.device))


SQUARED = Squared(ComponentConfig())


@pytest.fixture
def greys() -> InterpolationModel:
    """A model whose code is the mean grey."""
    return wrap(Mean(), Spread((1, 4, 4)), image=(1, 4, 4))


@pytest.fixture
def counted(model: InterpolationModel) -> tuple[InterpolationModel, list[int]]:
    """A model, and how many images it decoded at each call."""
    decoder = Counting(model.decoder, model.config.image, model.latent_shape)
    model.decoder = decoder
    return model, decoder.calls


def grey(value: float) -> Tensor:
    return torch.full((1, 4, 4), float(value))


class TestShapes:
    """Pairs of images and the shape of the frames."""

    @pytest.mark.parametrize(
        ("a", "b", "expected"),
        [
            (None, None, (5,)),
            (1, None, (1, 5)),
            (1, 1, (1, 5)),
            (3, 3, (3, 5)),
            (3, None, (3, 5)),
            (None, 3, (3, 5)),
            (1, 3, (3, 5)),
        ],
        ids=str,
    )
    def test_one_pair_many_pairs_and_one_against_many(
        self, a: int | None, b: int | None, expected: tuple[int, ...], model: InterpolationModel
    ) -> None:
        left, right = random_images(3, model.config.image), random_images(3, model.config.image, seed=1)
        starts = left[0] if a is None else left[:a]
        ends = right[0] if b is None else right[:b]
        frames = model.interpolate(starts, ends, steps=5)
        assert frames.shape == (*expected, *IMAGE)
        assert frames.dtype == torch.float32
        rows = frames if frames.ndim == 5 else frames[None]
        for row, walk in enumerate(rows):
            first = left[row if a == 3 else 0]
            last = right[row if b == 3 else 0]
            torch.testing.assert_close(walk, model.interpolate(first, last, steps=5))

    @pytest.mark.parametrize(("a", "b"), [(2, 3), (3, 2)])
    def test_numbers_of_images_that_cannot_be_paired(self, a: int, b: int, model: InterpolationModel) -> None:
        images = random_images(5, model.config.image)
        message = rf"codes of shapes \({a}, 2, 4, 4\) and \({b}, 2, 4, 4\) cannot be paired"
        with pytest.raises(InputError, match=message):
            model.interpolate(images[:a], images[a:])

    def test_empty_batches_give_no_paths(self, model: InterpolationModel) -> None:
        none, one = torch.zeros(0, 2, 4, 4), torch.zeros(1, 2, 4, 4)
        for z0, z1 in ((none, none), (none, one), (one, none)):
            assert model.interpolate_codes(z0, z1, [0, 1]).shape == (0, 2, 2, 4, 4)

    def test_a_stream_gives_all_pairs_in_parts_and_reads_no_image_too_early(self, model: InterpolationModel) -> None:
        a, b = random_images(10, model.config.image).split(5)
        read: list[int] = []

        def counted() -> Iterator[Tensor]:
            for number, image in enumerate(a):
                read.append(number)
                yield image

        parts = model.stream(counted(), [*b], steps=3, pairs=2)
        assert read == []
        found = [next(parts)]
        assert read == [0, 1]
        found += parts
        assert [len(part) for part in found] == [2, 2, 1]
        torch.testing.assert_close(torch.cat(found), model.interpolate(a, b, steps=3))
        torch.testing.assert_close(torch.cat([*model.stream(a, b, 3)]), model.interpolate(a, b, steps=3))

    def test_a_stream_of_unequal_numbers_ends_with_an_error_after_the_good_parts(
        self, model: InterpolationModel
    ) -> None:
        a, b = random_images(10, model.config.image).split([4, 6])
        parts = model.stream(a, b, steps=3, pairs=4)
        assert len(next(parts)) == 4
        with pytest.raises(InputError, match="a has only 4 images and the other has more"):
            next(parts)

    def test_nine_frames_by_default(self, model: InterpolationModel) -> None:
        a, b = random_images(2, model.config.image)
        assert len(model.interpolate(a, b)) == 9
        assert len(model.interpolate(a, b, 2)) == 2

    @pytest.mark.parametrize("steps", [1, 0, -3])
    def test_fewer_than_two_frames_are_an_error(self, steps: int, model: InterpolationModel) -> None:
        a, b, c, d = random_images(4, model.config.image)
        message = rf"steps = {steps}: expected a whole number from 2 to 10,000"
        with pytest.raises(InputError, match=message):
            model.interpolate(a, b, steps=steps)
        with pytest.raises(InputError, match=message):
            model.morph([a, b], steps=steps)
        with pytest.raises(InputError, match=rf"rows = {steps}: "):
            model.grid(a, b, c, d, rows=steps)
        with pytest.raises(InputError, match=rf"cols = {steps}: "):
            model.grid(a, b, c, d, cols=steps)


class TestEnds:
    """A path begins and ends at the reconstructions of the given images."""

    @pytest.mark.parametrize("method", ["ae", "vae"])
    @pytest.mark.parametrize("interpolator", ["linear", "slerp"])
    def test_codes_are_the_encoders_and_frames_the_reconstructions(self, method: str, interpolator: str) -> None:
        model = tiny_model(method)
        a, b = random_images(3, model.config.image), random_images(3, model.config.image, seed=1)
        z0, z1 = model.encode(a), model.encode(b)
        path = model.interpolate_codes(z0, z1, torch.linspace(0, 1, 7), interpolator=interpolator)
        assert torch.equal(path[:, 0], z0)
        assert torch.equal(path[:, -1], z1)
        frames = model.interpolate(a, b, steps=7, interpolator=interpolator)
        torch.testing.assert_close(frames[:, 0], model.reconstruct(a), rtol=0, atol=1e-5)
        torch.testing.assert_close(frames[:, -1], model.reconstruct(b), rtol=0, atol=1e-5)

    def test_two_calls_are_bit_equal_whatever_was_drawn_between(self) -> None:
        model = tiny_model("vae")
        a, b = random_images(4, model.config.image), random_images(4, model.config.image, seed=1)
        frames = model.interpolate(a, b)
        torch.rand(3)
        assert torch.equal(model.interpolate(a, b), frames)


class TestPositions:
    """`t` in place of even steps."""

    def test_steps_are_evenly_spaced_positions(self, greys: InterpolationModel) -> None:
        frames = greys.interpolate(grey(0.25), grey(0.75), steps=5)
        assert frames[:, 0, 0, 0].tolist() == pytest.approx([0.25, 0.375, 0.5, 0.625, 0.75])
        assert torch.equal(greys.interpolate(grey(0.25), grey(0.75), t=[0, 0.25, 0.5, 0.75, 1]), frames)

    def test_positions_outside_the_ends_extrapolate(self, greys: InterpolationModel) -> None:
        frames = greys.interpolate(grey(0.25), grey(0.75), t=[-1, 2.5])
        assert frames[:, 0, 0, 0].tolist() == pytest.approx([-0.25, 1.5])

    def test_each_pair_can_have_its_own_positions(self, greys: InterpolationModel) -> None:
        t = torch.tensor([[0.0, 0.5], [1.0, 0.25]])
        frames = greys.interpolate(torch.stack([grey(0), grey(0.5)]), grey(1), t=t)
        assert frames.shape == (2, 2, 1, 4, 4)
        torch.testing.assert_close(frames[:, :, 0, 0, 0], torch.tensor([[0, 0.5], [1, 0.625]]))

    def test_positions_take_precedence_over_steps(self, greys: InterpolationModel) -> None:
        assert greys.interpolate(grey(0), grey(1), steps=1, t=[0.5]).shape == (1, 1, 4, 4)

    @pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.int64], ids=str)
    def test_positions_of_every_numeric_type(self, kind: torch.dtype, greys: InterpolationModel) -> None:
        t = torch.tensor([0, 1, 2], dtype=kind)
        codes = greys.interpolate_codes(torch.zeros(1, 1), torch.ones(1, 1), t)
        assert codes.flatten().tolist() == [0, 1, 2]
        assert codes.dtype == torch.float32

    @pytest.mark.parametrize(
        ("t", "expected"),
        [
            (0.5, "t has shape (), expected (T,) or (2, T)"),
            ([[0.5]], "t has shape (1, 1), expected (T,) or (2, T)"),
            ([[0.5]] * 3, "t has shape (3, 1), expected (T,) or (2, T)"),
            ([[[0.5]]], "t has shape (1, 1, 1), expected (T,) or (2, T)"),
            ([0, math.nan], "t = [0, nan] holds values that are not finite: expected finite numbers"),
            ([[0.0], [-math.inf]], "t = [[0.0], [-inf]] holds values that are not finite: expected finite numbers"),
            ([[0.0], [0.5, 1.0]], "t = [[0.0], [0.5, 1.0]]: expected numbers, or rows of equal length"),
            (["half"], "t = ['half']: expected numbers, or rows of equal length"),
            ([], "t has 0 positions, expected 1 to 10,000 on a path"),
            ([0.5] * 10_001, "t has 10,001 positions, expected 1 to 10,000 on a path"),
        ],
        ids=str,
    )
    def test_invalid_positions(self, t: Sequence[float], expected: str, greys: InterpolationModel) -> None:
        images = torch.stack([grey(0), grey(1)])
        for call in (
            lambda: greys.interpolate(images, grey(0.5), t=t),
            lambda: greys.interpolate_codes(torch.zeros(2, 1), torch.ones(1, 1), t),
        ):
            with pytest.raises(InputError) as error:
                call()
            assert str(error.value) == expected


class TestInterpolator:
    """The choice of the path."""

    def test_a_path_is_given_by_name_or_as_an_object(self) -> None:
        model = tiny_model()
        z0, z1 = torch.randn(2, 3, 2, 4, 4, generator=Generator().manual_seed(0))
        t = torch.tensor([0.2, 0.5])
        own = model.interpolate_codes(z0, z1, t)
        assert torch.equal(own, lerp(z0, z1, t))
        assert torch.equal(model.interpolate_codes(z0, z1, t, interpolator="baselines:linear"), own)
        assert torch.equal(model.interpolate_codes(z0, z1, t, interpolator="slerp"), slerp(z0, z1, t))
        assert torch.equal(model.interpolate_codes(z0, z1, t, interpolator=SQUARED), lerp(z0, z1, t * t))
        model.interpolator = SQUARED
        assert torch.equal(model.interpolate_codes(z0, z1, t), lerp(z0, z1, t * t))

    def test_every_method_takes_a_path(self, greys: InterpolationModel) -> None:
        a, b = grey(0), grey(1)
        greys.examples = torch.tensor([[0.0], [1.0]])
        walks: list[Tensor] = [
            greys.interpolate(a, b, steps=3, interpolator=SQUARED),
            greys.morph([a, b], steps=3, interpolator=SQUARED),
            greys.grid(a, b, a, b, rows=2, cols=3, interpolator=SQUARED)[1],
            greys.grid(a, a, b, b, rows=3, cols=2, interpolator=SQUARED)[:, 1],
            greys.example_strip(steps=3, interpolator=SQUARED)[0],
        ]
        for walk in walks:
            assert walk[:, 0, 0, 0].tolist() == pytest.approx([0, 0.25, 1])

    def test_errors_of_a_path_are_passed_on(self, greys: InterpolationModel) -> None:
        cautious = Cautious(ComponentConfig())
        assert len(greys.interpolate(grey(0), grey(1), t=[0, 1], interpolator=cautious)) == 2
        with pytest.raises(InputError, match="only between the ends"):
            greys.interpolate(grey(0), grey(1), t=[1.5], interpolator=cautious)

    def test_an_unknown_name_suggests_the_nearest(self, greys: InterpolationModel) -> None:
        with pytest.raises(UnknownNameError, match=r"unknown interpolator 'liner'.*'linear'"):
            greys.interpolate(grey(0), grey(1), interpolator="liner")

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("", "interpolator: name = '': "),
            ("a b", "interpolator = 'a b': cannot understand 'b'"),
            ("x:y:z", "interpolator: name = 'x:y:z': "),
        ],
    )
    def test_an_invalid_name(self, name: str, message: str, greys: InterpolationModel) -> None:
        with pytest.raises(ConfigError, match=message):
            greys.interpolate(grey(0), grey(1), interpolator=name)


class TestBatches:
    """The number of images decoded at once."""

    @pytest.mark.parametrize(
        ("batch_size", "expected"), [(1, [1] * 15), (4, [4, 4, 4, 3]), (15, [15]), (100, [15]), (None, [15])]
    )
    def test_batches_are_filled_across_pairs(
        self, batch_size: int | None, expected: list[int], counted: tuple[InterpolationModel, list[int]]
    ) -> None:
        model, calls = counted
        a, b = random_images(3, model.config.image), random_images(3, model.config.image, seed=1)
        frames = model.interpolate(a, b, steps=5, batch_size=batch_size)
        assert calls == expected
        whole = model.decode(lerp(model.encode(a), model.encode(b), torch.linspace(0, 1, 5)).flatten(0, 1))
        torch.testing.assert_close(frames.flatten(0, 1), whole)

    def test_every_method_decodes_in_batches(self, counted: tuple[InterpolationModel, list[int]]) -> None:
        model, calls = counted
        model.prior = tiny_model("vae").prior
        images = random_images(5, model.config.image)
        model.examples = model.encode(images).detach()
        walks: list[Callable[[int], Tensor]] = [
            lambda n: model.reconstruct(images, batch_size=n),
            lambda n: model.morph(images, steps=2, batch_size=n),
            lambda n: model.grid(*images[:4], rows=2, cols=3, batch_size=n),
            lambda n: model.sample(5, batch_size=n),
            lambda n: model.example_strip(steps=3, batch_size=n),
            lambda n: model.mix(images, torch.eye(5), mixer="mixup", batch_size=n),
        ]
        for walk in walks:
            calls.clear()
            chunked = walk(2)
            assert max(calls) == 2
            assert sum(calls) == chunked.numel() // 256
            torch.testing.assert_close(chunked, walk(1000))

    def test_every_method_encodes_in_batches(self, model: InterpolationModel) -> None:
        images, seen = random_images(5, model.config.image), list[int]()
        model.encoder.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
        for walk in (
            lambda: model.reconstruct(images, batch_size=2),
            lambda: model.interpolate(images[:3], images[2:], batch_size=2),
            lambda: model.morph(images, steps=2, batch_size=2),
            lambda: model.mix(images, torch.eye(5), mixer="mixup", batch_size=2),
        ):
            seen.clear()
            walk()
            assert max(seen) == 2
            assert sum(seen) in (5, 6)

    @pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators have rules of their own")
    @pytest.mark.parametrize(
        ("name", "call"), [("acai-mnist", "encode(torch.zeros(512, 1, 32, 32))"), ("acai-celeba64", "decode(codes)")]
    )
    def test_one_batch_uses_the_memory_of_the_one_before(self, name: str, call: str) -> None:
        code = f"import resource, torch, interpzoo\nmodel = interpzoo.load({name!r})\n"
        code += "codes = torch.zeros(576, *model.latent_shape)\n"
        code += "def faults():\n"
        code += f"    model.{call}\n"
        code += "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        code += "faults(); counts = [faults() for _ in range(6)]\n"
        code += "print(min(after - before for before, after in zip(counts, counts[1:])))"
        # Pages. Maps of all eight batches have 16,000, frames kept twice 18,000, in each call. One call in thirty puts
        # one block of 2,000 elsewhere, so the least of five counts.
        assert python_json(code) < 1000

    @pytest.mark.parametrize(
        ("size", "threads", "most"),
        [
            ((3, 256, 256), 1, 1),
            ((1, 32, 32), 1, 64),
            ((1, 32, 32), 4, 128),
            ((3, 64, 64), 2, 16),
            ((3, 32, 32), 64, 170),
        ],
        ids=str,
    )
    def test_the_default_batch_size_depends_on_the_image_size(
        self, size: tuple[int, int, int], threads: int, most: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
        model = wrap(Mean(), Spread(size), image=size)
        decoder = Counting(model.decoder, model.config.image, (1,))
        model.decoder = decoder
        model.reconstruct(torch.zeros(1, *size).expand(most + 1, *size))
        assert decoder.calls == [most, 1]

    @pytest.mark.parametrize(
        ("width", "stride", "most"), [(16, 1, (32, 32)), (64, 1, (8, 8)), (64, 2, (32, 8)), (1024, 1, (1, 1))]
    )
    def test_wide_maps_make_the_default_batches_small(
        self, width: int, stride: int, most: tuple[int, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
        encoder = nn.Sequential(nn.Conv2d(1, width, 1, stride), nn.Conv2d(width, 1, 1))
        decoder = nn.Sequential(nn.Conv2d(1, width, 1), nn.Conv2d(width, 1, 1), nn.Upsample(scale_factor=stride))
        model, encoded, decoded = wrap(encoder, decoder, image=(1, 64, 64)), list[int](), list[int]()
        model.encoder.register_forward_pre_hook(lambda _, given: encoded.append(len(given[0])))
        model.decoder.register_forward_pre_hook(lambda _, given: decoded.append(len(given[0])))
        model.reconstruct(torch.zeros(33, 1, 64, 64))
        assert (max(encoded), max(decoded)) == most
        assert sum(encoded) == sum(decoded) == 33

    @pytest.mark.parametrize("batch_size", [0, -1])
    def test_a_batch_size_of_zero_is_an_error(self, batch_size: int, model: InterpolationModel) -> None:
        a, b = random_images(2, model.config.image)
        with pytest.raises(InputError, match=f"batch_size = {batch_size}: expected a whole number from 1"):
            model.interpolate(a, b, batch_size=batch_size)


class TestMorph:
    """Interpolation through several images."""

    def test_a_morph_shows_each_image_once(self, greys: InterpolationModel) -> None:
        walk = greys.morph([grey(0), grey(1), grey(0.5)], steps=3)
        assert walk.shape == (5, 1, 4, 4)
        assert walk[:, 0, 0, 0].tolist() == pytest.approx([0, 0.5, 1, 0.75, 0.5])

    @pytest.mark.parametrize(
        ("t", "expected"),
        [
            ([0, 5, -3, 1], r"t holds 5: expected positions in \[0, 1\], the first 0 and the last 1"),
            ([0, 0.5], r"t is from 0 to 0\.5: expected positions in \[0, 1\], the first 0 and the last 1"),
            ([1], "t is from 1 to 1: expected"),
            ([[0, 1]], r"t has shape \(1, 2\), expected \(T,\)"),
            ([0.0] * 10_000 + [1.0], "t has 10,001 positions, expected 1 to 10,000"),
        ],
        ids=lambda value: str(value)[:12],
    )
    def test_invalid_positions_of_a_morph(self, t: Sequence[float], expected: str, greys: InterpolationModel) -> None:
        with pytest.raises(InputError, match=expected):
            greys.morph([grey(0), grey(1)], t=t)

    def test_a_morph_of_two_images_is_an_interpolation(self, model: InterpolationModel) -> None:
        a, b = random_images(2, model.config.image)
        torch.testing.assert_close(model.morph([a, b], steps=6), model.interpolate(a, b, steps=6))

    def test_a_morph_applies_slerp_pair_by_pair(self, model: InterpolationModel) -> None:
        images = random_images(3, model.config.image)
        walk = model.morph(images, steps=4, interpolator="slerp")
        parts = model.interpolate(images[:-1], images[1:], steps=4, interpolator="slerp")
        torch.testing.assert_close(walk, torch.cat([parts[0, :-1], parts[1]]))

    def test_a_morph_of_one_image_is_an_error(self, model: InterpolationModel) -> None:
        with pytest.raises(InputError, match="a morph needs at least two images, got 1"):
            model.morph(random_images(1, model.config.image))


class TestGrid:
    """A grid between four images."""

    def test_a_grid_computed_by_hand(self, greys: InterpolationModel) -> None:
        """Top left 0, top right 1, bottom left 0.5, bottom right 1: bilinear between them."""
        plane = greys.grid(grey(0), grey(1), grey(0.5), grey(1), rows=3, cols=2)
        assert plane.shape == (3, 2, 1, 4, 4)
        torch.testing.assert_close(plane[:, :, 0, 0, 0], torch.tensor([[0, 1], [0.25, 1], [0.5, 1]]))

    def test_corners_are_reconstructions_and_edges_interpolations(self, model: InterpolationModel) -> None:
        images = random_images(4, model.config.image)
        plane = model.grid(*images, rows=3, cols=5, interpolator="slerp")
        assert plane.shape == (3, 5, *IMAGE)
        corners = torch.stack([plane[0, 0], plane[0, -1], plane[-1, 0], plane[-1, -1]])
        torch.testing.assert_close(corners, model.reconstruct(images), rtol=0, atol=1e-5)
        edges = [(plane[0], 0, 1, 5), (plane[-1], 2, 3, 5), (plane[:, 0], 0, 2, 3), (plane[:, -1], 1, 3, 3)]
        for edge, a, b, steps in edges:
            walk = model.interpolate(images[a], images[b], steps=steps, interpolator="slerp")
            torch.testing.assert_close(edge, walk)

    def test_seven_by_seven_by_default(self, greys: InterpolationModel) -> None:
        assert greys.grid(grey(0), grey(1), grey(1), grey(0)).shape == (7, 7, 1, 4, 4)

    def test_a_corner_is_one_image(self, greys: InterpolationModel) -> None:
        with pytest.raises(InputError, match="a grid takes one image per corner, got 3"):
            greys.grid(torch.stack([grey(0)] * 2), grey(1), grey(1), grey(0))


class TestExamples:
    """Paths between the codes that were saved with a model."""

    def test_examples_are_paired_in_order(self, greys: InterpolationModel) -> None:
        greys.examples = torch.tensor([[0.0], [1.0], [0.5], [0.25], [9.0]])
        strip = greys.example_strip(steps=2)
        assert strip[:, :, 0, 0, 0].tolist() == [[0, 1], [0.5, 0.25]]
        assert greys.example_strip(pairs=1, steps=2)[:, :, 0, 0, 0].tolist() == [[0, 1]]

    @pytest.mark.parametrize("pairs", [0, -1])
    def test_zero_pairs_are_an_error(self, pairs: int, greys: InterpolationModel) -> None:
        greys.examples = torch.tensor([[0.0], [1.0]])
        with pytest.raises(InputError, match=f"pairs = {pairs}: expected a whole number from 1"):
            greys.example_strip(pairs=pairs)

    @pytest.mark.parametrize("examples", [None, torch.zeros(1, 1)])
    def test_a_model_with_fewer_than_two_examples(self, examples: Tensor | None, greys: InterpolationModel) -> None:
        greys.examples = examples
        with pytest.raises(InputError, match="'wrapped' has fewer than two example codes: give two images"):
            greys.example_strip()
