"""Data sets of images: from the Hub, from a local copy of the same layout, or from a folder of image files.

Reading is the `datasets` library's, decoding Pillow's. A split that fits into 2 GiB is decoded once and kept as
uint8; a larger one is decoded a batch at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final

import torch
from PIL import Image
from pydantic import Field, create_model
from torch import Generator, Tensor
from typing_extensions import TypeVar, override

from interpzoo.arguments import MOST_SEED
from interpzoo.config import UNKNOWN_LICENSE, ComponentConfig, ImageSpec
from interpzoo.data.sources import TEST_SPLITS, load_splits, skipped_files
from interpzoo.data.splits import DamagedError, ImageSplit, Look
from interpzoo.errors import DataError
from interpzoo.images import from_pixels
from interpzoo.interfaces import Batch, DataSet, check_limit, spread_over_classes
from interpzoo.pixels import Fit, background, to_pixels
from interpzoo.pretrained.locate import is_hub_id

_LOOKS: Final = 1000  # images whose kind and size are looked at

Source = Annotated[str, Field(min_length=1, max_length=4096)]
"""A data set on the Hub, ``user/name``, for which a local folder ``name`` may stand in; or the path of a folder, which
begins with ``./``, ``../`` or ``~`` or is absolute."""


class ImagesConfig(ComponentConfig):
    """Where the images come from and how they are brought to the model's size."""

    source: Source
    image_column: str | None = None
    """``None``: ``image``, or else the first column of images."""
    label_column: str | None = None
    """A column of whole numbers. ``None``: the first column of classes, if there is one."""
    train_split: str = "train"
    test_split: str | None = None
    """``None``: the first of test, validation, valid and val, or else `held_out` of the training images."""
    held_out: float = Field(default=0.1, gt=0, lt=1)
    """Fraction of the training images that is held out where there is no other split."""
    seed: int = Field(default=0, ge=0, le=MOST_SEED)
    """Seed that chooses the images that are held out."""
    fit: Fit = "resize"


ImagesT = TypeVar("ImagesT", bound=ImagesConfig, default=ImagesConfig, covariant=True)


