"""The interfaces of the zoo: what a paper implements, and nothing of any paper.

Encoder, decoder, prior and code space make the model. The regularizer shapes it in training. The interpolator gives a
path between its codes. A data set feeds it. A source reads models of other people in their own format. A feature
network gives metrics something better than pixels to compare images by. The interface of metrics is in
`interpzoo.benchmark`, beside what a metric is given.

A component is built from its own validated config and the shapes around it. A class says what its config is by its type
argument, as in ``class Mine(Regularizer[MineConfig])``, and finds it in ``self.config``. After construction a component
never draws from the global random state.
"""

from interpzoo.interfaces.component import ConfigT
from interpzoo.interfaces.data import Batch, DataSet, GroundTruth, check_limit, spread_over_classes
from interpzoo.interfaces.features import FeatureNetwork
from interpzoo.interfaces.interpolation import Interpolator, Mixer, Solution
from interpzoo.interfaces.networks import CodeSpace, Decoder, Encoder, LatentModel, Prior
from interpzoo.interfaces.source import Source, TensorShapes
from interpzoo.interfaces.training import Regularizer, Step, Update, parameters_of

__all__ = [
    "Batch",
    "CodeSpace",
    "ConfigT",
    "DataSet",
    "Decoder",
    "Encoder",
    "FeatureNetwork",
    "GroundTruth",
    "Interpolator",
    "LatentModel",
    "Mixer",
    "Prior",
    "Regularizer",
    "Solution",
    "Source",
    "Step",
    "TensorShapes",
    "Update",
    "check_limit",
    "parameters_of",
    "spread_over_classes",
]
