/* A video of m frames of h x w: colour or grey bytes, or one compressed picture a frame (see arrays.py, `pack`). */

const DECODED_BYTES = 400e6; // of pictures that are kept
const DECODED_AHEAD = 6; // pictures, from the one that is shown on

function startsWith(bytes, text) {
  return bytes.length >= text.length && [...text].every((letter, i) => bytes[i] === letter.charCodeAt(0));
}

export async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export class Video {
  /* `changed` is called when there is more to show than before. */
  constructor(data, [m, h, w], changed) {
    this.m = m;
    this.h = h;
    this.w = w;
    this.changed = changed;
    this.raw = null;
    this.pictures = null;
    this.decoded = new Map(); // in the order of use
    this.decoding = new Set();
    this.closed = false;
    if (startsWith(data, "IKEZ")) {
      inflate(data.subarray(4)).then((raw) => this.closed || (this.accept(raw), changed()));
    } else if (startsWith(data, "IKEJ")) {
      this.pictures = this.split(data);
      this.channels = 3;
      this.capacity = Math.max(8, Math.floor(DECODED_BYTES / (4 * w * h)));
    } else {
      this.accept(data);
    }
  }

  accept(raw) {
    const channels = raw.length / (this.m * this.h * this.w);
    if (channels === 1 || channels === 3) {
      this.raw = raw;
      this.channels = channels;
    }
  }

  split(data) {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const pictures = [];
    let at = 8 + 4 * view.getUint32(4, true);
    for (let i = 0; i < view.getUint32(4, true); i++) {
      const size = view.getUint32(8 + 4 * i, true);
      pictures.push(data.subarray(at, at + size));
      at += size;
    }
    return pictures;
  }

  /* A picture of the frame, or null until it is decoded. Those that follow are decoded too. */
  picture(frame) {
    for (let ahead = 0; ahead < Math.min(DECODED_AHEAD, this.m); ahead++) this.decode((frame + ahead) % this.m);
    const found = this.decoded.get(frame) ?? null;
    if (found) {
      this.decoded.delete(frame);
      this.decoded.set(frame, found);
    }
    return found;
  }

  decode(frame) {
    if (this.decoded.has(frame) || this.decoding.has(frame)) return;
    this.decoding.add(frame);
    createImageBitmap(new Blob([this.pictures[frame]])).then((bitmap) => {
      this.decoding.delete(frame);
      if (this.closed) return bitmap.close();
      this.decoded.set(frame, bitmap);
      if (this.decoded.size > this.capacity) {
        const [oldest, old] = this.decoded.entries().next().value;
        old.close();
        this.decoded.delete(oldest);
      }
      this.changed();
    });
  }

  get ready() {
    return this.raw !== null || this.pictures !== null;
  }

  /* The bytes of a frame that is no picture. */
  values(frame) {
    const size = this.w * this.h * this.channels;
    return this.raw.subarray(frame * size, (frame + 1) * size);
  }

  /* The value of a grey video at a pixel, 0 to 255. */
  at(frame, x, y) {
    return this.raw && this.channels === 1 ? this.values(frame)[y * this.w + x] : null;
  }

  close() {
    this.closed = true;
    for (const bitmap of this.decoded.values()) bitmap.close();
    this.decoded.clear();
  }
}

/* A grey video whose frames are computed in the page when they are looked at. */
export class LiveVideo {
  /* `range`: the values that become 0 and 255; `values(begin, end)`: those of the nodes in between. */
  constructor({ range, values }, [h, w]) {
    this.range = range;
    this.compute = values;
    this.h = h;
    this.w = w;
    this.channels = 1;
    this.ready = true;
    this.pictures = null;
    this.frame = null;
  }

  values(frame) {
    if (frame === this.frame) return this.bytes;
    const size = this.w * this.h;
    const [low, high] = this.range;
    const scale = 255 / (high - low);
    this.bytes = Uint8ClampedArray.from(this.compute(frame * size, (frame + 1) * size), (value) => (value - low) * scale);
    this.frame = frame;
    return this.bytes;
  }

  at(frame, x, y) {
    return this.values(frame)[y * this.w + x];
  }

  close() {}
}
