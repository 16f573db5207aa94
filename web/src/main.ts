/** Starts the page, and connects its controls. */

import { App } from "./app";
import { byId, clearProblem, complain, make, say } from "./dom";
import type { Index } from "./model";
import { text } from "./parts";
import type { Line } from "./paths";
import { LIMITS, fromLink, toLink, within, type View } from "./state";

const input = (id: string): HTMLInputElement => byId<HTMLInputElement>(id);
const select = (id: string): HTMLSelectElement => byId<HTMLSelectElement>(id);

async function main(): Promise<void> {
  const index = JSON.parse(await text("index.js", "index")) as Index;
  const state = await fromLink(location.hash.slice(1), index);
  select("group").append(...index.groups.map((group) => make("option", { value: group.name, textContent: group.name })));
  byId("group-label").hidden = index.groups.length < 2;
  const app = new App(index, state, () => controls(app));
  (document.querySelector("main") as HTMLElement).hidden = false;
  connect(app);
  window.addEventListener("hashchange", (event) => {
    void fromLink(new URL(event.newURL).hash.slice(1), index).then((found) => app.replace(found));
  });
  await app.update();
}

/** Shows the state on the controls. */
function controls(app: App | undefined): void {
  if (app === undefined) return;
  const { state } = app;
  select("group").value = state.group.name;
  input("place").step = String(app.step);
  input("place").value = String(state.place);
  input("place").setAttribute("aria-valuetext", `${state.place.toFixed(2)} of the way`);
  byId("place-value").textContent = state.place.toFixed(2);
  if (document.activeElement !== input("seconds")) input("seconds").value = String(state.seconds);
  if (document.activeElement !== input("frames")) input("frames").value = String(state.frames);
  select("path").value = state.line;
  input("even").checked = state.even;
  byId("play").textContent = app.isPlaying ? "Pause" : "Play";
  byId("play").setAttribute("aria-pressed", String(app.isPlaying));
  document.querySelectorAll<HTMLInputElement>('input[name="view"]').forEach((radio) => (radio.checked = radio.value === state.view));
  byId("walk-tools").hidden = state.view !== "walk";
  for (const id of ["even-label", "save-gif", "save-mp4"]) byId(id).hidden = state.view !== "walk";
  byId("plane-tools").hidden = state.view === "walk";
  byId("plane-hint").textContent =
    state.view === "corners"
      ? "Drag the point between the four pictures, or use the arrow keys."
      : "The examples where their codes lie, in the plane in which they vary most. Choose one, or drag the point.";
  document.querySelectorAll<HTMLInputElement>("#models input").forEach((box) => (box.checked = state.models.has(box.value)));
  sliders(app);
}

/** A slider for each direction that a model shown has. */
function sliders(app: App): void {
  const { state } = app;
  const names = [...new Set(state.group.models.filter((card) => state.models.has(card.name)).flatMap((card) => card.directions))];
  byId("edits").hidden = names.length === 0;
  const box = byId("sliders");
  if (box.dataset.names !== names.join(" ")) {
    box.dataset.names = names.join(" ");
    box.replaceChildren(
      ...names.map((name) => {
        const [min, max] = LIMITS.amount.map(String);
        const slider = make("input", { type: "range", min, max, step: "0.1", name });
        slider.addEventListener("input", () => app.change({ amounts: new Map(app.state.amounts).set(name, Number(slider.value)) }));
        return make("label", {}, name.replaceAll("_", " "), slider);
      }),
    );
  }
  box.querySelectorAll("input").forEach((slider) => (slider.value = String(state.amounts.get(slider.name) ?? 0)));
}

function connect(app: App): void {
  select("group").addEventListener("change", (event) => {
    const name = (event.target as HTMLSelectElement).value;
    app.change({ group: app.index.groups.find((group) => group.name === name) });
  });
  input("place").addEventListener("input", () => {
    const place = Number(input("place").value); // before the controls show the state again
    app.play(false);
    app.change({ place });
  });
  byId("play").addEventListener("click", () => app.play(!app.isPlaying));
  for (const id of ["seconds", "frames"] as const) {
    input(id).addEventListener("change", () => {
      const value = within(input(id).value, LIMITS[id], app.state[id]);
      app.change({ [id]: id === "frames" ? Math.round(value) : value });
      input(id).value = String(app.state[id]);
    });
  }
  select("path").addEventListener("change", () => app.change({ line: select("path").value as Line }));
  input("even").addEventListener("change", () => app.change({ even: input("even").checked }));
  document.querySelectorAll<HTMLInputElement>('input[name="view"]').forEach((radio) =>
    radio.addEventListener("change", () => {
      const view = radio.value as View;
      app.play(false);
      app.change({ view, chosen: 0 });
    }),
  );
  byId("take").addEventListener("click", () => app.take());
  byId("reset").addEventListener("click", () => app.change({ amounts: new Map() }));
  for (const kind of ["png", "gif", "mp4"] as const) {
    byId(`save-${kind}`).addEventListener("click", () => {
      clearProblem();
      app.save(kind).catch((error: unknown) => {
        complain(error);
        say("");
      });
    });
  }
  byId("link").addEventListener("click", () => void copyLink(app));
}

async function copyLink(app: App): Promise<void> {
  const { link, complete } = await toLink(app.state);
  history.replaceState(null, "", `#${link}`);
  const missing = complete ? "" : " Your own pictures are too large for a link: it has examples in their place.";
  try {
    await navigator.clipboard.writeText(location.href);
    say(`The link is copied.${missing}`);
  } catch {
    say(`The link is the address of this page now.${missing}`);
  }
}

main().catch((error: unknown) => {
  complain(error);
  say("");
});
