/* The traits of the canvas in Python (see canvas.py): read here, heard of when they change, and sent back. */

export function bytesOf(value) {
  if (!value) return new Uint8Array(0);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return new Uint8Array(value);
}

export class Traits {
  constructor(model) {
    this.model = model;
    this.cleanups = [];
  }

  get(name) {
    return this.model.get(name);
  }

  bytes(name) {
    return bytesOf(this.model.get(name));
  }

  /* The shape of the video: m frames of h x w. */

  get m() {
    return this.model.get("shape")[0];
  }

  get h() {
    return this.model.get("shape")[1];
  }

  get w() {
    return this.model.get("shape")[2];
  }

  /* Calls `act` after a change of any of these. */
  onChange(names, act) {
    for (const name of names) {
      const event = `change:${name}`;
      this.model.on(event, act);
      this.cleanups.push(() => this.model.off(event, act));
    }
  }

  /* Sends what has changed, in one message. */
  send(changes) {
    const changed = Object.entries(changes).filter(([name, value]) => value !== this.model.get(name));
    if (!changed.length) return;
    for (const [name, value] of changed) this.model.set(name, value);
    this.model.save_changes();
  }

  dispose() {
    for (const undo of this.cleanups) undo();
  }
}
