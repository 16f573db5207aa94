"""Feature networks: small classifiers whose codes images are compared by."""

import math
from collections.abc import Mapping, Sequence

from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.interfaces import LatentModel, Regularizer, Step, Update, parameters_of


class ClassifierConfig(ComponentConfig):
    classes: int = Field(ge=2, le=1000)
    """Number of classes, or of attributes where a label is one row of 0 and 1."""


class Classifier(Regularizer[ClassifierConfig]):
    """A code from which a linear layer reads the labels; the decoder learns beside it what a code keeps of an image.

    Labels (B,) are classes, labels (B, n) attributes that hold or do not. The decoder sees detached codes: features
    are those of the labels alone, and its pictures show what they are blind to. The linear layer is not saved.
    """

    requires = frozenset({"label"})

    def __init__(self, config: ClassifierConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        self.head = nn.Linear(math.prod(latent_shape), config.classes)

    def updates(self, model: LatentModel) -> Sequence[Update]:
        return [Update("classifier", parameters_of(model.encoder, model.decoder, self.head))]

    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        """L = CE(head(z), y) + mean (x - g(z))^2, z detached in the second term."""
        label = step.batch["label"]
        logits = self.head(step.codes.flatten(1)).float()
        error = (
            cross_entropy(logits, label) if label.ndim == 1 else binary_cross_entropy_with_logits(logits, label.float())
        )
        picture = step.model.decoder(step.codes.detach())
        return {"classification": error, "picture": mse_loss(picture.float(), step.x)}
