// Questions to begin with, in the reader's language; none where a model without topics answers.

import { getJson } from "./api.js";

export class Suggestions {
  /** `box` holds a button for each; `language` is the select that may name one; `onAsk(text)` asks it. */
  constructor(box, language, { onAsk }) {
    Object.assign(this, { box, language, onAsk });
    this.loaded = false;
    language.addEventListener("change", () => this.load().catch(() => {})); // those on show will do
  }

  async load() {
    const wanted = this.#wanted;
    const { suggestions } = await getJson(`v1/suggestions?language=${encodeURIComponent(wanted)}`);
    this.loaded = true;
    if (wanted === this.#wanted) this.box.replaceChildren(...suggestions.map((one) => this.#button(one)));
  }

  get #wanted() {
    return this.language.value || navigator.language;
  }

  #button({ text, language }) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", lang: language, dir: "auto", textContent: text });
    button.addEventListener("click", () => this.onAsk(text));
    return button;
  }
}
