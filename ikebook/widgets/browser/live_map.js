/* A map that the page computes, in place of the one that Python has sent, frame by frame as they are looked at. Who computes it
   says so on the bus; the canvases whose trait `computed` is the name that it gives take it. */

import { subscribe } from "./bus.js";

export class LiveMap {
  constructor(view) {
    this.view = view;
    this.unsubscribe = subscribe("live", (message) => this.receive(message));
  }

  /* `picture` has a caption, the `range` of the colours, and `values(begin, end)` of nodes; null: Python's map again. */
  receive({ to, picture }) {
    const { traits, pictures } = this.view;
    if (!to || to !== traits.get("computed")) return;
    const before = pictures.has("maps");
    pictures.showLive(picture);
    if (before && picture) this.view.refreshMap();
    else this.view.refresh();
  }

  dispose() {
    this.unsubscribe();
  }
}
