"""Images in and out: anything that shows an image to what a model takes, and a model's images to files."""

from interpzoo.images.batches import ImageInput, ImageLike, as_batch, is_single
from interpzoo.images.pictures import Fit, from_pixels, open_image, to_pixels, to_tensor
from interpzoo.images.saving import save_gif, save_image, save_strip

__all__ = [
    "Fit",
    "ImageInput",
    "ImageLike",
    "as_batch",
    "from_pixels",
    "is_single",
    "open_image",
    "save_gif",
    "save_image",
    "save_strip",
    "to_pixels",
    "to_tensor",
]
