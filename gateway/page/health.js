// The dot in the head of the page: whether the server and the services behind it are there.

import { getJson } from "./api.js";

export class Health {
  constructor(box, text) {
    this.box = box;
    this.text = text;
  }

  /** Ask the server; whether it answers and has started, even if a service behind it is missing. */
  async look() {
    const { state, text } = await report();
    this.box.dataset.state = state;
    // a status that is written anew is read out anew
    if (this.text.textContent !== text) this.text.textContent = text;
    return !["Offline", "Starting"].includes(text);
  }
}

async function report() {
  let answer;
  try {
    answer = await getJson("v1/health_check");
  } catch {
    return { state: "bad", text: "Offline" }; // the notice of what failed says more
  }
  if (answer.status === "ok") return { state: "ok", text: "Ready" };
  const failing = Object.entries(answer.nodes ?? {}).filter(([, node]) => node !== "ok");
  const names = failing.map(([name]) => name).join(", ");
  return { state: "bad", text: names ? `${names} not ready` : "Starting" };
}
