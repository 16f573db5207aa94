"""interpzoo: the model zoo for latent interpolation.

>>> import interpzoo
>>> model = interpzoo.load("acai-mnist")
>>> frames = model.interpolate(a, b, steps=9)  # (9, C, H, W)

The names in ``interpzoo.__all__`` are the public interface; a script that uses models needs no others:

* what there is: `list_models`, `list_recipes`, `list_interpolators`, `list_metrics`, `list_datasets`;
* pretrained models: `load`, `verify`, `push`;
* models of one's own: `create`, `train`, `wrap`;
* scores: `evaluate`;
* pictures: `save_image`, `save_strip`, `save_gif`;
* types: `InterpolationModel`, and `InterpzooError`, the base of all errors (`interpzoo.errors` has the others).

Plugins import from the modules, as docs/plugins.md shows.
"""

from importlib.metadata import version

from lazy_loader import attach_stub

__version__ = version("interpzoo")
__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
