/** Files that the page saves: PNG, GIF and MP4. */

import type { Films } from "./films";
import { script } from "./parts";

const CELL = 96; // least pixels of a frame's longer side in a saved picture
const FILM_CELL = 192; // and in a film
const GAP = 4;
const LABEL = 22;
export const FRAMES_A_SECOND = 25;

/** Rows of frames under each other, each with its name. */
export function sheet(rows: readonly { name: string; frames: readonly ImageData[] }[]): OffscreenCanvas {
  const { width, height } = rows[0].frames[0];
  const scale = Math.max(1, Math.ceil(CELL / Math.max(width, height)));
  const [w, h] = [width * scale, height * scale];
  const columns = Math.max(...rows.map((row) => row.frames.length));
  const canvas = new OffscreenCanvas(columns * (w + GAP) + GAP, rows.length * (h + LABEL + GAP) + GAP);
  const context = canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
  background(context);
  rows.forEach(({ name, frames }, r) => {
    const top = GAP + r * (h + LABEL + GAP);
    label(context, name, GAP, top);
    frames.forEach((frame, i) => context.drawImage(bitmap(frame), GAP + i * (w + GAP), top + LABEL, w, h));
  });
  return canvas;
}

/** A canvas that holds `cells` frames beside each other, with larger pixels. */
export function enlarged(source: HTMLCanvasElement, cells: number): OffscreenCanvas {
  const scale = Math.max(1, Math.ceil((CELL * cells) / Math.max(source.width, source.height)));
  const canvas = new OffscreenCanvas(source.width * scale, source.height * scale);
  const context = canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
  background(context);
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** The canvas of one frame of a film, which shows all models beside each other. */
export function filmFrame(names: readonly string[], frames: readonly ImageData[]): OffscreenCanvas {
  const { width, height } = frames[0];
  const scale = Math.max(1, Math.ceil(FILM_CELL / Math.max(width, height)));
  const [w, h] = [width * scale, height * scale];
  const even = (side: number): number => side + (side % 2); // which H.264 asks for
  const canvas = new OffscreenCanvas(even(frames.length * (w + GAP) + GAP), even(h + LABEL + 2 * GAP));
  const context = canvas.getContext("2d", { willReadFrequently: true }) as OffscreenCanvasRenderingContext2D;
  background(context);
  frames.forEach((frame, i) => {
    const left = GAP + i * (w + GAP);
    label(context, names[i], left, GAP, w);
    context.drawImage(bitmap(frame), left, GAP + LABEL, w, h);
  });
  return canvas;
}

export function png(canvas: OffscreenCanvas): Promise<Blob> {
  return canvas.convertToBlob({ type: "image/png" });
}

/** Encodes films: a script of its own, which is loaded when the first film is saved. */
export async function films(): Promise<Films> {
  await script("films.js");
  return (globalThis as unknown as { interpzoo: { films: Films } }).interpzoo.films;
}

/** Lets the browser save a file. */
export function download(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function bitmap(data: ImageData): OffscreenCanvas {
  const canvas = new OffscreenCanvas(data.width, data.height);
  (canvas.getContext("2d") as OffscreenCanvasRenderingContext2D).putImageData(data, 0, 0);
  return canvas;
}

function background(context: OffscreenCanvasRenderingContext2D): void {
  context.fillStyle = "white";
  context.fillRect(0, 0, context.canvas.width, context.canvas.height);
  context.imageSmoothingEnabled = false;
}

function label(context: OffscreenCanvasRenderingContext2D, text: string, left: number, top: number, width?: number): void {
  context.fillStyle = "black";
  context.font = "14px sans-serif";
  context.textBaseline = "middle";
  context.fillText(text, left, top + LABEL / 2, width);
}
