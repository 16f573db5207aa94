"""Omniglot: characters of many alphabets, drawn by hand.

Source: Lake, Salakhutdinov and Tenenbaum, Human-level concept learning through probabilistic program induction,
Science 350, 2015.
"""

from PIL import Image, ImageOps
from typing_extensions import override

from interpzoo.data.images import Images


class Omniglot(Images, source="omniglot_small"):
    """Characters drawn by hand, white on black, 105x105 resized to the model; a tenth is held out at random.

    Read from a folder ``omniglot_small`` below the root of local data sets: 4,840 images of 242 characters, the smaller
    of the two official background sets. The paper has all 32,460 at 28x28 and tests on 8,070 of them.
    """

    license = "mit"

    @override
    def frame(self, image: Image.Image) -> Image.Image:
        """Light strokes on black; they are stored black on white."""
        return ImageOps.invert(image.convert("L"))
