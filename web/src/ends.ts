/** The pictures to walk between, and the ways to give them: examples, files, drawings and the camera. */

import { alignEyes, draw, photograph } from "./dialogs";
import { byId, clearProblem, complain, make, show } from "./dom";
import type { Group, Picture } from "./model";
import { drawn, framed, readPicture, toImageData } from "./pictures";
import { example, type State } from "./state";

const NAMES = ["A", "B", "C", "D"];

export class Ends {
  private readonly slots: { label: HTMLElement; input: HTMLInputElement; canvas: HTMLCanvasElement }[] = [];

  /** `give` is called with each picture that is chosen, and a note on how it was framed. */
  constructor(private readonly state: () => State, private readonly give: (picture: Picture, note: string) => void, choose: (end: number) => void) {
    for (const [i, name] of NAMES.entries()) {
      const canvas = make("canvas", {});
      const input = make("input", { type: "radio", name: "end", value: String(i), onchange: () => choose(i) });
      const label = make("label", { class: "end" }, input, canvas, make("span", { textContent: name }));
      this.slots.push({ label, input, canvas });
      byId("ends").append(label);
    }
    byId<HTMLInputElement>("file").addEventListener("change", (event) => {
      const input = event.target as HTMLInputElement;
      void this.files([...(input.files ?? [])]).then(() => (input.value = ""));
    });
    byId("draw").addEventListener("click", () => void this.tried(() => this.drawing()));
    byId("camera").addEventListener("click", () => void this.tried(async () => this.pixels(await photograph())));
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      void this.files([...(event.dataTransfer?.files ?? [])]);
    });
    document.addEventListener("paste", (event) => void this.files([...(event.clipboardData?.files ?? [])]));
  }

  /** Shows the examples of another group. */
  reset(group: Group): void {
    const buttons = group.pictures.map((_, n) => {
      const canvas = make("canvas", {});
      const picture = example(group, n);
      show(canvas, toImageData(picture.pixels, group.image));
      return make("button", { type: "button", ariaLabel: `Example ${n + 1}`, onclick: () => this.give(picture, "") }, canvas);
    });
    byId("examples").replaceChildren(...buttons);
    byId("draw").hidden = group.image.channels !== 1;
  }

  update(state: State): void {
    this.slots.forEach(({ label, input, canvas }, i) => {
      label.hidden = i >= (state.view === "corners" ? 4 : 2);
      input.checked = i === state.chosen;
      const end = state.ends[i];
      show(canvas, toImageData(end.pixels, state.group.image));
      const what = end.example === null ? "your picture" : `example ${end.example + 1}`;
      input.setAttribute("aria-label", `${NAMES[i]}: ${what}`);
    });
  }

  private async files(files: File[]): Promise<void> {
    for (const file of files.slice(0, NAMES.length)) {
      await this.tried(async () => this.pixels(await readPicture(file, file.name || "The picture", this.state().group)));
    }
  }

  private async pixels(data: ImageData | null): Promise<void> {
    const { group } = this.state();
    if (data === null) return;
    const exact = data.width === group.image.width && data.height === group.image.height;
    const aligned = group.eyes !== null && !exact ? await alignEyes(data, group) : data;
    if (aligned === null) return;
    const { picture, note } = framed(aligned, group);
    this.give(picture, note);
  }

  private async drawing(): Promise<void> {
    const data = await draw();
    const picture = data === null ? null : drawn(data, this.state().group);
    if (picture !== null) this.give(picture, "");
  }

  private async tried(call: () => Promise<void>): Promise<void> {
    try {
      await call();
    } catch (error) {
      complain(error);
      return;
    }
    clearProblem();
  }
}
