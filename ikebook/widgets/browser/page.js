/* A static page: reads what it holds, shows it, and tells a page that holds it in a frame how high it is. */

import { Page, blobBytes } from "./page_view.js";
import { wholeOf } from "./whole.js";

const PICTURES = [0.5, 2.5]; // of their heights in a text: so that the widget is on the screen as a whole, if it can be
const IN_FRAME = [0.5, 1.3]; // the same among the paragraphs of another page
const FRAME = 0.85; // of the screen's height, which what is in a frame may have

async function readBlobs() {
  const blobs = new Map();
  for (const node of document.querySelectorAll("script[type='text/plain'][id^='ike-']")) {
    blobs.set(node.id.slice(4), await blobBytes(node.textContent, node.dataset.gzip !== undefined));
    node.remove();
  }
  return blobs;
}

const { states } = JSON.parse(document.getElementById("ike-states").textContent);
const framed = parent !== globalThis;
const main = document.querySelector("main");
document.body.classList.toggle("ike-framed", framed); // as high as its content
globalThis.ikebookPage = new Page(states, await readBlobs(), main);
document.body.dataset.ready = "true";

/* A frame's height is no measure: it follows what it holds. */
const room = () => (framed ? FRAME * screen.availHeight : innerHeight);
wholeOf(main).rest(() => document.body.getBoundingClientRect().height <= room(), framed ? IN_FRAME : PICTURES, framed ? () => innerWidth : undefined);

function tellHeight() {
  parent.postMessage({ ikebookHeight: Math.ceil(document.body.getBoundingClientRect().height) }, "*");
}

if (framed) new ResizeObserver(tellHeight).observe(document.body);
