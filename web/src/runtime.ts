/** ONNX Runtime, as WebAssembly that lies in the folder. */

import * as ort from "onnxruntime-web/wasm";

import { part } from "./parts";

const FILE = "runtime.js";
const MOST_THREADS = 4;
const VALUES_AT_ONCE = 1 << 19; // values of images in one run, to bound the memory

let started: Promise<void> | undefined;
let queue: Promise<unknown> = Promise.resolve();

/** Loads the runtime; threads need a page that is isolated from others (COOP and COEP headers). */
export function start(): Promise<void> {
  started ??= (async () => {
    const [wasm, glue] = await Promise.all([part(FILE, "ort.wasm"), part(FILE, "ort.mjs")]);
    const threads = crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1) : 1;
    ort.env.wasm.wasmBinary = wasm.buffer;
    ort.env.wasm.wasmPaths = { mjs: URL.createObjectURL(new Blob([glue], { type: "text/javascript" })) };
    ort.env.wasm.numThreads = threads;
    ort.env.logLevel = "error";
  })();
  return started;
}

/** An encoder or a decoder. */
export class Network {
  private constructor(private readonly session: ort.InferenceSession) {}

  static async load(bytes: Uint8Array): Promise<Network> {
    await start();
    return inTurn(async () => new Network(await ort.InferenceSession.create(bytes)));
  }

  /** Outputs of `n` inputs of one shape, one after another; `size` values each. */
  async run(inputs: Float32Array, shape: readonly number[], size: number): Promise<Float32Array> {
    const each = shape.reduce((a, b) => a * b, 1);
    const n = inputs.length / each;
    const outputs = new Float32Array(n * size);
    const atOnce = Math.max(1, Math.floor(VALUES_AT_ONCE / Math.max(size, each)));
    for (let first = 0; first < n; first += atOnce) {
      const some = inputs.slice(first * each, Math.min(n, first + atOnce) * each);
      outputs.set(await inTurn(() => this.once(some, [some.length / each, ...shape])), first * size);
    }
    return outputs;
  }

  private async once(values: Float32Array, dims: number[]): Promise<Float32Array> {
    const found = await this.session.run({ [this.session.inputNames[0]]: new ort.Tensor("float32", values, dims) });
    return found[this.session.outputNames[0]].data as Float32Array;
  }
}

/** One call of the runtime after another: it computes in this thread. */
function inTurn<T>(call: () => Promise<T>): Promise<T> {
  const result = queue.then(call);
  queue = result.catch(() => undefined);
  return result;
}
