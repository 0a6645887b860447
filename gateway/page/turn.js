// One turn of the conversation: the question, the answer as it is written and spoken, and what came of it.

import { videoOf } from "./api.js";
import { formatSeconds } from "./duration.js";
import { gapAfter, lastSign } from "./gap.js";
import { make } from "./make.js";

export class Turn {
  /** `question` as typed, or empty when a sound holds it: the file named `sound`, or a recording; `onReplay(turn, url)`. */
  constructor(question, sound, onReplay) {
    Object.assign(this, { question, sound, onReplay });
    this.answer = "";
    this.spokenLength = 0;
    this.spokenEnd = "";
    this.words = [];
    this.element = make("article", "turn");
    this.asked = make("p", "asked", question || `Listening to ${sound || "your recording"}`);
    this.answered = make("p", "answered waiting");
    this.draft = make("span", "draft");
    this.foot = make("div", "turn-foot");
    // right-to-left writing runs its own way, whatever the language of the page
    this.asked.dir = this.answered.dir = "auto";
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
    const gap = gapAfter(this.spokenEnd);
    this.spokenLength += gap.length + text.length;
    this.spokenEnd = lastSign(this.spokenEnd + gap + text);
    this.#draft();
    this.draft.before(gap, ...this.#timed(text, words ?? [], start));
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
    this.draft.remove();
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

  /** The reader wanted no more of it. */
  stop() {
    this.#end();
    this.foot.append(make("span", "", "Stopped"));
  }

  /** Nothing more came, for this reason; `again()` asks once more, where that may help. */
  fail(reason, again) {
    this.#end();
    const failure = make("p", "failure");
    failure.setAttribute("role", "alert");
    failure.append(make("strong", "", this.answer ? "The answer broke off." : "No answer."), ` ${reason}`);
    this.element.insertBefore(failure, this.foot);
    if (!again) return;
    this.retry = make("button", "quiet", "Ask again", "again");
    this.retry.type = "button";
    this.retry.addEventListener("click", again);
    this.foot.append(this.retry);
  }

  /** Another question was asked: this one is not asked again, and what was kept for that can go. */
  supersede() {
    this.retry?.remove();
    this.retry = undefined;
  }

  #end() {
    this.answered.classList.remove("waiting");
    if (this.question) return;
    delete this.asked.dataset.pending;
    this.asked.dataset.sound = "";
    this.asked.textContent = this.sound || "Your recording";
  }

  #draft() {
    const rest = this.answer.slice(this.spokenLength).trim();
    if (!this.draft.parentNode) this.answered.append(this.draft);
    this.draft.textContent = rest ? `${gapAfter(this.spokenEnd)}${rest}` : "";
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
