/* The part of the frame that is on the screen; canvases of one `group` show the same part. Positions in the video are in pixels, whose pixel (0, 0) has its middle at
   (0, 0); positions on the screen are in CSS pixels from the picture's corner. */

import { publish, subscribe } from "./bus.js";
import { clamp } from "./numbers.js";

const LARGEST_ZOOM = 40;

export class Viewport {
  /* `changed` is called when another canvas of the group has been zoomed or moved. */
  constructor(traits, changed) {
    this.traits = traits;
    this.changed = changed;
    this.size = null; // width and height on the screen
    this.whole();
    this.unsubscribe = subscribe("viewport", (message) => this.receive(message));
  }

  publish() {
    const { traits, zoom, centre } = this;
    publish("viewport", { group: traits.get("group"), size: `${traits.w}x${traits.h}`, zoom, centre, from: this });
  }

  receive({ group, size, zoom, centre, from }) {
    const { traits } = this;
    if (from === this || group === "" || group !== traits.get("group") || size !== `${traits.w}x${traits.h}`) return;
    Object.assign(this, { zoom, centre });
    this.changed();
  }

  dispose() {
    this.unsubscribe();
  }

  /* Shows the whole frame. */
  whole() {
    this.zoom = 1;
    this.centre = null;
  }

  /* What is seen of the frame: so many pixels across and down. */
  get seen() {
    return [this.traits.w / this.zoom, this.traits.h / this.zoom];
  }

  get scale() {
    return (this.size[0] / this.traits.w) * this.zoom;
  }

  get corner() {
    const { w, h } = this.traits;
    const [across, down] = this.seen;
    const [x, y] = this.centre ?? [w / 2, h / 2];
    return [clamp(x - across / 2, 0, w - across), clamp(y - down / 2, 0, h - down)];
  }

  toScreen(x, y) {
    const [left, top] = this.corner;
    return [(x + 0.5 - left) * this.scale, (y + 0.5 - top) * this.scale];
  }

  /* The point of the frame at a place on the screen, from the frame's corner. */
  pointAt([u, v]) {
    const [left, top] = this.corner;
    return [u / this.scale + left, v / this.scale + top];
  }

  pixelAt(place) {
    const [x, y] = this.pointAt(place).map(Math.floor);
    return [clamp(x, 0, this.traits.w - 1), clamp(y, 0, this.traits.h - 1)];
  }

  /* Zooms about a point of the frame, or its middle. */
  zoomBy(factor, point) {
    const before = this.zoom;
    const [left, top] = this.corner;
    const [across, down] = this.seen;
    const middle = [left + across / 2, top + down / 2];
    const fixed = point ?? middle;
    this.zoom = clamp(before * factor, 1, Math.max(1, Math.min(LARGEST_ZOOM, this.traits.w / 4)));
    this.centre = [0, 1].map((i) => fixed[i] + ((middle[i] - fixed[i]) * before) / this.zoom);
    if (this.zoom === 1) this.centre = null;
    this.publish();
  }

  /* Moves what is seen by a way on the screen, from where the corner was. */
  pan([left, top], [du, dv]) {
    const [across, down] = this.seen;
    this.centre = [left + across / 2 - du / this.scale, top + down / 2 - dv / this.scale];
    this.publish();
  }

  /* Brings a pixel into sight. */
  reveal([x, y]) {
    const [left, top] = this.corner;
    const [across, down] = this.seen;
    if (x >= left && y >= top && x < left + across && y < top + down) return;
    this.centre = [x, y];
    this.publish();
  }
}
