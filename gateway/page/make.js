// Making elements.

/** An element with a class, text and, when named, an icon before the text. */
export function make(tag, className = "", text = "", icon = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (icon) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", `page/icons.svg#${icon}`);
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    svg.append(use);
    element.append(svg);
  }
  if (text) element.append(text);
  return element;
}
