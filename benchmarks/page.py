"""How fast the page of ``interpzoo demo`` is in Chromium: ``python benchmarks/page.py [MODEL ...] [--runs N]``.

For each model alone, in a new browser profile: seconds from the navigation until the slider, moved as soon as a frame
is there, has shown another frame, and until the runtime has computed everything again; the longest task in between,
during which the page does not answer; then milliseconds until one frame is shown after the slider moved, and until nine
frames are after another picture was chosen. Medians of the runs; once as it is and once with a page that is four times
slower, as on a phone: this slows the page's thread, not the runtime's.
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
from interpzoo.demo.folder import SITE
from interpzoo.demo.serve import address, server
from interpzoo.markdown import markdown_table

_WATCH = """
addEventListener("DOMContentLoaded", () => {
  const shown = () => document.querySelector(".frame")?.ariaLabel ?? "";
  const seen = () => {
    if (globalThis.readyAt !== undefined) return;
    if (shown().endsWith("0.50") && globalThis.moved === undefined) {
      globalThis.moved = true;
      const slider = document.getElementById("place");
      slider.value = "0.25";
      slider.dispatchEvent(new Event("input"));
    }
    if (shown().endsWith("0.25")) globalThis.answeredAt ??= performance.now();
    if (document.body.dataset.state === "ready") globalThis.readyAt = performance.now();
  };
  new MutationObserver(seen).observe(document.body, {attributes: true, childList: true, subtree: true});
});
globalThis.longest = 0;
const longer = list => list.getEntries().forEach(task => {
  const between = globalThis.answeredAt < task.startTime && globalThis.readyAt === undefined;
  if (between) longest = Math.max(longest, task.duration);
});
new PerformanceObserver(longer).observe({type: "longtask", buffered: true});
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


def measured(browser: Any, url: str, slower: int) -> list[float]:
    """Seconds until the slider answers and until all is computed, then milliseconds: longest task, one frame, nine."""
    context = browser.new_context()
    tab = context.new_page()
    tab.add_init_script(_WATCH)
    if slower > 1:
        context.new_cdp_session(tab).send("Emulation.setCPUThrottlingRate", {"rate": slower})
    tab.goto(url)
    tab.wait_for_selector("body[data-state=ready]", timeout=120_000)
    answered, ready, longest = tab.evaluate("() => [answeredAt, readyAt, longest]")
    one = [tab.evaluate(_UNTIL, ["#place", str(0.02 * i)]) for i in range(1, _FRAMES + 1)]
    nine = [tab.evaluate(_UNTIL, [f"#examples button:nth-child({3 + i % 5})", None]) for i in range(_FRAMES)]
    context.close()
    return [answered / 1e3, ready / 1e3, longest, statistics.median(one), statistics.median(nine)]


def rows(browser: Any, name: str, runs: int) -> list[list[str]]:
    """The rows of a model: with the processor as it is, and slowed down."""
    with TemporaryDirectory() as scratch:
        folder = write_demo([name], Path(scratch, "page"))
        loaded = [folder / site for site in SITE if site not in ("films.js", "licenses.txt")]
        model = sum((folder / f"models/{name}{kind}.js").stat().st_size for kind in ("", ".frames")) / 1e6
        size = sum(path.stat().st_size for path in loaded) / 1e6 + model
        with server(folder) as served:
            thread = threading.Thread(target=served.serve_forever, daemon=True)
            thread.start()
            found_rows: list[list[str]] = []
            for slower, processor in ((1, "as it is"), (4, "4 times slower")):
                found = [measured(browser, address(served), slower) for _ in range(runs)]
                middle = [statistics.median(values) for values in zip(*found, strict=True)]
                cells = [f"{value:.1f} s" for value in middle[:2]] + [f"{value:.0f} ms" for value in middle[2:]]
                found_rows.append([name, f"{size:.1f} MB", f"{model:.2f} MB", processor, *cells])
            served.shutdown()
            thread.join()
    return found_rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=["acai-mnist", "acai-celeba64"])
    parser.add_argument("--runs", type=int, default=5)
    chosen = parser.parse_args(arguments)
    times = ["answers", "computed", "longest task", "a frame", "nine"]
    header = ["model", "loaded", "of it the model", "processor", *times]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        table = [row for name in chosen.models for row in rows(browser, name, chosen.runs)]
        print(f"Chromium {browser.version}, {chosen.runs} runs\n\n{markdown_table(header, table)}")  # noqa: T201
        browser.close()


if __name__ == "__main__":
    main()
