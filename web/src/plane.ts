/** A plane to drag a point in: between four corners, or the map of the example codes. */

import { byId, make, show } from "./dom";
import type { Group } from "./model";
import { toImageData } from "./pictures";
import type { Row } from "./row";
import { enlarged } from "./save";
import type { State } from "./state";

const CELLS = 7; // pictures in a row of the background
const STEP = 0.05; // of an arrow key

export interface PlaneEvents {
  move(point: [number, number]): void;
  choose(example: number): void;
}

export class Plane {
  private readonly canvas = make("canvas", {});
  private readonly marker = make("div", { class: "marker" });
  private readonly box = byId("plane");
  private drawn = "";
  private point: [number, number] = [0.5, 0.5];

  constructor(private readonly events: PlaneEvents) {
    this.canvas.setAttribute("aria-hidden", "true");
    this.box.append(this.canvas, this.marker);
    let dragging = false;
    this.box.addEventListener("pointerdown", (event) => {
      if ((event.target as Element).closest("button") !== null) return;
      dragging = true;
      this.box.setPointerCapture(event.pointerId);
      this.moveTo(event);
    });
    this.box.addEventListener("pointermove", (event) => dragging && this.moveTo(event));
    for (const end of ["pointerup", "pointercancel"]) this.box.addEventListener(end, () => (dragging = false));
    this.box.addEventListener("keydown", (event) => this.key(event));
  }

  /** Draws the background, if it is another one, and puts the point in its place. */
  async update(state: State, row: Row, key: string): Promise<void> {
    this.point = state.point;
    this.marker.style.left = `${100 * state.point[0]}%`;
    this.marker.style.top = `${100 * state.point[1]}%`;
    this.box.setAttribute("aria-description", `The point is at ${state.point.map((x) => x.toFixed(2)).join(", ")}`);
    if (key === this.drawn) return;
    const code = await row.planeCode(state);
    const places = Array.from({ length: CELLS }, (_, i) => (state.view === "corners" ? i / (CELLS - 1) : (i + 0.5) / CELLS));
    const frames = await row.model.decode(places.flatMap((v) => places.map((u) => code(u, v))));
    this.drawGrid(frames, state.group);
    this.box.querySelectorAll("button").forEach((button) => button.remove());
    if (state.view === "map") this.addExamples(state, row);
    this.drawn = key;
  }

  /** The pictures of the plane, without the point. */
  picture(): OffscreenCanvas {
    return enlarged(this.canvas, CELLS);
  }

  private drawGrid(frames: readonly Float32Array[], { image }: Group): void {
    this.canvas.width = CELLS * image.width;
    this.canvas.height = CELLS * image.height;
    const context = this.canvas.getContext("2d") as CanvasRenderingContext2D;
    frames.forEach((frame, i) => {
      context.putImageData(toImageData(frame, image, 255), (i % CELLS) * image.width, Math.floor(i / CELLS) * image.height);
    });
  }

  private addExamples(state: State, row: Row): void {
    row.places().forEach(([x, y], n) => {
      const canvas = make("canvas", {});
      const button = make("button", { type: "button", ariaLabel: `Example ${n + 1}`, onclick: () => this.events.choose(n) }, canvas);
      button.style.left = `${100 * x}%`;
      button.style.top = `${100 * y}%`;
      const pixels = Uint8Array.from(atob(state.group.pictures[n]), (character) => character.charCodeAt(0));
      show(canvas, toImageData(pixels, state.group.image));
      this.box.append(button);
    });
  }

  private moveTo(event: PointerEvent): void {
    const box = this.canvas.getBoundingClientRect();
    this.go((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  }

  private key(event: KeyboardEvent): void {
    const steps: Record<string, [number, number]> = {
      ArrowLeft: [-STEP, 0],
      ArrowRight: [STEP, 0],
      ArrowUp: [0, -STEP],
      ArrowDown: [0, STEP],
    };
    const step = event.target === this.box ? steps[event.key] : undefined;
    if (step === undefined) return;
    event.preventDefault();
    this.go(this.point[0] + step[0], this.point[1] + step[1]);
  }

  private go(u: number, v: number): void {
    const inside = (x: number): number => Math.min(1, Math.max(0, Math.round(x * 1000) / 1000));
    this.point = [inside(u), inside(v)];
    this.events.move(this.point);
  }
}
