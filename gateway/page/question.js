// The field for a typed question: Enter sends it, or lets it wait while nothing can be asked.

const LONGEST = 4000; // characters; a question of more is a document, which the model would have to be given otherwise

export class Question {
  /**
   * `box`: the text area; `note`: where it says that the question waits.
   * `onAsk(text)` sends it; `onRefused(message)` says why not; `obstacle()` is why it has to wait, or "".
   */
  constructor(box, note, { onAsk, onRefused, obstacle }) {
    this.box = box;
    this.note = note;
    this.onAsk = onAsk;
    this.onRefused = onRefused;
    this.obstacle = obstacle;
    this.waiting = false;
    box.addEventListener("input", () => this.#changed());
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.send();
    });
    window.addEventListener("resize", () => this.#grow());
    this.#grow(); // a browser that goes back restores what was written
    // Enter pressed before this script ran has only begun a line
    if (box.value.endsWith("\n")) this.send();
  }

  /** Ask what is written, now or as soon as that is possible. */
  send() {
    const text = this.box.value.trim();
    if (!text) return;
    if (text.length > LONGEST) {
      const count = (number) => number.toLocaleString("en");
      this.onRefused(`This question has ${count(text.length)} characters; at most ${count(LONGEST)} can be asked at once.`);
      return;
    }
    const obstacle = this.obstacle();
    if (obstacle) {
      this.#show(obstacle);
      return;
    }
    this.keep();
    this.box.value = "";
    this.#grow();
    this.onAsk(text);
  }

  /** Nothing is in the way any more: ask what waits. */
  release() {
    if (this.waiting) this.send();
  }

  /** Leave what is written in the field; it is asked only when it is sent again. */
  keep() {
    this.#show("");
  }

  #changed() {
    this.keep();
    this.#grow();
  }

  /** As high as what is written; the style sheet has the bound. Not every browser has `field-sizing`. */
  #grow() {
    if (this.box.hidden) return; // during a recording there is nothing to measure
    this.box.style.height = "auto";
    this.box.style.height = `${this.box.scrollHeight}px`;
  }

  #show(text) {
    this.waiting = Boolean(text);
    this.note.hidden = !text;
    this.note.textContent = text;
  }
}
