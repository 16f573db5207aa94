/** The page: its state, and what is computed and drawn when that changes. */

import { byId, clearProblem, complain, make, say } from "./dom";
import { Ends } from "./ends";
import { Model, type Card, type Group, type Index, type Picture } from "./model";
import { toImageData } from "./pictures";
import { Plane } from "./plane";
import { Row } from "./row";
import { FRAMES_A_SECOND, download, filmFrame, films, png, sheet } from "./save";
import { example, initial, toLink, type State } from "./state";

const LINK_DELAY = 400; // milliseconds

export class App {
  private rows: Row[] = [];
  private readonly models = new Map<Card, Model>();
  private busy = false;
  private again = false;
  private failed = false;
  private playing = false;
  private linkTimer = 0;
  private readonly ends: Ends;
  private readonly plane: Plane;

  constructor(readonly index: Index, public state: State, private readonly controls: () => void) {
    this.ends = new Ends(
      () => this.state,
      (picture, note) => this.give(picture, note),
      (chosen) => this.change({ chosen }),
    );
    this.plane = new Plane({
      move: (point) => this.change({ point }),
      choose: (n) => this.give(example(this.state.group, n), ""),
    });
    this.enter();
  }

  /** Goes on with other values, and computes what they change. */
  change(values: Partial<State>): void {
    const group = values.group;
    if (group !== undefined && group !== this.state.group) {
      this.state = initial(group);
      this.enter();
    } else {
      Object.assign(this.state, values);
    }
    void this.update();
  }

  replace(state: State): void {
    const other = state.group !== this.state.group;
    this.state = state;
    if (other) this.enter();
    byId("note").textContent = "";
    clearProblem();
    this.play(false);
    void this.update();
  }

