"""Pushing the page to a Space: one commit or none, and a README that is kept once it was edited."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from interpzoo.demo.folder import SITE
from interpzoo.demo.parts import script
from tests.hub.test_push import EDITED, commits, contents, on_hub, push_folder, untrained
from tests.hub.warm import RefusedError, Warm
from tests.hubserver import Hub

PUSH = """
from dataclasses import asdict
from interpzoo.demo.push import push_demo
result = asdict(push_demo(folder, space, **options))
"""
COMMAND = """
import contextlib, io
from interpzoo.cli.app import run
from interpzoo.model import InterpolationModel

def export(self, target):
    target.mkdir()
    for kind in ("encoder", "decoder"):
        (target / f"{kind}.onnx").write_text(kind)
    return target

InterpolationModel.export = export  # torch takes seconds
said = io.StringIO()
with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
    code = run(arguments)
result = [code, said.getvalue()]
"""


def a_page(folder: Path, *names: str, license: str = "mit") -> Path:
    (folder / "models").mkdir(parents=True)
    for name in SITE:
        (folder / name).write_text(f"the {name}")
    cards = [{"name": name, "summary": f"Of {name}.", "license": license} for name in names]
    (folder / "index.js").write_text(script({"index": json.dumps({"groups": [{"models": cards}]}).encode()}))
    for name in names:
        (folder / "models" / f"{name}.js").write_text(f"of {name}")
    return folder


def push(process: Warm, folder: Path, **options: Any) -> dict[str, Any]:
    return process(PUSH, folder=str(folder), space="user/walks", options=options)


def in_space(hub: Hub) -> dict[str, bytes]:
    return {name: data for name, data in hub.files("spaces/user/walks").items() if name != ".gitattributes"}


def test_a_page_becomes_a_static_space_in_one_commit(hub: Hub, process: Warm, tmp_path: Path) -> None:
    folder = a_page(tmp_path / "page", "one", "two")
    (folder / "notes.txt").write_text("mine")
    pushed = push(process, folder, models=["user/repo"])
    assert pushed["url"] == f"{hub.endpoint}/spaces/user/walks"
    assert commits(hub) == 1
    found = in_space(hub)
    card = ModelCard(found.pop("README.md").decode())
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.suffix in (".js", ".css")}
    assert {**files, **{name: (folder / name).read_bytes() for name in SITE}} == found
    metadata = card.data.to_dict()
    assert (metadata["sdk"], metadata["license"], metadata["models"]) == ("static", "mit", ["user/repo"])
    assert metadata["custom_headers"]["cross-origin-opener-policy"] == "same-origin"
    assert "- two: Of two. License: mit." in card.text


def test_an_older_page_and_its_readme_are_replaced(hub: Hub, process: Warm, tmp_path: Path) -> None:
    push(process, a_page(tmp_path / "first", "one", "two"), models=["user/one"])
    hub.commit("spaces/user/walks", {"picture.png": b"mine"})
    push(process, a_page(tmp_path / "second", "two", "three", license="cc-by-4.0"), models=["user/three"])
    assert commits(hub) == 2
    found = in_space(hub)
    assert {name for name in found if name.startswith("models/")} == {"models/two.js", "models/three.js"}
    assert found["picture.png"] == b"mine"
    card = ModelCard(found["README.md"].decode())
    metadata = card.data.to_dict()
    assert (metadata["license"], metadata["models"]) == ("cc-by-4.0", ["user/three"])
    assert re.findall(r"^- (\w+):", card.text, re.MULTILINE) == ["two", "three"]


HUBS = """---
title: Walks
emoji: 🌖
colorFrom: red
colorTo: purple
sdk: static
pinned: false
license: mit
---

