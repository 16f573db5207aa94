"""The page in a browser: it shows what torch computes, takes pictures, plays, saves and says what is wrong."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

import interpzoo
from interpzoo.benchmark.html import render_html
from interpzoo.benchmark.metric import metrics_named
from interpzoo.benchmark.report import leaderboards
from interpzoo.benchmark.results import read_records
from interpzoo.demo.parts import script
from interpzoo.images import as_batch
from interpzoo.model import InterpolationModel
from tests.browsing import Page
from tests.demo.conftest import picture

pytestmark = pytest.mark.slow  # a browser, and models that torch takes seconds to export

ROOT = Path(__file__).parents[2]
CLOSE = 2 / 255 + 1e-6
DROP = """
([name, type, content]) => {
  const bytes = Uint8Array.from(atob(content), c => c.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, {type}));
  document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
}
"""


def near(found: Tensor, expected: Tensor, close: float = CLOSE) -> bool:
    return found.shape == expected.shape and float((found - expected.detach().clamp(0, 1)).abs().max()) <= close


def pair(page: Page, model: InterpolationModel) -> tuple[Tensor, Tensor]:
    """The pictures A and B."""
    first, second = (page.pixels(f".end:nth-child({n}) canvas", model.config.image.channels) for n in (1, 2))
    return first, second


def drop(page: Page, content: bytes, name: str = "mine.png", kind: str = "image/png") -> None:
    page.tab.evaluate(DROP, [name, kind, base64.b64encode(content).decode()])


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def scene(height: int, width: int) -> np.ndarray:
    """A picture with smooth and sharp parts, on black."""
    y, x = np.mgrid[:height, :width]
    waves = 90 * (1 + np.sin(x / 5) * np.cos(y / 7))
    return np.where((x - width / 2) ** 2 + (y - height / 2) ** 2 < (height / 4) ** 2, waves, 0).astype(np.uint8)


@pytest.mark.parametrize("path", ["linear", "slerp"])
def test_frames_are_those_of_torch(page: Page, digits: InterpolationModel, path: str) -> None:
    page.click("#examples button:nth-child(4)").click("#examples button:nth-child(6)")
    page["#path"].select_option(path)
    a, b = pair(page.settled(), digits)
    assert torch.equal(a, picture(page, 3, digits))
    assert torch.equal(b, picture(page, 5, digits))
    places = [0.0, 0.5, 1.0, -0.3, 1.4]
    for place, expected in zip(places, digits.interpolate(a, b, t=places, interpolator=path), strict=True):
        assert near(page.go(place).frame(digits), expected), place
    assert near(page.strip(digits), digits.interpolate(a, b, 9, interpolator=path))
    assert "0.50" not in str(page["[data-model=acai-mnist] .frame"].get_attribute("aria-label"))


def test_written_frames_are_those_of_torch_until_the_runtime_takes_over(
    browser: Any, folder: Path, digits: InterpolationModel
) -> None:
    page, held = Page(browser, f"file://{folder}/"), list[Any]()
    page.tab.route("**/runtime.js", lambda route: held.append(route))
    page.tab.goto(f"{page.home}index.html")
    page["[data-model=ae-mnist] .strip[aria-label]"].wait_for()
    a, b = (picture(page, n, digits) for n in (0, 1))
    ae = interpzoo.load("ae-mnist")
    places = [0.5, 0.0, 1.0, -0.5, 1.5, 0.37]
    walks = [model.interpolate(a, b, t=places) for model in (digits, ae)]
    for place, one, two in zip(places, *walks, strict=True):
        page["#place"].fill(str(place))  # without a wait: the slider answers at once
        assert near(page.frame(digits), one), place
        assert near(page.frame(ae), two), place
    assert near(page.strip(digits), digits.interpolate(a, b, 9))
    page["#examples button:nth-child(4)"].click()  # as A
    page["[data-model=acai-mnist][aria-busy=true]"].wait_for()
    assert "Loading the runtime" in page["#status"].inner_text()
    assert page.tab.locator("body[data-state=ready]").count() == 0
    held[0].continue_()
    page.settled().go(0.37)
    assert near(page.frame(digits), digits.interpolate(picture(page, 3, digits), b, t=[0.37])[0])
    assert page["[aria-busy=true]"].count() == 0
    page.context.close()
    assert page.elsewhere == page.errors == []


def test_even_steps_are_those_of_torch(page: Page, digits: InterpolationModel) -> None:
    uneven = page["[data-model=acai-mnist] .steps"].inner_text()
    page["#even"].check()
    page["#frames"].fill("7")
    page["#frames"].press("Enter")
    a, b = pair(page.settled(), digits)
    # Positions are found from distances of float32 images: up to 1e-3, in which a frame changes by less than 4/255.
    assert near(page.strip(digits), digits.interpolate(a, b, 7, spacing="even"), 4 / 255)
    assert page["[data-model=acai-mnist] .steps"].inner_text() != uneven


def test_methods_stand_in_rows_on_the_same_pair(page: Page) -> None:
    assert page[".row:visible h3"].all_inner_texts()[1].startswith("ae-mnist")
    assert all("Sharpness: in the middle" in text for text in page[".sharpness"].all_inner_texts()[:2])
    page["#models input[value=ae-mnist]"].uncheck()
    assert page.settled()[".row:visible"].count() == 1


@pytest.mark.filterwarnings("ignore:the picture is unlike the images that")  # as noise is
@pytest.mark.parametrize("size", [(28, 28), (32, 32), (90, 60), (20, 31)])
def test_a_dropped_picture_is_framed_as_in_torch(page: Page, digits: InterpolationModel, size: tuple[int, int]) -> None:
    pixels = scene(*size)
    drop(page, png(pixels))
    page["[aria-label='A: your picture']"].wait_for(state="attached")
    page.settled().go(0)
    expected = digits.interpolate(Image.fromarray(pixels), picture(page, 1, digits), t=[0.0])[0]
    assert near(page.frame(digits), expected)
    assert ("sides were cut" in page["#note"].inner_text()) == (size[0] != size[1])


@pytest.mark.filterwarnings("ignore:the picture is unlike the images that")
@pytest.mark.parametrize(("group", "side", "gray"), [("colors", 16, 1.0), ("digits", 28, 0.0)])
def test_a_transparent_picture_lies_on_what_it_lies_on_in_torch(
    page: Page, group: str, side: int, gray: float, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(group)
    if group == "colors":
        page["#group"].select_option("pictures, 16x16")
    cut = np.full((side, side, 4), 90, np.uint8)
    cut[..., 3] = 255 * (np.arange(side) < side // 2)
    drop(page.settled(), png(cut))
    page["[aria-label='A: your picture']"].wait_for(state="attached")
    found, _ = pair(page.settled(), model)
    border = 0 if model.config.framing is None else model.config.framing.border
    assert near(found, as_batch(Image.fromarray(cut), model.config.image, border)[0])
    assert float(found[0, side // 2, 3 * side // 4]) == gray


def strokes_on_paper() -> np.ndarray:
    paper = np.full((100, 80, 3), 235, np.uint8)
    paper[20:80, 38:44] = 30
    return paper


def specked_scan() -> np.ndarray:
    """One larger than is needed, unevenly lit, with four specks."""
    scan = Image.new("RGB", (900, 1300), (225, 225, 225))
    draw = ImageDraw.Draw(scan)
    draw.line((340, 400, 590, 670, 400, 900), fill=(40, 40, 40), width=54)
    for x, y in ((45, 70), (850, 200), (130, 1260), (670, 670)):
        draw.rectangle((x, y, x + 6, y + 6), fill=(0, 0, 0))
    return (np.array(scan) * np.linspace(1, 0.7, 900)[:, None]).astype(np.uint8)


@pytest.mark.parametrize("make", [strokes_on_paper, specked_scan])
def test_dark_strokes_on_paper_become_digits(
    page: Page, digits: InterpolationModel, make: Callable[[], np.ndarray]
) -> None:
    paper = make()
    drop(page, png(paper), "paper.png")
    page["[aria-label='A: your picture']"].wait_for(state="attached")
    expected = digits.frame(Image.fromarray(paper), "ink")[0]
    assert near(page.settled().pixels(".end canvas"), expected, 6 / 255)
    assert "strokes" in page["#note"].inner_text()


@pytest.mark.parametrize("smooth", [False, True])
def test_a_picture_unlike_the_data_is_warned_of_as_in_python(
    page: Page, digits: InterpolationModel, colors: InterpolationModel, smooth: bool
) -> None:
    for model, group in ((digits, None), (colors, "pictures, 16x16")):
        channels, height, width = model.config.image.shape
        pixels = (np.random.default_rng(0).random((height, width, 3)) * 255).astype(np.uint8)
        if smooth:
            pixels = np.linspace(0, 255, 3 * height * width).astype(np.uint8).reshape(height, width, 3)
        pixels = pixels if channels == 3 else pixels[..., 0]
        if group is not None:
            page["#group"].select_option(group)
        drop(page.settled(), png(pixels))
        note = page["#note"].get_by_text(f"unlike the images that {model.name} was trained on")
        note.wait_for()
        image = torch.from_numpy(np.atleast_3d(pixels)).movedim(-1, 0) / 255
        assert f"distance from them is {float(model.unlike(image)):.1f}, that of 99 %" in note.inner_text()


def test_a_picture_like_the_data_is_not_warned_of(page: Page, digits: InterpolationModel) -> None:
    assert float(digits.unlike(picture(page, 3, digits))) < 1
    drop(page, png((picture(page, 3, digits)[0] * 255).round().to(torch.uint8).numpy()))
    page["[aria-label='A: your picture']"].wait_for(state="attached")
    page.settled().tab.wait_for_timeout(500)
    assert page["#note"].inner_text() == ""


def test_a_path_that_needs_python_is_named_above_the_frames(page: Page) -> None:
    assert page["[data-model=acai-mnist] .note"].count() == 0
    page["#group"].select_option("pictures, 16x16")
    note = page.settled()[".row:visible .note"]
    assert note.inner_text() == (
        "A straight line or a great circle here: the model's own path, metamorphosis, needs Python."
    )
    assert note.bounding_box()["y"] < page[".row:visible .frame"].bounding_box()["y"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "mine.png is not a picture"),
        (b"no picture", "expected a PNG"),
        (b"\x89PNG\r\n\x1a\n" * 9, "not a picture"),
    ],
)
def test_a_broken_picture_gives_a_message_and_changes_nothing(page: Page, content: bytes, message: str) -> None:
    before = page.pixels(".end canvas")
    drop(page, content)
    page["#problem"].get_by_text(message).wait_for()
    assert torch.equal(page.settled().pixels(".end canvas"), before)
    page["#file"].set_input_files({"name": "good.png", "mimeType": "image/png", "buffer": png(scene(32, 32))})
    page["[aria-label='A: your picture']"].wait_for(state="attached")
    assert not page["#problem"].is_visible()


def test_it_plays_and_pauses(page: Page) -> None:
    page["#seconds"].fill("1")
    page["#seconds"].press("Enter")
    seen = set()
    page["#play"].click()
    for _ in range(8):
        page.tab.wait_for_timeout(60)
        seen.add(page["#place-value"].inner_text())
    assert page["#play"].inner_text() == "Pause"
    page["#play"].click()
    place = page.settled()["#place-value"].inner_text()
    page.tab.wait_for_timeout(100)
    assert page["#place-value"].inner_text() == place
    assert len(seen) > 2
    assert all(0 <= float(value) <= 1 for value in seen)


def test_four_corners_are_those_of_torch(page: Page, digits: InterpolationModel) -> None:
    page["input[value=corners]"].check()
    assert page.settled()[".end:visible"].count() == 4
    corners = [page.pixels(f".end:nth-child({n}) canvas") for n in range(1, 5)]
    grid = digits.grid(*corners, rows=5, cols=5)
    assert near(page.frame(digits), grid[2, 2])
    for _ in range(5):
        page["#plane"].press("ArrowRight")
    assert near(page.settled().frame(digits), grid[2, 3])
    box = page["#plane"].bounding_box()
    page["#plane"].click(position={"x": 1, "y": box["height"] - 1})
    assert near(page.settled().frame(digits), grid[4, 0], 6 / 255)
    page.click("#take")
    assert page["#ends input"].first.get_attribute("aria-label") == "A: your picture"


def test_the_map_shows_the_examples_where_their_codes_lie(page: Page, digits: InterpolationModel) -> None:
    page["input[value=map]"].check()
    assert page.settled()["#plane button"].count() == 8
    page.click("#plane button:nth-of-type(6)")
    assert page["#ends input"].first.get_attribute("aria-label") == "A: example 6"
    codes = torch.cat([digits.encode(picture(page, n, digits)) for n in range(8)])
    assert near(page.frame(digits), digits.decode(codes.mean(0, keepdim=True))[0])


def test_directions_are_those_of_torch(page: Page, colors: InterpolationModel) -> None:
    page["#group"].select_option("pictures, 16x16")
    a, b = pair(page.settled(), colors)
    page["#edits summary"].click()
    page["#sliders input[name=smile]"].fill("1.5")
    assert near(page.settled().go(0).frame(colors), colors.edit(a, "smile", [1.5])[0])
    page.click("#reset")
    assert near(page.go(1).frame(colors), colors.reconstruct(b)[0])


def test_a_face_is_moved_by_its_eyes(page: Page, colors: InterpolationModel) -> None:
    page["#group"].select_option("pictures, 16x16")
    face = np.zeros((64, 64, 3), np.uint8)
    face[40:44, 20:24] = face[40:44, 36:40] = 255
    drop(page.settled(), png(face))
    page["#eyes-dialog"].wait_for()
    for x in (38, 22):  # in either order
        page["#eyes"].click(position={"x": x, "y": 42})
    page["[aria-label='A: your picture']"].wait_for(state="attached")
    found = page.settled().pixels(".end canvas", 3)[0]
    assert {tuple(place) for place in (found > 0.5).nonzero().tolist()} >= {(8, 3), (8, 12)} or found[8, 4] > 0.2
    drop(page, png(face))
    page["#eyes-skip"].click()
    page["[aria-label='B: your picture']"].wait_for(state="attached")


def test_a_drawing_and_a_camera_frame_are_taken(page: Page) -> None:
    page["#draw"].click()
    box = page["#drawing"].bounding_box()
    page.tab.mouse.move(box["x"] + 90, box["y"] + 60)
    page.tab.mouse.down()
    # Aslant: whole pixels leave the middle of an upright stroke of two pixels off by exactly the half that is allowed.
    page.tab.mouse.move(box["x"] + 112, box["y"] + 260, steps=4)
    page.tab.mouse.up()
    page["#draw-use"].click()
    drawn = page.settled().pixels(".end canvas")[0]
    center = float((drawn[16] * torch.arange(32)).sum() / drawn[16].sum())
    assert center == pytest.approx(16, abs=0.5)  # moved to the middle, as digits are
    assert drawn[:, :10].max() < 0.1
    page["#camera"].click()
    page["#camera-use"].click()
    page["[aria-label='B: your picture']"].wait_for(state="attached")
    assert page.settled().pixels(".end:nth-child(2) canvas").std() > 0.01


def saved(page: Page, kind: str) -> Path:
    with page.tab.expect_download() as download:
        page[f"#save-{kind}"].click()
    assert download.value.suggested_filename == f"acai-mnist-ae-mnist.{kind}"
    return Path(download.value.path())


def test_saved_files_can_be_read(page: Page) -> None:
    av = pytest.importorskip("av")
    page["#seconds"].fill("0.5")
    page["#seconds"].press("Enter")
    page.settled()
    with Image.open(saved(page, "png")) as sheet:
        strips = np.asarray(sheet.convert("L"))
    assert strips.shape == (248, 904)
    with Image.open(saved(page, "gif")) as film:
        count = int(getattr(film, "n_frames", 1))
        size, first = film.size, np.asarray(film.convert("L"))
    with av.open(str(saved(page, "mp4"))) as container:
        frames = [np.asarray(frame.to_image().convert("L")) for frame in container.decode(video=0)]
    assert len(frames) == count == 26  # half a second of 25 frames, there and back
    assert frames[0].shape == first.shape == size[::-1]
    assert np.abs(frames[0].astype(float) - first).mean() < 4
    assert np.abs(frames[0].astype(float) - frames[13]).mean() > 4


def test_a_link_restores_the_state(page: Page, digits: InterpolationModel) -> None:
    drop(page, png(scene(32, 32)))
    page["[aria-label='A: your picture']"].wait_for(state="attached")
    page["#path"].select_option("slerp")
    page["#models input[value=ae-mnist]"].uncheck()
    frame = page.go(0.75).frame(digits)
    page["#link"].click()
    page["#status"].get_by_text("The link is").wait_for()
    link = page.tab.url.partition("#")[2]
    page.link("").link(link)
    assert torch.equal(page.frame(digits), frame)
    assert page["#path"].input_value() == "slerp"
    assert page[".row:visible"].count() == 1


@pytest.mark.parametrize(
    "link", ["x=.AAAA&x=99&t=1e999&n=-4&m=none&p=none", "%00%ff&&&=&x=.%%%", "e=<b> 1&l=" + "a" * 200_000]
)
def test_a_broken_link_shows_what_a_first_visit_shows(page: Page, digits: InterpolationModel, link: str) -> None:
    before = page.frame(digits)
    assert torch.equal(page.link(link).frame(digits), before)


def test_the_keyboard_is_enough(page: Page, digits: InterpolationModel) -> None:
    def focused() -> Any:
        return page.tab.evaluate("() => document.activeElement.getAttribute('aria-label') || document.activeElement.id")

    def tab_to(name: str) -> None:
        for _ in range(40):
            page.tab.keyboard.press("Tab")
            if focused() == name:
                return
        pytest.fail(f"{name} is not reached by the Tab key")

    tab_to("Example 3")
    page.tab.keyboard.press("Enter")
    assert page.settled()["#ends input"].first.get_attribute("aria-label") == "A: example 3"
    tab_to("draw")
    page.tab.keyboard.press("Enter")
    for key in (" ", "ArrowDown", "ArrowDown", "ArrowDown", " "):
        page.tab.keyboard.press(key)
    tab_to("draw-use")
    page.tab.keyboard.press("Enter")
    page["[aria-label='B: your picture']"].wait_for(state="attached")
    tab_to("place")
    before = page.settled().frame(digits)
    for _ in range(20):
        page.tab.keyboard.press("ArrowRight")
    assert page.settled()["#place-value"].inner_text() == "0.70"
    assert not torch.equal(page.frame(digits), before)
    tab_to("play")
    page.tab.keyboard.press("Space")
    assert page["#play"].get_attribute("aria-pressed") == "true"


def test_everything_has_a_name_for_screen_readers(page: Page) -> None:
    nameless = page["button:visible, input:visible, select:visible, [role=img]:visible"].evaluate_all(
        "all => all.filter(e => !(e.ariaLabel || e.textContent.trim() || e.labels?.length)).map(e => e.outerHTML)"
    )
    assert nameless == []


def test_a_phone_shows_it_without_scrolling_sideways(browser: Any, folder: Path) -> None:
    page = Page(
        browser, f"file://{folder}/", viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True
    ).open()
    for view in ("walk", "corners", "map"):
        page[f"input[value={view}]"].check()
        assert page.settled().tab.evaluate("() => document.documentElement.scrollWidth") <= 360
    page.context.close()


def test_a_server_gives_it_threads_and_it_loads_nothing_else(
    browser: Any, site: str, digits: InterpolationModel
) -> None:
    page = Page(browser, site).open()
    assert page.tab.evaluate("() => crossOriginIsolated")
    a, b = pair(page, digits)
    assert near(page.strip(digits), digits.interpolate(a, b, 9))
    drop(page, png(scene(32, 32)))
    page["[aria-label='A: your picture']"].wait_for(state="attached")
    page.settled().context.close()
    assert page.elsewhere == page.errors == []


def test_a_folder_that_is_not_complete_says_so(browser: Any, folder: Path, tmp_path: Path) -> None:
    for name in ("index.html", "page.js", "style.css", "runtime.js"):
        (tmp_path / name).symlink_to(folder / name)
    page = Page(browser, f"file://{tmp_path}/")
    page.tab.goto(f"{page.home}index.html")
    page["#problem"].get_by_text("index.js cannot be loaded").wait_for()
    page.context.close()


STOPPED = script({"worker": b"throw new Error('no memory')", "ort.wasm": b"", "ort.mjs": b""})
NO_NETWORK = script({"acai-mnist/decoder": b"no network", "acai-mnist/codes": b""})


@pytest.mark.parametrize(
    ("file", "first", "message"),
    [
        ("runtime.js", None, "runtime.js cannot be loaded"),
        ("runtime.js", ";", "runtime.js is damaged"),
        ("runtime.js", STOPPED, "The runtime stopped"),
        ("models/acai-mnist.js", NO_NETWORK, "Can't create a session"),
    ],
)
def test_what_fails_once_is_tried_again(
    browser: Any, folder: Path, digits: InterpolationModel, file: str, first: str | None, message: str
) -> None:
    page = Page(browser, f"file://{folder}/")

    def fail(route: Any) -> None:
        route.abort() if first is None else route.fulfill(body=first, content_type="text/javascript")

    page.tab.route(f"**/{file}", fail, times=1)
    page.open()["#problem"].get_by_text(message).wait_for()
    page.click("#examples button:nth-child(4)")  # as A
    assert near(page.go(0.37).frame(digits), digits.interpolate(*pair(page, digits), t=[0.37])[0])
    assert not page["#problem"].is_visible()
    page.context.close()


def test_tables_of_the_leaderboard_are_sorted_by_any_column(browser: Any, tmp_path: Path) -> None:
    boards = leaderboards(read_records(ROOT / "benchmarks" / "results" / "mnist-32"), metrics_named())
    (tmp_path / "index.html").write_text(render_html(boards), "utf-8")
    page = Page(browser, f"file://{tmp_path}/")
    page.tab.goto(f"{page.home}index.html")
    table = page["table"].first
    for presses, state in enumerate(["ascending", "descending", "ascending"]):
        table.locator("th button").nth(2).press("Enter")
        shown = table.locator("tbody td:nth-child(3)").evaluate_all("all => all.map(cell => cell.dataset.value)")
        values = [float(value) for value in shown if value is not None]
        assert values == sorted(values, reverse=state == "descending"), presses
        assert shown[len(values) :] == [None] * (len(shown) - len(values))
        assert table.locator("th").nth(2).get_attribute("aria-sort") == state
    table.locator("th button").first.click()
    names = table.locator("tbody th").all_inner_texts()
    assert names == sorted(names)
    page.context.close()
    assert page.errors == page.elsewhere == []
