// The cast: the strip of presenters, uploading one, choosing one.

import { getJson, remove, upload } from "./api.js";
import { aimAt, faceOf, pictureOf } from "./face.js";
import { make } from "./make.js";

const REMEMBERED_CHOICE = "avatar";

export class Cast {
  constructor(strip, { onChoose, onAdd }) {
    this.strip = strip;
    this.onChoose = onChoose;
    this.onAdd = onAdd;
    this.avatars = [];
    this.loaded = false;
    strip.addEventListener("keydown", (event) => this.#walk(event));
  }

  /** The chosen avatar's record, or undefined. */
  get chosen() {
    return this.avatars.find((avatar) => avatar.id === this.id);
  }

  /** The button of the chosen avatar. */
  get button() {
    return this.strip.querySelector("[aria-checked=true]");
  }

  async load(choice = this.id ?? localStorage.getItem(REMEMBERED_CHOICE)) {
    this.avatars = (await getJson("v1/avatars")).avatars;
    this.loaded = true;
    this.#draw();
    const known = this.avatars.find((avatar) => avatar.id === choice) ?? this.avatars[0];
    if (known) this.choose(known.id);
  }

  choose(id) {
    this.id = id;
    localStorage.setItem(REMEMBERED_CHOICE, id);
    for (const button of this.strip.querySelectorAll("[role=radio]")) {
      const on = button.dataset.id === id;
      button.setAttribute("aria-checked", on);
      button.tabIndex = on ? 0 : -1;
      if (on) button.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    this.onChoose(this.chosen);
  }

  /** Register a picture and choose it: its id, and whether it is `fresh` and not one that was known before. */
  async add(file) {
    const { avatars: before } = await getJson("v1/avatars"); // another tab may have added some
    const { id } = await upload("v1/avatars", file);
    await this.load(id);
    return { id, fresh: before.every((avatar) => avatar.id !== id) };
  }

  async removeChosen() {
    await remove(`v1/avatars/${this.id}`);
    this.id = undefined;
    await this.load(this.avatars[0]?.id);
  }

  /** Forget an avatar that is not chosen, unless its points were placed by hand. */
  async removeUnedited(id) {
    const { source } = await getJson(`v1/avatars/${id}/rig`);
    if (source === "edited") return;
    await remove(`v1/avatars/${id}`);
    await this.load();
  }

  #draw() {
    const faces = this.avatars.map((avatar) => {
      const face = make("button", "face");
      face.type = "button";
      face.title = avatar.name;
      face.dataset.id = avatar.id;
      face.setAttribute("role", "radio");
      const name = make("span", "", avatar.name);
      name.dir = "auto";
      face.append(thumbnail(avatar), name);
      face.addEventListener("click", () => this.choose(avatar.id));
      return face;
    });
    const add = make("button", "face");
    add.type = "button";
    const box = make("div", "add", "", "plus");
    add.append(box, make("span", "", "Add yours"));
    add.setAttribute("aria-label", "Add a portrait of your own");
    add.addEventListener("click", () => this.onAdd());
    this.strip.replaceChildren(...faces, add);
  }

  #walk(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step || event.target.getAttribute("role") !== "radio") return;
    event.preventDefault();
    const at = this.avatars.findIndex((avatar) => avatar.id === this.id);
    const next = this.avatars[(at + step + this.avatars.length) % this.avatars.length];
    this.choose(next.id);
    this.strip.querySelector(`[data-id="${CSS.escape(next.id)}"]`).focus();
  }
}

function thumbnail(avatar) {
  const image = make("img");
  image.src = pictureOf(avatar);
  image.alt = "";
  image.draggable = false;
  faceOf(avatar).then((face) => {
    if (face) image.style.objectPosition = aimAt(face, [avatar.width, avatar.height], [1, 1]);
  });
  return image;
}
