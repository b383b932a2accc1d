/* The motion chains of a frame's pixels, as Python has sent them (see live_chains.py): where each goes, whose arrive at it, how far
   each link is believed, and each pixel's row of F. */

const CHAIN_GONE = -32768; // in place of where a chain is, once it has left the frame
const BEYOND = 0.02; // of the pixels have a sum of weights that lies beyond the axis

export class ChainData {
  /* `bytes` from `begin` on: this frame's. */
  constructor(bytes, begin, { frame, shape: [m, h, w], radius, links, unit, columns, scales }) {
    Object.assign(this, { frame, frames: m, h, w, radius, links, unit, columns, scales });
    const n = h * w;
    const count = 2 * radius;
    this.offsets = Array.from({ length: count }, (_, k) => (k < radius ? k - radius : k - radius + 1));
    let at = begin;
    const take = (Kind, length) => {
      const part = new Kind(bytes.slice(at, at + length * Kind.BYTES_PER_ELEMENT).buffer); // a copy begins where words may
      at += length * Kind.BYTES_PER_ELEMENT;
      return part;
    };
    this.ahead = take(Int16Array, 2 * count * n);
    this.met = take(Int16Array, 2 * count * links * n);
    this.features = take(Int16Array, columns.length * n);
    this.likeness = take(Uint8Array, count * n);
    this.metLikeness = take(Uint8Array, count * links * n);
    this.end = at;
    this.index();
  }

  /* Lists, for each pixel, of the chains that arrive there, one pixel after the other. */
  index() {
    const { w, h, met, links } = this;
    const n = w * h;
    const target = (i) => {
      if (met[2 * i] === CHAIN_GONE) return -1;
      const source = i % n;
      return source + met[2 * i] + w * met[2 * i + 1];
    };
    const all = met.length / 2;
    this.begins = new Uint32Array(n + 1);
    for (let i = 0; i < all; i++) if (target(i) >= 0) this.begins[target(i) + 1]++;
    for (let pixel = 0; pixel < n; pixel++) this.begins[pixel + 1] += this.begins[pixel];
    const next = this.begins.slice();
    this.arrivals = new Uint32Array(this.begins[n]); // (k * links + link) * n + source
    for (let i = 0; i < all; i++) if (target(i) >= 0) this.arrivals[next[target(i)]++] = i;
    this.perOffset = links * n;
  }

  /* The pixel's own chain: [frame, x, y, weight without the kernel], by time, itself included. */
  chain(x, y) {
    const { w, h, ahead, unit, frame } = this;
    const n = w * h;
    const found = [[frame, x, y, 1]];
    this.offsets.forEach((offset, k) => {
      const i = k * n + y * w + x;
      if (ahead[2 * i] !== CHAIN_GONE) found.push([frame + offset, x + unit * ahead[2 * i], y + unit * ahead[2 * i + 1], this.likeness[i] / 255]);
    });
    return found.sort((a, b) => a[0] - b[0]);
  }

  /* Pixels whose chains arrive here: [frame, x, y, weight without the kernel], by time. */
  incoming(x, y) {
    const { w, h, frame, perOffset, offsets } = this;
    const pixel = y * w + x;
    return Array.from(this.arrivals.subarray(this.begins[pixel], this.begins[pixel + 1]), (i) => {
      const source = i % (w * h);
      return [frame + offsets[Math.floor(i / perOffset)], source % w, Math.floor(source / w), this.metLikeness[i] / 255];
    });
  }

  /* The pixel's row of F. */
  row(x, y) {
    const n = this.w * this.h;
    return this.columns.map((_, k) => this.scales[k] * this.features[k * n + y * this.w + x]);
  }

  /* The least and the greatest value of F in this frame. */
  get range() {
    if (!this.knownRange) {
      const n = this.w * this.h;
      let [low, high] = [0, 0];
      this.scales.forEach((scale, k) => {
        for (const value of this.features.subarray(k * n, (k + 1) * n)) {
          low = Math.min(low, scale * value);
          high = Math.max(high, scale * value);
        }
      });
      this.knownRange = [low, high];
    }
    return this.knownRange;
  }

  /* What the weights of one offset, in and out, sum up to for nearly all pixels, whatever the kernel's width. */
  get top() {
    if (!this.knownTop) {
      const n = this.w * this.h;
      const greatest = new Float32Array(n);
      const sums = new Float32Array(n);
      for (let k = 0; k < this.offsets.length; k++) {
        for (let pixel = 0; pixel < n; pixel++) sums[pixel] = this.likeness[k * n + pixel];
        for (let i = k * this.perOffset; i < (k + 1) * this.perOffset; i++) {
          const source = i % n;
          if (this.met[2 * i] !== CHAIN_GONE) sums[source + this.met[2 * i] + this.w * this.met[2 * i + 1]] += this.metLikeness[i];
        }
        for (let pixel = 0; pixel < n; pixel++) greatest[pixel] = Math.max(greatest[pixel], sums[pixel]);
      }
      greatest.sort();
      this.knownTop = Math.max(1, greatest[Math.floor((1 - BEYOND) * (n - 1))] / 255);
    }
    return this.knownTop;
  }
}

/* Bytes of one frame's chains. */
export function chainBytes({ shape: [, h, w], radius, links, columns }) {
  return h * w * (2 * radius * (5 + 5 * links) + 2 * columns.length);
}
