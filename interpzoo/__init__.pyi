from .directions import Direction as Direction
from .directions import load_directions as load_directions
from .directions import save_directions as save_directions
from .errors import InterpzooError as InterpzooError
from .evaluation import evaluate as evaluate
from .films import ease as ease
from .films import save_gif as save_gif
from .films import save_video as save_video
from .listing import list_datasets as list_datasets
from .listing import list_interpolators as list_interpolators
from .listing import list_metrics as list_metrics
from .listing import list_models as list_models
from .listing import list_recipes as list_recipes
from .model import InterpolationModel as InterpolationModel
from .own import create as create
from .own import wrap as wrap
from .pictures import save_frames as save_frames
from .pictures import save_image as save_image
from .pictures import save_strip as save_strip
from .pictures import to_pil as to_pil
from .pictures import to_strip as to_strip
from .pretrained.load import load as load
from .pretrained.push import push as push
from .pretrained.verify import verify as verify
from .scoring.score import score as score
from .training.run import train as train

__version__: str
