// The page: wires the controls to the player, the conversation and the server.

import { Advice } from "./advice.js";
import { ask, getJson, toBase64, videoOf, ServerError } from "./api.js";
import { Cast } from "./cast.js";
import { Conversation } from "./conversation.js";
import { dropTarget } from "./dropping.js";
import { pictureOf } from "./face.js";
import { Health } from "./health.js";
import { Notice } from "./notice.js";
import { Player } from "./player.js";
import { PointEditor } from "./points.js";
import { Presets } from "./presets.js";
import { Question } from "./question.js";
import { Recorder } from "./recorder.js";
import { Stage } from "./stage.js";
import { Steps } from "./steps.js";
import { Suggestions } from "./suggestions.js";
import { Theme } from "./theme.js";
import { Voices } from "./voices.js";

const $ = (id) => document.getElementById(id);
const HEALTH_EVERY_MS = 15_000;
const AGAIN_MS = 2_000; // while the server, or what the page needs of it, is not there yet
const SOUND_BYTES = 40 * 1024 * 1024;
const STILL_MADE = "The last answer is still being made. Wait for it, or stop it.";
const STILL_RECORDED = "A question is being recorded. End the recording, or give it up with the cross or Escape.";

new Theme(document.documentElement, $("theme"));
const stage = new Stage($("screen"), $("said"));
const player = new Player($("video"), {
  onTime: showTime,
  onEnd: rest,
  onBlocked: () => ($("tap-to-play").hidden = false),
  onLost: () => {
    rest();
    notice.show("This video cannot be played. The server keeps videos only for a while: ask again to see it.");
  },
});
const conversation = new Conversation($("turns"), { onReplay: replay });
const cast = new Cast($("avatars"), { onChoose: showAvatar, onAdd: () => $("avatar-file").click() });
const voices = new Voices($("language"), $("voice"));
const suggestions = new Suggestions($("suggestions"), $("language"), { onAsk: (text) => submit(text, null) });
const presets = new Presets(
  { row: $("preset-row"), box: $("preset"), size: $("preset-size"), cost: $("preset-cost"), measure: $("measure") },
  attempt,
);
const steps = new Steps($("steps"));
const advice = new Advice($("advice"), {
  onShown: () => conversation.show($("advice")),
  onClosed: () => keepFocus($("advice"), $("turns")),
  onMended: replaceAvatar,
  attempt,
});
const recorder = new Recorder($("level"), $("recording-time"));
const editor = new PointEditor($("editor"));
const health = new Health($("health"), $("health-text"));
const notice = new Notice($("notice"), $("notice-text"));

let running = null; // AbortController of the answer being made
let shown = null; // the turn whose words follow the video
let adding = false; // whether a picture is on its way to the cast
let opened = false; // whether presenters, voices and questions were asked for

const question = new Question($("question"), $("question-note"), {
  onAsk: (text) => submit(text, null),
  onRefused: (message) => notice.show(message),
  obstacle,
});

// --- asking -----------------------------------------------------------------------------------

async function submit(typed, sound) {
  if (occupied()) return;
  silence();
  notice.clear();
  keepFocus($("welcome"), $("turns"));
  $("welcome").hidden = true;
  document.body.dataset.talking = "";
  const history = conversation.messages;
  const turn = conversation.add(typed, sound?.name);
  shown = turn;
  running = new AbortController();
  setBusy(true);
  steps.start(Boolean(sound));
  stage.busy(sound ? "Listening" : "Thinking");
  try {
    const body = { ...voices.choice, ...presets.choice, avatar: cast.id ?? "", messages: history };
    if (sound) body.audio = await toBase64(sound);
    else body.text = typed;
    await ask(body, running.signal, (name, data) => receive(turn, name, data));
    presets.load().catch(() => {}); // what is known already will do
  } catch (cause) {
    unanswered(turn, cause, sound);
  } finally {
    running = null;
    setBusy(false);
    notice.withdraw(STILL_MADE);
  }
  question.release();
}

/** Whether an answer is made or a question recorded, which the reader is told. */
function occupied() {
  const reason = running ? STILL_MADE : recorder.active && STILL_RECORDED;
  if (reason) notice.show(reason);
  return Boolean(reason);
}

/** Why a typed question has to wait; empty when it need not. */
function obstacle() {
  if (running) return "Asked when this answer is ready or stopped.";
  if (recorder.active) return "Asked after the question that is being recorded.";
  return opened ? "" : "Asked as soon as the services are ready.";
}

