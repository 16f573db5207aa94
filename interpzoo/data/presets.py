"""Well-known data sets of images that the Hub has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image
from typing_extensions import override

from interpzoo.config import Framing
from interpzoo.data.images import Images


class MNIST(Images, source="ylecun/mnist", fit="pad"):
    """Handwritten digits, 60,000 and 10,000; 28x28 with a black border to 32x32 (ACAI, lib/data.py)."""

    license = "mit"
    framing = Framing(border=2, ink=True)


class FashionMNIST(Images, source="zalando-datasets/fashion_mnist", fit="pad"):
    """Zalando's pieces of clothing, 60,000 and 10,000; 28x28 with a black border to 32x32."""

    license = "mit"
    framing = Framing(border=2)


class CelebA(Images, source="flwrlabs/celeba", fit="mean"):
    """Faces of celebrities: the whole 64x64 frame for a model of that size, its 2x2 means for one of 32x32.

    The local copy is ``celeba64``: 148x148 center crops of the aligned 178x218 images, resized to 64x64, with its
    validation split as the test set. From the Hub the aligned images come whole, are cropped and resized here, and
    have a test split of their own. ``label`` is (B, 40): 1 where an attribute holds, in the order of the columns.

    CelebA is for non-commercial research only; its images may be neither published nor passed on in whole or part
    (https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html). Models trained on it pass these terms on.
    """

    license = "other"
    framing = Framing(eyes=((0.368, 0.517), (0.628, 0.517)))

    @override
    def frame(self, image: Image.Image) -> Image.Image:
        if image.size == (178, 218):
            return image.crop((15, 35, 163, 183)).resize((64, 64), Image.Resampling.BICUBIC)
        return image

    @override
    def label_columns(self, features: Mapping[str, Any]) -> Sequence[str]:
        if self.config.label_column is not None:
            return super().label_columns(features)
        return [name for name, feature in features.items() if getattr(feature, "dtype", None) == "bool"]
