"""How much is measured: numbers of pairs, frames and images, and the seed."""

from pydantic import ConfigDict, Field

from interpzoo.arguments import MOST_FRAMES, MOST_SEED
from interpzoo.config import Schema


class EvaluationProtocol(Schema):
    """How much every model is scored on. Scores of different protocols are not compared."""

    model_config = ConfigDict(populate_by_name=True)

    pairs: int = Field(default=256, ge=1, le=100_000)
    """Number of pairs of held-out images, or of those of `GroundTruth.pairs`, the same for every model on a data set;
    256 as in the ACAI paper."""
    frames: int = Field(default=9, ge=3, le=MOST_FRAMES)
    """Frames of a path, both ends counted, where the data set has no number of its own (`GroundTruth.frames`)."""
    training_pairs: int = Field(
        default=1500, ge=6, le=100_000, validation_alias="practice_pairs", serialization_alias="practice_pairs"
    )
    """Number of pairs of training images, for metrics that learn something before they measure."""
    motion_pairs: int = Field(default=32, ge=1, le=100_000)
    """Number of pairs, the first ones, that are interpolated in small steps."""
    motion_divisions: int = Field(default=64, ge=2, le=10_000)
    """Number of small steps, where the ground truth does not fix it (`GroundTruth.divisions`)."""
    geometry_pairs: int = Field(default=32, ge=1, le=100_000)
    """Number of pairs, the first ones, at which derivatives of the decoder are computed."""
    slow_pairs: int = Field(default=32, ge=1, le=100_000)
    """Largest number of pairs for decoders that are not differentiable: the autoregressive ones."""
    reference: int = Field(default=2000, ge=10, le=1_000_000)
    """Largest number of held-out images that frames are compared with in a feature space."""
    training: int = Field(default=10_000, ge=10, le=10_000_000)
    """Largest number of training images that the control ``nearest`` chooses from."""
    resamples: int = Field(default=200, ge=2, le=100_000)
    """Number of bootstrap resamples for a confidence interval."""
    seed: int = Field(default=0, ge=0, le=MOST_SEED)
    """Seed of the pairs and of everything else that is random."""


FULL = EvaluationProtocol(
    pairs=1000,
    training_pairs=5000,
    motion_pairs=256,
    geometry_pairs=64,
    slow_pairs=128,
    reference=10_000,
    training=60_000,
    resamples=1000,
)
"""``--full``: about five times the work."""
