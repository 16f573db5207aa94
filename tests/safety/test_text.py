"""Hostile text at every place where a stranger's string can enter reaches no terminal and breaks no JSON."""

from __future__ import annotations

import copy
import io
import itertools
import json
import random
import struct
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml

from interpzoo import create
from interpzoo.cli.app import run
from interpzoo.config import Recipe, validate
from interpzoo.errors import InterpzooError
from interpzoo.pretrained.card import Result, write_card
from interpzoo.text import MOST_CHARACTERS
from tests.models.test_card import config_of
from tests.site import installed
from tests.tiny import tiny_model, tiny_recipe

HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07",
    "\x9b2J\x85\x7f",
    "\u202eevil\u2066\n\r",
    "\u200b\u200d\ufeff\u00ad",
    "\u2028\u2029",
    "\ud800\udfff",
    " \t ",
    "",
    "x" * 100_000 + "\x1b[2J",
    "é日本\U000e0041",
)
HUGE = "a number that Python does not print"
ODD: tuple[object, ...] = (*HOSTILE, None, [], {}, True, HUGE, 10**400, float("nan"), "\x00", [[[[]]]])
"""Values for a place that should have text or a number."""
COMMANDS = ("show {}", "show {} --json", "verify {}", "verify {} --json", "interpolate {} -o {}/strip.png")

PLUGIN = """
from interpzoo.plugins import hookimpl

INTERPZOO_API = 1

@hookimpl
def register(registry):
    registry.add_package(__name__)
"""

Path_ = tuple[str | int, ...]


def places(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """The path of every text, number and table."""
    yield path
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from places(item, (*path, key))


def changed(value: Any, path: Path_, new: object, *, key: bool) -> Any:
    """`value` with another value, or another key if `key`, at a path."""
    value = copy.deepcopy(value)
    place = value
    for part in path[:-1]:
        place = place[part]
    if key and isinstance(place, dict):
        place[new] = place.pop(path[-1])
    else:
        place[path[-1]] = new
    return value


def check(line: str) -> None:
    """Run a command: it works or ends with one line, and prints nothing but printable text, and JSON where asked."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(line.split())
    assert code in (0, 1, 2)
    for text in (out.getvalue(), err.getvalue()):
        assert all(part.isprintable() for part in text.split("\n")), text
        text.encode()
    if code == 2:
        assert out.getvalue() == ""
        *blamed, last = err.getvalue().splitlines()
        assert last.startswith("Error: ")
        assert all(text.startswith(("interpzoo: plugin ", "Warning: ")) for text in blamed)
        assert len(last) < MOST_CHARACTERS + 20
    elif "--json" in line:
        json.loads(out.getvalue(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A pretrained folder without a list of hashes, with a card that has scores."""
    model = tiny_model(examples=4)
    model.config = config_of(summary="A summary.", limitations="Its limits.", plugins={"baselines": "interpzoo 1.0"})
    folder = model.save_pretrained(tmp_path / "model")
    write_card(folder, model.config, [Result("MSE", 0.5, "lines"), Result("PSNR", 20, "lines")])
    (folder / "SHA256SUMS").unlink()
    return folder


def campaign(value: Any, write: Callable[[Any], object], lines: tuple[str, ...], seed: int) -> None:
    """Put an odd value and an odd key at every place, and run one of the commands on each."""
    draw = random.Random(seed)
    turns = itertools.cycle(lines)
    for path in [path for path in places(value) if path]:
        for key in (False, True):
            write(changed(value, path, draw.choice(HOSTILE if key else ODD), key=key))
            check(next(turns))
    for new in ODD:  # each at one place that is text, by every command
        write(changed(value, next(path for path in places(value) if path), new, key=False))
        for line in lines:
            check(line)


def test_config_json(folder: Path) -> None:
    def write(value: Any) -> None:
        (folder / "config.json").write_text(json.dumps(value).replace(f'"{HUGE}"', "9" * 5000))

    config = json.loads((folder / "config.json").read_text())
    campaign(config, write, tuple(line.format(folder, folder) for line in COMMANDS), seed=0)


def test_metadata_of_the_card(folder: Path) -> None:
    _, metadata, body = (folder / "README.md").read_text().split("---\n", 2)

    def write(value: Any) -> None:
        text = yaml.safe_dump(value).replace(HUGE, "0x" + "f" * 5000)
        (folder / "README.md").write_text(f"---\n{text}---\n{body}")

    campaign(yaml.safe_load(metadata), write, tuple(line.format(folder) for line in COMMANDS[:2]), seed=1)


def test_prose_of_the_card(folder: Path) -> None:
    card = (folder / "README.md").read_text()
    for text in HOSTILE:
        (folder / "README.md").write_text(
            card.replace("A summary.", text).replace("Its limits.", text), errors="replace"
        )
        check(f"show {folder}")
        check(f"show {folder} --json")


@pytest.mark.parametrize("text", HOSTILE)
def test_header_of_the_weights_and_of_the_examples(folder: Path, text: str) -> None:
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    headers = (
        {text: entry},
        {"a": {**entry, "dtype": text}},
        {"__metadata__": {text: text}, text: entry},
        {text: text},
    )
    for name, header in itertools.product(("model", "examples", "codes"), headers):
        path = folder / f"{name}.safetensors"
        whole = path.read_bytes() if path.is_file() else None
        raw = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(raw)) + raw + bytes(4))
        check(f"verify {folder} --json" if name == "examples" else f"interpolate {folder} -o {folder}/strip.png")
        path.unlink()
        if whole is not None:
            path.write_bytes(whole)


