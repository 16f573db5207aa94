/** What the folder holds beside this script: scripts too, because a page opened from a disk may load nothing else. */

interface Base64 {
  fromBase64?(text: string): Uint8Array<ArrayBuffer>;
}

const arrived = new Map<string, string>();
const asked = new Map<string, Promise<void>>();

Object.assign(globalThis, { interpzoo: { part: (name: string, content: string) => arrived.set(name, content) } });

/** The content of a part, which the script `file` brings. */
export async function part(file: string, name: string): Promise<Uint8Array<ArrayBuffer>> {
  return unpacked(await packed(file, name));
}

/** The same as the script has it: base64 of gzip. It is given once; who asks again, after a failure, loads it again. */
export async function packed(file: string, name: string): Promise<string> {
  await script(file);
  asked.delete(file);
  const content = arrived.get(name);
  if (content === undefined) throw new Error(`${file} is damaged: it has no ${name}`);
  arrived.delete(name);
  return content;
}

export async function unpacked(content: string): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([decode(content)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Numbers of a part, float32 in little-endian order, as browsers have them. */
export async function numbers(file: string, name: string): Promise<Float32Array> {
  return new Float32Array((await part(file, name)).buffer);
}

export async function text(file: string, name: string): Promise<string> {
  return new TextDecoder().decode(await part(file, name));
}

/** Runs a script of the folder, once. */
export function script(file: string): Promise<void> {
  let promise = asked.get(file);
  if (promise === undefined) {
    const element = document.createElement("script");
    const loaded = new Promise<void>((resolve, reject) => {
      element.src = file;
      element.onload = () => resolve();
      element.onerror = () => reject(new Error(`${file} cannot be loaded: is the folder complete, and the connection there?`));
      document.head.append(element);
    });
    promise = retried(loaded.finally(() => element.remove()), () => asked.delete(file));
    asked.set(file, promise);
  }
  return promise;
}

/** The promise; if it fails, `forget` lets the next call try again. */
export function retried<T>(promise: Promise<T>, forget: () => void): Promise<T> {
  promise.catch(forget);
  return promise;
}

function decode(content: string): Uint8Array<ArrayBuffer> {
  const native = (Uint8Array as Base64).fromBase64;
  if (native !== undefined) return native.call(Uint8Array, content);
  const binary = atob(content);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
