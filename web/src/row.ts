/** The row of one model: its frame, its film strip and what is measured along it. */

import { charts } from "./charts";
import { make, show } from "./dom";
import { measure } from "./measures";
import type { Card, Group, Model } from "./model";
import { inPlane, moved, type Code } from "./paths";
import { megabytes, toImageData } from "./pictures";
import type { State } from "./state";
import { Walk, edits, type Route } from "./walk";
import { Written } from "./written";

const SLIDER_STEP = 0.01;
const GAP = 2; // pixels between the frames of a strip

export class Row {
  readonly element: HTMLElement;
  walk: Walk | null = null;
  /** The image that is shown, around [0, 1]. */
  image: Float32Array | null = null;
  private written: Written | null = null;
  private route: Route | null = null;
  private loaded = false;
  private readonly frame = make("canvas", { class: "frame" });
  private readonly strip = make("canvas", { class: "strip" });
  private readonly measured = make("div", { class: "charts" });
  private readonly doing = make("p", { class: "hint" });

  constructor(readonly model: Model, private readonly group: Group, go: (place: number) => void) {
    const { card } = model;
    this.frame.setAttribute("role", "img");
    this.strip.setAttribute("role", "img");
    this.strip.addEventListener("pointerdown", (event) => {
      const box = this.strip.getBoundingClientRect();
      const count = (this.walk?.frames ?? this.written?.strip ?? [0, 1]).length;
      const cell = Math.floor(((event.clientX - box.left) / box.width) * count);
      go(Math.min(1, Math.max(0, cell / (count - 1))));
    });
    const links = card.paper === "" ? [] : [" ", make("a", { href: card.paper, textContent: "paper", rel: "noreferrer" })];
    const foreign = card.path !== "linear" && card.path !== "slerp";
    this.element = make(
      "article",
      { class: "row" },
      make("h3", {}, card.name, make("small", {}, ` ${card.title}`, ...links)),
      foreign ? make("p", { class: "note", textContent: otherwise(card) }) : "",
      this.frame,
      make("div", { class: "along" }, this.strip, this.measured),
      this.doing,
      about(card),
    );
    this.element.dataset.model = card.name;
  }

  /** Whether the strip is that of the state. */
  isCurrent(state: State): boolean {
    return this.loaded && (state.view !== "walk" || sameRoute(this.route, routeOf(state)));
  }

  /** Whether written frames are shown, until the walk is computed. */
  get isWritten(): boolean {
    return this.written !== null && this.walk === null;
  }

  /** Distance of the positions that can be shown. */
  get step(): number {
    return this.isWritten ? Math.max(SLIDER_STEP, (this.written as Written).step) : SLIDER_STEP;
  }

  /** Shows the written frames, if they are the state's and nothing was computed yet. */
  async begin(state: State): Promise<void> {
    if (this.walk === null && Written.fit(state, this.model.card)) this.written ??= await Written.load(this.model.card, this.group.image);
    this.drawWritten(state);
  }

  drawWritten(state: State): void {
    if (!this.isWritten) return;
    const fits = Written.fit(state, this.model.card);
    this.element.ariaBusy = String(!fits);
    if (!fits) return;
    const { strip } = this.written as Written;
    if (this.measured.childElementCount === 0) this.drawStrip(strip);
    this.drawImage((this.written as Written).at(state.place), state);
  }

  async load(): Promise<void> {
    if (this.loaded) return;
    this.doing.textContent = `Loading ${megabytes(this.model.card.bytes[0])} of ${this.model.name}…`;
    await this.model.load();
    this.loaded = true;
    this.doing.textContent = "";
  }

  /** Computes the strip, if it is not the state's own. */
  async update(state: State): Promise<void> {
    await this.load();
    this.element.classList.toggle("alone", state.view !== "walk");
    if (this.isCurrent(state)) return;
    const route = routeOf(state);
    const own = state.ends.slice(0, 2).some((end) => end.example === null);
    if (own) this.doing.textContent = `Encoding with ${this.model.name}…`;
    const walk = await Walk.make(this.model, route);
    this.doing.textContent = "";
    [this.walk, this.route] = [walk, route];
    this.element.ariaBusy = "false";
    this.drawStrip(walk.frames);
  }

