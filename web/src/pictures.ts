/** Pictures of files, cameras and canvases, framed as models take them: what Pillow does in `interpzoo.pixels`. */

import { centered, fromPaper, hasStrokes } from "./ink";
import type { Group, Image, Picture } from "./model";
import { centerBox, crop, resized, toPlanes, type Planes } from "./planes";

export interface Framed {
  picture: Picture;
  /** What was done to the picture, or may be wrong with it; empty if it is as it should be. */
  note: string;
}

const MOST_BYTES = 64 * 2 ** 20;
const MOST_PIXELS = 5e7;

/** The pixels of an image file; where it is transparent it lies on white, or on black for images with a black border. */
export async function readPicture(file: Blob, name: string, group: Group): Promise<ImageData> {
  if (file.size > MOST_BYTES) throw new Error(`${name} has ${megabytes(file.size)}: expected at most ${megabytes(MOST_BYTES)}.`);
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", imageOrientation: "from-image" });
  } catch {
    throw new Error(`${name} is not a picture that this browser reads: expected a PNG, JPEG, WebP or GIF file.`);
  }
  if (bitmap.width * bitmap.height > MOST_PIXELS) {
    throw new Error(`${name} has ${bitmap.width} × ${bitmap.height} pixels: expected at most ${MOST_PIXELS / 1e6} million.`);
  }
  return pixelsOf(bitmap, bitmap.width, bitmap.height, group.border > 0 ? "black" : "white");
}

/** Pixels of what a canvas can draw. */
export function pixelsOf(source: CanvasImageSource, width: number, height: number, background = "black"): ImageData {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true }) as OffscreenCanvasRenderingContext2D;
  context.fillStyle = background;
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

/** A picture as the models of a group take it. */
export function framed(data: ImageData, group: Group): Framed {
  const { image, border } = group;
  const planes = toPlanes(data, image.channels);
  const strokes = group.ink ? fromPaper(planes, group) : null;
  if (strokes !== null) {
    return { picture: picture(strokes), note: "Dark strokes on paper were turned into bright ones on black, of the size that the digits have." };
  }
  if (border > 0 && data.height === image.height - 2 * border && data.width === image.width - 2 * border) {
    return { picture: picture(padded(planes, image, border)), note: "" };
  }
  const box = centerBox(data.height, data.width, image);
  const cropped = box.height < data.height || box.width < data.width;
  const small = box.height < image.height && box.width < image.width;
  const notes = [cropped ? "The sides were cut off: the models take the middle." : "", small ? "It was enlarged, and is blurred." : ""];
  return { picture: picture(resized(crop(planes, box), image.height, image.width)), note: notes.join(" ").trim() };
}

/** The picture as it looks, for a canvas. */
export function toImageData(values: ArrayLike<number>, { channels, height, width }: Image, scale = 1): ImageData {
  const data = new ImageData(width, height);
  const size = height * width;
  for (let i = 0; i < size; i++) {
    for (let c = 0; c < 3; c++) {
      const value = values[channels === 3 ? c * size + i : i] * scale;
      data.data[4 * i + c] = Math.round(value); // and clamped, by the array itself
    }
    data.data[4 * i + 3] = 255;
  }
  return data;
}

export function megabytes(bytes: number): string {
  return bytes < 1e5 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function picture(planes: Planes): Picture {
  const pixels = new Uint8Array(planes.planes.length * planes.height * planes.width);
  planes.planes.forEach((plane, i) => pixels.set(plane, i * plane.length));
  return { pixels, example: null };
}

function padded({ planes, height, width }: Planes, image: Image, border: number): Planes {
  const out = planes.map((plane) => {
    const whole = new Uint8Array(image.height * image.width);
    for (let y = 0; y < height; y++) whole.set(plane.subarray(y * width, (y + 1) * width), (y + border) * image.width + border);
    return whole;
  });
  return { height: image.height, width: image.width, planes: out };
}

/** A drawing of bright strokes on black. */
export function drawn(data: ImageData, group: Group): Picture | null {
  const planes = toPlanes(data, group.image.channels);
  if (!hasStrokes(planes)) return null;
  return picture(group.ink ? centered(planes, group.image, group.border) : resized(planes, group.image.height, group.image.width));
}