class Images(DataSet[ImagesT]):
    """Any data set of images, or a folder of PNG, JPEG and other image files.

    A batch carries ``image`` and, where there are labels, ``label`` (B,), int64. In a folder of files, subfolders are
    classes if all images lie equally deep. Subfolders ``train`` and ``test`` (or validation, valid, val) are splits if
    there are no others. Files may differ in size and mode: see `interpzoo.images`.

    Args:
        config: the source of the images, and how they are fitted to the model.
        image: the shape of the model's images.
        root: folder of local data sets; ``None`` for the one that the environment variable ``INTERPZOO_DATA`` names.
            Data sets that are not there are fetched from the Hub and cached by `datasets`.

    Raises:
        DataError: the data set is not found, or has no images, no such split or no such column; also, at first use, an
            image that cannot be read or does not fit. The message names the data set and the image.
        MissingDependencyError: `datasets` is not installed.
    """

    license = UNKNOWN_LICENSE

    def __init_subclass__(cls, source: str | None = None, fit: Fit = "resize", **kwargs: object) -> None:
        """A data set of its own: ``class Mine(Images, source=..., fit=...)`` sets these defaults of the config."""
        super().__init_subclass__(**kwargs)
        if source is not None:
            own: Any = {"source": (Source, source), "fit": (Fit, fit)}
            cls.Config = create_model(f"{cls.__name__}Config", __base__=cls.Config, **own)
            cls.hub_id = source if is_hub_id(source) else None

    def __init__(self, config: ImagesT, image: ImageSpec, root: Path | None = None) -> None:
        super().__init__(config, image, root)
        if is_hub_id(config.source):
            self.hub_id = config.source
        self._train, self._test = self._splits(load_splits(config.source, root))
        self.size = len(self._train)
        self.fields = frozenset({"image", *self._train.columns})

    @override
    def train(self, indices: Tensor, generator: Generator) -> Batch:
        return self._batch(self._train, indices)

    @override
    def test(self, limit: int | None = None) -> Batch:
        check_limit(limit)
        return self._batch(self._test, torch.arange(len(self._test))[:limit])

    @override
    def examples(self, n: int, generator: Generator) -> Batch:
        order = spread_over_classes(len(self._test), self._test.columns.get("label"), generator)
        return self._batch(self._test, order[:n])

    def check(self) -> None:
        """Raise a `DataError` that names the images that cannot be used, among those that are kept decoded."""
        if errors := [*self._train.check(), *self._test.check()]:
            raise DamagedError(self.config.source, errors)

    @property
    def channels(self) -> int:
        """Channels that the training images need: 1 if all are gray, otherwise 3."""
        return 1 if self.gray == 1 else 3

    @property
    def gray(self) -> float:
        """Fraction of the training images that are gray; for a large set, of an evenly spread part.

        Where there are images in color, gray ones that are stored in color may count as such.
        """
        return sum(look.is_gray for look in self._looks) / len(self._looks) if self._looks else 0.0

    @property
    def side(self) -> int:
        """The shorter side of most training images, in pixels: the median."""
        sides = sorted(look.side for look in self._looks)
        return sides[len(sides) // 2] if sides else 1

    @property
    def held_out_size(self) -> int:
        """Number of held-out images."""
        return len(self._test)

    @property
    def leaves_pictures_out(self) -> bool:
        """Whether a file holds several pictures, such as an animation or a stack, of which the first is the image."""
        return any(look.has_several for look in self._looks)

    @cached_property
    def skipped(self) -> Mapping[str, int]:
        """How many files of a folder are not images that can be read, by the ends of their names."""
        return skipped_files(self.config.source, self.root)

    @cached_property
    def _looks(self) -> Sequence[Look]:
        return self._train.look(_LOOKS)

    def frame(self, image: Image.Image) -> Image.Image:
        """The part of an image that is fitted to the model: all of it by default."""
        return image

    def label_columns(self, features: Mapping[str, Any]) -> Sequence[str]:
        """Names of the columns of ``label``: none, one for shape (B,), or n for (B, n)."""
        if self.config.label_column is not None:
            return [self.config.label_column]
        return [name for name, feature in features.items() if type(feature).__name__ == "ClassLabel"][:1]

    def other_fields(self, table: Any) -> Mapping[str, Tensor]:
        """Further fields of a batch, with one row per image of `table`; none by default."""
        return {}

    def held_out_rows(self, table: Any) -> Tensor:
        """Rows that are held out where `table` is the only split: by default a fraction, chosen by the seed."""
        n = min(max(1, round(self.config.held_out * len(table))), len(table) - 1)
        return torch.randperm(len(table), generator=Generator().manual_seed(self.config.seed))[:n]

    def whole_numbers(self, table: Any, column: str, what: str = "column") -> Tensor:
        """A column (n,) of `table`, int64.

        Raises:
            DataError: the column (a `what` in the message) or a value is missing, or the values are not whole numbers.
        """
        where = f"data set {self.config.source!r}: {what} {column!r}"
        if column not in table.features:
            raise DataError(f"{where} is missing; there are {', '.join(table.features)}")
        values = table.data.column(column)
        if values.null_count:
            raise DataError(f"{where} has {values.null_count} empty values")
        try:
            return torch.tensor(values.cast("int64").to_numpy())
        except (ValueError, NotImplementedError):  # pyarrow's errors derive from them
            raise DataError(f"{where} holds {table.features[column]}, expected whole numbers") from None

    def _splits(self, tables: Mapping[str, Any]) -> tuple[ImageSplit, ImageSplit]:
        train = self._table(tables, self.config.train_split)
        column = self._image_column(train.features)
        name = self.config.test_split or next((name for name in TEST_SPLITS if name in tables), None)
        if name is not None:
            test = self._table(tables, name)
            train_rows, test_rows = torch.arange(len(train)), torch.arange(len(test))
        else:
            test = train
            train_rows, test_rows = self._hold_out(train)
        return self._split(train, column, train_rows), self._split(test, column, test_rows)

    def _table(self, tables: Mapping[str, Any], split: str) -> Any:
        if split not in tables:
            raise DataError(f"data set {self.config.source!r} has no split {split!r}, only {', '.join(tables)}")
        if not len(tables[split]):
            raise DataError(f"data set {self.config.source!r}: split {split!r} is empty")
        return tables[split]

    def _image_column(self, features: Mapping[str, Any]) -> str:
        images = [name for name, feature in features.items() if type(feature).__name__ == "Image"]
        column = self.config.image_column or ("image" if "image" in images else next(iter(images), "image"))
        if column not in images:
            known = ", ".join(features)
            raise DataError(f"data set {self.config.source!r} has no column of images {column!r}, only {known}")
        return column

    def _hold_out(self, table: Any) -> tuple[Tensor, Tensor]:
        if len(table) < 2:
            raise DataError(f"data set {self.config.source!r} has 1 image, expected at least 2, to hold one out")
        held_out = torch.zeros(len(table), dtype=torch.bool)
        held_out[self.held_out_rows(table)] = True
        if held_out.all() or not held_out.any():
            raise DataError(
                f"data set {self.config.source!r}: of {len(table)} images {int(held_out.sum())} are to be held out, "
                "expected at least 1, and 1 to train on"
            )
        return (~held_out).argwhere().flatten(), held_out.argwhere().flatten()

    def _split(self, table: Any, column: str, rows: Tensor) -> ImageSplit:
        columns = dict(self.other_fields(table))
        if names := self.label_columns(table.features):
            labels = [self.whole_numbers(table, name, "label column") for name in names]
            columns["label"] = torch.stack(labels, -1).squeeze(-1)
            self.label_names = tuple(names) if len(names) > 1 else ()
        return ImageSplit(self.config.source, table, column, rows, columns, self._pixels)

    def _batch(self, split: ImageSplit, positions: Tensor) -> Batch:
        fields = {name: values[positions] for name, values in split.columns.items()}
        return {"image": from_pixels(split.pixels(positions), self.image), **fields}

    def _pixels(self, image: Image.Image) -> Tensor:
        fit = self.config.fit
        return torch.from_numpy(to_pixels(self.frame(image), self.image, fit, background(int(fit == "pad"))))
