"""Settings of Sphinx for the site. Nothing comes from elsewhere: no fonts, no scripts, no pictures of formulas."""

from __future__ import annotations

import re
import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from sphinx.util.typing import stringify_annotation

sys.path.insert(0, str(Path(__file__).parents[2]))
from tools.site.reference import TYPES
from tools.site.uses import uses

project = "interpzoo"
copyright = "the authors of interpzoo, Apache License 2.0"  # noqa: A001
version = release = version_of("interpzoo")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
exclude_patterns = [".doctrees", "jupyter_execute"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "force"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_output_stderr = "remove"
nb_ipywidgets_js: dict[str, Any] = {}  # which would come from elsewhere

smartquotes = False  # they would turn the dashes of options into others
maximum_signature_line_length = 88
default_role = "py:obj"  # what docstrings have in single backticks
napoleon_use_param = False  # so that "Other Parameters" stay apart
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
add_module_names = False

html_theme = "furo"
html_title = "interpzoo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["gallery.js"]
html_copy_source = False
html_extra_path = ["../../docs/llms.txt"]
html_show_sphinx = False
html_math_renderer = "mathml"
copybutton_exclude = ".linenos, .gp, .go"


def inline_formula(translator: Any, node: Any) -> None:
    translator.body.append(convert(node.astext()))
    skip()


def formula(translator: Any, node: Any) -> None:
    translator.body.append(f'<div class="formula">{convert(node.astext(), display="block")}</div>')
    skip()


def skip() -> None:
    from docutils.nodes import SkipNode

    raise SkipNode


def without_stars(app: Any, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """Keep stars before words, as in ``(B, *latent)``, which would begin an emphasis."""
    for number, line in enumerate(lines):
        parts = re.split(r"(``.*?``|`.*?`)", line)
        lines[number] = "".join(p if p.startswith("`") else re.sub(r"\*(?=\w)", r"\\*", p) for p in parts)


def with_uses(app: Any, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """End a description with the pages that show the thing in use."""
    if pages := uses(name):
        lines += ["", f"In use: {', '.join(f':doc:`/{page}`' for page in pages)}.", ""]


def with_short_types(
    app: Any, what: str, name: str, found: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """Name the types that the reference describes, in place of all that they stand for."""
    for short, types in TYPES.items():
        written = stringify_annotation(types, "smart")
        signature = signature and signature.replace(written, f"~{short}")
    return signature, returned


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", without_stars, priority=1)
    app.connect("autodoc-process-docstring", with_uses, priority=900)
    app.connect("autodoc-process-signature", with_short_types)
    # Browsers draw MathML themselves.
    app.add_html_math_renderer("mathml", (inline_formula, None), (formula, None))