function receive(turn, name, data) {
  if (name === "transcript") turn.heard(data.text);
  else if (name === "text_delta") turn.wrote(data.text);
  else if (name === "sentence") turn.spoke(data);
  else if (name === "media") showMedia(data);
  else if (name === "timing" && data.seconds !== null) steps.done(data.stage, data.seconds);
  else if (name === "done") {
    turn.finish(data);
    player.finish(videoOf(data));
  }
  advance(name);
}

function advance(name) {
  if (name === "transcript") {
    steps.advance("llm");
    stage.busy("Thinking");
  }
  if (name === "text_delta") steps.advance("tts");
  if (name === "sentence") steps.advance("animation");
}

function showMedia(data) {
  if (data.kind === "init") {
    player.begin(data);
    stage.busy("");
  } else {
    player.append(data.data);
  }
}

function unanswered(turn, cause, sound) {
  silence();
  if (cause.name === "AbortError") {
    turn.stop();
    steps.reset();
    return;
  }
  question.keep(); // it would fail as well, and hide why
  steps.fail(cause.service);
  turn.fail(reasonOf(cause, sound), cause.retryable ? () => askAgain(turn, sound) : null);
  if (!(cause instanceof ServerError)) console.error(cause);
  if (cause.code === "not_found") cast.load().catch(() => {}); // perhaps another tab removed the presenter
}

/** What went wrong in words that say what to do. */
function reasonOf(cause, sound) {
  if (!(cause instanceof ServerError)) return `Something in this page failed: ${cause.message}`;
  if (sound && cause.code === "unsupported_media") {
    return `${sound.name ?? "The recording"} holds no audio in a known format. Choose a sound file, such as a WAV, MP3 or M4A.`;
  }
  // a command at the end, which stands after two spaces, is to be copied as it is
  const stop = /[.?!。？！]$|  /.test(cause.message) ? "" : ".";
  return `${cause.message.charAt(0).toUpperCase()}${cause.message.slice(1)}${stop}`;
}

function askAgain(turn, sound) {
  if (occupied()) return;
  keepFocus(turn.element, $("turns"));
  conversation.drop(turn);
  submit(sound ? "" : turn.question, sound);
}

/** Give up the answer that is made, or silence the one that plays. */
function stop() {
  running?.abort();
  silence();
}

function replay(turn, url) {
  if (occupied()) return;
  silence();
  shown = turn;
  player.replay(url);
}

// --- the stage --------------------------------------------------------------------------------

function showAvatar(avatar) {
  if (advice.about && avatar?.id !== advice.about) advice.clear();
  stage.present(avatar);
  doubtRemoval();
  $("remove-avatar").hidden = !avatar || avatar.builtin;
  $("edit-points").hidden = !avatar || avatar.builtin;
}

// A removed face cannot be had back: the first press asks, the second removes.
async function removeAvatar(event) {
  if (event.detail > 1) return; // the second press of a double click
  const button = $("remove-avatar");
  if (!("sure" in button.dataset)) {
    button.dataset.sure = "";
    button.textContent = `Remove ${cast.chosen.name} for good?`;
    return;
  }
  doubtRemoval();
  const focused = document.activeElement === button;
  await attempt(() => cast.removeChosen());
  if (focused && button.hidden) cast.button?.focus();
}

function doubtRemoval() {
  const button = $("remove-avatar");
  delete button.dataset.sure;
  button.textContent = "Remove";
}

function showTime(seconds) {
  $("tap-to-play").hidden = true;
  shown?.at(seconds);
  stage.play(shown?.sentenceAt(seconds) ?? "");
}

function silence() {
  player.stop();
  rest();
}

function rest() {
  $("tap-to-play").hidden = true;
  shown?.at(-1);
  stage.rest();
}

// --- controls ---------------------------------------------------------------------------------

/** Do something that may fail and show its error. */
async function attempt(work) {
  notice.clear();
  try {
    return await work();
  } catch (cause) {
    notice.show(cause.message);
    if (!(cause instanceof ServerError)) console.error(cause);
    return undefined;
  }
}

/** Who works with keys stays near: focus inside `element`, which is about to go, moves to `heir`. */
function keepFocus(element, heir) {
  if (element.contains(document.activeElement)) heir.focus({ preventScroll: true });
}

function setBusy(busy) {
  const [going, coming] = busy ? [$("send"), $("stop")] : [$("stop"), $("send")];
  coming.hidden = false;
  keepFocus(going, coming);
  going.hidden = true;
  $("screen").toggleAttribute("data-making", busy);
  $("record").disabled = $("attach").disabled = busy;
}

