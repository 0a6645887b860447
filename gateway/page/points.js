// The point editor: the rig of a portrait as draggable points over its picture.

import { getJson, sendJson } from "./api.js";
import { make } from "./make.js";

const SVG = "http://www.w3.org/2000/svg";
const PARTS = {
  jaw: ["Jaw", "#f2c14e"],
  right_brow: ["Right brow", "#9ad1d4"],
  left_brow: ["Left brow", "#9ad1d4"],
  nose_bridge: ["Nose", "#c8b6ff"],
  nose_base: ["Nostrils", "#c8b6ff"],
  right_eye: ["Right eye", "#7ae582"],
  left_eye: ["Left eye", "#7ae582"],
  lips_outer: ["Lips, outside", "#ff8fa3"],
  lips_inner: ["Lips, inside", "#ff5d5d"],
};
const REACH = 24; // screen pixels around a point within which a finger takes hold of it
const FACE_SHARE = 0.75; // of the canvas that the face fills when the editor opens
const LOOPS = new Set(["right_eye", "left_eye", "lips_outer", "lips_inner"]);

export class PointEditor {
  constructor(dialog) {
    this.dialog = dialog;
    this.canvas = dialog.querySelector("#editor-canvas");
    this.error = dialog.querySelector("#editor-error");
    this.part = dialog.querySelector("#editor-part");
    this.zoom = dialog.querySelector("#zoom");
    this.zoom.addEventListener("input", () => this.#scale());
    dialog.querySelector("#editor-cancel").addEventListener("click", () => dialog.close());
    dialog.querySelector("#editor-reset").addEventListener("click", () => this.#draw(structuredClone(this.original)));
    this.saveButton = dialog.querySelector("#editor-save");
    this.saveButton.addEventListener("click", () => this.#save());
    this.canvas.addEventListener("pointerdown", (event) => this.#grab(event));
    // where a point is near, the finger moves it; elsewhere it moves the picture
    this.canvas.addEventListener("touchstart", (event) => this.#nearest(event.touches[0]) && event.preventDefault(), { passive: false });
    this.#legend();
  }

  async open(avatar, image) {
    this.avatar = avatar;
    this.image = image;
    this.original = await getJson(`v1/avatars/${avatar}/rig`);
    this.error.hidden = true;
    this.part.textContent = "Nothing chosen";
    this.dialog.showModal();
    this.#draw(structuredClone(this.original));
    this.#showFace();
  }

  #draw(rig) {
    this.rig = rig;
    const [width, height] = rig.size;
    this.svg = shape("svg", { viewBox: `0 0 ${width} ${height}` });
    this.svg.append(shape("image", { href: this.image, width, height }));
    this.outlines = {};
    this.handles = [];
    for (const name of Object.keys(PARTS)) this.#drawOutline(name);
    for (const name of Object.keys(PARTS)) rig.points[name].forEach((_, index) => this.#drawPoint(name, index));
    this.canvas.replaceChildren(this.svg);
    this.#scale();
  }

  #drawOutline(name) {
    const kind = LOOPS.has(name) ? "polygon" : "polyline";
    this.outlines[name] = shape(kind, { class: "outline", stroke: PARTS[name][1] });
    this.svg.append(this.outlines[name]);
    this.#follow(name);
  }

  #drawPoint(name, index) {
    const point = shape("circle", {
      class: "point",
      fill: PARTS[name][1],
      tabindex: 0,
      role: "button",
      "aria-label": `${PARTS[name][0]} ${index + 1}`,
    });
    this.#place(point, name, index);
    point.addEventListener("focus", () => this.#name(name, index));
    this.handles.push({ point, name, index });
    point.addEventListener("keydown", (event) => this.#nudge(event, point, name, index));
    this.svg.append(point);
  }

  #place(point, name, index) {
    const [x, y] = this.rig.points[name][index];
    point.setAttribute("cx", x);
    point.setAttribute("cy", y);
  }

  #follow(name) {
    this.outlines[name].setAttribute("points", this.rig.points[name].map((xy) => xy.join(",")).join(" "));
  }

  /** Take hold of the point that is nearest; it keeps its distance to the finger, which would else hide it. */
  #grab(event) {
    const handle = this.#nearest(event);
    if (!handle) return;
    const { point, name, index } = handle;
    event.preventDefault();
    point.focus();
    point.setPointerCapture(event.pointerId);
    const [fromX, fromY] = this.#toPicture(event);
    const [x, y] = this.rig.points[name][index];
    point.onpointermove = (move) => {
      const [toX, toY] = this.#toPicture(move);
      this.#move(point, name, index, [x + toX - fromX, y + toY - fromY]);
    };
    point.onpointerup = point.onpointercancel = () => (point.onpointermove = null);
  }

  /** The handle next to a place on the screen, or undefined where none is within reach. */
  #nearest(event) {
    const [x, y] = this.#toPicture(event);
    const reach = REACH * (this.rig.size[0] / this.svg.clientWidth);
    const near = this.handles.map((handle) => {
      const [pointX, pointY] = this.rig.points[handle.name][handle.index];
      return { handle, distance: Math.hypot(pointX - x, pointY - y) };
    });
    const nearest = near.reduce((best, other) => (other.distance < best.distance ? other : best));
    return nearest.distance <= reach ? nearest.handle : undefined;
  }

  #nudge(event, point, name, index) {
    const step = (event.shiftKey ? 8 : 1) * Math.max(1, this.rig.size[0] / 800);
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    const by = moves[event.key];
    if (!by) return;
    event.preventDefault();
    const [x, y] = this.rig.points[name][index];
    this.#move(point, name, index, [x + by[0], y + by[1]]);
  }

