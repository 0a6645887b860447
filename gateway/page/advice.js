// What the coach says of an uploaded picture: its findings, and a button that uses the mended version.

import { sendJson, toBase64 } from "./api.js";
import { make } from "./make.js";

const SHOWN = 4; // the worst come first

export class Advice {
  /**
   * `box` holds it; `onShown()` when there is something in it, `onClosed()` before that goes; `onMended(file)` takes
   * the mended picture; `attempt` tells what fails.
   */
  constructor(box, { onShown, onClosed, onMended, attempt }) {
    Object.assign(this, { box, onShown, onClosed, onMended, attempt });
    this.round = 0;
    this.about = undefined; // id of the avatar of the picture
    this.fresh = false; // whether it was made of this upload, and not known before
  }

  get shown() {
    return !this.box.hidden;
  }

  clear() {
    this.round += 1;
    this.about = undefined;
    this.fresh = false;
    this.onClosed();
    this.box.hidden = true;
    this.box.replaceChildren();
  }

  /** Look at a picture, and show what there is to say; a newer picture takes its place. True when it cannot be used. */
  async look(file) {
    this.clear();
    const round = this.round;
    if (!file.type.startsWith("image/")) return false;
    const image = await toBase64(file);
    const { image: report } = await sendJson("v1/check", "POST", { image });
    if (round === this.round && report.findings.length) this.#show(report.findings, file);
    return !report.usable;
  }

  #show(findings, file) {
    const head = make("div", "advice-head");
    head.append(make("h3", "", titleOf(findings)));
    const close = make("button", "link", "Dismiss");
    close.type = "button";
    close.addEventListener("click", () => this.clear());
    head.append(close);
    const list = make("ul");
    list.append(...findings.slice(0, SHOWN).map(row));
    this.box.replaceChildren(head, list);
    const usable = findings.every((found) => found.severity !== "error");
    if (usable && findings.some((found) => found.fix)) this.box.append(this.#mendButton(file));
    this.box.hidden = false;
    this.onShown();
  }

  #mendButton(file) {
    const button = make("button", "", "Mend it and use that");
    button.type = "button";
    button.addEventListener("click", async () => {
      button.disabled = true;
      await this.attempt(() => this.#mend(file));
      button.disabled = false;
    });
    return button;
  }

  async #mend(file) {
    const { fixed } = await sendJson("v1/check", "POST", { image: await toBase64(file), fix: true });
    if (!fixed.image) {
      this.box.querySelector(":scope > button").replaceWith(make("p", "", "Nothing of this can be mended here."));
      return;
    }
    const bytes = Uint8Array.from(atob(fixed.image), (sign) => sign.charCodeAt(0));
    await this.onMended(new File([bytes], file.name.replace(/\.\w+$/, "") + ".png", { type: "image/png" }));
  }
}

function titleOf(findings) {
  const severities = new Set(findings.map((found) => found.severity));
  if (severities.has("error")) return "This picture cannot be used";
  return severities.has("warning") ? "About this picture" : "It could be better";
}

function row(found) {
  const item = make("li");
  item.dataset.severity = found.severity;
  item.append(make("strong", "", sentence(found.message)), make("span", "", found.advice));
  return item;
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`.replace("..", ".");
