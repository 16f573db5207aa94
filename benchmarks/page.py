"""How fast the page of ``interpzoo demo`` is in Chromium: ``python benchmarks/page.py [MODEL ...] [--runs N]``.

For each model alone, in a new browser profile: seconds from the navigation until everything is shown, milliseconds
until one frame is shown after the slider moved, until nine frames are after another picture was chosen, and what was
loaded. Medians of the runs; once as it is and once with a processor that is four times slower, as a phone's.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import threading
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import sync_playwright

from interpzoo.demo import write_demo
from interpzoo.demo.serve import address, server
from interpzoo.markdown import markdown_table

_READY = """
addEventListener("DOMContentLoaded", () => {
  const seen = () => { if (document.body.dataset.state === "ready") globalThis.readyAt ??= performance.now(); };
  new MutationObserver(seen).observe(document.body, {attributes: true});
});
"""
_UNTIL = """
async ([selector, value]) => {
  const start = performance.now();
  const ready = new Promise(done => new MutationObserver((_, self) => {
    if (document.body.dataset.state === "ready") { self.disconnect(); done(); }
  }).observe(document.body, {attributes: true}));
  const element = document.querySelector(selector);
  if (value === null) element.click();
  else { element.value = value; element.dispatchEvent(new Event("input")); }
  await ready;
  return performance.now() - start;
}
"""
_FRAMES = 20


def measured(browser: Any, url: str, slower: int) -> tuple[float, float, float]:
    """Seconds until the page is ready, and milliseconds of one frame and of nine."""
    context = browser.new_context()
    tab = context.new_page()
    tab.add_init_script(_READY)
    if slower > 1:
        context.new_cdp_session(tab).send("Emulation.setCPUThrottlingRate", {"rate": slower})
    tab.goto(url)
    tab.wait_for_selector("body[data-state=ready]", timeout=120_000)
    first = tab.evaluate("() => readyAt") / 1e3
    one = [tab.evaluate(_UNTIL, ["#place", str(0.02 * i)]) for i in range(1, _FRAMES + 1)]
    nine = [tab.evaluate(_UNTIL, [f"#examples button:nth-child({3 + i % 5})", None]) for i in range(_FRAMES)]
    context.close()
    return first, statistics.median(one), statistics.median(nine)


def row(browser: Any, name: str, runs: int) -> list[str]:
    """The row of a model."""
    with TemporaryDirectory() as scratch:
        folder = write_demo([name], Path(scratch, "page"))
        loaded = [*(p for p in folder.iterdir() if p.suffix in (".js", ".css", ".html")), folder / f"models/{name}.js"]
        size = sum(path.stat().st_size for path in loaded) / 1e6
        model = (folder / f"models/{name}.js").stat().st_size / 1e6
        with server(folder) as served:
            thread = threading.Thread(target=served.serve_forever, daemon=True)
            thread.start()
            cells = [name, f"{size:.1f} MB", f"{model:.2f} MB"]
            for slower in (1, 4):
                found = [measured(browser, address(served), slower) for _ in range(runs)]
                first, one, nine = (statistics.median(values) for values in zip(*found, strict=True))
                cells += [f"{first:.1f} s", f"{one:.0f} ms", f"{nine:.0f} ms"]
            served.shutdown()
            thread.join()
    return cells


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=["acai-mnist", "acai-celeba64"])
    parser.add_argument("--runs", type=int, default=5)
    chosen = parser.parse_args(arguments)
    header = ["model", "loaded", "of it the model", "shown", "a frame", "nine", "shown, phone", "a frame", "nine"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        rows = [row(browser, name, chosen.runs) for name in chosen.models]
        print(f"Chromium {browser.version}, {chosen.runs} runs\n\n{markdown_table(header, rows)}")  # noqa: T201
        browser.close()


if __name__ == "__main__":
    main()