Check out the configuration reference at https://huggingface.co/docs/hub/spaces-config-reference
"""


def test_the_hubs_own_readme_is_replaced(hub: Hub, process: Warm, tmp_path: Path) -> None:
    hub.add_repo("spaces/user/walks", {"README.md": HUBS.encode()})
    push(process, a_page(tmp_path / "page", "one"))
    assert b"interpzoo demo" in in_space(hub)["README.md"]


@pytest.mark.parametrize(
    "edit",
    [
        lambda made: made + "More words.\n",
        lambda made: made.replace("license: mit", "license: other"),
        lambda made: made.replace(" Made by `interpzoo demo`.", ""),
        lambda made: "---\nsdk: static\n---\n\n# Walks\n\nMine.\n",
        lambda made: HUBS + "\n# Walks\n\nMine.\n",
        lambda made: HUBS.replace("license: mit", "header: mini"),
        lambda made: HUBS.replace("license: mit", "license: ["),
    ],
)
def test_an_edited_readme_is_kept(hub: Hub, process: Warm, tmp_path: Path, edit: Callable[[str], str]) -> None:
    push(process, a_page(tmp_path / "first", "one"))
    mine = edit(in_space(hub)["README.md"].decode()).encode()
    hub.commit("spaces/user/walks", {"README.md": mine})
    push(process, a_page(tmp_path / "second", "two"))
    assert in_space(hub)["README.md"] == mine


def test_what_is_no_page_and_no_space_is_refused(hub: Hub, process: Warm, tmp_path: Path) -> None:
    folder = a_page(tmp_path / "page", "one")
    with pytest.raises(RefusedError, match="InputError: 'walks' is not on the Hub: expected 'user/space'"):
        process(PUSH, folder=str(folder), space="walks", options={})
    with pytest.raises(RefusedError, match="InputError: 'repo' is not on the Hub: expected 'user/repo'"):
        push(process, folder, models=["repo"])
    (folder / "index.js").write_text('interpzoo.part("index", "damaged");\n')
    with pytest.raises(RefusedError, match=r"InputError: .*index\.js is damaged"):
        push(process, folder)
    (folder / "page.js").unlink()
    with pytest.raises(RefusedError, match=r"InputError: .* has no page\.js"):
        push(process, folder)
    assert hub.requests == []


def test_a_push_that_fails_leaves_the_old_page(hub: Hub, process: Warm, tmp_path: Path) -> None:
    push(process, a_page(tmp_path / "first", "one"))
    before = in_space(hub)
    hub.fail("*/commit/main", status=403)
    with pytest.raises(RefusedError, match="HubError: the Hub refuses the token, or its rights to 'user/walks'"):
        push(process, a_page(tmp_path / "second", "two"))
    assert in_space(hub) == before


def test_the_command_pushes_a_model_and_its_page_which_link_to_each_other(
    hub: Hub, process: Warm, tmp_path: Path
) -> None:
    folder = untrained().save_pretrained(tmp_path / "model")
    arguments = ["push", str(folder), "user/repo", "--demo", "user/walks"]
    code, said = process(COMMAND, arguments=arguments)
    assert (code, f"{hub.endpoint}/spaces/user/walks: the page" in said) == (0, True), said
    assert in_space(hub)["models/ae-tiny.js"].startswith(b'interpzoo.part("ae-tiny/decoder"')
    assert ModelCard(in_space(hub)["README.md"].decode()).data.to_dict()["models"] == ["user/repo"]
    link = b"[Try it in the browser](https://huggingface.co/spaces/user/walks)"
    card = on_hub(hub)["README.md"]
    assert card.replace(link + b"\n\n", b"") == contents(folder)["README.md"] != card
    # A later push knows the card as generated, and keeps the link; one that was edited is kept.
    push_folder(process, untrained(seed=1).save_pretrained(tmp_path / "other"))
    assert link in on_hub(hub)["README.md"]
    hub.commit("user/repo", {"README.md": EDITED})
    push_folder(process, folder)
    assert on_hub(hub)["README.md"] == EDITED


def test_the_command_pushes_a_folder_with_a_page(hub: Hub, process: Warm, tmp_path: Path) -> None:
    folder = str(a_page(tmp_path / "page", "one"))
    assert process(COMMAND, arguments=["push", folder, "--demo", "user/walks"])[0] == 0
    assert "models/one.js" in in_space(hub)
    code, said = process(COMMAND, arguments=["push", folder])
    assert (code, "Missing argument 'REPOSITORY', or the option --demo" in said) == (2, True)
