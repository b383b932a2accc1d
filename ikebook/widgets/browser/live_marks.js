/* Marks that the page computes for the pixel that is pointed at, in place of those that Python has sent. The canvas says on the bus
   what is pointed at and what is picked; whoever computes says what to draw. */

import { publish, subscribe } from "./bus.js";

export class LiveMarks {
  constructor(view) {
    this.view = view;
    this.marks = null;
    this.published = "";
    this.unsubscribe = subscribe("marks", (message) => this.receive(message));
  }

  /* Says which frame is shown and which pixel is pointed at, if that is another than before. */
  publish() {
    const { traits, pointer, timeline } = this.view;
    const from = traits.get("computed");
    const key = `${timeline.frame} ${pointer.at ?? ""}`;
    if (!from || key === this.published) return;
    this.published = key;
    publish("pointer", { from, frame: timeline.frame, at: pointer.at });
  }

  pick(node) {
    const from = this.view.traits.get("computed");
    if (from) publish("picked", { from, node });
  }

  /* `marks` are paths and points, as the traits of these names; null: those that Python has sent. */
  receive({ to, marks }) {
    if (!to || to !== this.view.traits.get("computed")) return;
    this.marks = marks;
    this.view.redraw();
  }

  get paths() {
    return this.marks?.paths ?? this.view.traits.get("paths");
  }

  get points() {
    return this.marks?.points ?? this.view.traits.get("points");
  }

  dispose() {
    this.unsubscribe();
  }
}
