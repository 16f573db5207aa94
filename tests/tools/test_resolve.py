"""Writing every option into the configs of bundled models: hashes, pins and records follow, nothing else changes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from interpzoo.pretrained.folder import CONFIG, FILES, SUMS, fingerprint, write_hashes
from interpzoo.pretrained.reading import sha256
from tools import bundle, resolve

MODEL = "acai-mnist"


def test_an_option_that_is_missing_is_written_and_everything_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = resolve.CARDS / MODEL
    folder, record = tmp_path / "cards" / MODEL, tmp_path / "results" / "mnist-32" / f"{MODEL}.json"
    zoo = Path("plugins", "interpzoo_acai", "zoo.toml")
    shutil.copytree(whole, folder)
    value = json.loads((whole / CONFIG).read_text("utf-8"))
    del value["encoder"]["activation"]
    (folder / CONFIG).write_text(json.dumps(value), "utf-8")
    write_hashes(folder)
    (tmp_path / zoo).parent.mkdir(parents=True)
    committed = (bundle.ROOT / zoo).read_text("utf-8")
    (tmp_path / zoo).write_text(committed.replace(sha256(whole / SUMS), sha256(folder / SUMS)), "utf-8")
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"weights": fingerprint(folder)}), "utf-8")
    monkeypatch.setattr(resolve, "CARDS", folder.parent)
    monkeypatch.setattr(resolve, "RECORDS", tmp_path / "results")
    monkeypatch.setattr(bundle, "ROOT", tmp_path)

    assert CliRunner().invoke(resolve.main, []).output.splitlines()[0] == MODEL
    assert {name: (folder / name).read_bytes() for name in FILES if (whole / name).is_file()} == {
        name: (whole / name).read_bytes() for name in FILES if (whole / name).is_file()
    }
    assert (tmp_path / zoo).read_text("utf-8") == committed
    assert json.loads(record.read_text("utf-8")) == {"weights": fingerprint(whole)}
    assert MODEL not in CliRunner().invoke(resolve.main, []).output