  play(on: boolean): void {
    const started = this.playing;
    this.playing = on;
    this.controls();
    if (!on || started) return;
    let [last, way] = [performance.now(), 1];
    const tick = (now: number): void => {
      if (!this.playing) return;
      let place = this.state.place + (way * (now - last)) / 1000 / this.state.seconds;
      last = now;
      if (place >= 1 || place <= 0) {
        way = place >= 1 ? -1 : 1;
        place = Math.min(1, Math.max(0, place));
      }
      this.change({ place });
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  /** Distance of the positions that all models can show. */
  get step(): number {
    return Math.max(...this.shown().map((row) => row.step));
  }

  get isPlaying(): boolean {
    return this.playing;
  }

  /** The picture that is shown, as one to walk from. */
  take(): void {
    const image = this.shown()[0]?.image;
    if (image) this.give({ pixels: Uint8Array.from(image, (x) => Math.round(255 * Math.min(1, Math.max(0, x)))), example: null }, "");
  }

  async save(kind: "png" | "gif" | "mp4"): Promise<void> {
    if (this.state.view !== "walk") return this.savePlane();
    const rows = this.shown().filter((row) => row.walk !== null);
    if (rows.length === 0) throw new Error("There is nothing to save yet: wait until the models are loaded.");
    const name = rows.map((row) => row.model.name).join("-").slice(0, 80);
    const data = (image: Float32Array): ImageData => toImageData(image, this.state.group.image, 255);
    say(`Saving ${name}.${kind}…`);
    if (kind === "png") {
      const strips = rows.map((row) => ({ name: row.model.name, frames: (row.walk?.frames ?? []).map(data) }));
      download(await png(sheet(strips)), `${name}.png`);
    } else {
      const half = Math.max(2, Math.round(this.state.seconds * FRAMES_A_SECOND));
      const places = Array.from({ length: half + 1 }, (_, i) => i / half);
      const walks = await Promise.all(rows.map((row) => row.walk?.at(places) ?? []));
      const names = rows.map((row) => row.model.name);
      const there = places.map((_, i) => filmFrame(names, walks.map((walk) => data(walk[i]))));
      const frames = [...there, ...there.slice(1, -1).reverse()];
      download(await (await films())[kind](frames, FRAMES_A_SECOND), `${name}.${kind}`);
    }
    say(`${name}.${kind} is saved.`);
  }

  private async savePlane(): Promise<void> {
    const name = `${this.shown()[0].model.name}-${this.state.view}.png`;
    download(await png(this.plane.picture()), name);
    say(`${name} is saved.`);
  }

  private give(picture: Picture, note: string): void {
    const { ends, chosen, view } = this.state;
    const count = view === "corners" ? 4 : 2;
    byId("note").textContent = note;
    this.change({ ends: ends.map((end, i) => (i === chosen ? picture : end)), chosen: (chosen + 1) % count });
    if (picture.example === null) void this.checkFit(picture, note);
  }

  /** Warns of a picture that is not of the kind that the first model shown was trained on, as the commands do. */
  private async checkFit(picture: Picture, note: string): Promise<void> {
    const model = this.shown().find((row) => row.model.card.fitness)?.model;
    if (model === undefined) return;
    try {
      const distance = await model.unlike(picture);
      if (distance <= 1 || !this.state.ends.includes(picture)) return;
      const warning =
        `The picture is unlike the images that ${model.name} was trained on, and may come out as something else: ` +
        `the distance from them is ${distance.toFixed(1)}, that of 99 % of held-out images is below 1.`;
      byId("note").textContent = `${note} ${warning}`.trim();
    } catch {
      // What cannot be computed is reported where it is shown.
    }
  }

  private shown(): Row[] {
    const rows = this.rows.filter((row) => this.state.models.has(row.model.name));
    return this.state.view === "map" ? rows.slice(0, 1) : rows;
  }

  /** Makes the rows of a group. */
  private enter(): void {
    const { group } = this.state;
    this.rows = group.models.map((card) => new Row(this.modelOf(card), group, (place) => this.change({ place, view: "walk" })));
    byId("rows").replaceChildren(...this.rows.map((row) => row.element));
    this.ends.reset(group);
    this.modelBoxes(group);
    byId("note").textContent = "";
    byId("credits").textContent = `Made by interpzoo ${this.index.version}. ${group.models.map((card) => `${card.name}: license ${card.license}.`).join(" ")}`;
  }

  /** A model stays loaded when another group is shown. */
  private modelOf(card: Card): Model {
    const model = this.models.get(card) ?? new Model(card, this.state.group);
    this.models.set(card, model);
    return model;
  }

  private modelBoxes(group: Group): void {
    const boxes = group.models.map(({ name, bytes, summary }) => {
      const box = make("input", { type: "checkbox", value: name });
      box.addEventListener("change", () => {
        const models = new Set(this.state.models);
        if (box.checked) models.add(name);
        else if (models.size > 1) models.delete(name);
        else box.checked = true;
        this.change({ models });
      });
      return make("label", { title: `${summary} ${Math.ceil(bytes[0] / 1e3)} kB` }, box, ` ${name}`);
    });
    byId("models").replaceChildren(byId("models").firstElementChild as Node, ...boxes);
  }

  /** Computes and draws until nothing has changed in the meantime. */
  async update(): Promise<void> {
    this.controls();
    this.ends.update(this.state);
    this.shown().forEach((row) => row.drawWritten(this.state)); // at once, while others are computed
    this.keepLink();
    this.again = true;
    document.body.dataset.state = "busy";
    if (this.busy) return;
    this.busy = true;
    while (this.again) {
      this.again = false;
      await this.pass();
    }
    this.busy = false;
    document.body.dataset.state = "ready";
  }

  private async pass(): Promise<void> {
    const rows = this.shown();
    this.rows.forEach((row) => (row.element.hidden = !rows.includes(row)));
    try {
      await Promise.all(rows.map((row) => row.begin(this.state)));
      for (const row of rows) await row.drawFrame(this.state);
      await this.updatePlane(rows[0]);
      for (const row of rows.filter((one) => !one.isCurrent(this.state))) {
        if (this.again) return;
        say(row.isWritten ? "Loading the runtime, for other pictures…" : `Computing with ${row.model.name}…`);
        await row.update(this.state);
        await row.drawFrame(this.state);
        await this.updatePlane(rows[0]);
        say("");
      }
      if (this.failed) clearProblem();
      this.failed = false;
    } catch (error) {
      this.failed = true;
      complain(error);
      say("");
    }
  }

  private async updatePlane(row: Row): Promise<void> {
    const { state } = this;
    if (state.view === "walk" || !row.isCurrent(state)) return;
    const ends = state.view === "corners" ? state.ends.map((end) => this.numberOf(end)).join() : "";
    const amounts = [...state.amounts].join(" ");
    await this.plane.update(state, row, [state.group.name, row.model.name, state.view, state.line, ends, amounts].join("|"));
  }

  private readonly numbers = new Map<Picture, number>();

  private numberOf(picture: Picture): number {
    const number = this.numbers.get(picture) ?? this.numbers.size;
    this.numbers.set(picture, number);
    return number;
  }

  private keepLink(): void {
    clearTimeout(this.linkTimer);
    this.linkTimer = window.setTimeout(() => {
      void toLink(this.state).then(({ link }) => history.replaceState(null, "", `#${link}`));
    }, LINK_DELAY);
  }
}
