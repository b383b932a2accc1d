/* A widget as a module that any page may take: its states and bytes stand before this, in `IKEBOOK`. Who takes it calls `render` with
   an element, as with any anywidget; a model is not asked for anything. */

import { make } from "./elements.js";
import { Page, blobBytes } from "./page_view.js";

async function renderEmbedded({ el }) {
  const { states, style, blobs } = IKEBOOK;
  const found = await Promise.all(Object.entries(blobs).map(async ([name, [text, packed]]) => [name, await blobBytes(text, packed)]));
  const main = make("div");
  const root = make("div", "ike-page ike-embedded");
  root.append(Object.assign(make("style"), { textContent: style }), main);
  el.append(root);
  const page = new Page(states, new Map(found), main);
  root.dataset.ready = "true";
  return () => {
    page.dispose();
    root.remove();
  };
}

export default { render: renderEmbedded };
