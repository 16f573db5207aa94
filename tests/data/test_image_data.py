"""Data sets of images: tables in the Hub's layout, folders of one's own files, and what can be wrong with them."""

from __future__ import annotations

import io
import os
import random
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from interpzoo.config import ImageSpec
from interpzoo.data import splits
from interpzoo.data.images import Images, ImagesConfig
from interpzoo.data.presets import MNIST, CelebA, FashionMNIST
from interpzoo.errors import DataError, InputError, MissingDependencyError
from interpzoo.interfaces import Batch

datasets = pytest.importorskip("datasets")

GRAY32 = ImageSpec(channels=1, height=32, width=32)
COLOR8 = ImageSpec(channels=3, height=8, width=8)


@pytest.fixture(autouse=True)
def _alone(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network, no data of this machine, and a cache of its own."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.delenv("INTERPZOO_DATA", raising=False)


def noise(seed: int, *shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write(path: Path, seed: int = 0, size: tuple[int, int] = (8, 8)) -> NDArray[np.uint8]:
    pixels = noise(seed, *size, 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def encoded(pixels: NDArray[np.uint8]) -> dict[str, Any]:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


def table(folder: Path, split: str, pixels: NDArray[np.uint8], **columns: tuple[Any, list[Any]]) -> None:
    """A parquet file as the Hub has them."""
    folder.mkdir(parents=True, exist_ok=True)
    features = {"image": datasets.Image()} | {name: feature for name, (feature, _) in columns.items()}
    rows = {"image": [encoded(image) for image in pixels]} | {name: values for name, (_, values) in columns.items()}
    path = folder / f"{split}-00000-of-00001.parquet"
    datasets.Dataset.from_dict(rows, features=datasets.Features(features)).to_parquet(path)


def build(preset: Any, spec: ImageSpec, root: Path | None = None) -> Images:
    return preset(preset.Config(), spec, root)


def train(data: Images, *indices: int) -> Batch:
    return data.train(torch.tensor(indices or range(data.size or 0)), torch.Generator())


def read(folder: Path) -> None:
    data = Images(ImagesConfig(source=str(folder)), COLOR8)
    train(data)
    data.test()


def units(pixels: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels)).float() / 255


class TestPresets:
    @pytest.fixture(params=[(MNIST, "mnist"), (FashionMNIST, "fashion_mnist")])
    def digits(self, request: pytest.FixtureRequest, tmp_path: Path) -> type[Images]:
        preset, folder = request.param
        labels = datasets.ClassLabel(names=[str(digit) for digit in range(10)])
        table(tmp_path / folder, "train", noise(0, 12, 28, 28), label=(labels, [*range(10), 0, 1]))
        table(tmp_path / folder, "test", noise(1, 5, 28, 28), label=(labels, [4, 3, 2, 1, 0]))
        return preset

    def test_digits_are_padded_and_come_with_their_labels(self, digits: type[Images], tmp_path: Path) -> None:
        data = build(digits, GRAY32, tmp_path)
        assert data.size == 12
        assert data.fields == {"image", "label"}
        batch = train(data, 11, 0, 11)
        assert batch["image"].dtype == torch.float32
        assert torch.equal(batch["image"][:, 0, 2:30, 2:30], units(noise(0, 12, 28, 28)[[11, 0, 11]]))
        assert batch["image"].sum() == batch["image"][..., 2:30, 2:30].sum()
        assert batch["label"].tolist() == [1, 0, 1]
        test = data.test()
        assert torch.equal(test["image"][:, 0, 2:30, 2:30], units(noise(1, 5, 28, 28)))
        assert test["label"].tolist() == [4, 3, 2, 1, 0]

    def test_examples_are_drawn_across_the_classes_of_a_set_that_is_sorted_by_class(self, tmp_path: Path) -> None:
        labels = datasets.ClassLabel(names=["a", "b", "c"])
        pixels, classes = noise(0, 12, 28, 28), [0] * 8 + [1] * 3 + [2]
        for split in ("train", "test"):
            table(tmp_path / "mnist", split, pixels, label=(labels, classes))
        data = build(MNIST, GRAY32, tmp_path)
        shown = data.examples(6, torch.Generator().manual_seed(0))
        assert sorted(shown["label"][:3].tolist()) == [0, 1, 2]
        assert sorted(shown["label"][3:].tolist()) == [0, 0, 1]  # of the third there is no other
        rows = [int((data.test()["image"] == image).flatten(1).all(1).nonzero()) for image in shown["image"]]
        assert [classes[row] for row in rows] == shown["label"].tolist()
        assert len({*rows}) == 6
        assert torch.equal(data.examples(6, torch.Generator().manual_seed(0))["image"], shown["image"])
        assert not torch.equal(data.examples(6, torch.Generator().manual_seed(1))["image"], shown["image"])
        assert len(data.examples(100, torch.Generator())["image"]) == 12

    def test_presets_state_hub_identifier_and_license(self) -> None:
        for preset in (MNIST, FashionMNIST, CelebA):
            config: Any = preset.Config()
            assert preset.hub_id == config.source
        assert [preset.license for preset in (MNIST, FashionMNIST, CelebA, Images)] == [
            "mit",
            "mit",
            "other",
            "unknown",
        ]

    def test_the_root_option_overrides_the_environment(
        self, digits: type[Images], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("INTERPZOO_DATA", str(tmp_path))
        assert build(digits, GRAY32).size == 12
        (tmp_path / "empty").mkdir()
        with pytest.raises(DataError, match=r"is not in .*empty"):
            build(digits, GRAY32, tmp_path / "empty")
        monkeypatch.setenv("INTERPZOO_DATA", str(tmp_path / "empty"))
        assert build(digits, GRAY32, tmp_path).size == 12

    def test_celeba_at_64x64_and_32x32(self, tmp_path: Path) -> None:
        pixels = noise(0, 3, 64, 64, 3)
        attributes = {"Bald": [True, False, True], "Young": [False, False, True]}
        columns = {name: (datasets.Value("bool"), values) for name, values in attributes.items()}
        table(tmp_path / "celeba64", "train", pixels, **columns)
        table(tmp_path / "celeba64", "validation", pixels[::-1], **columns)
        channels_first = pixels.transpose(0, 3, 1, 2)

        whole = build(CelebA, ImageSpec(channels=3, height=64, width=64), tmp_path)
        assert torch.equal(train(whole)["image"], units(channels_first))
        assert train(whole)["label"].tolist() == [[1, 0], [0, 0], [1, 1]]
        assert torch.equal(whole.test()["image"], units(channels_first[::-1]))

        means = build(CelebA, ImageSpec(channels=3, height=32, width=32), tmp_path)
        expected = channels_first.reshape(3, 3, 32, 2, 32, 2).astype(np.float32).mean((3, 5))
        assert torch.equal(train(means)["image"], units(expected))

    def test_celeba_of_the_hub_is_cropped_to_the_same_frame(self, tmp_path: Path) -> None:
        aligned = np.zeros((2, 218, 178, 3), dtype=np.uint8)
        aligned[:, 35:183, 15:163] = 180  # the central 148x148
        table(tmp_path / "celeba64", "train", aligned)
        table(tmp_path / "celeba64", "valid", aligned)
        data = build(CelebA, ImageSpec(channels=3, height=32, width=32), tmp_path)
        assert torch.equal(train(data)["image"], torch.full((2, 3, 32, 32), 180 / 255))

    def test_a_size_that_images_cannot_be_padded_to(self, digits: type[Images], tmp_path: Path) -> None:
        with pytest.raises(DataError, match="image 0: an image of 28x28 cannot be padded equally to 8x8"):
            build(digits, COLOR8, tmp_path)


class TestTables:
    @pytest.fixture
    def make(self, tmp_path: Path) -> Callable[..., Images]:
        def make(**config: Any) -> Images:
            return Images(ImagesConfig(source="set", **config), COLOR8, tmp_path)

        return make

    def test_test_split_is_found_by_name(self, tmp_path: Path, make: Callable[..., Images]) -> None:
        for n, split in enumerate(("train", "validation", "test"), 2):
            table(tmp_path / "set", split, noise(0, n, 8, 8, 3))
        assert [make().size, len(make().test()["image"])] == [2, 4]
        assert [make(test_split="validation").size, len(make(test_split="validation").test()["image"])] == [2, 3]
        assert make(train_split="test").size == 4
        with pytest.raises(DataError, match="no split 'extra', only train, validation, test"):
            make(train_split="extra")

    def test_held_out_images_are_seeded_and_disjoint(self, tmp_path: Path, make: Callable[..., Images]) -> None:
        labels = (datasets.Value("int32"), list(range(50)))
        table(tmp_path / "set", "train", noise(0, 50, 8, 8, 3), index=labels)
        data = make(label_column="index")
        kept, held_out = train(data)["label"].tolist(), data.test()["label"].tolist()
        assert len(held_out) == 5
        assert sorted(kept + held_out) == list(range(50))
        assert make(label_column="index").test()["label"].tolist() == held_out
        assert make(label_column="index", seed=1).test()["label"].tolist() != held_out
        assert len(make(held_out=0.5).test()["image"]) == 25
        assert len(make(held_out=0.001).test()["image"]) == 1
        pixels = units(noise(0, 50, 8, 8, 3).transpose(0, 3, 1, 2))
        assert torch.equal(train(data)["image"], pixels[kept])
        assert torch.equal(data.test()["image"], pixels[held_out])

    def test_limit(self, tmp_path: Path, make: Callable[..., Images]) -> None:
        table(tmp_path / "set", "train", noise(0, 20, 8, 8, 3))
        data = make(held_out=0.5)
        assert torch.equal(data.test(3)["image"], data.test()["image"][:3])
        assert len(data.test(99)["image"]) == 10
        with pytest.raises(InputError, match="limit = 0"):
            data.test(0)

    def test_columns(self, tmp_path: Path, make: Callable[..., Images]) -> None:
        pixels = noise(0, 4, 8, 8, 3)
        table(
            tmp_path / "set",
            "train",
            pixels,
            photo=(datasets.Image(), [encoded(255 - image) for image in pixels]),
            name=(datasets.Value("string"), ["a", "b", "c", "d"]),
            score=(datasets.Value("float32"), [0.5, 1, 2, 3]),
            gap=(datasets.Value("int64"), [1, None, 2, 3]),
            kind=(datasets.ClassLabel(names=["x", "y"]), [1, 0, 1, 0]),
        )
        assert make().fields == {"image", "label"}
        assert torch.allclose(train(make())["image"] + train(make(image_column="photo"))["image"], torch.tensor(1.0))
        with pytest.raises(DataError, match="no column of images 'name', only image, photo, name"):
            make(image_column="name")
        with pytest.raises(DataError, match="label column 'what' is missing; there are image, photo"):
            make(label_column="what")
        with pytest.raises(DataError, match="label column 'gap' has 1 empty values"):
            make(label_column="gap")
        for column in ("name", "score"):
            with pytest.raises(DataError, match=f"'{column}' holds .*, expected whole numbers"):
                make(label_column=column)

    def test_first_column_of_images_if_none_is_called_image(self, tmp_path: Path) -> None:
        features = datasets.Features({"png": datasets.Image()})
        rows = {"png": [encoded(noise(seed, 8, 8, 3)) for seed in range(3)]}
        datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "train.parquet")
        data = Images(ImagesConfig(source=str(tmp_path)), COLOR8)
        assert data.size == 2
        assert data.fields == {"image"}

    def test_large_splits_are_decoded_one_batch_at_a_time(
        self, tmp_path: Path, make: Callable[..., Images], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        table(tmp_path / "set", "train", noise(0, 40, 12, 10, 3))
        kept = make()
        monkeypatch.setattr(splits, "MEMORY", 1000)
        monkeypatch.setattr(os, "cpu_count", lambda: 8)
        streamed = make()
        indices = torch.randint(36, (300,), generator=torch.Generator().manual_seed(0)).tolist()
        for data in (kept, streamed):
            train(data, 0)
        assert torch.equal(train(kept, *indices)["image"], train(streamed, *indices)["image"])
        assert torch.equal(kept.test()["image"], streamed.test()["image"])
        assert train(kept)["image"].shape == train(streamed)["image"].shape == (36, 3, 8, 8)

    def test_only_the_blocks_that_are_asked_for_are_decoded(self, tmp_path: Path) -> None:
        for n in range(300):
            write(tmp_path / "train" / f"{n:03}.png", n)
        write(tmp_path / "test" / "0.png")
        (tmp_path / "train" / "299.png").write_bytes(b"")
        data = Images(ImagesConfig(source=str(tmp_path)), COLOR8)
        assert torch.equal(train(data, 0, 130)["image"][1], train(data, 130)["image"][0])
        for _ in range(2):  # a block that was not read is tried again
            with pytest.raises(DataError, match=r"299\.png: not an image"):
                train(data, 270)

    def test_row_without_an_image(self, tmp_path: Path, make: Callable[..., Images]) -> None:
        features = datasets.Features({"image": datasets.Image()})
        rows = {"image": [*(encoded(noise(seed, 8, 8, 3)) for seed in range(5)), None]}
        (tmp_path / "set").mkdir()
        datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "set" / "train.parquet")
        with pytest.raises(DataError, match="set', image 5: there is no image"):
            read(tmp_path / "set")

    def test_damaged_table(self, tmp_path: Path, make: Callable[..., Images]) -> None:
        table(tmp_path / "set", "train", noise(0, 4, 8, 8, 3))
        path = tmp_path / "set" / "train-00000-of-00001.parquet"
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(DataError, match=r"data set 'set' in .* cannot be read: .*[Pp]arquet"):
            make()


class TestFolders:
    def make(self, folder: Path, spec: ImageSpec = COLOR8, **config: Any) -> Images:
        return Images(ImagesConfig(source=str(folder), **config), spec)

    def test_files_of_every_kind(self, tmp_path: Path) -> None:
        write(tmp_path / "wide.png", 0, (10, 31))
        write(tmp_path / "tall.JPG", 1, (40, 12))
        write(tmp_path / "tiny.webp", 2, (3, 3))
        Image.new("RGBA", (9, 9), (255, 255, 255, 0)).save(tmp_path / "clear.png")
        Image.new("I;16", (9, 9), 65535).save(tmp_path / "deep.png")
        Image.new("CMYK", (9, 9), (0, 0, 0, 255)).save(tmp_path / "print.jpg")
        Image.new("L", (9, 9), 255).convert("P").save(tmp_path / "palette.gif")
        (tmp_path / "notes.txt").write_text("not an image, and not in the way")
        for spec in (COLOR8, ImageSpec(channels=1, height=8, width=8)):
            data = self.make(tmp_path, spec)
            images = torch.cat([train(data)["image"], data.test()["image"]])
            assert images.shape == (7, *spec.shape)
            flat = images[(images.flatten(1).amax(1) - images.flatten(1).amin(1)) < 0.02].mean((1, 2, 3))
            assert torch.allclose(flat.sort().values, torch.tensor([0.0, 1, 1, 1]), atol=0.01)

    def test_sub_folders_are_classes(self, tmp_path: Path) -> None:
        for kind in ("train", "car", "bus"):
            for seed in range(4):
                write(tmp_path / kind / f"{seed}.png", seed)
        data = self.make(tmp_path)
        labels = torch.cat([train(data)["label"], data.test()["label"]])
        assert labels.bincount().tolist() == [4, 4, 4]

    def test_files_at_different_depths_have_no_classes(self, tmp_path: Path) -> None:
        write(tmp_path / "a" / "b" / "0.png")
        write(tmp_path / "c" / "1.png")
        write(tmp_path / "2.png")
        data = self.make(tmp_path)
        assert data.size == 2
        assert data.fields == {"image"}

    @pytest.mark.parametrize("classes", [[""], ["cat", "dog"]])
    def test_folders_called_train_and_test_are_splits(self, tmp_path: Path, classes: list[str]) -> None:
        for seed, kind in enumerate(classes):
            for n in range(3):
                write(tmp_path / "train" / kind / f"{n}.png", seed)
            write(tmp_path / "test" / kind / "0.png", seed)
        data = self.make(tmp_path)
        assert data.size == 3 * len(classes)
        assert len(data.test()["image"]) == len(classes)
        assert ("label" in data.fields) == (len(classes) > 1)

    def test_names_of_files_make_no_splits(self, tmp_path: Path) -> None:
        for name in ("test_1.png", "dev.png", "train-2.png", "a.png", "b.png"):
            write(tmp_path / "eval" / name)
        data = self.make(tmp_path / "eval")
        assert data.size == 4
        assert len(data.test()["image"]) == 1

    def test_captions_beside_the_images(self, tmp_path: Path) -> None:
        for n in range(3):
            write(tmp_path / f"{n}.png")
            (tmp_path / f"{n}.txt").write_text("a caption")
            (tmp_path / f"{n}.more.txt").write_text("another")
        assert self.make(tmp_path).size == 2

    def test_odd_names(self, tmp_path: Path) -> None:
        folder = tmp_path / "my [best] photos?*"
        for n in range(3):
            write(folder / f"ä {n} [x].png")
        assert self.make(folder).size == 2

    def test_relative_folder_and_home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write(tmp_path / "photos" / "0.png")
        write(tmp_path / "photos" / "1.png")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path))
        for source in ("./photos", "~/photos", "photos/../photos/."):
            if source.startswith("photos"):
                with pytest.raises(DataError, match=r"write '\./photos"):
                    Images(ImagesConfig(source=source), COLOR8)
            else:
                data = Images(ImagesConfig(source=source), COLOR8)
                assert data.size == 1
                assert data.hub_id is None
        assert Images(ImagesConfig(source="photos"), COLOR8, Path("~")).size == 1

    def test_a_new_file_is_seen(self, tmp_path: Path) -> None:
        for n in range(4):
            write(tmp_path / f"{n}.png")
            if n:
                assert self.make(tmp_path).size == n

    def test_truncated_image_is_named(self, tmp_path: Path) -> None:
        for n in range(3):
            write(tmp_path / f"{n}.png", n, (30, 30))
        (tmp_path / "1.png").write_bytes((tmp_path / "1.png").read_bytes()[:1000])
        with pytest.raises(DataError, match=r"1\.png: the image cannot be read: .*truncated") as caught:
            read(tmp_path)
        assert "\n" not in str(caught.value)

    def test_all_damaged_images_are_named_at_once(self, tmp_path: Path) -> None:
        """Whether they are to be trained on or held out, and the first of all among them."""
        for n in range(30):
            write(tmp_path / f"{n:02}.png", n)
        damaged = [f"{n:02}.png" for n in range(0, 30, 5)]
        for name in damaged:
            (tmp_path / name).write_bytes(b"")
        data = self.make(tmp_path, held_out=0.5)
        with pytest.raises(DataError) as caught:
            data.check()
        message = str(caught.value)
        assert message.startswith(f"data set {str(tmp_path)!r}: 6 images cannot be used: remove or replace them. ")
        assert sum(name in message for name in damaged) == 5
        assert message.endswith("; and 1 more")
        with pytest.raises(DataError, match=r"images cannot be used"):
            data.test(1)
        for name in damaged:
            (tmp_path / name).unlink()
        self.make(tmp_path, held_out=0.5).check()

    def test_file_that_is_no_image_is_named(self, tmp_path: Path) -> None:
        write(tmp_path / "0.png")
        (tmp_path / "1.png").write_text("hello")
        with pytest.raises(DataError, match=r"1\.png: not an image of a known format"):
            read(tmp_path)

    def test_image_of_another_size_among_means(self, tmp_path: Path) -> None:
        for n, size in enumerate([(16, 16), (16, 16), (24, 24), (16, 16)]):
            write(tmp_path / f"{n}.png", n, size)
        with pytest.raises(DataError, match=r"2\.png: an image of shape \(3, 24, 24\) among \(3, 16, 16\)"):
            train(self.make(tmp_path, fit="mean", held_out=0.01, seed=1))

    @pytest.mark.parametrize("name", ["empty", "texts", "absent", "file", "one"])
    def test_nothing_to_read(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "empty").mkdir()
        (tmp_path / "texts").mkdir()
        (tmp_path / "texts" / "a.txt").write_text("hello")
        (tmp_path / "file").write_text("hello")
        write(tmp_path / "one" / "0.png")
        message = {
            "empty": "cannot be read: .*doesn't contain any data files",
            "texts": "has no column of images 'image', only text",
            "absent": "there is no such folder",
            "file": "there is no such folder",
            "one": "has 1 image, expected at least 2",
        }[name]
        with pytest.raises(DataError, match=message) as caught:
            self.make(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)


