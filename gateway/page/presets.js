// The picker of presets: how much work the picture is worth, and what that costs on the server's machine.

import { getJson, sendJson } from "./api.js";

const REMEMBERED = "preset";
const USUAL = "standard";
const SPEECH_S = 10; // seconds of speech that the cost is told for: about an answer's

export class Presets {
  /** `row` holds all of it and stays hidden where the service knows no presets; `attempt` tells what fails. */
  constructor({ row, box, size, cost, measure }, attempt) {
    Object.assign(this, { row, box, size, cost, measure });
    this.presets = [];
    box.addEventListener("change", () => this.#choose());
    measure.addEventListener("click", () => attempt(() => this.#measure()));
  }

  get loaded() {
    return this.presets.length > 0;
  }

  /** What to send with a question. */
  get choice() {
    return this.loaded ? { preset: this.box.value } : {};
  }

  /** Ask what is known by now; answers teach the server what they cost. */
  async load() {
    this.#take(await getJson("v1/presets"));
  }

  #take({ presets }) {
    const first = !this.loaded;
    this.presets = presets;
    if (first) this.#fill(localStorage.getItem(REMEMBERED));
    this.row.hidden = !this.loaded;
    this.#tell();
  }

  #fill(choice) {
    this.box.replaceChildren(...this.presets.map(({ name }) => new Option(`Picture: ${name}`, name)));
    this.box.value = this.presets.some(({ name }) => name === choice) ? choice : USUAL;
  }

  #choose() {
    localStorage.setItem(REMEMBERED, this.box.value);
    this.#tell();
  }

  #tell() {
    const preset = this.presets.find(({ name }) => name === this.box.value);
    if (!preset) return;
    const known = preset.work_s !== null;
    this.size.textContent = unbroken(`${preset.size} px, ${preset.fps} frames/s;`);
    this.cost.textContent = known ? costOf(preset.work_s) : "time not known yet";
    this.measure.hidden = known;
  }

  async #measure() {
    this.measure.disabled = true;
    this.cost.textContent = "measuring, for 90 s at most";
    try {
      this.#take(await sendJson("v1/presets", "POST", {}));
    } finally {
      this.measure.disabled = false;
      this.#tell();
    }
  }
}

/** What an answer's picture costs, such as "10 s of speech in about 2 s". */
function costOf(workS) {
  const seconds = SPEECH_S * workS;
  const about = seconds < 90 ? `about ${Math.max(1, Math.round(seconds))} s` : `about ${Math.round(seconds / 60)} min`;
  return `${unbroken(`${SPEECH_S} s`)} of speech in ${unbroken(seconds < 1 ? "less than 1 s" : about)}`;
}

const unbroken = (text) => text.replaceAll(" ", "\u00a0");
