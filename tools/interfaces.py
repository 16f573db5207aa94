"""The generated part of docs/reference/interfaces.md: attributes and methods of all interfaces, with their docstrings.

Python keeps no docstrings of attributes, so that ``help()`` does not show them; they are read from the source.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from interpzoo.benchmark import Metric
from interpzoo.config import Recipe, TrainingConfig
from interpzoo.interfaces import (
    CodeSpace,
    DataSet,
    Decoder,
    Encoder,
    FeatureNetwork,
    GroundTruth,
    Interpolator,
    Mixer,
    Prior,
    Regularizer,
    Source,
    Step,
    Update,
)

PAGE: Final = Path(__file__).parents[1] / "docs" / "reference" / "interfaces.md"

_INTERFACES: Final[tuple[type[Any], ...]] = (
    Regularizer,
    Step,
    Update,
    Encoder,
    Decoder,
    Prior,
    CodeSpace,
    Interpolator,
    Mixer,
    DataSet,
    GroundTruth,
    Metric,
    FeatureNetwork,
    Source,
    Recipe,
    TrainingConfig,
)
_CLASS_VARIABLE: Final = re.compile(r"ClassVar\[(.*)\](?= = |$)")
_PART: Final = re.compile(r"(<!-- generated: interfaces -->\n).*?(<!-- end -->)", re.DOTALL)


def render(text: str) -> str:
    """`text` with the reference made again."""
    made = "\n".join(_described(interface) for interface in _INTERFACES)
    return _PART.sub(lambda match: f"{match[1]}\n{made}\n{match[2]}", text)


def _described(interface: type[Any]) -> str:
    rows = [f"- `{signature}`{f': {text}' if text else ''}" for signature, text in _members(interface)]
    return "\n".join([f"### {interface.__name__}", "", _first_paragraph(interface.__doc__ or ""), "", *rows, ""])


def _members(interface: type[Any]) -> Iterator[tuple[str, str]]:
    """Public attributes and methods in the order of the source: how each is written, and the start of its docstring."""
    (tree,) = ast.parse(inspect.cleandoc("\n" + inspect.getsource(interface))).body
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            text = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
            if node.target.id != "kind":  # set by the interface itself
                yield (
                    _CLASS_VARIABLE.sub(r"\1", ast.unparse(node).partition(" = field(")[0]),
                    _first_paragraph(str(text)),
                )
        elif isinstance(node, ast.FunctionDef) and (node.name == "__call__" or not node.name.startswith("_")):
            yield _signature(node), _first_paragraph(ast.get_docstring(node) or "")


def _signature(node: ast.FunctionDef) -> str:
    if any(ast.unparse(decorator) == "property" for decorator in node.decorator_list):
        return node.name
    rest = [] if node.args.vararg is None else [f"*{node.args.vararg.arg}"]
    names = [*(argument.arg for argument in node.args.args[1:]), *rest, *(a.arg for a in node.args.kwonlyargs)]
    return f"{node.name}({', '.join(names)})"


def _first_paragraph(text: str) -> str:
    paragraph = inspect.cleandoc(text).partition("\n\n")[0]
    return " ".join(paragraph.split()).replace("``", "`").replace("|", "\\|")