class TestNowhere:
    def test_offline_and_no_local_copy(self, tmp_path: Path) -> None:
        for root, looked in ((None, ""), (tmp_path, "which is not in .*mnist', ")):
            with pytest.raises(DataError, match=f"'ylecun/mnist',? {looked}cannot be read: Couldn't reach") as caught:
                build(MNIST, GRAY32, root)
            assert "\n" not in str(caught.value)
            for hint in ("--data-root", "INTERPZOO_DATA", "./photos"):
                assert hint in str(caught.value)

    def test_root_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"no folder .*absent' of local data sets"):
            build(MNIST, GRAY32, tmp_path / "absent")

    def test_without_the_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "datasets", None)
        with pytest.raises(MissingDependencyError, match=r"pip install (-e '\.\[train\]' in|'interpzoo\[train\]'$)"):
            build(MNIST, GRAY32)


class TestRealData:
    """The real sets, where this machine has them."""

    ROOT = os.environ.get("INTERPZOO_DATA")

    def root(self, folder: str) -> Path:
        if self.ROOT is None or not (Path(self.ROOT) / folder).is_dir():
            pytest.skip(f"no folder {folder!r} below INTERPZOO_DATA = {self.ROOT!r}")
        return Path(self.ROOT)

    @pytest.mark.slow
    def test_mnist(self) -> None:
        data = build(MNIST, GRAY32, self.root("mnist"))
        test = data.test()
        assert (data.size, len(test["image"])) == (60_000, 10_000)
        assert test["label"].bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
        assert test["image"][..., 2:30, 2:30].mean() == pytest.approx(0.1325, abs=5e-5)
        assert not test["image"][..., :2].any()

    @pytest.mark.slow
    def test_celeba(self) -> None:
        root = self.root("celeba64")
        whole, means = (build(CelebA, ImageSpec(channels=3, height=size, width=size), root) for size in (64, 32))
        batch = whole.test(50)
        assert batch["label"].shape == (50, 40)
        assert torch.equal(batch["label"], batch["label"].bool().long())
        expected = batch["image"].view(50, 3, 32, 2, 32, 2).mean((3, 5))
        assert torch.allclose(means.test(50)["image"], expected, atol=1e-6)


