"""The gated PixelCNN: what a pixel may see, a distribution that sums to one, and sampling with the cache."""

from __future__ import annotations

import itertools

import pytest
import torch
from interpzoo_skipvae.pixelcnn import GatedLayer, GatedPixelCNN, GatedPixelCNNConfig
from torch import Tensor

from interpzoo.config import ImageSpec
from interpzoo.errors import InputError

HEIGHT, WIDTH = 6, 5
PIXELS = HEIGHT * WIDTH
LATENT = (3,)


def made(layers: int = 4, *, skip: bool = True, shape: tuple[int, int] = (HEIGHT, WIDTH)) -> GatedPixelCNN:
    image = ImageSpec(channels=1, height=shape[0], width=shape[1])
    return GatedPixelCNN(GatedPixelCNNConfig(width=6, layers=layers, skip=skip), image, LATENT).eval()


@torch.no_grad()
def sampled_naively(decoder: GatedPixelCNN, z: Tensor, noise: Tensor) -> Tensor:
    """By one pass over the whole image for each pixel."""
    image = torch.zeros_like(noise)
    for row, column in itertools.product(range(noise.shape[2]), range(noise.shape[3])):
        p = torch.sigmoid(decoder.logits(image, z)[:, 0, row, column])
        image[:, 0, row, column] = (noise[:, 0, row, column] < p).float()
    return image


def dependence(outputs: Tensor, x: Tensor) -> Tensor:
    """(PIXELS, PIXELS) bool: whether an output, in the order of rows and columns, depends on a pixel."""
    rows = [
        torch.autograd.grad(output, x, retain_graph=True, allow_unused=True)[0]
        for output in outputs.sum(1).flatten().unbind()
    ]
    return torch.stack([torch.zeros(PIXELS) if row is None else row.sum((0, 1)).flatten() for row in rows]) != 0


def offsets() -> tuple[Tensor, Tensor]:
    """How many rows above and columns to the left of a pixel another one lies: (PIXELS, PIXELS) each."""
    row = torch.arange(HEIGHT).repeat_interleave(WIDTH)
    column = torch.arange(WIDTH).repeat(HEIGHT)
    return row[:, None] - row, column[:, None] - column


class TestMasks:
    @pytest.mark.parametrize("skip", [True, False])
    @pytest.mark.parametrize("layers", [1, 4, 8])
    def test_no_pixel_reaches_itself_or_an_earlier_one(self, layers: int, skip: bool) -> None:
        decoder = made(layers, skip=skip).double()
        x = torch.rand(1, 1, HEIGHT, WIDTH, dtype=torch.float64, requires_grad=True)
        seen = dependence(decoder.logits(x, torch.randn(1, *LATENT, dtype=torch.float64)), x)
        assert not seen.triu().any()
        assert bool(seen[WIDTH + 2, [1, 2, 3, WIDTH, WIDTH + 1]].all())
        if layers == 8:
            # All before it but what lies farther to the right than above, as in the official network.
            above, aside = offsets()
            assert torch.equal(seen, ((above == 0) & (aside > 0)) | ((above > 0) & (-aside <= above)))

    @pytest.mark.parametrize("first", [True, False])
    def test_each_stack_by_itself(self, first: bool) -> None:
        layer = GatedLayer(2, 3, first=first).double()
        v = torch.rand(1, 2, HEIGHT, WIDTH, dtype=torch.float64, requires_grad=True)
        h = torch.rand(1, 2, HEIGHT, WIDTH, dtype=torch.float64, requires_grad=True)
        down, right = layer(v, h)
        above, aside = offsets()
        # The two rows above and a column to either side, for both outputs.
        kernel = (above >= 1) & (above <= 2) & (aside.abs() <= 1)
        assert torch.equal(dependence(down, v), kernel)
        assert torch.equal(dependence(right, v), kernel)
        assert not dependence(down, h).any()
        # Of its own row the two columns before the pixel, or, where it stands for those already, it and the one before.
        columns = (aside >= 1) & (aside <= 2) if first else (aside >= 0) & (aside <= 1)
        assert torch.equal(dependence(right, h), (above == 0) & columns)


