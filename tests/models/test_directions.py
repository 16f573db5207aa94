"""Directions of codes: found, saved, and followed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import interpzoo
from interpzoo import wrap
from interpzoo.directions import (
    Direction,
    axis_directions,
    direction_between,
    load_directions,
    principal_directions,
    save_directions,
)
from interpzoo.errors import InputError, UnknownNameError, WeightsError
from interpzoo.model import InterpolationModel
from tests.tiny import random_images, tiny_model

STRENGTHS = [-1.0, 0.0, 2.0]


@pytest.fixture(scope="module")
def identity() -> InterpolationModel:
    """Codes are the images."""
    return wrap(nn.Identity(), nn.Identity(), image=(3, 4, 4)).eval()


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_direction_is_the_difference_of_the_means() -> None:
    a, b = normal(50, 2, 3), normal(70, 2, 3, seed=1) + 2
    assert torch.allclose(direction_between(a, b).vector, a.mean(0) - b.mean(0), atol=1e-6)


def test_a_probe_leaves_out_what_merely_goes_along() -> None:
    # The second number follows the first, with noise. The classes differ in the first alone.
    generator = torch.Generator().manual_seed(0)
    label = torch.rand(20_000, generator=generator) < 0.5
    first = label + 0.1 * normal(20_000, seed=2)
    codes = torch.stack([first, first + normal(20_000, seed=3)], dim=1)
    means = direction_between(codes[label], codes[~label]).vector
    probe = direction_between(codes[label], codes[~label], probe=True).vector
    assert torch.allclose(means, torch.tensor([1.0, 1.0]), atol=0.05)
    assert probe[0] > 0.9
    assert abs(probe[1]) < 0.5 * probe[0]


def test_an_orthogonal_direction_leaves_the_others_alone() -> None:
    one, *others = (Direction(str(n), normal(4, 2, 2, seed=n)) for n in range(5))
    rest = one.orthogonal_to(others).vector.flatten()
    assert rest.norm() > 0
    for other in others:
        assert abs(float(rest @ other.vector.flatten())) < 1e-5
    assert one.orthogonal_to([]) is one
    twice = [others[0], Direction("twice", 2 * others[0].vector)]  # which span one dimension
    assert torch.allclose(one.orthogonal_to(twice).vector, one.orthogonal_to(others[:1]).vector, atol=1e-5)
    with pytest.raises(InputError, match="nothing is left of direction '0'"):
        one.orthogonal_to([Direction("same", -3 * one.vector)])


def test_principal_directions_are_those_of_most_variance() -> None:
    lengths = torch.tensor([3.0, 0.5, 2.0, 1.0])
    codes = lengths * normal(200_000, 4)
    found = torch.stack([direction.vector for direction in principal_directions(codes, 3)])
    assert torch.allclose(found, torch.diag(lengths)[[0, 2, 3]], atol=0.05)
    axes = axis_directions(codes.reshape(-1, 2, 2), 2)
    assert [direction.name for direction in axes] == ["axis-0", "axis-2"]
    assert torch.allclose(axes[0].vector, torch.tensor([[3.0, 0.0], [0.0, 0.0]]), atol=0.02)


def test_without_a_count_there_are_as_many_directions_as_the_codes_have() -> None:
    generator = torch.Generator().manual_seed(0)
    assert len(principal_directions(torch.randn(5, 30, generator=generator))) == 4
    assert len(principal_directions(torch.randn(50, 30, generator=generator))) == 8
    assert len(axis_directions(torch.randn(50, 3, generator=generator))) == 3
    with pytest.raises(InputError, match="at most 0 principal directions"):
        principal_directions(torch.zeros(1, 30))


def test_an_edit_moves_the_code_by_strengths(identity: InterpolationModel) -> None:
    a, b = random_images(2, identity.config.image)
    there = identity.direction(a, b)
    assert torch.allclose(identity.edit(b, there, [0, 0.5, 1.0]), torch.stack([b, (a + b) / 2, a]), atol=1e-6)
    several = identity.edit([a, b], there, STRENGTHS)
    assert several.shape == (2, 3, 3, 4, 4)
    assert torch.allclose(several[1, 2], b + 2 * (a - b), atol=1e-6)


def test_a_direction_of_the_model_is_found_by_name(identity: InterpolationModel) -> None:
    a, b, c = random_images(3, identity.config.image)
    model = wrap(nn.Identity(), nn.Identity(), image=(3, 4, 4)).eval()
    model.directions["smiling"] = model.direction(a, b, name="smiling")
    assert torch.equal(model.edit(c, "smiling"), model.edit(c, model.directions["smiling"]))
    rest = model.direction(a, c, orthogonal_to=["smiling"])
    assert abs(float((rest.vector * model.directions["smiling"].vector).sum())) < 1e-5
    with pytest.raises(
        UnknownNameError, match=r"no direction 'smilling'\. There are smiling\. Did you mean 'smiling'\?"
    ):
        model.edit(c, "smilling")
    with pytest.raises(UnknownNameError, match=r"model\.direction\(positive, negative\)"):
        identity.edit(c, "smiling")


def test_a_traversal_has_a_row_for_each_direction(identity: InterpolationModel) -> None:
    image = random_images(1, identity.config.image)[0]
    identity.examples = random_images(30, identity.config.image)
    for directions in ("principal", "axes"):
        frames = identity.traverse(image, directions, STRENGTHS, count=4)
        assert frames.shape == (4, 3, 3, 4, 4)
        assert torch.equal(frames[:, 1], image.expand(4, -1, -1, -1))
    own = [Direction(str(n), normal(3, 4, 4, seed=n)) for n in range(2)]
    assert torch.allclose(identity.traverse(image, own, [2.0])[1, 0], image + 2 * own[1].vector)
    assert torch.allclose(identity.traverse(None, own, [0.0])[0, 0], identity.examples.mean(0), atol=1e-6)


def test_directions_are_saved_with_the_model(tmp_path: Path) -> None:
    model = tiny_model()
    model.examples = normal(2, *model.latent_shape)
    for name in ("smiling", "age.2"):
        model.directions[name] = Direction(name, normal(*model.latent_shape))
    folder = model.save_pretrained(tmp_path / "model")
    again = interpzoo.load(folder)
    assert {*again.directions} == {"smiling", "age.2"}
    assert all(torch.equal(again.directions[name].vector, one.vector) for name, one in model.directions.items())
    assert not any(finding.problem for finding in interpzoo.verify(folder))
    model.directions.clear()
    assert interpzoo.load(model.save_pretrained(folder)).directions == {}

    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    model.directions["bad"] = Direction("bad", torch.zeros(3))
    with pytest.raises(WeightsError, match=r"has 'bad' of shape \(3,\), expected"):
        model.save_pretrained(copy)
    assert interpzoo.load(copy).directions == {}


def test_a_mapping_is_saved_under_its_keys(tmp_path: Path) -> None:
    found = {key: Direction("direction", normal(2, seed=seed)) for seed, key in enumerate(("smile", "age"))}
    save_directions(tmp_path / "d.safetensors", found)
    again = load_directions(tmp_path / "d.safetensors")
    assert {name: (one.name, one.vector.tolist()) for name, one in again.items()} == {
        key: (key, one.vector.tolist()) for key, one in found.items()
    }


def test_a_file_of_directions_comes_back(tmp_path: Path) -> None:
    first = Direction("x", normal(2, 3))
    save_directions(tmp_path / "d.safetensors", [first, Direction("y", normal(2, 3, seed=1))])
    found = load_directions(tmp_path / "d.safetensors")
    assert [*found] == ["x", "y"]
    assert torch.equal(found["x"].vector, first.vector)
    content = bytearray((tmp_path / "d.safetensors").read_bytes())
    content[-4:] = b"\x00\x00\xc0\x7f"  # NaN
    (tmp_path / "d.safetensors").write_bytes(content)
    with pytest.raises(WeightsError, match="'y', which is not a direction"):
        load_directions(tmp_path / "d.safetensors")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, x: direction_between(torch.zeros(0, 3), torch.zeros(1, 3)), r"positive has shape \(0, 3\)"),
        (lambda m, x: direction_between(torch.zeros(1, 2), torch.zeros(1, 3)), "not of one model"),
        (lambda m, x: direction_between(torch.zeros(1, 3), torch.zeros(2, 3)), "the same mean code"),
        (lambda m, x: direction_between(torch.zeros(1, 3), torch.zeros(2, 3), probe=True), "the same mean code"),
        (lambda m, x: direction_between(torch.ones(1, 3), torch.zeros(2, 3), name="a b"), "name = 'a b'"),
        (lambda m, x: principal_directions(torch.zeros(3, 5), 3), "at most 2 principal directions"),
        (lambda m, x: axis_directions(torch.zeros(3, 5), 6), "expected at most 5 axes, and at least 2 codes .got 3."),
        (lambda m, x: axis_directions(torch.zeros(3)), r"codes have shape \(3,\)"),
        (
            lambda m, x: m.edit(x, Direction("x", torch.ones(2))),
            r"shape \(2,\), expected that of the codes, \(3, 4, 4\)",
        ),
        (lambda m, x: m.edit(x, 3), "direction = 3"),
        (lambda m, x: m.edit(x, Direction("x", torch.ones(3, 4, 4)), []), "strengths"),
        (lambda m, x: m.edit(x, Direction("x", torch.ones(3, 4, 4)), "abc"), "strengths = 'abc'"),
        (lambda m, x: m.traverse(x, "diagonal"), "directions = 'diagonal'"),
        (lambda m, x: m.traverse(x, []), "at least one"),
        (lambda m, x: m.traverse([x, x], [Direction("x", torch.ones(3, 4, 4))]), "moves one image, got 2"),
        (lambda m, x: save_directions("x.safetensors", []), "at least one"),
    ],
)
def test_bad_input_is_refused(
    identity: InterpolationModel, call: Callable[[InterpolationModel, Tensor], object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        call(identity, random_images(1, identity.config.image)[0])


def test_a_model_of_any_size_takes_an_image_at_the_size_of_the_direction() -> None:
    model = wrap(nn.Identity(), nn.Identity(), image=(3, 8, 8), size_multiple=1).eval()
    model.codes = random_images(5, model.config.image)
    photo = torch.rand(3, 20, 24)
    assert model.traverse(photo, strengths=[0.0]).shape == (4, 1, 3, 8, 8)
    brighter = Direction("brighter", torch.full((3, 16, 16), 0.1))
    frames = model.edit(photo, brighter, [0.0, 1.0])
    assert frames.shape == (2, 3, 16, 16)
    assert torch.allclose(frames[1] - frames[0], brighter.vector, atol=1e-6)
    with pytest.raises(InputError, match="expected that of the codes"):
        model.edit(photo, brighter, size=(8, 8))
