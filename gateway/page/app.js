// The page: wires the controls to the player, the conversation and the server.

import { Advice } from "./advice.js";
import { ask, getJson, toBase64, videoOf, ServerError } from "./api.js";
import { Cast, pictureOf } from "./cast.js";
import { Conversation } from "./conversation.js";
import { Player } from "./player.js";
import { PointEditor } from "./points.js";
import { Presets } from "./presets.js";
import { Question } from "./question.js";
import { Recorder } from "./recorder.js";
import { Steps } from "./steps.js";
import { Voices } from "./voices.js";

const $ = (id) => document.getElementById(id);
const HEALTH_EVERY_MS = 15_000;
const AGAIN_MS = 2_000; // while the server, or what the page needs of it, is not there yet
const HIDDEN_AT_MOST = 0.2; // part of the picture's height or width that may be cropped
const SOUND_BYTES = 40 * 1024 * 1024;

const player = new Player($("video"), {
  onTime: (seconds) => showTime(seconds),
  onEnd: () => screenIdle(),
  onBlocked: () => ($("tap-to-play").hidden = false),
});
const conversation = new Conversation($("turns"), { onReplay: (turn, url) => replay(turn, url) });
const cast = new Cast($("avatars"), { onChoose: showAvatar, onAdd: () => $("avatar-file").click() });
const voices = new Voices($("language"), $("voice"));
const presets = new Presets(
  { row: $("preset-row"), box: $("preset"), size: $("preset-size"), cost: $("preset-cost"), measure: $("measure") },
  attempt,
);
const steps = new Steps($("steps"));
const advice = new Advice($("advice"), { onMended: replaceAvatar });
const recorder = new Recorder($("level"), $("recording-time"));
const editor = new PointEditor($("editor"), { onSaved: () => tell("") });

let running = null; // AbortController of the answer being made
let shown = null; // the turn whose words follow the video
let suggested = false; // whether the questions to begin with have come
let opened = false; // whether presenters, voices and questions were asked for

const question = new Question($("question"), $("question-note"), {
  onAsk: (text) => submit(text, null),
  onRefused: tell,
  obstacle,
});

// --- asking -----------------------------------------------------------------------------------

async function submit(typed, sound) {
  if (running) {
    tell("The last answer is still being made. Wait for it, or stop it.");
    return;
  }
  if (recorder.active) {
    tell("A question is being recorded. End the recording, or give it up with Escape.");
    return;
  }
  tell("");
  $("welcome").hidden = true;
  document.body.dataset.talking = "";
  const history = conversation.messages;
  const turn = conversation.add(typed);
  shown?.at(-1);
  shown = turn;
  running = new AbortController();
  setBusy(true);
  steps.start(Boolean(sound));
  busyOnScreen(sound ? "Listening" : "Thinking");
  try {
    const body = { ...voices.choice, ...presets.choice, avatar: cast.id ?? "", messages: history };
    if (sound) body.audio = await toBase64(sound);
    else body.text = typed;
    await ask(body, running.signal, (name, data) => receive(turn, name, data));
    presets.load().catch(() => {}); // what is known already will do
  } catch (cause) {
    fail(turn, cause);
  } finally {
    running = null;
    setBusy(false);
  }
  question.release();
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
  if (name === "transcript") steps.advance("llm");
  if (name === "text_delta") steps.advance("tts");
  if (name === "sentence") steps.advance("animation");
}

function showMedia(data) {
  if (data.kind === "init") {
    player.begin(data);
    busyOnScreen("");
  } else {
    player.append(data.data);
  }
}

function fail(turn, cause) {
  const stopped = cause.name === "AbortError";
  player.stop();
  screenIdle();
  turn.stopped(stopped ? "Stopped" : "No answer", !stopped);
  if (!stopped) {
    question.keep(); // it would fail as well, and hide why
    steps.fail(cause.service);
    tell(cause instanceof ServerError ? cause.message : `Something in this page failed: ${cause.message}`);
    if (!(cause instanceof ServerError)) console.error(cause);
  } else steps.reset();
}

function stop() {
  running?.abort();
  player.stop();
  screenIdle();
}

function replay(turn, url) {
  if (running) return;
  shown = turn;
  player.replay(url);
}

