"""`project`: it finds what was decoded, and never leads away."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor, nn

from interpzoo.errors import InputError
from interpzoo.geometry import inversion, project


def network(d: int, outputs: int = 80) -> nn.Sequential:
    generator = Generator().manual_seed(0)
    layers = nn.Sequential(nn.Linear(d, 40), nn.Tanh(), nn.Linear(40, outputs))
    for parameter in layers.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) / 6
    return layers


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=Generator().manual_seed(seed))


@pytest.mark.parametrize("matrix_free", [False, True])
def test_it_finds_the_code_of_what_was_decoded(matrix_free: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if matrix_free:
        monkeypatch.setattr(inversion, "MATRIX_FREE", 0)
    decoder, z = network(5), draw(6, 5)
    found = project(decoder, decoder(z).detach(), z + 0.1 * draw(6, 5, seed=2), steps=30)
    torch.testing.assert_close(found, z, atol=1e-2, rtol=0)


@pytest.mark.parametrize("d", [3, 70])
@pytest.mark.parametrize("steps", [1, 4])
def test_the_error_never_grows(d: int, steps: int) -> None:
    decoder, x, z = network(d), 3 * draw(9, 80), draw(9, d, seed=2)
    found = project(decoder, x, z, steps=steps)

    def error(code: Tensor) -> Tensor:
        return (decoder(code) - x).square().sum(1).detach()

    assert bool((error(found) <= error(z) * (1 + 1e-6)).all())
    assert float(error(found).mean()) < 0.96 * float(error(z).mean())
    assert all(parameter.grad is None for parameter in decoder.parameters())


def test_zero_steps_change_nothing() -> None:
    z = draw(4, 3)
    assert torch.equal(project(network(3), draw(4, 80), z, steps=0), z)


def test_half_precision_and_shapes() -> None:
    decoder = nn.Sequential(nn.Flatten(), network(4), nn.Unflatten(1, (5, 16)))
    z = draw(3, 2, 2).half()
    found = project(decoder, draw(3, 5, 16), z)
    assert found.dtype == torch.float16
    assert found.shape == z.shape


def test_invalid_arguments() -> None:
    with pytest.raises(InputError, match="4 images x and 3 latents"):
        project(network(3), draw(4, 80), draw(3, 3))
    with pytest.raises(InputError, match="hold 80 values and the images x 79"):
        project(network(3), draw(3, 79), draw(3, 3))
    with pytest.raises(InputError, match="NaN or infinite"):
        project(network(3), torch.full((3, 80), torch.nan), draw(3, 3))
