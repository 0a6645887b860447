// The language and voice pickers, filled from what the speech service offers.

import { getJson } from "./api.js";

const REMEMBERED = "speech";
const ANY_LANGUAGE = "mul"; // BCP 47's tag for several languages

const base = (code) => code.split("-")[0];

export class Voices {
  constructor(language, voice) {
    this.languageBox = language;
    this.voiceBox = voice;
    this.voices = [];
    this.loaded = false;
    language.addEventListener("change", () => this.#fillVoices());
    voice.addEventListener("change", () => this.#remember());
  }

  /** What to send with a question. */
  get choice() {
    return { language: this.languageBox.value, voice: this.voiceBox.value || "default" };
  }

  async load() {
    // "+f3" is a tint of any voice: the API takes it, a list of people has no use for it
    this.voices = (await getJson("v1/voices")).voices.filter((voice) => voice.id !== "default" && !voice.id.startsWith("+"));
    this.loaded = true;
    const codes = [...new Set(this.voices.flatMap((voice) => voice.languages.map(base)))].filter((code) => code !== ANY_LANGUAGE);
    const named = codes.map((code) => [code, languageName(code) ?? this.#ownName(code)]).sort((a, b) => a[1].localeCompare(b[1]));
    fill(this.languageBox, [["", "Language"], ...named]);
    const saved = JSON.parse(localStorage.getItem(REMEMBERED) ?? "{}");
    select(this.languageBox, saved.language ?? "");
    this.#fillVoices();
    select(this.voiceBox, saved.voice ?? "default");
  }

  #fillVoices() {
    const language = this.languageBox.value;
    const fitting = this.voices.filter(
      (voice) => !language || voice.languages.some((code) => [language, ANY_LANGUAGE].includes(base(code))),
    );
    fill(this.voiceBox, [["default", "Voice"], ...fitting.map((voice) => [voice.id, voice.name])]);
    this.#remember();
  }

  /** What the speech service calls a language that the browser has no name for. */
  #ownName(code) {
    const names = this.voices.filter((voice) => base(voice.languages[0]) === code).map((voice) => plain(voice.name));
    return names.sort((a, b) => a.length - b.length)[0] ?? code;
  }

  #remember() {
    localStorage.setItem(REMEMBERED, JSON.stringify(this.choice));
  }
}

function fill(box, options) {
  box.replaceChildren(...options.map(([value, label]) => new Option(label, value)));
}

function select(box, value) {
  if ([...box.options].some((option) => option.value === value)) box.value = value;
}

/** The name of a language for the reader, or undefined where the browser has none. */
function languageName(code) {
  try {
    return new Intl.DisplayNames(undefined, { type: "language", fallback: "none" }).of(code);
  } catch {
    return undefined;
  }
}

/** A voice's name without what tells it from others of its language: "Klingon (male)" is Klingon. */
function plain(name) {
  return name.replace(/\s*\([^)]*\)/g, "") || name;
}
