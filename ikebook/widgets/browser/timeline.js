/* Which frame is shown, and the clock that plays. Canvases of one `group` go in step: they hear of each other on the bus. */

import { publish, subscribe } from "./bus.js";
import { clamp } from "./numbers.js";

const SCRUB_END = 250; // milliseconds without a new frame after which a scrub by keys has ended
const FOLLOW = 120; // milliseconds between frames that are sent while scrubbing, with `follow`

export class Timeline {
  /* `changed` is called when another frame is to be shown, `played` when it begins or ends to play. */
  constructor(traits, changed, played) {
    this.traits = traits;
    this.changed = changed;
    this.played = played;
    this.frame = traits.get("frame");
    this.playing = false;
    this.unsubscribe = subscribe("frame", (message) => this.receive(message));
  }

  get last() {
    return Math.max(0, this.traits.m - 1);
  }

  /* Shows a frame. `send`: Python is to hear of it once the scrub has ended; `scrubbing`: it has not, and `sendFrame` will be
     called; `publishing`: the group is to hear of it. */
  goTo(frame, { send = true, scrubbing = false, publishing = true } = {}) {
    frame = clamp(Math.round(frame), 0, this.last);
    if (frame !== this.frame) {
      this.frame = frame;
      this.changed();
      if (publishing) this.publish("frame", frame);
    }
    if (!send || this.playing) return;
    if (this.traits.get("follow")) this.sendSoon();
    clearTimeout(this.scrubEnd);
    if (!scrubbing) this.scrubEnd = setTimeout(() => this.sendFrame(), SCRUB_END);
  }

  step(by) {
    if (this.playing) this.play(false);
    this.goTo(this.frame + by);
  }

  /* The scrub has ended. */
  sendFrame() {
    clearTimeout(this.scrubEnd);
    this.traits.send({ frame: this.frame });
  }

  sendSoon() {
    this.following ??= setTimeout(() => {
      this.following = undefined;
      this.traits.send({ frame: this.frame });
    }, FOLLOW);
  }

  publish(kind, value) {
    publish("frame", { group: this.traits.get("group"), kind, value, from: this });
  }

  receive({ group, kind, value, from }) {
    if (from === this || group === "" || group !== this.traits.get("group")) return;
    if (kind === "frame") this.goTo(value, { send: false, publishing: false });
    if (kind === "playing") {
      this.stopClock();
      this.setPlaying(value); // another canvas keeps the time
    }
  }

  play(on, send = true) {
    if (on === this.playing || (on && this.traits.m < 2)) return;
    this.stopClock();
    this.setPlaying(on);
    this.publish("playing", on);
    if (on) {
      if (this.frame === this.last) this.goTo(0, { send: false });
      this.startClock();
    }
    if (send) this.traits.send(on ? { playing: true } : { playing: false, frame: this.frame });
  }

  setPlaying(on) {
    this.playing = on;
    this.played();
  }

  startClock() {
    let due = performance.now();
    const tick = (now) => {
      const wait = 1000 / this.traits.get("fps");
      if (now - due > 1000) due = now; // the page was hidden
      let { frame } = this;
      while (now >= due + wait) {
        due += wait;
        frame = (frame + 1) % this.traits.m;
      }
      this.goTo(frame, { send: false });
      this.clock = requestAnimationFrame(tick);
    };
    this.clock = requestAnimationFrame(tick);
  }

  stopClock() {
    cancelAnimationFrame(this.clock);
  }

  dispose() {
    this.stopClock();
    clearTimeout(this.scrubEnd);
    clearTimeout(this.following);
    this.unsubscribe();
  }
}
