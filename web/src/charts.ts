/** Small charts under a strip: how far each step goes, and how sharp each frame is. */

import type { Measured } from "./measures";

const NS = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [300, 40];
const MOST_SHARPNESS = 1.5;

function svg(tag: string, attributes: Record<string, string | number>, ...children: Node[]): SVGElement {
  const element = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

function chart(kind: string, text: string, ...children: Node[]): HTMLElement {
  const figure = document.createElement("figure");
  figure.className = `chart ${kind}`;
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" }, ...children);
  drawing.setAttribute("aria-label", text);
  const caption = document.createElement("figcaption");
  caption.textContent = text;
  figure.append(drawing, caption);
  return figure;
}

export function charts({ steps, sharpness }: Measured): HTMLElement[] {
  return [stepChart(steps), sharpnessChart(sharpness)];
}

function stepChart(steps: readonly number[]): HTMLElement {
  const [longest, shortest] = [Math.max(...steps), Math.min(...steps)];
  const ratio = shortest > 0 ? `${(longest / shortest).toPrecision(3)} times` : "many times";
  const bars = steps.map((step, i) => {
    const width = WIDTH / steps.length;
    const height = longest > 0 ? (HEIGHT * step) / longest : 0;
    return svg("rect", { x: i * width + 1, width: Math.max(1, width - 2), y: HEIGHT - height, height });
  });
  const text = longest > 0 ? `Steps: the longest is ${ratio} the shortest` : "Steps: nothing changes";
  return chart("steps", text, ...bars);
}

function sharpnessChart(sharpness: readonly number[]): HTMLElement {
  const place = (value: number, i: number): string => {
    const y = HEIGHT * (1 - Math.min(MOST_SHARPNESS, value) / MOST_SHARPNESS);
    return `${((i * WIDTH) / (sharpness.length - 1)).toFixed(1)},${y.toFixed(1)}`;
  };
  const middle = sharpness[Math.floor(sharpness.length / 2)];
  const full = HEIGHT * (1 - 1 / MOST_SHARPNESS);
  return chart(
    "sharpness",
    `Sharpness: in the middle ${middle.toFixed(2)} of that at the ends`,
    svg("line", { x1: 0, x2: WIDTH, y1: full, y2: full }),
    svg("polyline", { points: sharpness.map(place).join(" ") }),
  );
}
