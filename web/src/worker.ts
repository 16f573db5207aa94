/** ONNX Runtime in a thread of its own, so that the page answers while it starts and computes. */

import * as ort from "onnxruntime-web/wasm";

import type { Answer, Question } from "./runtime";
import { unpacked } from "./parts";

const MOST_THREADS = 4;

const sessions: ort.InferenceSession[] = [];
let queue: Promise<unknown> = Promise.resolve();

const handlers = {
  /** Threads need a page that is isolated from others (COOP and COEP headers). */
  async start({ wasm, glue }: { wasm: string; glue: string }): Promise<null> {
    const [binary, script] = await Promise.all([unpacked(wasm), unpacked(glue)]);
    ort.env.wasm.wasmBinary = binary.buffer;
    ort.env.wasm.wasmPaths = { mjs: URL.createObjectURL(new Blob([script], { type: "text/javascript" })) };
    ort.env.wasm.numThreads = crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1) : 1;
    ort.env.logLevel = "error";
    return null;
  },

  /** The number of a session with this network. */
  async load({ content }: { content: string }): Promise<number> {
    return sessions.push(await ort.InferenceSession.create(await unpacked(content))) - 1;
  },

  async run({ session, values, dims }: { session: number; values: Float32Array; dims: number[] }): Promise<Float32Array> {
    const found = sessions[session];
    const outputs = await found.run({ [found.inputNames[0]]: new ort.Tensor("float32", values, dims) });
    return (outputs[found.outputNames[0]].data as Float32Array).slice();
  },
};

/** One call after another. */
addEventListener("message", ({ data }: MessageEvent<Question>) => {
  queue = queue.then(async () => {
    const answer: Answer = { id: data.id };
    try {
      answer.value = await handlers[data.call](data.values as never);
    } catch (error) {
      answer.error = error instanceof Error ? error.message : String(error);
    }
    const transferred = answer.value instanceof Float32Array ? [answer.value.buffer] : [];
    postMessage(answer, { transfer: transferred });
  });
});
