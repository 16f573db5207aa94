"""Data sets that draw their images from parameters."""

from pathlib import Path
from typing import ClassVar

from interpzoo.config import ImageSpec
from interpzoo.errors import ConfigError
from interpzoo.interfaces import ConfigT, DataSet, GroundTruth


class Drawn(DataSet[ConfigT], GroundTruth):
    """Square images of one size that are drawn, so that the ground truth is known.

    Raises:
        ConfigError: `image` is not square, of `channels` channels and of a size in `sides`.
    """

    license = "cc0-1.0"
    channels: ClassVar[int] = 1
    sides: ClassVar[range]
    """Heights and widths that can be drawn."""

    def __init__(self, config: ConfigT, image: ImageSpec, root: Path | None = None) -> None:
        super().__init__(config, image, root)
        if image.channels != self.channels or image.height != image.width or image.height not in self.sides:
            low, high = self.sides[0], self.sides[-1]
            raise ConfigError(
                f"{type(self).__name__}: image = {image.channels}x{image.height}x{image.width}: expected "
                f"channels = {self.channels} and a square from {low}x{low} to {high}x{high}"
            )
        self.side = image.height
