/* Of the picture of a matrix: the places that the entry under the pointer joins are marked in the canvases that show the
   video. Python hears nothing of it. */

import { publish, subscribe } from "./bus.js";

export class MatrixEntry {
  constructor(view) {
    this.view = view;
    this.place = null; // frame, x and y, where this canvas shows the video and another points at an entry
    this.published = "";
    this.unsubscribe = subscribe("join", (message) => this.receive(message));
  }

  /* Says which places the entry under the pointer joins, if it is another one than before. */
  publish() {
    const { traits, pointer } = this.view;
    const { at } = pointer;
    const key = at ? `${at}` : "";
    const groups = traits.get("joins");
    if (key === this.published || !groups.length) return;
    this.published = key;
    const places = new Int32Array(traits.bytes("places").slice().buffer); // a copy begins where 32-bit words may
    groups.forEach((group, side) => {
      const node = at && at[1 - side]; // the row is y, the column x
      const place = at && places.length > 3 * node + 2 ? [...places.subarray(3 * node, 3 * node + 3)] : null;
      publish("join", { group, place });
    });
  }

  /* What another canvas points at, until it points elsewhere; then the frame is again that of before. */
  receive({ group, place }) {
    const { traits, timeline } = this.view;
    if (group !== traits.get("group")) return;
    this.place = place;
    timeline.goTo(place ? place[0] : traits.get("frame"), { send: false, publishing: false });
    this.view.redraw();
  }

  dispose() {
    this.unsubscribe();
  }
}