  #move(point, name, index, [x, y]) {
    const [width, height] = this.rig.size;
    const inside = [Math.min(Math.max(x, 0), width - 1), Math.min(Math.max(y, 0), height - 1)];
    this.rig.points[name][index] = inside.map((value) => Math.round(value * 100) / 100);
    this.#place(point, name, index);
    this.#follow(name);
  }

  #toPicture(event) {
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
    return [place.x, place.y];
  }

  #scale() {
    const [width, height] = this.rig.size;
    const fit = Math.min(this.canvas.clientWidth / width, (window.innerHeight * 0.62) / height);
    const shown = width * fit * Number(this.zoom.value);
    this.svg.setAttribute("width", shown);
    this.svg.setAttribute("height", (shown * height) / width);
    const pixel = width / shown; // picture pixels per screen pixel
    this.svg.querySelectorAll(".point").forEach((point) => {
      point.setAttribute("r", 4.5 * pixel);
      point.setAttribute("stroke-width", 1.5 * pixel);
    });
    this.svg.querySelectorAll(".outline").forEach((line) => line.setAttribute("stroke-width", 1.5 * pixel));
  }

  /** Zoom to the face, and bring it to the middle. */
  #showFace() {
    const points = Object.values(this.rig.points).flat();
    const [[left, right], [top, bottom]] = [0, 1].map((axis) => {
      const values = points.map((point) => point[axis]);
      return [Math.min(...values), Math.max(...values)];
    });
    this.zoom.value = 1;
    this.#scale();
    const whole = this.svg.clientWidth / this.rig.size[0];
    const { clientWidth, clientHeight } = this.canvas;
    this.zoom.value = (FACE_SHARE / whole) * Math.min(clientWidth / (right - left), clientHeight / (bottom - top));
    this.#scale();
    const scale = this.svg.clientWidth / this.rig.size[0];
    this.canvas.scrollTo(((left + right) * scale - clientWidth) / 2, ((top + bottom) * scale - clientHeight) / 2);
  }

  #name(name, index) {
    this.part.textContent = `${PARTS[name][0]}, point ${index + 1}`;
  }

  #legend() {
    const rows = Object.values(PARTS).map(([label, colour]) => {
      const row = make("li", "", label);
      const dot = make("i");
      dot.style.background = colour;
      row.prepend(dot);
      return row;
    });
    this.dialog.querySelector("#legend").replaceChildren(...rows);
  }

  async #save() {
    this.error.hidden = this.saveButton.disabled = true;
    try {
      await sendJson(`v1/avatars/${this.avatar}/rig`, "PUT", this.rig);
      this.dialog.close();
    } catch (cause) {
      this.error.textContent = cause.message;
      this.error.hidden = false;
    } finally {
      this.saveButton.disabled = false;
    }
  }
}

function shape(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