// --- the screen -------------------------------------------------------------------------------

function showAvatar(avatar) {
  if (advice.about && avatar?.id !== advice.about) advice.clear();
  const picture = avatar ? pictureOf(avatar) : "";
  $("still").src = picture;
  $("still").alt = avatar ? `${avatar.name}, ready to answer` : "";
  $("backdrop").style.backgroundImage = picture ? `url("${picture}")` : "";
  doubtRemoval();
  $("remove-avatar").hidden = !avatar || avatar.builtin;
  $("edit-points").hidden = !avatar || avatar.builtin;
  if (!running && !player.playing) screenIdle();
}

// A removed face cannot be had back: the first press asks, the second removes.
async function removeAvatar() {
  const button = $("remove-avatar");
  if (!("sure" in button.dataset)) {
    button.dataset.sure = "";
    button.textContent = `Remove ${cast.chosen.name} for good?`;
    return;
  }
  doubtRemoval();
  await attempt(() => cast.removeChosen());
}

function doubtRemoval() {
  const button = $("remove-avatar");
  delete button.dataset.sure;
  button.textContent = "Remove";
}

function showTime(seconds) {
  $("screen").dataset.playing = "";
  $("tap-to-play").hidden = true;
  if (!shown) return;
  shown.at(seconds);
  const sentence = shown.sentenceAt(seconds);
  $("caption").textContent = sentence;
  $("caption").hidden = !sentence;
}

function screenIdle() {
  delete $("screen").dataset.playing;
  $("caption").hidden = true;
  shown?.at(-1);
  busyOnScreen("");
}

/** Fill the screen when that hides little of the picture; otherwise show all of it, with a soft border. */
function fitPicture() {
  const { naturalWidth, naturalHeight } = $("still");
  const { clientWidth, clientHeight } = $("screen");
  if (!naturalWidth || !clientHeight) return;
  const ratio = naturalWidth / naturalHeight / (clientWidth / clientHeight);
  $("screen").toggleAttribute("data-fill", Math.min(ratio, 1 / ratio) > 1 - HIDDEN_AT_MOST);
}

function busyOnScreen(text) {
  $("screen-busy").hidden = !text;
  $("screen-busy-text").textContent = text;
}

// --- notices and health -----------------------------------------------------------------------

function tell(message) {
  if (!message && !running) steps.forgetFailure(); // the mark goes with the notice that explains it
  $("notice").hidden = !message;
  $("notice-text").textContent = message.charAt(0).toUpperCase() + message.slice(1);
}

/** Do something that may fail and show its error. */
async function attempt(work) {
  tell("");
  try {
    return await work();
  } catch (cause) {
    tell(cause.message);
    if (!(cause instanceof ServerError)) console.error(cause);
    return undefined;
  }
}

async function health() {
  let state = "bad";
  let text = "Offline";
  try {
    const report = await getJson("v1/health_check");
    const failing = Object.entries(report.nodes ?? {}).filter(([, node]) => node !== "ok");
    state = report.status === "ok" ? "ok" : "bad";
    text = state === "ok" ? "Ready" : failing.length ? `${failing.map(([name]) => name).join(", ")} not ready` : "Starting";
  } catch {
    // the notice of the failed action says more; here the dot is enough
  }
  $("health").dataset.state = state;
  $("health-text").textContent = text;
  return text !== "Offline" && text !== "Starting";
}

// --- controls ---------------------------------------------------------------------------------

function setBusy(busy) {
  $("send").hidden = busy;
  $("stop").hidden = !busy;
  $("record").disabled = $("attach").disabled = busy;
}

async function toggleRecording() {
  if (recorder.active) return recorder.stop();
  tell("");
  showRecording(true);
  const sound = await attempt(() => recorder.start());
  showRecording(false);
  if (sound?.size) submit("", sound);
  else if (sound === undefined) question.keep(); // asked at once, it would hide why nothing was recorded
  else question.release();
  return undefined;
}

function showRecording(on) {
  $("recording").hidden = !on;
  $("question").hidden = on;
  $("record").setAttribute("aria-pressed", on);
  $("record").setAttribute("aria-label", on ? "Stop recording and ask" : "Record a question");
  $("send").disabled = $("attach").disabled = on;
}