  /** Shows the frame at the state's place or point. */
  async drawFrame(state: State): Promise<void> {
    if (!this.loaded || (state.view === "walk" && this.walk === null)) return;
    this.drawImage(await this.imageOf(state), state);
  }

  private drawImage(image: Float32Array, state: State): void {
    this.image = image;
    show(this.frame, toImageData(image, this.group.image, 255));
    const where = state.view === "walk" ? `position ${state.place.toFixed(2)}` : state.point.map((x) => x.toFixed(2)).join(", ");
    this.frame.setAttribute("aria-label", `${this.model.name} at ${where}`);
  }

  /** Codes of the corners, for the plane between them. */
  async planeCode(state: State): Promise<(u: number, v: number) => Code> {
    const by = edits(this.model, state.amounts);
    if (state.view === "corners") {
      const corners = await Promise.all(state.ends.map((end) => this.model.encode(end)));
      return (u, v) => moved(inPlane(state.line, corners, u, v), by);
    }
    const [{ mean, axes }, reach] = [this.model.map as NonNullable<Model["map"]>, this.reach()];
    return (u, v) => moved(mean, [[axes[0], (2 * u - 1) * reach], [axes[1], (2 * v - 1) * reach], ...by]);
  }

  /** Where the examples lie in the map, from 0 to 1. */
  places(): [number, number][] {
    const reach = this.reach();
    return this.coordinates().map(([x, y]) => [(x / reach + 1) / 2, (y / reach + 1) / 2]);
  }

  private async imageOf(state: State): Promise<Float32Array> {
    if (state.view === "walk") return (await (this.walk as Walk).at([state.place]))[0];
    return (await this.model.decode([(await this.planeCode(state))(...state.point)]))[0];
  }

  private coordinates(): [number, number][] {
    const { mean, axes } = this.model.map as NonNullable<Model["map"]>;
    const along = (code: Code, axis: Code): number => {
      let [dot, squared] = [0, 0];
      axis.forEach((x, i) => {
        dot += x * (code[i] - mean[i]);
        squared += x * x;
      });
      return squared > 0 ? dot / squared : 0;
    };
    return this.model.examples.map((code) => [along(code, axes[0]), along(code, axes[1])]);
  }

  private reach(): number {
    return 1.2 * Math.max(1e-6, ...this.coordinates().flat().map(Math.abs));
  }

  /** Shows a strip, and what is measured along it. */
  private drawStrip(frames: readonly Float32Array[]): void {
    const { height, width } = this.group.image;
    this.strip.width = frames.length * (width + GAP) - GAP;
    this.strip.height = height;
    const context = this.strip.getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D;
    frames.forEach((frame, i) => context.putImageData(toImageData(frame, this.group.image, 255), i * (width + GAP), 0));
    this.strip.setAttribute("aria-label", `${this.model.name}: ${frames.length} frames from the first picture to the second`);
    this.measured.replaceChildren(...charts(measure(frames, this.group.image)));
  }
}

/** What is shown in place of a path that needs torch. */
function otherwise({ path, fades }: Card): string {
  return `${fades ? "A plain cross-fade here" : "A straight line or a great circle here"}: the model's own path, ${path}, needs Python.`;
}

function about({ summary, limitations, license }: Card): HTMLElement {
  const lines = [summary, limitations, `License of the weights: ${license}.`].filter((line) => line !== "");
  return make("details", {}, make("summary", { textContent: "About" }), ...lines.map((text) => make("p", { class: "hint" }, text)));
}

function routeOf(state: State): Route {
  return {
    ends: state.ends.slice(0, 2),
    line: state.line,
    even: state.even,
    frames: state.frames,
    amounts: new Map(state.amounts),
  };
}

function sameRoute(a: Route | null, b: Route): boolean {
  if (a === null || a.line !== b.line || a.even !== b.even || a.frames !== b.frames) return false;
  if (a.ends.some((end, i) => end !== b.ends[i])) return false;
  const names = new Set([...a.amounts.keys(), ...b.amounts.keys()]);
  return [...names].every((name) => (a.amounts.get(name) ?? 0) === (b.amounts.get(name) ?? 0));
}
