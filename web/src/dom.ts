/** Short ways to find and make elements. */

export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

type Child = Node | string;

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> & { class?: string } = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  const { class: name, ...rest } = properties;
  Object.assign(element, rest);
  if (name !== undefined) element.className = name;
  element.append(...children);
  return element;
}

/** Puts pixels on a canvas, which takes their size. */
export function show(canvas: HTMLCanvasElement, data: ImageData): void {
  if (canvas.width !== data.width || canvas.height !== data.height) {
    canvas.width = data.width;
    canvas.height = data.height;
  }
  (canvas.getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D).putImageData(data, 0, 0);
}

/** Says what the page does; a problem stays until the next success. */
export function say(text: string): void {
  byId("status").textContent = text;
}

export function complain(error: unknown): void {
  const box = byId("problem");
  box.textContent = error instanceof Error ? error.message : String(error);
  box.hidden = false;
}

export function clearProblem(): void {
  byId("problem").hidden = true;
}
