/** The networks, which ONNX Runtime computes in a worker (`worker.ts`). */

import { packed, part, retried } from "./parts";

const FILE = "runtime.js";
const VALUES_AT_ONCE = 1 << 19; // values of images in one run, to bound the memory

export interface Question {
  id: number;
  call: "start" | "load" | "run";
  values: object;
}

export interface Answer {
  id: number;
  value?: unknown;
  error?: string;
}

let started: Promise<Worker> | undefined;
const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
let asked = 0;

/** Starts the runtime, once; after a failure, anew. */
function start(): Promise<Worker> {
  started ??= retried(startWorker(), () => (started = undefined));
  return started;
}

async function startWorker(): Promise<Worker> {
  const [code, wasm, glue] = await Promise.all([part(FILE, "worker"), packed(FILE, "ort.wasm"), packed(FILE, "ort.mjs")]);
  const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  worker.addEventListener("message", ({ data }: MessageEvent<Answer>) => {
    const call = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error === undefined) call?.resolve(data.value);
    else call?.reject(new Error(data.error));
  });
  worker.addEventListener("error", (event) => {
    for (const { reject } of waiting.values()) reject(new Error(`The runtime stopped: ${event.message}`));
    waiting.clear();
  });
  try {
    await ask<null>(worker, "start", { wasm, glue });
  } catch (error) {
    worker.terminate();
    throw error;
  }
  return worker;
}

/** The worker's answer; `transferred` is moved to the worker, not copied. */
function ask<T>(worker: Worker, call: Question["call"], values: object, transferred: Transferable[] = []): Promise<T> {
  const id = ++asked;
  return new Promise<unknown>((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    worker.postMessage({ id, call, values } satisfies Question, transferred);
  }) as Promise<T>;
}

/** An encoder or a decoder. */
export class Network {
  private constructor(private readonly worker: Worker, private readonly session: number) {}

  /** That of a part, as its script has it: the worker unpacks it. */
  static async load(content: string): Promise<Network> {
    const worker = await start();
    return new Network(worker, await ask<number>(worker, "load", { content }));
  }

  /** Outputs of `n` inputs of one shape, one after another; `size` values each. */
  async run(inputs: Float32Array, shape: readonly number[], size: number): Promise<Float32Array> {
    const each = shape.reduce((a, b) => a * b, 1);
    const n = inputs.length / each;
    const outputs = new Float32Array(n * size);
    const atOnce = Math.max(1, Math.floor(VALUES_AT_ONCE / Math.max(size, each)));
    for (let first = 0; first < n; first += atOnce) {
      const values = inputs.slice(first * each, Math.min(n, first + atOnce) * each);
      const dims = [values.length / each, ...shape];
      outputs.set(await ask<Float32Array>(this.worker, "run", { session: this.session, values, dims }, [values.buffer]), first * size);
    }
    return outputs;
  }
}
