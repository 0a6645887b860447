// The microphone: record, show the level, give the recording back.

import { ServerError } from "./api.js";

const LONGEST_S = 120;
const BAR_PX = 4; // with the gap after it
const REFUSED = "The microphone is not available. Allow it for this page, or choose a sound file.";
const MISSING = "No microphone was found. Connect one, type the question, or choose a sound file.";

export class Recorder {
  constructor(canvas, timer) {
    this.canvas = canvas;
    this.timer = timer;
    this.active = false; // from the question for permission to the end of the recording
  }

  /** Start; resolves with the recording when `stop` is called, or null after `cancel`. */
  async start() {
    this.active = true;
    this.cancelled = false;
    try {
      this.stream = await openMicrophone();
      return this.cancelled ? null : await this.#record();
    } finally {
      this.#close();
    }
  }

  /** End the recording; while the browser still asks for permission there is none, and none will be made. */
  stop() {
    if (!this.recorder) this.cancelled = true;
    else if (this.recorder.state === "recording") this.recorder.stop();
  }

  cancel() {
    this.cancelled = true;
    this.stop();
  }

  async #record() {
    this.recorder = new MediaRecorder(this.stream);
    const pieces = [];
    this.recorder.ondataavailable = (event) => pieces.push(event.data);
    const finished = new Promise((resolve) => {
      this.recorder.onstop = () => resolve(this.cancelled ? null : new Blob(pieces, { type: pieces[0]?.type }));
    });
    this.recorder.start(250);
    this.#draw();
    return await finished;
  }

  #draw() {
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    context.createMediaStreamSource(this.stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    this.canvas.width = this.canvas.clientWidth * devicePixelRatio;
    this.canvas.height = this.canvas.clientHeight * devicePixelRatio;
    const levels = new Array(Math.floor(this.canvas.clientWidth / BAR_PX)).fill(0);
    const started = performance.now();
    this.context = context;
    this.ticker = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      levels.push(Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length));
      levels.shift();
      paintLevels(this.canvas, levels);
      const seconds = Math.floor((performance.now() - started) / 1000);
      this.timer.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
      if (seconds >= LONGEST_S) this.stop();
    }, 60);
  }

  #close() {
    clearInterval(this.ticker);
    this.context?.close();
    this.stream?.getTracks().forEach((track) => track.stop());
    this.context = this.stream = this.recorder = null;
    this.active = false;
    this.timer.textContent = "0:00";
  }
}

async function openMicrophone() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new ServerError("Browsers record only on https:// or localhost. Type the question, or choose a sound file.");
  }
  try {
    // a browser's noise suppression takes sounds out of words: what pleases ears is misheard by recognisers
    return await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: false } });
  } catch (cause) {
    throw new ServerError(cause.name === "NotFoundError" ? MISSING : REFUSED);
  }
}

function paintLevels(canvas, levels) {
  const context = canvas.getContext("2d");
  const step = canvas.width / levels.length;
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = getComputedStyle(canvas).color;
  levels.forEach((level, index) => {
    const height = Math.max(2, Math.min(1, level * 5) * canvas.height);
    context.fillRect(index * step, (canvas.height - height) / 2, step / 2, height);
  });
}
