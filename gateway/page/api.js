// Everything the page says to the server: JSON calls, uploads and the event stream of an answer.

/** An error that can be shown as it is; `retryable`: the same may succeed later. */
export class ServerError extends Error {
  constructor(message, { service = "", code = "", retryable = true } = {}) {
    super(message);
    Object.assign(this, { service, code, retryable });
  }
}

const LOST = "The connection was lost in the middle of the answer.";
const UNREACHABLE = "The server cannot be reached. Is it still running?";

async function call(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (cause) {
    if (cause.name === "AbortError") throw cause;
    throw new ServerError(UNREACHABLE);
  }
  if (!response.ok) throw await explain(response);
  return response;
}

async function explain(response) {
  const body = await response.json().catch(() => ({}));
  const error = body.error ?? {};
  return new ServerError(error.message || `The server answered ${response.status}.`, error);
}

export const getJson = async (path) => (await call(path)).json();

export async function sendJson(path, method, body) {
  const response = await call(path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  return response.status === 204 ? null : response.json();
}

export async function upload(path, file) {
  const form = new FormData();
  form.append("file", file, file.name || "upload");
  return (await call(path, { method: "POST", body: form })).json();
}

export const remove = (path) => call(path, { method: "DELETE" });

/**
 * Ask a question; calls `on(name, data)` for each event of the answer.
 * Resolves when the server has said everything; rejects with ServerError or AbortError.
 */
export async function ask(question, signal, on) {
  const response = await call("v1/avatarchatbot/stream", {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
    body: JSON.stringify(question),
    signal,
  });
  let ended = false;
  for await (const { name, data } of events(response.body)) {
    if (name === "error") throw new ServerError(data.error.message, data.error);
    ended ||= name === "done";
    on(name, data);
  }
  if (!ended) throw new ServerError(LOST);
}

/** Server-sent events out of a byte stream. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause) => {
        throw cause.name === "AbortError" ? cause : new ServerError(LOST);
      });
      if (done) return;
      buffer += value.replaceAll("\r", "");
      let end;
      while ((end = buffer.indexOf("\n\n")) >= 0) {
        const event = parseEvent(buffer.slice(0, end));
        buffer = buffer.slice(end + 2);
        if (event) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // whoever stops reading lets go of the connection
  }
}

function parseEvent(text) {
  let name = "message";
  const data = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
  }
  return data.length ? { name, data: JSON.parse(data.join("\n")) } : null;
}

/** Where a finished video is, as seen from the page: a proxy in front may have another name, scheme or path. */
export const videoOf = (answer) => answer.video_path.replace(/^\//, "");

/** A file or blob as base64. */
export function toBase64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new ServerError("This file could not be read."));
    reader.readAsDataURL(blob);
  });
}

/** The bytes of base64. */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}
