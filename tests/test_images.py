"""Images in."""

from __future__ import annotations

import io
import struct
import subprocess
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import EpsImagePlugin, Image
from torch import Tensor

from interpzoo.config import ImageSpec
from interpzoo.decoding import open_image
from interpzoo.errors import ImageError, PictureWarning
from interpzoo.images import as_batch, batches, is_single, to_tensor
from interpzoo.text import sized

GRAY, COLOR = (ImageSpec(channels=channels, height=4, width=4) for channels in (1, 3))


def spec(channels: int, height: int, width: int) -> ImageSpec:
    return ImageSpec(channels=channels, height=height, width=width)


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[:height, :width] / max(height, width)
    return np.stack([255 * x, 255 * y, 127 * (1 + np.sin(9 * x * y))], -1).astype(np.uint8)


def encoded(image: Image.Image, form: str) -> bytes:
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


def key_png(bits: int, channels: int) -> bytes:
    """A PNG of 8x8: the upper half gray in the color that is its key of transparency, the lower half white."""
    white = 2**bits - 1
    key = white // 2
    rows: list[bytes] = []
    for value in [key] * 4 + [white] * 4:
        written = "".join(f"{value:0{bits}b}" for _ in range(8 * channels))
        rows.append(b"\0" + int(written, 2).to_bytes(len(written) // 8, "big"))
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", 8, 8, bits, 0 if channels == 1 else 2, 0, 0, 0),
        b"tRNS": struct.pack(f">{channels}H", *[key] * channels),
        b"IDAT": zlib.compress(b"".join(rows)),
        b"IEND": b"",
    }
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts.items())
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


