// The language and voice pickers, filled from what the speech service offers.

import { getJson } from "./api.js";

const REMEMBERED = "speech";
const ANY_LANGUAGE = "mul"; // BCP 47's tag for several languages

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
    fill(this.languageBox, [["", "Language"], ...this.#languages()]);
    const saved = JSON.parse(localStorage.getItem(REMEMBERED) ?? "{}");
    select(this.languageBox, saved.language ?? "");
    this.#fillVoices();
    select(this.voiceBox, saved.voice ?? "default");
  }

  #fillVoices() {
    const language = this.languageBox.value;
    const fitting = this.voices.filter(
      (voice) => !language || voice.languages.some((tag) => [language, ANY_LANGUAGE].includes(languageOf(tag))),
    );
    fill(this.voiceBox, [["default", "Voice"], ...fitting.map((voice) => [voice.id, voice.name])]);
    this.#remember();
  }

  /** Code and name of each language that a voice speaks, by name; no name occurs twice. */
  #languages() {
    const codes = new Set(this.voices.flatMap((voice) => voice.languages.map(languageOf)));
    const names = new Map();
    const free = (name) => name && ![...names.values()].includes(name);
    const known = [...codes].filter((code) => ![ANY_LANGUAGE, ""].includes(code)).sort((a, b) => !languageName(a) - !languageName(b));
    for (const code of known) {
      const choices = [languageName(code), ...this.#ownNames(code)];
      names.set(code, choices.find(free) ?? `${choices.find(Boolean) ?? code} (${code})`);
    }
    return [...names].sort((a, b) => a[1].localeCompare(b[1]));
  }

  /** What the speech service calls a language that the browser has no name for, the plainest first. */
  #ownNames(code) {
    const names = this.voices.filter((voice) => languageOf(voice.languages[0]) === code).map((voice) => voice.name);
    return [...names.map(plain), ...names].sort((a, b) => a.length - b.length);
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

/** The language of a tag by the code that all others use: "cmn" is "zh"; "" for one that names several languages. */
function languageOf(tag) {
  const code = tag.split("-")[0];
  try {
    const known = new Intl.Locale(code);
    return known.script ? "" : known.language;
  } catch {
    return code;
  }
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
