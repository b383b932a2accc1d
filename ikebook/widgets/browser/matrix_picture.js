/* The picture of a matrix: thick enough to see where there is little but zeros, and its rows and columns fly to their places when
   they are ordered otherwise. */

import { prefersStill } from "./motion.js";

const FLIGHT = 1100; // milliseconds
const FLYING_SIDE = 460; // rows and columns of the picture while it flies
const SPARSE = 0.9; // share of one value from which on a matrix is drawn thick
const THICK = 1.6; // CSS pixels of an entry then, at least

/* Slow, fast, slow. */
const eased = (part) => part * part * (3 - 2 * part);

export class MatrixPicture {
  constructor(view) {
    this.view = view;
    this.layers = new Map(); // by name: a canvas, and what it shows
    this.order = null;
    this.flight = null;
  }

  /* Python has sent other places: from where does each row come? */
  reorder() {
    const { traits } = this.view;
    if (!traits.get("joins").length) return;
    const places = new Int32Array(traits.bytes("places").slice().buffer); // a copy begins where 32-bit words may
    const nodes = Array.from({ length: places.length / 3 }, (_, k) => places.subarray(3 * k, 3 * k + 3).join());
    const before = this.order;
    this.order = new Map(nodes.map((node, k) => [node, k]));
    this.land();
    if (!before || before.size !== nodes.length || prefersStill()) return;
    const from = Float32Array.from(nodes, (node) => before.get(node) ?? 0);
    if (from.every((place, k) => place === k)) return;
    this.flight = { from, begin: null };
    this.view.root.dataset.flying = "true";
    this.view.redraw();
  }

  /* The layer to draw in place of the map's; null where that is right as it is. */
  layer() {
    const { traits, pictures, viewport, timeline } = this.view;
    if (!traits.get("joins").length || !viewport.size) return null;
    const video = pictures.videos.maps;
    if (!video?.ready || video.channels !== 1) return null;
    const values = video.values(timeline.frame);
    if (this.flight) return this.flying(values, pictures);
    if (viewport.scale >= THICK || !this.sparse(values)) return null;
    return this.thick(values, pictures, viewport);
  }

  /* Whether nearly all entries are equal, which are those of the middle or of the end of the colours then. */
  sparse(values) {
    if (this.seen !== values.buffer || this.seenAt !== values.byteOffset) {
      const counts = new Uint32Array(256);
      for (const value of values) counts[value]++;
      this.common = counts.indexOf(Math.max(...counts));
      this.isSparse = counts[this.common] >= SPARSE * values.length;
      this.seen = values.buffer;
      this.seenAt = values.byteOffset;
    }
    return this.isSparse;
  }

  /* Of all entries in a cell of the picture, that which differs most from the common one. */
  thick(values, pictures, viewport) {
    const { w } = this.view.traits;
    const side = Math.min(w, Math.max(1, Math.floor((w * viewport.scale) / THICK)));
    const key = `${pictures.versions.maps}/${side}`;
    const made = this.canvas("thick", side);
    if (made.key === key) return made;
    const kept = new Uint8Array(side * side).fill(this.common);
    const cells = Uint32Array.from({ length: w }, (_, k) => Math.floor((k * side) / w));
    for (let row = 0, i = 0; row < w; row++) {
      const line = cells[row] * side;
      for (let column = 0; column < w; column++, i++) {
        const value = values[i];
        if (value === this.common) continue;
        const at = line + cells[column];
        if (Math.abs(value - this.common) > Math.abs(kept[at] - this.common)) kept[at] = value;
      }
    }
    this.paint(made, kept, pictures.colours);
    made.key = key;
    return made;
  }

  /* Each entry on its way from where it was to where it will be. */
  flying(values, pictures) {
    const now = performance.now();
    this.flight.begin ??= now;
    const part = eased(Math.min(1, (now - this.flight.begin) / FLIGHT));
    const { from } = this.flight;
    const { length } = from;
    const side = Math.min(length, FLYING_SIDE);
    this.sparse(values); // knows the common value
    const at = Uint32Array.from(from, (place, k) => Math.min(side - 1, Math.floor(((place + (k - place) * part) * side) / length)));
    const kept = new Uint8Array(side * side).fill(this.common);
    for (let row = 0, i = 0; row < length; row++) {
      const line = at[row] * side;
      for (let column = 0; column < length; column++, i++) {
        const value = values[i];
        const place = line + at[column];
        if (!this.isSparse || Math.abs(value - this.common) > Math.abs(kept[place] - this.common)) kept[place] = value;
      }
    }
    const made = this.canvas("flying", side);
    this.paint(made, kept, pictures.colours);
    if (part === 1) this.land();
    this.view.redraw();
    return made;
  }

  land() {
    this.flight = null;
    this.view.root.dataset.flying = "false";
  }

  canvas(name, side) {
    let made = this.layers.get(name);
    if (made?.canvas.width !== side) {
      const canvas = document.createElement("canvas");
      canvas.width = canvas.height = side;
      const context = canvas.getContext("2d");
      const image = context.createImageData(side, side);
      made = { canvas, context, image, words: new Uint32Array(image.data.buffer), key: null };
      this.layers.set(name, made);
    }
    return made;
  }

  paint({ context, image, words }, values, colours) {
    for (let i = 0; i < values.length; i++) words[i] = colours[values[i]];
    context.putImageData(image, 0, 0);
  }
}
