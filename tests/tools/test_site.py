"""The tools that make the site: what the checker finds, and that the generated references miss no public name."""

from __future__ import annotations

from pathlib import Path

import interpzoo
from tools.site import checking, reference, staging
from tools.site.uses import uses


def test_the_checker_finds_dead_links_and_what_comes_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "there.html").write_text('<p id="here"></p><a href="../index.html">back</a>')
    (tmp_path / "style.css").write_text("@import 'fonts.css'; p { background: url(https://example.org/a.png) }")
    (tmp_path / "index.html").write_text(
        '<a href="in/there.html#here">good</a> <a href="https://example.org">good</a> <a href="#top">good</a>'
        '<img src="data:image/png;base64,"> <link rel="stylesheet" href="style.css">'
        '<a href="in/there.html#gone">dead</a> <a href="gone.html">dead</a> <a href="//example.org/x">other</a>'
        '<script src="https://example.org/a.js"></script> <img src="gone.png">'
    )
    assert [*checking.faults(tmp_path)] == [
        "index.html loads https://example.org/a.js",
        "index.html loads gone.png",
        "index.html links to in/there.html#gone",
        "index.html links to gone.html",
        "index.html links to //example.org/x",
        "style.css loads fonts.css",
        "style.css loads https://example.org/a.png",
    ]


def test_the_reference_has_every_public_name_once() -> None:
    listed = [name for names in reference.groups().values() for name in names]
    assert sorted(listed) == sorted(interpzoo.__all__)


def test_every_page_of_docs_has_one_place_in_the_navigation() -> None:
    listed = [page for pages in staging.NAVIGATION.values() for page in pages]
    places = {*listed}
    assert len(listed) == len(places)
    for path in staging.DOCS.rglob("*.md"):
        name = path.relative_to(staging.DOCS).with_suffix("").as_posix()
        assert name in {*places, "index"} or f"{Path(name).parent}/*" in places


def test_the_reference_leads_to_pages_that_use_a_name() -> None:
    assert uses("interpzoo.InterpolationModel.interpolate")[0] == "guides/morph"
    assert uses("interpzoo.train") == ["guides/train", "guides/any-autoencoder", "plugins"]
    assert uses("interpzoo.InterpolationModel.is_no_method") == uses("interpzoo.geometry.lerp") == []