class TestToTensor:
    def test_same_size_is_the_pixels_over_255(self) -> None:
        pixels = noise(4, 4, 3)
        expected = torch.from_numpy(pixels.transpose(2, 0, 1).astype(np.float32) / np.float32(255))
        assert torch.equal(to_tensor(Image.fromarray(pixels), COLOR), expected)

    def test_pad_puts_the_image_in_the_middle_of_black(self) -> None:
        tensor = to_tensor(Image.fromarray(noise(28, 28)), spec(1, 32, 32), "pad")
        assert torch.equal(tensor[:, 2:30, 2:30], torch.from_numpy(noise(28, 28))[None] / 255)
        tensor[:, 2:30, 2:30] = 0
        assert not tensor.any()

    @pytest.mark.parametrize("size", [(29, 28), (28, 34), (40, 40)])
    def test_pad_refuses_an_unequal_border(self, size: tuple[int, int]) -> None:
        with pytest.raises(ImageError, match=f"{sized(*size)} cannot be padded equally to 32x32"):
            to_tensor(Image.fromarray(noise(*size)), spec(1, 32, 32), "pad")

    def test_mean_is_exact(self) -> None:
        pixels = np.array([[0, 1, 10, 20], [2, 3, 30, 40]], dtype=np.uint8)
        tensor = to_tensor(Image.fromarray(pixels), spec(1, 1, 2), "mean")
        assert torch.equal(tensor, torch.tensor([[[1.5, 25.0]]]) / 255)

    @pytest.mark.parametrize("size", [(6, 6), (8, 4), (2, 2)])
    def test_mean_needs_a_multiple_of_the_size(self, size: tuple[int, int]) -> None:
        with pytest.raises(ImageError, match="not a whole multiple of 4x4"):
            to_tensor(Image.fromarray(noise(*size)), GRAY, "mean")

    def test_resize_crops_the_center_to_the_aspect_ratio(self) -> None:
        pixels = np.zeros((8, 20), dtype=np.uint8)
        pixels[:, 6:14] = 200
        assert torch.equal(to_tensor(Image.fromarray(pixels), GRAY), torch.full((1, 4, 4), 200 / 255))

    def test_resize_is_antialiased(self) -> None:
        stripes = np.zeros((64, 64), dtype=np.uint8)
        stripes[:, ::2] = 255
        assert (to_tensor(Image.fromarray(stripes), spec(1, 8, 8)) - 0.5).abs().max() < 0.02

    @pytest.mark.parametrize(
        ("image", "gray"),
        [
            (Image.new("1", (4, 4), 1), 255),
            (Image.new("L", (4, 4), 7), 7),
            (Image.new("LA", (4, 4), (200, 51)), 244),
            (Image.new("RGBA", (4, 4), (200, 200, 200, 51)), 244),
            (Image.new("RGB", (4, 4), (9, 9, 9)), 9),
            (Image.new("CMYK", (4, 4), (55, 55, 55, 0)), 200),
            (Image.new("YCbCr", (4, 4), (90, 128, 128)), 90),
            (Image.new("HSV", (4, 4), (0, 0, 90)), 90),
            (Image.new("I;16", (4, 4), 65535), 255),
            (Image.new("I;16", (4, 4), 128 * 257), 128),
            (Image.new("I", (4, 4), 77 * 257), 77),
            (Image.new("L", (4, 4), 80).convert("P"), 80),
        ],
        ids=lambda value: value.mode if isinstance(value, Image.Image) else str(value),
    )
    def test_every_mode(self, image: Image.Image, gray: int) -> None:
        for target in (GRAY, COLOR):
            assert torch.equal(to_tensor(image, target), torch.full(target.shape, gray / 255))

    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize(("peak", "is_dark"), [(4095, True), (4096, False), (0, False)])
    def test_a_camera_of_12_bits_is_said_to_be_dark(self, peak: int, is_dark: bool, order: str) -> None:
        """Also below the first of the bands in which large pictures are read."""
        values = np.zeros((1100, 1000), f"{order}u2")
        values[-1, -1] = peak
        picture = Image.frombytes("I;16B" if order == ">" else "I;16", (1000, 1100), values.tobytes())
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            to_tensor(picture, GRAY)
        said = [str(one.message) for one in found if one.category is PictureWarning]
        assert len(said) == len(found) == is_dark
        assert all("nearly black. If its camera has 12 bits, multiply its values by 16" in text for text in said)

    def test_colors_become_gray_by_luma(self) -> None:
        red = to_tensor(Image.new("RGB", (4, 4), (255, 0, 0)), GRAY)
        assert torch.allclose(red, torch.full((1, 4, 4), 0.299), atol=0.5 / 255)

    def test_transparent_palette_and_key_color_lie_on_white_or_for_digits_on_black(self) -> None:
        palette = Image.new("P", (4, 4), 1)
        palette.putpalette([0, 0, 0, 255, 255, 255])
        key = Image.new("RGB", (4, 4), (1, 2, 3))
        for image, transparency in ((palette, 1), (palette, b"\xff\x00"), (key, (1, 2, 3))):
            file = io.BytesIO()
            image.save(file, "PNG", transparency=transparency)
            picture = open_image(file.getvalue())
            assert (as_batch(picture, COLOR) == 1).all()
            assert (as_batch(picture, ImageSpec(channels=1, height=8, width=8), 2) == 0).all()

    def test_the_edge_of_a_cut_out_has_no_dark_halo(self) -> None:
        cut = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
        cut.paste((250, 240, 230, 255), (10, 10, 30, 30))
        for channels in (1, 3):
            assert float(to_tensor(cut, spec(channels, 11, 11)).min()) > 0.85

    @pytest.mark.parametrize(("bits", "channels"), [(2, 1), (4, 1), (8, 1), (16, 1), (8, 3), (16, 3)])
    def test_the_key_color_of_a_png_of_any_depth_is_transparent(self, bits: int, channels: int) -> None:
        image = key_png(bits, channels)
        for source in (open_image(image), Image.open(io.BytesIO(image))):
            for _ in range(2):  # an image that was decoded before is the same
                shown = to_tensor(source, spec(3, 8, 8), gray=0)
                assert not shown[:, :4].any()
                assert torch.equal(shown[:, 4:], torch.ones(3, 4, 8))

    @pytest.mark.parametrize("image", [Image.new("F", (4, 4)), Image.new("I", (4, 4), 70_000)])
    def test_modes_without_a_range_are_refused(self, image: Image.Image) -> None:
        with pytest.raises(ImageError, match="no defined range: save it with 8 or 16 bits a channel, or give an array"):
            to_tensor(image, COLOR)

    def test_only_1_or_3_channels(self) -> None:
        with pytest.raises(ImageError, match="4 channels"):
            to_tensor(Image.new("RGBA", (4, 4)), spec(4, 4, 4))


