// The conversation: what was asked, what was answered, and the memory sent with the next question.

import { videoOf } from "./api.js";

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

  /** A new turn; `question` is empty when it was spoken and has yet to be heard. */
  add(question) {
    const turn = new Turn(question, this.onReplay);
    this.turns.push(turn);
    this.list.append(turn.element);
    this.#follow(true);
    this.growth.disconnect();
    this.growth.observe(turn.element);
    return turn;
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

class Turn {
  constructor(question, onReplay) {
    this.question = question;
    this.answer = "";
    this.words = [];
    this.onReplay = onReplay;
    this.element = make("article", "turn");
    this.asked = make("p", "asked", question || "Listening to your recording");
    this.answered = make("p", "answered waiting");
    this.foot = make("div", "turn-foot");
    if (!question) this.asked.dataset.pending = "";
    this.element.append(this.asked, this.answered, this.foot);
  }

  heard(text) {
    this.question = text;
    this.asked.textContent = text;
    this.asked.dataset.heard = "";
    delete this.asked.dataset.pending;
  }

  /** Words of the answer as the model writes them; a spoken sentence replaces them with timed words. */
  wrote(text) {
    this.answer += text;
    this.#draft();
  }

  spoke({ text, words, start }) {
    this.spoken = `${this.spoken ?? ""}${this.spoken ? " " : ""}${text}`;
    this.answered.querySelector(".draft")?.remove();
    if (this.answered.childNodes.length) this.answered.append(" ");
    this.answered.append(...this.#timed(text, words ?? [], start));
    this.#draft();
  }

  /** Mark the word spoken at `seconds`; a negative number marks none. */
  at(seconds) {
    for (const { span, start, end } of this.words) {
      span.classList.toggle("now", seconds >= start && seconds < end);
    }
  }

  /** The sentence spoken at `seconds`, for the caption. */
  sentenceAt(seconds) {
    const past = this.words.filter((word) => word.start <= seconds + 0.05);
    return past.length ? past[past.length - 1].sentence : "";
  }

  finish(result) {
    this.answer = result.text || this.answer;
    this.question ||= result.transcript;
    this.answered.classList.remove("waiting");
    this.answered.querySelector(".draft")?.remove();
    const replay = make("button", "quiet", "Replay", "play");
    replay.type = "button";
    replay.addEventListener("click", () => this.onReplay(this, videoOf(result)));
    const save = make("a", "quiet", "Save video", "download");
    save.href = videoOf(result);
    save.download = "answer.mp4";
    const first = result.timings.first_fragment_s;
    const note = make("span", "turn-note", describe(result.duration_s, first));
    note.title = "Length of the answer, and the time from the question to its first picture";
    this.foot.append(replay, save, note);
  }

  stopped(message, failed) {
    this.answered.classList.remove("waiting");
    if (!this.question) this.asked.remove();
    this.foot.append(make("span", failed ? "failure" : "", message));
  }

  #draft() {
    const rest = this.answer.slice((this.spoken ?? "").length).trim();
    let draft = this.answered.querySelector(".draft");
    if (!draft) this.answered.append((draft = make("span", "draft")));
    draft.textContent = rest ? ` ${rest}` : "";
  }

  #timed(text, words, offset) {
    const nodes = [];
    let at = 0;
    for (const word of words) {
      if (word.char_start < at || word.char_end <= word.char_start) continue;
      nodes.push(text.slice(at, word.char_start));
      const span = make("span", "word", text.slice(word.char_start, word.char_end));
      this.words.push({ span, start: word.start, end: word.end, sentence: text });
      nodes.push(span);
      at = word.char_end;
    }
    if (!words.length) this.words.push({ span: make("span"), start: offset, end: offset, sentence: text });
    nodes.push(text.slice(at));
    return nodes;
  }
}

function describe(duration, first) {
  const parts = [];
  if (duration) parts.push(`${duration.toFixed(1)} s`);
  if (first) parts.push(`first picture after ${formatSeconds(first)}`);
  return parts.join(", ");
}

/** Seconds for people: milliseconds below one second. */
export function formatSeconds(seconds) {
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
}

/** An element with a class, text and, when named, an icon before the text. */
export function make(tag, className = "", text = "", icon = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (icon) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", `page/icons.svg#${icon}`);
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    svg.append(use);
    element.append(svg);
  }
  if (text) element.append(text);
  return element;
}
