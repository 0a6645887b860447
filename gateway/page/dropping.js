// Dropping a file on a part of the page.

/** Mark `element` while a file is over it, and give `take` the file that is dropped. */
export function dropTarget(element, take) {
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
