// The conversation: what was asked, what was answered, and the memory sent with the next question.

import { Turn } from "./turn.js";

const NEAR_END = 240; // pixels: about what a sentence and its buttons add at once
const REMEMBERED = 20; // messages sent along; older ones are left out

export class Conversation {
  constructor(list, { onReplay }) {
    this.list = list;
    this.onReplay = onReplay;
    this.turns = [];
    this.growth = new ResizeObserver(() => this.#follow()); // of the newest turn
  }

  /** What was said so far, as chat messages. */
  get messages() {
    const said = this.turns.filter((turn) => turn.question && turn.answer);
    return said
      .flatMap((turn) => [
        { role: "user", content: turn.question },
        { role: "assistant", content: turn.answer },
      ])
      .slice(-REMEMBERED);
  }

  /** A new turn; `question` is empty when it has yet to be heard, in the file named `sound` or a recording. */
  add(question, sound) {
    this.turns.at(-1)?.supersede();
    const turn = new Turn(question, sound, this.onReplay);
    this.turns.push(turn);
    this.show(turn.element);
    return turn;
  }

  /** Put an element at the end, and keep its end in sight while it grows. */
  show(element) {
    if (this.list.lastElementChild !== element) this.list.append(element); // moved anew, it would be read out anew
    this.growth.disconnect();
    this.growth.observe(element);
    this.#follow(true);
  }

  /** Take a turn back, such as one that is asked again. */
  drop(turn) {
    turn.element.remove();
    this.turns = this.turns.filter((other) => other !== turn);
  }

  clear() {
    this.growth.disconnect();
    this.turns.forEach((turn) => turn.element.remove());
    this.turns = [];
  }

  /** Keep the end in sight; a reader who went back to what was said before is left there, unless `always`. */
  #follow(always = false) {
    const scroller = getComputedStyle(this.list).overflowY === "auto" ? this.list : document.scrollingElement;
    const below = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
    if (always || below < NEAR_END) scroller.scrollTop = scroller.scrollHeight;
  }
}
