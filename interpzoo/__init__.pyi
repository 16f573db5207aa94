from interpzoo.errors import InterpzooError as InterpzooError
from interpzoo.evaluation import evaluate as evaluate
from interpzoo.images import save_gif as save_gif
from interpzoo.images import save_image as save_image
from interpzoo.images import save_strip as save_strip
from interpzoo.listing import list_datasets as list_datasets
from interpzoo.listing import list_interpolators as list_interpolators
from interpzoo.listing import list_metrics as list_metrics
from interpzoo.listing import list_models as list_models
from interpzoo.listing import list_recipes as list_recipes
from interpzoo.model import InterpolationModel as InterpolationModel
from interpzoo.pretrained.load import load as load
from interpzoo.pretrained.push import push as push
from interpzoo.pretrained.verify import verify as verify
from interpzoo.training.run import train as train
from interpzoo.untrained import create as create
from interpzoo.wrapped import wrap as wrap

__version__: str
