"""The wheel brings the plugins and the models along, and works where there is neither a checkout nor a network."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from interpzoo.demo.folder import SITE
from interpzoo.packs.texts import JSPSYCH, JSPSYCH_FILES
from interpzoo.pretrained.folder import read_config
from tests.tiny import python_json
from tools.bundle import CARDS, ROOT

WALK = """
import json, sys

sys.path.remove("")  # the checkout, where the tests are run
import interpzoo
from interpzoo.cli import main

models = interpzoo.list_models()
sys.argv = ["interpzoo", "interpolate", "acai-mnist", "-o", sys.argv[1]]
sys.stdout = sys.stderr
try:
    main()
except SystemExit as end:
    print(json.dumps([interpzoo.__file__, models, end.code]), file=sys.__stdout__)
"""


LARGEST_WHEEL = 80_000_000
LARGEST_PAGE = 6_000_000
"""Bytes of the page of ``interpzoo demo`` in the wheel, ONNX Runtime included."""


@pytest.mark.slow
def test_it_holds_models_and_plugins_and_nothing_for_developers(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        page = {file.filename: file.compress_size for file in archive.infolist() if "/demo/site/" in file.filename}
    tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"interpzoo", *(path.parent.name for path in ROOT.glob("plugins/*/__init__.py"))}
    files = {path.relative_to(CARDS).as_posix() for path in CARDS.rglob("*") if path.is_file()}
    assert {name.removeprefix("interpzoo/model_cards/") for name in names if "/model_cards/" in name} == files
    assert {f"{top}/py.typed" for top in tops} | {"interpzoo/__init__.pyi"} <= {*names}
    templates = (ROOT / "interpzoo" / "scaffold").rglob("*.in")
    assert {str(path.relative_to(ROOT)) for path in templates} <= {*names}
    assert {f"interpzoo/demo/site/{name}" for name in SITE} <= {*page}
    assert {f"interpzoo/packs/{JSPSYCH}/{name}" for name in JSPSYCH_FILES} <= {*names}
    assert sum(page.values()) < LARGEST_PAGE
    assert wheel.stat().st_size < LARGEST_WHEEL


@pytest.mark.slow
def test_it_works_alone_in_another_folder_without_a_network(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*install, str(wheel)], check=True, timeout=300)
    strip = tmp_path / "strip.png"
    nowhere = {f"{scheme}_proxy": "http://127.0.0.1:1" for scheme in ("http", "https")}
    file, models, code = python_json(WALK, str(strip), site=site, **nowhere)
    assert Path(file).is_relative_to(site)
    kinds = {path.name: read_config(path).kind for path in CARDS.iterdir()}
    assert models == sorted(name for name, kind in kinds.items() if kind == "interpolator")
    assert code == 0
    with Image.open(strip) as image:
        assert image.width > 9 * 32
