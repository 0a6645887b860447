// The screen: plays fragments as they arrive through MediaSource, or a whole video where there is none.

import { fromBase64 } from "./api.js";

const Source = window.ManagedMediaSource ?? window.MediaSource;
const KEEP_BEHIND_S = 30; // seconds of played video kept before the browser is told to forget them
const KEEP_WHEN_FULL_S = 5; // the same when the browser has no more room
const RETRY_MS = 500;

export class Player {
  /**
   * `video`: the element; `onTime(seconds)` at each frame shown; `onEnd()` after the last; `onBlocked()` when the
   * browser wants a gesture first; `onLost()` when what was to be played is not there or cannot be decoded.
   */
  constructor(video, { onTime, onEnd, onBlocked, onLost }) {
    Object.assign(this, { video, onTime, onBlocked });
    this.queue = [];
    this.ticking = false;
    video.addEventListener("ended", () => this.#finish(onEnd));
    video.addEventListener("error", () => this.#finish(onLost));
    video.addEventListener("playing", () => this.#follow());
  }

  /** The init segment of a new answer. */
  begin(init) {
    this.stop();
    this.live = true;
    this.complete = false;
    if (!Source?.isTypeSupported(init.mime)) {
      this.fallback = true;
      return;
    }
    this.fallback = false;
    this.queue = [fromBase64(init.data)];
    this.source = new Source();
    this.source.addEventListener("sourceopen", () => this.#open(init.mime), { once: true });
    this.video.disableRemotePlayback = true; // ManagedMediaSource needs it
    this.url = URL.createObjectURL(this.source);
    this.video.src = this.url;
  }

  /** The next fragment. */
  append(data) {
    if (this.fallback) return;
    this.queue.push(fromBase64(data));
    this.#pump();
  }

  /** Everything was sent; `url` is the finished video. */
  finish(url) {
    this.complete = true;
    if (this.fallback) this.replay(url);
    else this.#pump();
  }

  /** Play a finished video from its beginning. */
  replay(url) {
    this.stop();
    this.live = true;
    this.video.src = url;
    this.#play();
  }

  /** Silence at once; what has not been shown never will be. */
  stop() {
    this.live = false;
    this.queue = [];
    this.buffer = null;
    this.source = null;
    this.video.pause();
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = null;
    if (this.video.hasAttribute("src")) {
      this.video.removeAttribute("src");
      this.video.load();
    }
  }

  #open(mime) {
    if (!this.source) return;
    this.buffer = this.source.addSourceBuffer(mime);
    this.buffer.addEventListener("updateend", () => this.#pump());
    this.#pump();
    this.#play();
  }

  #pump() {
    if (!this.buffer || this.buffer.updating || this.source?.readyState !== "open") return;
    const behind = this.video.currentTime - KEEP_BEHIND_S;
    if (this.buffer.buffered.length && this.buffer.buffered.start(0) < behind - KEEP_BEHIND_S) {
      this.buffer.remove(0, behind);
    } else if (this.queue.length) {
      this.#feed();
    } else if (this.complete) {
      this.source.endOfStream();
    }
  }

  /** Give the browser the next piece; when it has no room, first make some, or wait until some was played. */
  #feed() {
    try {
      this.buffer.appendBuffer(this.queue[0]);
      this.queue.shift();
    } catch (cause) {
      if (cause.name !== "QuotaExceededError") throw cause;
      const behind = this.video.currentTime - KEEP_WHEN_FULL_S;
      const { buffered } = this.buffer;
      if (buffered.length && buffered.start(0) < behind) this.buffer.remove(0, behind);
      else setTimeout(() => this.#pump(), RETRY_MS);
    }
  }

  #play() {
    this.video.play().catch((cause) => {
      if (cause.name === "NotAllowedError") this.onBlocked();
    });
  }

  #finish(tell) {
    if (!this.live) return;
    this.live = false;
    tell();
  }

  /** A stall ends with "playing" as a start does; one loop is enough. */
  #follow() {
    if (this.ticking) return;
    this.ticking = true;
    this.#tick();
  }

  #tick() {
    this.ticking = !this.video.paused && !this.video.ended;
    if (!this.ticking) return;
    this.onTime(this.video.currentTime);
    requestAnimationFrame(() => this.#tick());
  }
}
