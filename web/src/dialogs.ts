/** Dialogs that give a picture: a drawing, the camera, and the eyes of a face. */

import { byId } from "./dom";
import type { Group } from "./model";
import { pixelsOf } from "./pictures";

const PEN = 1 / 12; // width of the pen, as a share of the drawing's side
const STEP = 1 / 20; // way of the pen that an arrow key makes
const MOST_SHOWN = 480; // pixels of a picture's longer side in the dialog of eyes

/** Opens a dialog; resolves with what `use` gives when its first button is pressed, or null when it is closed. */
function opened<T>(id: string, use: string, cancel: string, take: () => T): Promise<T | null> {
  const dialog = byId<HTMLDialogElement>(id);
  return new Promise((resolve) => {
    const done = new AbortController();
    const finish = (value: T | null): void => {
      done.abort();
      dialog.close();
      resolve(value);
    };
    byId(use).addEventListener("click", () => finish(take()), { signal: done.signal });
    byId(cancel).addEventListener("click", () => finish(null), { signal: done.signal });
    dialog.addEventListener("close", () => finish(null), { signal: done.signal });
    dialog.showModal();
  });
}

/** A drawing of bright strokes on black, or null. */
export async function draw(): Promise<ImageData | null> {
  const canvas = byId<HTMLCanvasElement>("drawing");
  const context = canvas.getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D;
  const side = canvas.width;
  const clear = (): void => {
    context.fillStyle = "black";
    context.fillRect(0, 0, side, side);
  };
  clear();
  Object.assign(context, { strokeStyle: "white", lineWidth: PEN * side, lineCap: "round", lineJoin: "round" });
  let [x, y, down, inked] = [side / 2, side / 2, false, false];
  const line = (toX: number, toY: number, draws: boolean): void => {
    if (draws) {
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(toX, toY);
      context.stroke();
      inked = true;
    }
    [x, y] = [toX, toY];
  };
  const at = (event: PointerEvent): [number, number] => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * side, ((event.clientY - box.top) / box.height) * side];
  };
  const done = new AbortController();
  const listen = <K extends keyof HTMLElementEventMap>(kind: K, call: (event: HTMLElementEventMap[K]) => void): void =>
    canvas.addEventListener(kind, call, { signal: done.signal });
  listen("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    [x, y] = at(event);
    down = true;
    line(x, y, true);
  });
  listen("pointermove", (event) => event.buttons !== 0 && line(...at(event), true));
  listen("pointerup", () => (down = false));
  listen("keydown", (event) => {
    const steps: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key];
    if (event.key === " ") down = !down;
    else if (step === undefined) return;
    const inside = (value: number): number => Math.min(side, Math.max(0, value));
    const [across, along] = step ?? [0, 0];
    line(inside(x + across * STEP * side), inside(y + along * STEP * side), down);
    event.preventDefault();
  });
  byId("draw-clear").addEventListener("click", () => [clear(), (inked = false)], { signal: done.signal });
  const result = opened("draw-dialog", "draw-use", "draw-cancel", () => context.getImageData(0, 0, side, side));
  canvas.focus();
  try {
    return (await result) && inked ? context.getImageData(0, 0, side, side) : null;
  } finally {
    done.abort();
  }
}

/** A frame of the camera, or null. */
export async function photograph(): Promise<ImageData | null> {
  const video = byId<HTMLVideoElement>("video");
  if (navigator.mediaDevices === undefined) {
    throw new Error("Browsers give pages the camera only on https and localhost: serve this page with interpzoo demo --open.");
  }
  let stream: MediaStream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user" } });
  } catch (error) {
    throw new Error(`The camera cannot be used (${(error as Error).name}): allow it for this page, or open a picture.`);
  }
  try {
    video.srcObject = stream;
    await video.play();
    return await opened("camera-dialog", "camera-use", "camera-cancel", () => pixelsOf(video, video.videoWidth, video.videoHeight));
  } finally {
    stream.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
  }
}

/** A face moved, turned and scaled so that its eyes are where the models expect them; the picture itself if skipped. */
export async function alignEyes(data: ImageData, { image, eyes }: Group): Promise<ImageData | null> {
  const canvas = byId<HTMLCanvasElement>("eyes");
  const scale = Math.min(1, MOST_SHOWN / Math.max(data.width, data.height));
  [canvas.width, canvas.height] = [Math.round(data.width * scale), Math.round(data.height * scale)];
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  const source = new OffscreenCanvas(data.width, data.height);
  (source.getContext("2d") as OffscreenCanvasRenderingContext2D).putImageData(data, 0, 0);
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  const found: [number, number][] = [];
  const done = new AbortController();
  const both = new Promise<ImageData>((resolve) => {
    canvas.addEventListener(
      "pointerdown",
      (event) => {
        const box = canvas.getBoundingClientRect();
        const point: [number, number] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
        found.push([point[0] * data.width, point[1] * data.height]);
        context.fillStyle = "red";
        context.fillRect(point[0] * canvas.width - 3, point[1] * canvas.height - 3, 6, 6);
        if (found.length === 2) resolve(aligned(source, found, eyes as [number, number][], image));
      },
      { signal: done.signal },
    );
  });
  const answer = opened("eyes-dialog", "eyes-skip", "eyes-cancel", () => data);
  try {
    const result = await Promise.race([both, answer]);
    byId<HTMLDialogElement>("eyes-dialog").close();
    return result;
  } finally {
    done.abort();
  }
}

function aligned(source: OffscreenCanvas, found: [number, number][], eyes: [number, number][], image: Group["image"]): ImageData {
  const [[x0, y0], [x1, y1]] = found.sort((a, b) => a[0] - b[0]);
  const [[u0, v0], [u1, v1]] = eyes.map(([u, v]) => [u * image.width, v * image.height]);
  const length = Math.max(1e-6, (x1 - x0) ** 2 + (y1 - y0) ** 2);
  // The similarity that takes one pair of eyes to the other, as a complex number: (u1 - u0) / (x1 - x0).
  const re = ((u1 - u0) * (x1 - x0) + (v1 - v0) * (y1 - y0)) / length;
  const im = ((v1 - v0) * (x1 - x0) - (u1 - u0) * (y1 - y0)) / length;
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d", { willReadFrequently: true }) as OffscreenCanvasRenderingContext2D;
  context.fillRect(0, 0, image.width, image.height);
  context.imageSmoothingQuality = "high";
  context.setTransform(re, im, -im, re, u0 - re * x0 + im * y0, v0 - im * x0 - re * y0);
  context.drawImage(source, 0, 0);
  return context.getImageData(0, 0, image.width, image.height);
}
