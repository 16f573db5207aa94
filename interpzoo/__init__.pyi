from .errors import InterpzooError as InterpzooError
from .evaluation import evaluate as evaluate
from .images import save_gif as save_gif
from .images import save_image as save_image
from .images import save_strip as save_strip
from .listing import list_datasets as list_datasets
from .listing import list_interpolators as list_interpolators
from .listing import list_metrics as list_metrics
from .listing import list_models as list_models
from .listing import list_recipes as list_recipes
from .model import InterpolationModel as InterpolationModel
from .own import create as create
from .own import wrap as wrap
from .pretrained.load import load as load
from .pretrained.push import push as push
from .pretrained.verify import verify as verify
from .training.run import train as train

__version__: str
