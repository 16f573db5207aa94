/** Encoders of films, which are larger than the rest of the page: `save.ts` loads them when they are asked for. */

import { GIFEncoder, applyPalette, quantize } from "gifenc";
import { BufferTarget, CanvasSource, Mp4OutputFormat, Output, QUALITY_VERY_HIGH, getFirstEncodableVideoCodec } from "mediabunny";

/** A film of canvases, `rate` in a second. */
type Encoder = (frames: readonly OffscreenCanvas[], rate: number) => Promise<Blob>;

export interface Films {
  gif: Encoder;
  mp4: Encoder;
}

async function gif(frames: readonly OffscreenCanvas[], rate: number): Promise<Blob> {
  const encoder = GIFEncoder();
  for (const frame of frames) {
    const { data, width, height } = pixels(frame);
    const [palette, index] = indexed(data);
    encoder.writeFrame(index, width, height, { palette, delay: 1000 / rate, repeat: 0 });
  }
  encoder.finish();
  return new Blob([encoder.bytes() as Uint8Array<ArrayBuffer>], { type: "image/gif" });
}

async function mp4(frames: readonly OffscreenCanvas[], rate: number): Promise<Blob> {
  const { width, height } = frames[0];
  const none = "This browser cannot encode MP4 films: save a GIF, or use a current Chromium, Firefox or Safari.";
  if (typeof VideoEncoder === "undefined") throw new Error(none);
  const codec = await getFirstEncodableVideoCodec(["avc", "vp9", "av1"], { width, height });
  if (codec === null) throw new Error(none);
  const output = new Output({ format: new Mp4OutputFormat(), target: new BufferTarget() });
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
  const source = new CanvasSource(canvas, { codec, bitrate: QUALITY_VERY_HIGH });
  output.addVideoTrack(source, { frameRate: rate });
  await output.start();
  for (const [i, frame] of frames.entries()) {
    context.drawImage(frame, 0, 0);
    await source.add(i / rate, 1 / rate);
  }
  await output.finalize();
  return new Blob([output.target.buffer as ArrayBuffer], { type: "video/mp4" });
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

const films: Films = { gif, mp4 };
Object.assign((globalThis as unknown as { interpzoo: object }).interpzoo, { films });