class TestOpenImage:
    def test_exif_orientation_is_applied(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned right by 90 degrees
        pixels = np.repeat(np.array([0, 255], dtype=np.uint8), 8)[:, None].repeat(8, 1)
        Image.fromarray(pixels).save(tmp_path / "x.jpg", exif=exif, quality=100)
        upright = to_tensor(open_image(tmp_path / "x.jpg"), spec(1, 8, 16))
        assert upright[0, :, :7].min() > 0.9
        assert upright[0, :, 9:].max() < 0.1

    @pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP"])
    def test_truncated_file_is_named(self, tmp_path: Path, form: str) -> None:
        path = tmp_path / "half"
        data = encoded(Image.fromarray(noise(64, 64, 3)), form)
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(ImageError, match=r"half': the image cannot be read|half': not an image"):
            open_image(path)

    def test_a_file_that_is_not_an_image(self, tmp_path: Path) -> None:
        (tmp_path / "x.png").write_text("hello")
        with pytest.raises(ImageError, match=r"x\.png': not an image of a known format"):
            open_image(tmp_path / "x.png")

    def test_missing_file_and_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ImageError, match="absent': the image cannot be read: No such file"):
            open_image(tmp_path / "absent")
        with pytest.raises(ImageError, match="Is a directory"):
            open_image(tmp_path)


