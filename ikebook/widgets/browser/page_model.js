/* What stands in for the kernel in a static page: the traits of a canvas, without Python. */

export class PageModel {
  constructor(state) {
    this.state = { ...state };
    this.listeners = new Map();
    this.pending = new Set();
  }

  get(name) {
    return this.state[name];
  }

  set(name, value) {
    if (this.state[name] === value) return;
    this.state[name] = value;
    this.pending.add(name);
    this.notify(`change:${name}`);
  }

  save_changes() {
    const names = [...this.pending];
    this.pending.clear();
    for (const name of names) this.notify(`saved:${name}`, this.state[name]);
  }

  on(event, act) {
    if (!this.listeners.has(event)) this.listeners.set(event, new Set());
    this.listeners.get(event).add(act);
  }

  off(event, act) {
    this.listeners.get(event)?.delete(act);
  }

  /* Takes traits as if Python had sent them: all first, so that who hears of one finds all. */
  receive(changes) {
    Object.assign(this.state, changes);
    for (const name of Object.keys(changes)) this.notify(`change:${name}`);
  }

  notify(event, ...values) {
    for (const act of this.listeners.get(event) ?? []) act(...values);
  }
}
