/* The mouse, a finger or a pen on the picture, and the pixel cursor that the keyboard moves. */

import { clamp } from "./numbers.js";

const NEAR_LINE = 14; // CSS pixels from the swipe line within which it is taken hold of
const CLICK = 4; // CSS pixels that a click may move

export class Pointer {
  constructor(view) {
    this.view = view;
    this.hover = null; // the pixel under the mouse
    this.cursor = null; // the keyboard's
    this.drag = null; // what a press has begun: to swipe, to paint, or to pan or click
  }

  /* The pixel that is pointed at, if any. */
  get at() {
    return this.cursor ?? this.hover;
  }

  place(event) {
    const { canvas } = this.view.stage;
    const box = canvas.getBoundingClientRect();
    const scale = canvas.clientWidth / box.width; // on the full screen, all of a widget may be larger
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  }

  nearLine(u) {
    const { line } = this.view.stage;
    return line !== null && Math.abs(u - line) < NEAR_LINE;
  }

  press(event) {
    const { view } = this;
    const at = this.place(event);
    this.cursor = null;
    view.stage.canvas.setPointerCapture(event.pointerId);
    if (this.nearLine(at[0])) {
      this.drag = { kind: "swipe" };
    } else if (view.traits.get("paint")) {
      const pixel = view.viewport.pixelAt(at);
      this.drag = { kind: "paint", last: pixel, erase: event.button === 2 || view.toolbar.erasing };
      view.paint(pixel, pixel, this.drag.erase);
    } else if (event.button === 0) {
      this.drag = { kind: "pan", from: at, corner: view.viewport.corner, moved: false };
    }
    view.redraw();
  }

  move(event) {
    const { view, drag } = this;
    const at = this.place(event);
    this.hover = view.viewport.pixelAt(at);
    if (!drag) {
      view.stage.canvas.classList.toggle("ike-swipes", this.nearLine(at[0]));
    } else if (drag.kind === "swipe") {
      view.stage.swipe = clamp(at[0] / view.viewport.size[0], 0, 1);
    } else if (drag.kind === "paint") {
      view.paint(drag.last, this.hover, drag.erase);
      drag.last = this.hover;
    } else {
      const moved = [at[0] - drag.from[0], at[1] - drag.from[1]];
      drag.moved ||= Math.hypot(...moved) > CLICK;
      if (drag.moved && view.viewport.zoom > 1) view.viewport.pan(drag.corner, moved);
    }
    view.redraw();
  }

  release(event) {
    const { view, drag } = this;
    this.drag = null;
    if (drag?.kind === "swipe") view.sendSwipe();
    else if (drag?.kind === "paint") view.sendPainting();
    else if (drag && !drag.moved && event.type === "pointerup") view.pick(view.viewport.pixelAt(this.place(event)));
    view.redraw();
  }

  leave() {
    this.hover = null;
    this.view.redraw();
  }

  /* Zooms with Ctrl; without it, the page scrolls. */
  wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.view.zoomBy(Math.exp(-event.deltaY / 300), this.view.viewport.pointAt(this.place(event)));
  }

  moveCursor(dx, dy) {
    const { traits, viewport } = this.view;
    const [x, y] = this.cursor ?? traits.get("pixel") ?? [traits.w >> 1, traits.h >> 1];
    this.cursor = [clamp(x + dx, 0, traits.w - 1), clamp(y + dy, 0, traits.h - 1)];
    viewport.reveal(this.cursor);
  }
}
