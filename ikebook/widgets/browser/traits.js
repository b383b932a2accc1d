/* The traits of the canvas in Python (see canvas.py): read here, heard of when they change, and sent back. */

export function bytesOf(value) {
  if (!value) return new Uint8Array(0);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return new Uint8Array(value);
}

const REFERENCE = "IPY_MODEL_"; // before the name of a model

/* The pieces of long bytes, one after the other (see shared_bytes.py); the first model keeps them for whoever needs them next. */
async function join(manager, names) {
  const models = await Promise.all(names.map((name) => manager.get_model(name.slice(REFERENCE.length))));
  const pieces = models.map((one) => bytesOf(one.get("data")));
  if (pieces.length === 1) return pieces[0];
  const key = names.join();
  if (models[0].ikebookJoined?.key !== key) {
    const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    models[0].ikebookJoined = { key, whole };
  }
  return models[0].ikebookJoined.whole;
}

export class Traits {
  constructor(model) {
    this.model = model;
    this.cleanups = [];
    this.heard = new Map(); // by a trait's name, what is called after it has changed
    this.joined = new Map(); // by a trait's name, its bytes, where they came in pieces
  }

  get(name) {
    return this.model.get(name);
  }

  /* A trait of bytes; none while pieces of it are on their way, and who listens hears of it when they are there. */
  bytes(name) {
    const value = this.model.get(name);
    if (!Array.isArray(value)) return bytesOf(value);
    const key = value.join();
    const known = this.joined.get(name);
    if (known?.key === key) return known.bytes;
    const coming = { key, bytes: new Uint8Array(0) };
    this.joined.set(name, coming);
    join(this.model.widget_manager, value).then((bytes) => {
      if (this.disposed || this.joined.get(name) !== coming) return; // others have come meanwhile
      coming.bytes = bytes;
      for (const act of this.heard.get(name) ?? []) act();
    }, () => {}); // pieces that have been closed since: others will come
    return coming.bytes;
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
      this.heard.set(name, [...(this.heard.get(name) ?? []), act]);
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
    this.disposed = true;
    for (const undo of this.cleanups) undo();
  }
}
