// The stage: the presenter's picture, the video over it, the caption, and what it is busy with.

import { aimAt, faceOf, pictureOf } from "./face.js";

const HIDDEN_AT_MOST = 0.25; // part of a picture's height or width that may be cropped to fill the stage
const EMPTY_AT_MOST = 0.6; // part of the stage that may stay beside a picture shown whole

export class Stage {
  /** `box` holds video, still, backdrop, caption and busy mark; `said` is a status for those who hear the page. */
  constructor(box, said) {
    this.box = box;
    this.said = said;
    const part = (name) => box.querySelector(name);
    Object.assign(this, { video: part("video"), still: part(".still"), backdrop: part(".backdrop") });
    Object.assign(this, { caption: part(".caption"), busyMark: part(".busy"), silence: part(".silence") });
    this.still.addEventListener("load", () => this.#fit());
    this.video.addEventListener("loadedmetadata", () => this.#fit());
    new ResizeObserver(() => this.#fit()).observe(box);
  }

  /** Show a presenter, or none. */
  async present(avatar) {
    this.avatar = avatar;
    this.face = null;
    const picture = avatar ? pictureOf(avatar) : "";
    this.still.hidden = !avatar;
    if (avatar) this.still.src = picture;
    this.still.alt = avatar ? `${avatar.name}, ready to answer` : "";
    // a style sheet takes addresses from where it lies itself
    this.backdrop.style.setProperty("--picture", picture ? `url("${new URL(picture, document.baseURI)}")` : "none");
    if (!avatar) return;
    const face = await faceOf(avatar);
    if (this.avatar !== avatar) return;
    this.face = face;
    this.#fit();
  }

  /** The video plays; `sentence` is what it says. */
  play(sentence) {
    if (!("playing" in this.box.dataset)) {
      this.box.dataset.playing = "";
      this.#say("Answering");
    }
    this.silence.hidden = false;
    if (this.caption.textContent !== sentence) this.caption.textContent = sentence;
    this.caption.hidden = !sentence;
  }

  /** What the presenter does before there is a video; nothing when empty. */
  busy(text) {
    this.busyMark.hidden = !text;
    this.busyMark.lastElementChild.textContent = text;
    this.#say(text);
  }

  /** Nothing plays and nothing is made. */
  rest() {
    const played = "playing" in this.box.dataset;
    delete this.box.dataset.playing;
    this.caption.hidden = this.silence.hidden = true;
    this.busy("");
    if (played) this.#say("The answer has ended");
  }

  #say(text) {
    this.said.textContent = text;
  }

  #fit() {
    this.#fill(this.still, this.still.naturalWidth, this.still.naturalHeight, this.face);
    this.#fill(this.video, this.video.videoWidth, this.video.videoHeight, null);
  }

  /** Fill the stage when that hides little, or when the stage would be empty else; otherwise show all, with a soft border. */
  #fill(element, width, height, face) {
    const { clientWidth, clientHeight } = this.box;
    if (!width || !clientHeight) return;
    const ratio = width / height / (clientWidth / clientHeight);
    const share = Math.min(ratio, 1 / ratio);
    const fills = share >= 1 - HIDDEN_AT_MOST || (face && share < 1 - EMPTY_AT_MOST);
    element.toggleAttribute("data-fill", Boolean(fills));
    element.style.objectPosition = fills && face ? aimAt(face, [width, height], [clientWidth, clientHeight]) : "";
  }
}
