// Light or dark: the system's choice until the reader makes one, which is kept.

const REMEMBERED = "theme";

export class Theme {
  constructor(root, button) {
    this.root = root;
    const saved = localStorage.getItem(REMEMBERED);
    if (saved) root.dataset.theme = saved;
    button.addEventListener("click", () => this.#toggle());
  }

  #toggle() {
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    const next = (this.root.dataset.theme ?? system) === "dark" ? "light" : "dark";
    this.root.dataset.theme = next;
    localStorage.setItem(REMEMBERED, next);
  }
}