def test_list_of_hashes(folder: Path) -> None:
    for text in HOSTILE:
        (folder / "SHA256SUMS").write_text(f"{'0' * 64}  {text}\n{text}\n", errors="replace")
        check(f"verify {folder}")


def test_arguments(tmp_path: Path) -> None:
    for text in HOSTILE:
        for line in ("show", "verify", "interpolate -o x.png", "list", "push a", "train", "train ae-mnist --set"):
            name = "".join(text.split())[:5000]
            if name:
                check(f"{line} {name}")
                check(f"{line} ./{name}")
                check(f"{line} user/{name}")


def test_a_recipe(tmp_path: Path) -> None:
    recipe = tiny_recipe().model_dump(mode="json", exclude_none=True)
    draw = random.Random(2)
    for path, key in itertools.product([path for path in places(recipe) if path], (False, True)):
        value = changed(recipe, path, draw.choice(HOSTILE if key else ODD), key=key)
        message = ""
        try:
            create(validate(Recipe, value, "recipe"))
        except InterpzooError as error:
            message = str(error)
        assert message.isprintable()
        assert len(message) <= MOST_CHARACTERS


def test_what_a_plugin_registers(tmp_path: Path) -> None:
    zoo = {
        "methods": {"odd": {"title": "a", "recipe": "odd", "paper": "b", "citation": "c"}},
        "models": {"odd": {"method": "odd", "dataset": "d", "license": "e", "summary": "f", "package": "{package}"}},
        "renamed": {"older": "odd"},
    }
    paths = [path for path in places(zoo) if path]
    draw, lines = random.Random(3), itertools.cycle(("list", "plugins --json", "show odd", "list --json", "plugins"))
    for number, key in itertools.product(range(len(paths)), (False, True)):
        text = draw.choice([text for text in HOSTILE if "\ud800" not in text])
        with installed(tmp_path / f"{number}-{key}") as site:
            value = changed(zoo, paths[number], text, key=key)
            text = "".join(f"{toml(table)} = {toml(rows)}\n" for table, rows in value.items())
            site.install("odd", {"__init__.py": PLUGIN, "zoo.toml": text})
            for _ in range(2):
                check(next(lines))


def toml(value: Any) -> str:
    """Tables in one line, whose texts are written as JSON writes them."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