async function toggleRecording() {
  if (recorder.active) return recorder.stop();
  silence(); // what the presenter says is not part of the question
  showRecording(true);
  const sound = await attempt(() => recorder.start());
  showRecording(false);
  notice.withdraw(STILL_RECORDED);
  if (sound?.size) submit("", sound);
  else if (sound === undefined) question.keep(); // asked at once, it would hide why nothing was recorded
  else question.release();
  return undefined;
}

function showRecording(on) {
  if (!on) keepFocus($("recording"), $("record"));
  $("recording").hidden = !on;
  $("question").hidden = on;
  $("record").setAttribute("aria-pressed", on);
  $("record").setAttribute("aria-label", on ? "Stop recording and ask" : "Record a question");
  $("attach").disabled = on;
}

function askWithSound(file) {
  if (file.size > SOUND_BYTES) notice.show("This sound file is larger than 40 MB. Send a shorter one.");
  else submit("", file);
}

async function addAvatar(file) {
  if (adding) {
    notice.show("The last picture is still being added.");
    return;
  }
  adding = true;
  stage.busy("Finding the face");
  const looked = advice.look(file).catch(() => false); // advice is extra: without it, what went wrong is told here
  const added = await attempt(() => addWith(file, looked));
  advice.about = added?.id;
  advice.fresh = Boolean(added?.fresh);
  stage.busy("");
  adding = false;
  await looked;
  if (advice.shown) conversation.show($("advice")); // the new picture has moved it
}

/** What `cast.add` tells of the presenter, or undefined where the advice explains why there is none. */
async function addWith(file, looked) {
  try {
    return await cast.add(file);
  } catch (cause) {
    if (await looked) return undefined;
    throw cause;
  }
}

/** A mended picture in place of the one that the advice is about, which stays where it was there before that. */
async function replaceAvatar(file) {
  const replaced = advice.fresh && advice.about;
  await addAvatar(file);
  if (replaced && advice.about && advice.about !== replaced) await attempt(() => cast.removeUnedited(replaced));
}

function wire() {
  $("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    if (recorder.active) recorder.stop();
    else question.send();
  });
  $("question").addEventListener("input", () => steps.forgetFailure());
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || $("editor").open) return;
    if (recorder.active) recorder.cancel();
    else stop();
  });
  $("stop").addEventListener("click", stop);
  $("silence").addEventListener("click", stop);
  $("record").addEventListener("click", toggleRecording);
  $("discard").addEventListener("click", () => recorder.cancel());
  $("attach").addEventListener("click", () => $("sound-file").click());
  $("sound-file").addEventListener("change", (event) => takeFile(event, askWithSound));
  $("avatar-file").addEventListener("change", (event) => takeFile(event, addAvatar));
  $("tap-to-play").addEventListener("click", () => $("video").play());
  $("notice-close").addEventListener("click", () => notice.clear());
  $("new-chat").addEventListener("click", newConversation);
  $("edit-points").addEventListener("click", () => attempt(() => editor.open(cast.id, pictureOf(cast.chosen))));
  $("remove-avatar").addEventListener("click", removeAvatar);
  $("remove-avatar").addEventListener("blur", doubtRemoval);
  dropTarget($("screen"), addAvatar);
  dropTarget($("composer"), askWithSound);
  // a file dropped beside the targets must not replace the page
  for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
  // a page that the browser keeps for "back" must not go on speaking or listening
  window.addEventListener("pagehide", () => {
    recorder.cancel();
    stop();
  });
}

function takeFile(event, take) {
  const [file] = event.target.files;
  event.target.value = "";
  if (file) take(file);
}

function newConversation() {
  question.keep();
  stop();
  conversation.clear();
  advice.clear();
  steps.reset();
  notice.clear();
  $("welcome").hidden = false;
  delete document.body.dataset.talking;
  $("question").focus();
}

async function start() {
  wire();
  while (!(await health.look())) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  await attempt(loadMissing);
  opened = true;
  question.release();
  await watch();
}

/** Presenters, voices and questions, where they are not here yet. */
async function loadMissing() {
  const speech = voices.loaded || voices.load();
  const questions = suggestions.loaded || Promise.resolve(speech).catch(() => {}).then(() => suggestions.load());
  const costs = presets.loaded || presets.load().catch(() => {}); // nothing can be chosen without them, but all asked
  await Promise.all([cast.loaded || cast.load(), speech, questions, costs]);
}

/** Look after the server; a service that was down when the page came is asked again. */
async function watch() {
  const complete = () => cast.loaded && voices.loaded && suggestions.loaded;
  if ((await health.look()) && !complete()) await loadMissing().then(() => notice.clear(), () => {});
  setTimeout(watch, complete() ? HEALTH_EVERY_MS : AGAIN_MS);
}

start();
