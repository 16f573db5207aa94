/** Files that the page saves: PNG, GIF and MP4. */

import { GIFEncoder, applyPalette, quantize } from "gifenc";
import { BufferTarget, CanvasSource, Mp4OutputFormat, Output, QUALITY_VERY_HIGH, getFirstEncodableVideoCodec } from "mediabunny";

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

export function gif(frames: readonly OffscreenCanvas[]): Blob {
  const encoder = GIFEncoder();
  for (const frame of frames) {
    const { data, width, height } = pixels(frame);
    const [palette, index] = indexed(data);
    encoder.writeFrame(index, width, height, { palette, delay: 1000 / FRAMES_A_SECOND, repeat: 0 });
  }
  encoder.finish();
  return new Blob([encoder.bytes() as Uint8Array<ArrayBuffer>], { type: "image/gif" });
}

export async function mp4(frames: readonly OffscreenCanvas[]): Promise<Blob> {
  const { width, height } = frames[0];
  const none = "This browser cannot encode MP4 films: save a GIF, or use a current Chromium, Firefox or Safari.";
  if (typeof VideoEncoder === "undefined") throw new Error(none);
  const codec = await getFirstEncodableVideoCodec(["avc", "vp9", "av1"], { width, height });
  if (codec === null) throw new Error(none);
  const output = new Output({ format: new Mp4OutputFormat(), target: new BufferTarget() });
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
  const source = new CanvasSource(canvas, { codec, bitrate: QUALITY_VERY_HIGH });
  output.addVideoTrack(source, { frameRate: FRAMES_A_SECOND });
  await output.start();
  for (const [i, frame] of frames.entries()) {
    context.drawImage(frame, 0, 0);
    await source.add(i / FRAMES_A_SECOND, 1 / FRAMES_A_SECOND);
  }
  await output.finalize();
  return new Blob([output.target.buffer as ArrayBuffer], { type: "video/mp4" });
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

/** A palette and the number of each pixel's color: exact for gray pictures. */
function indexed(data: Uint8ClampedArray): [number[][], Uint8Array] {
  const gray = new Uint8Array(data.length / 4);
  for (let i = 0; i < gray.length; i++) {
    gray[i] = data[4 * i];
    if (data[4 * i + 1] !== gray[i] || data[4 * i + 2] !== gray[i]) {
      const palette = quantize(data, 256);
      return [palette, applyPalette(data, palette)];
    }
  }
  return [Array.from({ length: 256 }, (_, value) => [value, value, value]), gray];
}

function pixels(canvas: OffscreenCanvas): ImageData {
  return (canvas.getContext("2d") as OffscreenCanvasRenderingContext2D).getImageData(0, 0, canvas.width, canvas.height);
}
