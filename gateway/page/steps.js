// The stages of an answer below the screen: which one works, which are done and how long they took, which one failed.

import { formatSeconds } from "./duration.js";

export class Steps {
  /** `list` holds an element with `data-stage` for each stage. */
  constructor(list) {
    this.list = list;
  }

  /** A question was sent; a typed one needs no listening. */
  start(spoken) {
    this.reset();
    this.#of("asr").hidden = !spoken;
    this.list.style.gridTemplateColumns = `repeat(${spoken ? 4 : 3}, 1fr)`;
    this.advance(spoken ? "asr" : "llm");
  }

  /** A stage begins to work, unless it has begun before. */
  advance(stage) {
    const step = this.#of(stage);
    step.dataset.state ??= "active";
  }

  done(stage, seconds) {
    const step = this.#of(stage);
    if (!step) return;
    step.dataset.state = "done";
    step.lastElementChild.textContent = formatSeconds(seconds);
  }

  /** The stage of this service failed, or whichever was at work. */
  fail(service) {
    const failed = this.#of(service) ?? this.#all.find((step) => step.dataset.state === "active");
    for (const step of this.#all) if (step.dataset.state === "active") delete step.dataset.state;
    if (failed) failed.dataset.state = "failed";
  }

  forgetFailure() {
    if (this.#all.some((step) => step.dataset.state === "failed")) this.reset();
  }

  reset() {
    for (const step of this.#all) {
      delete step.dataset.state;
      step.lastElementChild.textContent = "";
    }
  }

  get #all() {
    return [...this.list.children];
  }

  #of(stage) {
    return this.#all.find((step) => step.dataset.stage === stage);
  }
}
