"""interpzoo: the model zoo for latent interpolation.

>>> import interpzoo
>>> model = interpzoo.load("acai-mnist")
>>> frames = model.interpolate(a, b, steps=9)  # (9, C, H, W)

The names in ``interpzoo.__all__`` are the public interface; a script that uses models needs no others:

* what there is: `list_models`, `list_recipes`, `list_interpolators`, `list_metrics`, `list_datasets`;
* pretrained models: `load`, `verify`, `push`;
* models of one's own: `create`, `train`, `wrap`;
* scores: `evaluate` for models, `score` for the frames of any tool;
* pictures: `save_image`, `save_strip`, `save_frames`, `save_stream`, and `to_pil` and `to_strip` for notebooks;
* films: `save_video`, `save_gif`, and `ease` for slow ends;
* experiments: `stimuli`;
* directions: `save_directions`, `load_directions`;
* types: `InterpolationModel`, `Direction`, and `InterpzooError`, the base of all errors (`interpzoo.errors` has the
  others).

Plugins import from the modules, as docs/plugins.md shows.
"""

from typing import Any

from lazy_loader import attach_stub

_public_name, __dir__, __all__ = attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # looks through what is installed, which an import need not wait for

        return version("interpzoo")
    return _public_name(name)
