"""License and limitations of a model that was started from another one, or trained on its codes."""

from collections.abc import Mapping, Set
from typing import Any, Final

from interpzoo.config import UNKNOWN_LICENSE, ModelConfig, Recipe

FREE_LICENSES: Final = ("apache-2.0", "mit", "cc0-1.0")
"""Licenses of images and models that do not restrict the license of the weights; under any other, they pass it on."""

_MOST: Final = 2000  # characters of limitations


def with_terms_of(origin: ModelConfig, recipe: Recipe, given: Set[str], how: str = "it was started") -> Recipe:
    """The recipe with the license and the limitations that the model `origin` passes on, unless they are in `given`."""
    changes: dict[str, str] = {}
    if "license" not in given and origin.license not in FREE_LICENSES:
        # Two licenses that both restrict have no common name.
        one = recipe.license in (*FREE_LICENSES, UNKNOWN_LICENSE, origin.license)
        changes["license"] = origin.license if one else "other"
    if "limitations" not in given and origin.limitations not in recipe.limitations:
        passed_on = f"Limitations of {origin.name}, from which {how}: {origin.limitations}"
        changes["limitations"] = "\n\n".join(filter(None, (recipe.limitations, passed_on)))[:_MOST]
    return recipe.model_copy(update=changes)


def with_texts_of(before: Mapping[str, Any], recipe: Recipe, given: Set[str]) -> Recipe:
    """The recipe with the license and the limitations of the run before, unless they are in `given`."""
    texts = {name: before[name] for name in ("license", "limitations") if name not in given and name in before}
    return recipe.model_copy(update={name: text for name, text in texts.items() if isinstance(text, str)})
