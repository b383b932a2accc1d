/* What is painted: one byte a pixel, for all frames in one, or for each frame if Python gave as many. The page's canvases hear of
   it on the bus while the mouse moves, Python when a stroke has ended. */

import { publish } from "./bus.js";
import { fromRuns, toRuns } from "./runs.js";

export const BRUSH_RADII = [0, 1, 2, 4, 8, 16, 32]; // pixels

export class Painting {
  constructor(traits, changed) {
    this.traits = traits;
    this.changed = changed;
    this.version = 0;
    this.values = new Uint8Array(0);
  }

  /* Takes what Python has. */
  reload() {
    const given = fromRuns(this.traits.bytes("painted"), this.sizes);
    this.values = given.length && this.sizes.includes(given.length) ? given.slice() : new Uint8Array(this.sizes[1]);
    this.version++;
  }

  /* Bytes of nothing, of a painting for all frames in one, and of one for each. */
  get sizes() {
    const { m, h, w } = this.traits;
    return [0, h * w, m * h * w];
  }

  get empty() {
    return !this.values.some((value) => value > 0);
  }

  /* The share of pixels that are painted. */
  get share() {
    return this.values.reduce((sum, value) => sum + (value > 0), 0) / this.values.length;
  }

  /* The values of one frame, which can be written to. */
  of(frame) {
    const n = this.traits.w * this.traits.h;
    return this.values.length === n ? this.values : this.values.subarray(frame * n, (frame + 1) * n);
  }

  /* Draws from one pixel to another with a round brush. */
  stroke(frame, [x0, y0], [x1, y1], radius, erase) {
    const target = this.of(frame);
    const value = erase ? 0 : 255;
    const steps = Math.max(1, Math.abs(x1 - x0), Math.abs(y1 - y0));
    for (let k = 0; k <= steps; k++) this.dab(target, Math.round(x0 + ((x1 - x0) * k) / steps), Math.round(y0 + ((y1 - y0) * k) / steps), radius, value);
    this.version++;
    this.publish(false);
    this.changed();
  }

  publish(done) {
    publish("painting", { group: this.traits.get("group"), values: this.values, done });
  }

  dab(target, cx, cy, r, value) {
    const { h, w } = this.traits;
    for (let y = Math.max(0, cy - r); y <= Math.min(h - 1, cy + r); y++)
      for (let x = Math.max(0, cx - r); x <= Math.min(w - 1, cx + r); x++)
        if ((x - cx) ** 2 + (y - cy) ** 2 <= r * r + r * 0.5) target[y * w + x] = value;
  }

  send() {
    const runs = toRuns(this.values, this.sizes);
    this.traits.send({ painted: new DataView(runs.slice().buffer) });
    this.publish(true);
  }

  clear() {
    this.values.fill(0);
    this.version++;
    this.send();
    this.changed();
  }

  /* Draws a frame of it into a layer, in transparent orange. */
  draw(layer, frame) {
    const key = `${this.version}/${frame}`;
    if (layer.key === key) return;
    const values = this.of(frame);
    for (let i = 0; i < values.length; i++) layer.words[i] = values[i] ? ((Math.round(values[i] * 0.62) << 24) | 0x32a0ff) >>> 0 : 0;
    layer.context.putImageData(layer.image, 0, 0);
    layer.key = key;
  }
}