@pytest.mark.parametrize("skip", [True, False])
def test_the_probabilities_of_all_images_sum_to_one(skip: bool) -> None:
    """A future pixel among the conditions would make it another sum."""
    decoder = made(2, skip=skip, shape=(3, 3)).double()
    images = torch.tensor([*itertools.product([0.0, 1.0], repeat=9)], dtype=torch.float64).view(-1, 1, 3, 3)
    z = torch.randn(1, *LATENT, dtype=torch.float64).expand(len(images), -1)
    log_p = decoder.log_prob(images, z)
    assert log_p.std() > 0.1
    assert log_p.logsumexp(0).item() == pytest.approx(0, abs=1e-5)  # the likelihood is computed in float32


def test_teacher_forcing_scores_each_pixel_given_those_before() -> None:
    decoder = made()
    x, z = torch.rand(2, 1, HEIGHT, WIDTH).round(), torch.randn(2, *LATENT)
    total = torch.zeros(2)
    for row, column in itertools.product(range(HEIGHT), range(WIDTH)):
        seen = x.clone()
        seen.flatten(2)[:, :, row * WIDTH + column :] = 0
        p = torch.sigmoid(decoder.logits(seen, z)[:, 0, row, column])
        total += torch.where(x[:, 0, row, column] == 1, p, 1 - p).log()
    torch.testing.assert_close(decoder.log_prob(x, z), total)


class TestSampling:
    @pytest.mark.parametrize("skip", [True, False])
    @pytest.mark.parametrize("layers", [1, 4, 8])
    def test_the_cache_changes_nothing(self, layers: int, skip: bool) -> None:
        decoder = made(layers, skip=skip, shape=(9, 7))
        for parameter in decoder.layers[0].parameters():
            parameter.data.mul_(3)  # so that pixels depend on each other
        decoder.output.bias.data.zero_()
        z, noise = torch.randn(5, *LATENT), torch.rand(5, 1, 9, 7)
        sampled = decoder.sample(z, noise)
        assert torch.equal(sampled, sampled_naively(decoder, z, noise))
        assert 0.05 < sampled.mean() < 0.95
        assert len(sampled.unique(dim=0)) == 5

    def test_pixels_are_one_below_their_probability(self) -> None:
        """The fraction of ones among many draws of the first pixel, and of the last given the others' frequencies."""
        decoder = made(2, shape=(2, 2))
        n = 20_000
        z = torch.randn(1, *LATENT).expand(n, -1)
        sampled = decoder.sample(z, torch.rand(n, 1, 2, 2))
        patterns = (sampled.flatten(1) @ torch.tensor([8.0, 4.0, 2.0, 1.0])).long()
        found = patterns.bincount(minlength=16) / n
        images = torch.tensor([*itertools.product([0.0, 1.0], repeat=4)]).view(-1, 1, 2, 2)
        expected = decoder.log_prob(images, z[:16]).exp()
        assert (found - expected).abs().max() < 0.015
        assert expected.max() - expected.min() > 0.01

    def test_the_same_numbers_along_a_path_keep_it_smooth(self) -> None:
        """Neighbours on a fine path differ in fewer pixels than with fresh numbers, and equal codes in none."""
        decoder = made(shape=(8, 8))
        ends = torch.randn(2, *LATENT)
        z = torch.lerp(ends[0], ends[1], torch.linspace(0, 1, 60)[:, None])
        noise = torch.rand(1, 1, 8, 8).expand(60, -1, -1, -1)
        common, fresh = decoder.sample(z, noise), decoder.sample(z, torch.rand(60, 1, 8, 8))
        changes, others = ((x[1:] - x[:-1]).abs().mean() for x in (common, fresh))
        assert 0 < changes < others / 5
        assert torch.equal(*decoder.sample(z[:1].expand(2, -1), noise[:2]))

    def test_without_noise_each_pixel_is_the_more_probable(self) -> None:
        decoder, z = made(), torch.randn(3, *LATENT)
        image = decoder(z)
        assert image.shape == (3, 1, HEIGHT, WIDTH)
        assert torch.equal(image, (decoder.logits(image, z) > 0).float())

    def test_nothing_is_tracked(self) -> None:
        decoder = made()
        assert not decoder.differentiable
        assert not decoder(torch.randn(1, *LATENT, requires_grad=True)).requires_grad

    def test_no_images(self) -> None:
        assert made()(torch.zeros(0, *LATENT)).shape == (0, 1, HEIGHT, WIDTH)

    def test_noise_of_another_shape(self) -> None:
        with pytest.raises(InputError, match=r"noise of shape \(2, 6, 5\): expected \(2, 1, 6, 5\)"):
            made().sample(torch.randn(2, *LATENT), torch.rand(2, HEIGHT, WIDTH))