class TestOwnPhotos:
    """A folder as strangers have them: in archives, in gray and color, among other files."""

    @pytest.mark.parametrize("archives", [["train.zip"], ["photos.zip"], ["train.zip", "test.zip"]])
    def test_images_in_archives(self, archives: list[str], tmp_path: Path) -> None:
        for name in archives:
            with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
                for i in range(10):
                    archive.writestr(f"inside/{i}.png", encoded(noise(i, 8, 8, 3))["bytes"])
        data = Images(ImagesConfig(source=str(tmp_path)), COLOR8)
        images = train(data)["image"]
        assert len(images) == (10 if "test.zip" in archives else 9)
        assert len(data.test()["image"]) == (10 if "test.zip" in archives else 1)
        originals = [units(noise(i, 8, 8, 3).transpose(2, 0, 1)) for i in range(10)]
        assert all(any(torch.equal(image, original) for original in originals) for image in images)
        assert (data.channels, data.side) == (3, 8)

    @pytest.mark.parametrize("seed", range(6))
    def test_a_damaged_archive_is_one_clear_error(self, seed: int, tmp_path: Path) -> None:
        """With bytes replaced or cut off at places drawn by the seed."""
        path, drawn = tmp_path / "train.zip", random.Random(seed)
        with zipfile.ZipFile(path, "w") as archive:
            for i in range(4):
                archive.writestr(f"{i}.png", encoded(noise(i, 8, 8, 3))["bytes"])
        data = bytearray(path.read_bytes())
        for _ in range(20):
            data[drawn.randrange(len(data))] = drawn.randrange(256)
        path.write_bytes(data[: drawn.randrange(len(data) // 2, len(data) + 1)])
        with pytest.raises(DataError) as error:
            read(tmp_path)
        assert str(tmp_path) in str(error.value)

    @pytest.mark.parametrize("gray", [[0], [0, 1, 2], [*range(11)], [11], [*range(12)]], ids=str)
    def test_photos_are_gray_only_if_all_are(self, gray: list[int], tmp_path: Path) -> None:
        for i in range(12):
            write(tmp_path / f"{i:02}.png", i)
            if i in gray:
                with Image.open(tmp_path / f"{i:02}.png") as image:
                    image.convert("L").save(tmp_path / f"{i:02}.png")
        data = Images(ImagesConfig(source=str(tmp_path), held_out=0.01), COLOR8)
        kept = 12 - len(data.test()["image"])
        assert data.size == kept == 11
        assert data.channels == (1 if len(gray) == 12 else 3) or len(gray) == 11
        assert 0 < data.gray <= 1 or gray == [0] or gray == [11]

    @pytest.mark.parametrize("colored", [None, 0, 9])
    def test_gray_photos_that_are_stored_in_color_are_gray(self, colored: int | None, tmp_path: Path) -> None:
        forms = (("RGB", "png"), ("RGB", "jpg"), ("P", "png"), ("RGBA", "png"), ("CMYK", "jpg"))
        for i in range(10):
            mode, suffix = forms[i % len(forms)]
            photo = Image.fromarray(noise(i, 40, 40, 1)[..., 0]).convert("RGB")
            if i == colored:
                photo.putpixel((20, 20), (200, 40, 40))
            stored = photo.quantize() if mode == "P" else photo.convert(mode)
            stored.save(tmp_path / f"{i}.{suffix}")
        (tmp_path / "test").mkdir()
        write(tmp_path / "test" / "0.png", 0)
        data = Images(ImagesConfig(source=str(tmp_path)), COLOR8)
        assert data.channels == (1 if colored is None else 3)
        assert (data.gray < 1) is (colored is not None)

    def test_files_that_are_no_images_are_counted(self, tmp_path: Path) -> None:
        for i in range(4):
            write(tmp_path / "a" / f"{i}.png", i)
        for name in (
            "b.HEIC",
            "c.heic",
            "a/d.mov",
            "notes",
            ".DS_Store",
            ".hidden/e.txt",
            "metadata.csv.bak",
            "a/Thumbs.db",
        ):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(b"x")
        data = Images(ImagesConfig(source=str(tmp_path)), COLOR8)
        assert data.skipped == {".heic": 2, ".mov": 1, ".bak": 1, "notes": 1}
        assert (data.size, data.held_out_size) == (3, 1)

    def test_a_bomb_in_an_archive_is_not_unpacked(self, tmp_path: Path) -> None:
        """Its size is known before, and larger than that of any image file."""
        with zipfile.ZipFile(tmp_path / "train.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("0.png", encoded(noise(0, 8, 8, 3))["bytes"])
            with archive.open("1.png", "w", force_zip64=True) as member:
                for _ in range(2**8 + 1):
                    member.write(bytes(2**20))
        with pytest.raises(DataError, match=r"it has 269,484,032 bytes, expected at most 268,435,456"):
            read(tmp_path)