class TestAsBatch:
    def test_batches_of_the_right_shape_are_not_copied(self) -> None:
        images = torch.rand(5, 3, 4, 4)
        assert as_batch(images, COLOR) is images
        assert as_batch(images[0], COLOR).data_ptr() == images.data_ptr()

    def test_range_within_the_tolerance_is_left_alone(self) -> None:
        images = torch.tensor([-1e-6, 1 + 9e-7]).repeat(1, 1, 4, 2)
        assert as_batch(images, GRAY) is images

    @pytest.mark.parametrize(
        ("low", "high", "message"),
        [
            (-1, 255, r"\[-1.00, 255.00\], expected \[0, 1\]: divide by 255"),
            (0, 255, r"\[0.00, 255.00\], expected \[0, 1\]: divide by 255"),
            (-1, 1, r"\[-1.00, 1.00\], expected \[0, 1\]: take \(x \+ 1\) / 2"),
            (-0.25, 1.125, r"\[-0.25, 1.12\], expected \[0, 1\]: clamp"),
            (0, 1.20001, r"\[0.00, 1.20\], expected \[0, 1\]: clamp"),
            (0, float("inf"), r"inf\], expected \[0, 1\]: they are not finite"),
            (0, float("nan"), r"nan\], expected \[0, 1\]: they are not finite"),
        ],
    )
    def test_the_message_quotes_the_range_and_a_fix(self, low: float, high: float, message: str) -> None:
        with pytest.raises(ImageError, match=f"image values lie in .*{message}"):
            as_batch(torch.tensor([low, high], dtype=torch.float32).repeat(1, 1, 4, 2), GRAY)

    @pytest.mark.parametrize(("low", "high"), [(-0.19, 1), (0, 1.19), (-1e-5, 1.00001), (-0.1, 1.1)])
    def test_what_a_decoder_overshoots_is_clamped(self, low: float, high: float) -> None:
        images = torch.tensor([low, 0.5, high]).expand(1, 1, 4, 3).repeat(1, 1, 1, 4)[..., :4].contiguous()
        assert torch.equal(as_batch(images, GRAY), images.clamp(0, 1))

    def test_dtypes(self) -> None:
        pixels = torch.from_numpy(noise(2, 3, 4, 4))
        assert torch.equal(as_batch(pixels, COLOR), pixels / 255)
        assert torch.equal(as_batch((pixels / 255).double(), COLOR), pixels / 255)
        for dtype in (torch.int64, torch.bool, torch.complex64):
            with pytest.raises(ImageError, match=f"{dtype}: expected floats"):
                as_batch(pixels.to(dtype), COLOR)

    @pytest.mark.parametrize("shape", [(4, 4), (1, 1, 3, 4, 4), (0, 3, 4, 4), (2, 5, 4, 4), (2, 3, 0, 4)])
    def test_wrong_shapes(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ImageError, match="expected"):
            as_batch(torch.zeros(shape), COLOR)

    def test_any_number_of_channels_that_the_model_takes(self) -> None:
        assert as_batch(torch.zeros(2, 5, 4, 4), spec(5, 4, 4)).shape == (2, 5, 4, 4)

    @pytest.mark.parametrize("target", [spec(3, 16, 16), spec(1, 16, 16), spec(3, 16, 24), spec(3, 96, 64)])
    @pytest.mark.parametrize("size", [(40, 60), (64, 32), (16, 16), (33, 17)])
    def test_tensor_and_picture_are_treated_alike(self, size: tuple[int, int], target: ImageSpec) -> None:
        pixels = smooth(*size)
        picture = to_tensor(Image.fromarray(pixels), target)
        tensor = as_batch(torch.from_numpy(pixels).permute(2, 0, 1), target)
        assert tensor.shape == (1, *target.shape)
        assert (tensor[0] - picture).abs().max() < 2 / 255
        assert tensor.min() >= 0
        assert tensor.max() <= 1

    def test_gray_becomes_color_and_alpha_lies_on_white(self) -> None:
        gray = torch.rand(2, 1, 4, 4)
        assert torch.equal(as_batch(gray, COLOR), gray.repeat(1, 3, 1, 1))
        assert torch.equal(as_batch(torch.full((4, 4, 4), 0.5), COLOR), torch.full((1, 3, 4, 4), 0.75))
        assert torch.equal(as_batch(torch.full((4, 4, 4), 0.5), COLOR, 1), torch.full((1, 3, 4, 4), 0.25))

    def test_arrays_in_every_layout(self) -> None:
        pixels = noise(4, 4, 3)
        expected = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
        for array in (pixels, pixels.transpose(2, 0, 1), pixels[None], pixels.transpose(2, 0, 1)[None], pixels / 255):
            assert torch.allclose(as_batch(array, COLOR), expected)
        assert torch.allclose(as_batch(pixels[::-1], COLOR), expected.flip(2))
        assert torch.allclose(as_batch((pixels / 255).astype(">f8"), COLOR), expected)
        assert as_batch(pixels[..., 0], GRAY).shape == (1, 1, 4, 4)
        assert as_batch(noise(2, 1, 9, 9), COLOR).shape == (2, 3, 4, 4)
        assert as_batch(noise(2, 9, 9, 1), COLOR).shape == (2, 3, 4, 4)
        with pytest.raises(ImageError, match="array of int64"):
            as_batch(pixels.astype(np.int64), COLOR)

    def test_sequences_of_all_kinds(self, tmp_path: Path) -> None:
        image = Image.fromarray(noise(4, 4, 3))
        image.save(tmp_path / "x.png")
        batch = as_batch([image, tmp_path / "x.png", str(tmp_path / "x.png"), noise(4, 4, 3)], COLOR)
        assert torch.equal(batch, to_tensor(image, COLOR).expand(4, -1, -1, -1))
        assert as_batch((torch.rand(2, 3, 4, 4), image), COLOR).shape == (3, 3, 4, 4)

    def test_bytes_files_folders_and_generators(self, tmp_path: Path) -> None:
        for number in (10, 2, 1):
            Image.fromarray(np.full((4, 4, 3), number, np.uint8)).save(tmp_path / f"{number}.png")
        (tmp_path / "notes.txt").write_text("not an image")
        expected = torch.tensor([1, 2, 10]).view(3, 1, 1, 1) / 255
        assert torch.equal(as_batch(tmp_path, COLOR), expected.expand(3, 3, 4, 4))
        data = (tmp_path / "2.png").read_bytes()
        for image in (data, io.BytesIO(data)):
            assert is_single(image)
            assert torch.equal(as_batch(image, COLOR), expected[1:2].expand(1, 3, 4, 4))
        several = (image for image in (data, tmp_path / "10.png", torch.zeros(2, 3, 4, 4)))
        assert as_batch(several, COLOR)[:, 0, 0, 0].mul(255).round().tolist() == [2, 10, 0, 0]
        (tmp_path / "empty").mkdir()
        for images, message in (
            (tmp_path / "empty", "the folder has no images"),
            (iter(()), "is not an image"),
            (io.StringIO("text"), "gives text, expected the bytes of an image"),
            (b"text", "not an image of a known format"),
        ):
            with pytest.raises(ImageError, match=message):
                as_batch(images, COLOR)  # type: ignore[arg-type]

    def test_a_drawing_does_not_start_another_program(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Pillow gives EPS to Ghostscript, whatever the file is called."""
        started: list[object] = []
        monkeypatch.setattr(subprocess, "check_call", lambda command, **_: started.append(command))
        monkeypatch.setattr(EpsImagePlugin, "has_ghostscript", lambda: True)
        drawing = io.BytesIO()
        Image.new("RGB", (4, 4)).save(drawing, "EPS")
        with pytest.raises(ImageError, match="not an image of a known format, such as PNG"):
            as_batch(drawing.getvalue(), COLOR)
        assert not started

    def test_the_images_of_an_iterator_are_read_in_parts(self) -> None:
        taken: list[int] = []

        def images() -> Iterator[Tensor]:
            for number in range(7):
                taken.append(number)
                yield torch.full((3, 4, 4), number / 10)

        parts = batches(images(), COLOR, 3)
        assert torch.equal(next(parts), torch.arange(3).view(3, 1, 1, 1).expand(3, 3, 4, 4) / 10)
        assert len(taken) == 3
        assert [len(part) for part in parts] == [3, 1]

    @pytest.mark.parametrize("images", [[], None, 3, [None], {"a": 1}])
    def test_what_is_not_an_image(self, images: object) -> None:
        with pytest.raises(ImageError, match="is not an image"):
            as_batch(images, COLOR)  # type: ignore[arg-type]

    def test_gradients_pass_through_the_conversion(self) -> None:
        images = torch.rand(2, 1, 9, 7, requires_grad=True)
        as_batch(images, COLOR).sum().backward()
        assert images.grad is not None
        assert images.grad.abs().sum() > 0

    @pytest.mark.parametrize(
        ("images", "single"),
        [
            (torch.zeros(3, 4, 4), True),
            (torch.zeros(1, 3, 4, 4), False),
            (np.zeros((4, 4)), True),
            (np.zeros((4, 4, 3)), True),
            (np.zeros((1, 4, 4, 3)), False),
            (Image.new("L", (4, 4)), True),
            ("x.png", True),
            (Path("x.png"), True),
            (["x.png"], False),
        ],
    )
    def test_is_single(self, images: Tensor, single: bool) -> None:
        assert is_single(images) is single


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_of_any_kind_are_an_image(kind: Callable[[bytes], Any]) -> None:
    data = kind(encoded(Image.fromarray(noise(4, 4)), "PNG"))
    expected = torch.from_numpy(noise(4, 4))[None, None] / 255
    every: list[Any] = [data, [data], iter([data]), [[data]]]
    for images in every:
        assert torch.equal(as_batch(images, GRAY), expected)
    assert torch.equal(next(batches([data], GRAY, 2)), expected)
    assert is_single(data)