function askWithSound(file) {
  if (file.size > SOUND_BYTES) tell("This sound file is larger than 40 MB. Send a shorter one.");
  else submit("", file);
}

async function addAvatar(file) {
  tell("");
  busyOnScreen("Finding the face");
  const looked = advice.look(file).catch(() => false); // advice is extra: what went wrong is told below
  const added = await attempt(() => cast.add(file));
  advice.about = added?.id;
  busyOnScreen("");
  if (await looked) tell(""); // the advice says more about it
}

/** A mended picture in place of the one that the advice is about. */
async function replaceAvatar(file) {
  const before = advice.about;
  await addAvatar(file);
  if (before && advice.about && advice.about !== before) await attempt(() => cast.remove(before));
}

function dropTarget(element, take) {
  element.addEventListener("dragover", (event) => {
    event.preventDefault();
    element.dataset.drop = "";
  });
  element.addEventListener("dragleave", (event) => {
    if (!element.contains(event.relatedTarget)) delete element.dataset.drop;
  });
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    delete element.dataset.drop;
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
}

function toggleTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
  setTheme(now === "dark" ? "light" : "dark");
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("theme", theme);
}

function wire() {
  $("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    question.send();
  });
  $("question").addEventListener("input", () => steps.forgetFailure());
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || $("editor").open) return;
    if (recorder.active) recorder.cancel();
    else stop();
  });
  $("stop").addEventListener("click", stop);
  $("record").addEventListener("click", toggleRecording);
  $("language").addEventListener("change", () => suggest().catch(() => {})); // those on show will do
  $("attach").addEventListener("click", () => $("sound-file").click());
  $("sound-file").addEventListener("change", (event) => takeFile(event, askWithSound));
  $("avatar-file").addEventListener("change", (event) => takeFile(event, addAvatar));
  $("tap-to-play").addEventListener("click", () => $("video").play());
  $("notice-close").addEventListener("click", () => tell(""));
  $("new-chat").addEventListener("click", newConversation);
  $("theme").addEventListener("click", toggleTheme);
  $("edit-points").addEventListener("click", () => attempt(() => editor.open(cast.id, pictureOf(cast.chosen))));
  $("remove-avatar").addEventListener("click", removeAvatar);
  $("remove-avatar").addEventListener("blur", doubtRemoval);
  $("still").addEventListener("load", fitPicture);
  new ResizeObserver(fitPicture).observe($("screen"));
  dropTarget($("screen"), addAvatar);
  dropTarget($("composer"), askWithSound);
  // a file dropped beside the targets must not replace the page
  for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
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
  steps.reset();
  tell("");
  $("welcome").hidden = false;
  delete document.body.dataset.talking;
  $("question").focus();
}

/** Questions that whoever answers knows, in the reader's language; none where it is a model without topics. */
async function suggest() {
  const language = $("language").value || navigator.language;
  const { suggestions } = await getJson(`v1/suggestions?language=${encodeURIComponent(language)}`);
  suggested = true;
  if (language !== ($("language").value || navigator.language)) return; // another was chosen meanwhile
  const buttons = suggestions.map(({ text, language: tag }) => {
    const button = document.createElement("button");
    button.type = "button";
    button.lang = tag;
    button.textContent = text;
    button.addEventListener("click", () => submit(text, null));
    return button;
  });
  $("suggestions").replaceChildren(...buttons);
}

async function start() {
  const theme = localStorage.getItem("theme");
  if (theme) setTheme(theme);
  wire();
  while (!(await health())) {
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
  const questions = suggested || Promise.resolve(speech).catch(() => {}).then(suggest);
  const costs = presets.loaded || presets.load().catch(() => {}); // nothing can be chosen without them, but all asked
  await Promise.all([cast.loaded || cast.load(), speech, questions, costs]);
}

/** Look after the server; a service that was down when the page came is asked again. */
async function watch() {
  const complete = () => cast.loaded && voices.loaded && suggested;
  if ((await health()) && !complete()) await loadMissing().then(() => tell(""), () => {});
  setTimeout(watch, complete() ? HEALTH_EVERY_MS : AGAIN_MS);
}

start();
