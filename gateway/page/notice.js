// The notice above the question: one message at a time, until it is dismissed or no longer true.

export class Notice {
  /** `box` is shown while there is a message, which stands in `text`. */
  constructor(box, text) {
    this.box = box;
    this.text = text;
    this.message = "";
  }

  show(message) {
    this.message = message;
    this.text.textContent = message.charAt(0).toUpperCase() + message.slice(1);
    this.box.hidden = false;
  }

  clear() {
    this.message = "";
    this.box.hidden = true;
    this.text.textContent = "";
  }

  /** Clear one message that is no longer true; another one stays. */
  withdraw(message) {
    if (this.message === message) this.clear();
  }
}
