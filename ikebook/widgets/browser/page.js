/* A static page: reads what it holds, shows it, and tells a page that holds it in a frame how high it is. */

import { Page, blobBytes } from "./page_view.js";

async function readBlobs() {
  const blobs = new Map();
  for (const node of document.querySelectorAll("script[type='text/plain'][id^='ike-']")) {
    blobs.set(node.id.slice(4), await blobBytes(node.textContent, node.dataset.gzip !== undefined));
    node.remove();
  }
  return blobs;
}

const { states } = JSON.parse(document.getElementById("ike-states").textContent);
globalThis.ikebookPage = new Page(states, await readBlobs(), document.querySelector("main"));
document.body.dataset.ready = "true";

function tellHeight() {
  parent.postMessage({ ikebookHeight: Math.ceil(document.body.getBoundingClientRect().height) }, "*");
}

if (parent !== globalThis) {
  document.body.classList.add("ike-framed"); // as high as its content
  new ResizeObserver(tellHeight).observe(document.body);
}
