/* The canvas of ikebook's widgets: a video with maps, chains and marks over it.

   Python sends the frames once; everything that moves then happens here. What goes back is `frame` (when a scrub has ended),
   `pixel` with `picked` (a click), `playing`, `swipe` (when its line has been let go), and `painted` (after a stroke).

   Canvases of one `group` show the same frame. They hear of each other on a bus in the page, so this works without a kernel. */

const bus = (globalThis[Symbol.for("ikebook.bus")] ??= new EventTarget());

const SETTLE = 250; // milliseconds without a new frame after which a scrub by keys has ended
const FOLLOW = 120; // milliseconds between frames that are sent while scrubbing, with `follow`
const DECODED = 400e6; // bytes of decoded pictures that are kept
const STAGE = 420; // height of the picture, unless `height` says otherwise
const BRUSH_STEPS = [0, 1, 2, 4, 8, 16, 32]; // radii in pixels

/* ---------------------------------------------------------------------------------------------- what Python has sent */

function bytesOf(value) {
  if (!value) return new Uint8Array(0);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return new Uint8Array(value);
}

function startsWith(bytes, text) {
  return bytes.length >= text.length && [...text].every((letter, i) => bytes[i] === letter.charCodeAt(0));
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/* A video of m frames of h x w: colour or grey bytes, or one compressed picture a frame (see canvas.py, `pack`). */
class Video {
  constructor(data, [m, h, w], changed) {
    this.m = m;
    this.h = h;
    this.w = w;
    this.changed = changed;
    this.raw = null;
    this.pictures = null;
    this.decoded = new Map();
    this.waiting = new Set();
    this.closed = false;
    if (startsWith(data, "IKEZ")) {
      inflate(data.subarray(4)).then((raw) => this.closed || (this.accept(raw), changed()));
    } else if (startsWith(data, "IKEJ")) {
      this.pictures = this.split(data);
      this.channels = 3;
      this.room = Math.max(8, Math.floor(DECODED / (4 * w * h)));
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

  /* A picture of the frame, or null until it is decoded; then `changed` is called. Those that follow are fetched too. */
  picture(frame) {
    for (let ahead = 0; ahead < Math.min(6, this.m); ahead++) this.decode((frame + ahead) % this.m);
    const found = this.decoded.get(frame) ?? null;
    if (found) {
      this.decoded.delete(frame); // the map's order is that of use
      this.decoded.set(frame, found);
    }
    return found;
  }

  decode(frame) {
    if (this.decoded.has(frame) || this.waiting.has(frame)) return;
    this.waiting.add(frame);
    createImageBitmap(new Blob([this.pictures[frame]])).then((bitmap) => {
      this.waiting.delete(frame);
      if (this.closed) return bitmap.close();
      this.decoded.set(frame, bitmap);
      if (this.decoded.size > this.room) {
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

  /* The value of a grey video at a pixel, 0 to 255. */
  at(frame, x, y) {
    return this.raw && this.channels === 1 ? this.raw[(frame * this.h + y) * this.w + x] : null;
  }

  close() {
    this.closed = true;
    for (const bitmap of this.decoded.values()) bitmap.close();
    this.decoded.clear();
  }
}

/* One frame drawn at its own size; it is drawn again only when the frame or the video changes. */
class Layer {
  constructor(w, h) {
    this.canvas = document.createElement("canvas");
    this.canvas.width = w;
    this.canvas.height = h;
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.image = this.context.createImageData(w, h);
    this.words = new Uint32Array(this.image.data.buffer);
    this.key = null;
  }

  /* Whether there is something to show. `table` colours a grey video: 256 words of RGBA. */
  draw(video, frame, table, version) {
    if (!video || !video.ready) return false;
    const key = `${version}/${frame}`;
    if (key === this.key) return true;
    if (video.pictures) {
      const picture = video.picture(frame);
      if (!picture) return this.key !== null; // the last one stays until this one is there
      this.context.drawImage(picture, 0, 0, video.w, video.h);
    } else {
      const n = video.w * video.h;
      const { words } = this;
      if (video.channels === 1) {
        const values = video.raw.subarray(frame * n, (frame + 1) * n);
        for (let i = 0; i < n; i++) words[i] = table[values[i]];
      } else {
        const values = video.raw;
        for (let i = 0, j = frame * n * 3; i < n; i++, j += 3)
          words[i] = 0xff000000 | (values[j + 2] << 16) | (values[j + 1] << 8) | values[j];
      }
      this.context.putImageData(this.image, 0, 0);
    }
    this.key = key;
    return true;
  }

  colour(x, y) {
    return [...this.context.getImageData(x, y, 1, 1).data.subarray(0, 3)];
  }
}

/* 256 RGB or RGBA colours as words that an ImageData takes (little-endian machines, which is all that run browsers). */
function colourTable(colours) {
  const step = colours.length / 256;
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const [r, g, b, a = 255] = step >= 3 ? colours.subarray(i * step, (i + 1) * step) : [i, i, i];
    table[i] = ((a << 24) | (b << 16) | (g << 8) | r) >>> 0;
  }
  return table;
}

function css(word) {
  return `rgba(${word & 255}, ${(word >> 8) & 255}, ${(word >> 16) & 255}, ${((word >>> 24) / 255).toFixed(3)})`;
}

/* ------------------------------------------------------------------------------------------------------- small things */

const ICONS = {
  play: '<path d="M7 4.5v15l12.5-7.5z"/>',
  pause: '<path d="M6 4.5h4.2v15H6zM13.8 4.5H18v15h-4.2z"/>',
  back: '<path d="M17.5 5v14L8 12zM5.5 5h2v14h-2z"/>',
  next: '<path d="M6.5 5v14l9.5-7zM16.5 5h2v14h-2z"/>',
  smaller: '<path d="M5 10.9h14v2.2H5z"/>',
  larger: '<path d="M10.9 5h2.2v5.9H19v2.2h-5.9V19h-2.2v-5.9H5v-2.2h5.9z"/>',
  full: '<path d="M4 4h6v2.2H6.2V10H4zM14 4h6v6h-2.2V6.2H14zM4 14h2.2v3.8H10V20H4zM17.8 14H20v6h-6v-2.2h3.8z"/>',
  erase: '<path d="M14.6 4.3 20.4 10 12 18.5h7V20.6H8.2L3.6 16zM6.6 16l2.5 2.5h.5l3.2-3.2-3.6-3.6z"/>',
};

function icon(name) {
  return `<svg viewBox="0 0 24 24" aria-hidden="true" focusable="false">${ICONS[name]}</svg>`;
}

function make(tag, className, attributes = {}) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

const number = (value, digits = 2) => (Number.isFinite(value) ? value.toFixed(digits) : "none").replace("-", "\u2212");

/* ----------------------------------------------------------------------------------------------------------- the view */

class View {
  constructor(model, el) {
    this.model = model;
    this.versions = { frames: 0, maps: 0, compare: 0 };
    this.videos = { frames: null, maps: null, compare: null };
    this.frame = model.get("frame");
    this.swipe = model.get("swipe");
    this.playing = false;
    this.zoom = 1;
    this.centre = null;
    this.hover = null;
    this.cursor = null;
    this.drag = null;
    this.erasing = false;
    this.drawn = { count: 0, milliseconds: 0 };
    this.cleanups = [];
    this.build(el);
    this.listen();
    this.reload(["frames", "maps", "compare"]);
    this.refresh();
    if (model.get("playing")) this.play(true, false);
  }

  /* Parts */

  build(el) {
    this.root = make("div", "ike", { "data-lm-suppress-shortcuts": "true" });
    this.root.drawn = this.drawn;
    this.title = make("div", "ike-title");
    this.stage = make("div", "ike-stage");
    this.canvas = make("canvas", "ike-canvas", { tabindex: "0", role: "application", "aria-roledescription": "video" });
    this.context = this.canvas.getContext("2d");
    this.left = make("span", "ike-side ike-left", { "aria-hidden": "true" });
    this.right = make("span", "ike-side ike-right", { "aria-hidden": "true" });
    this.stage.append(this.canvas, this.left, this.right);
    this.plot = make("canvas", "ike-plot", { role: "img" });
    this.bar = make("div", "ike-bar", { role: "group", "aria-label": "Playback" });
    this.backButton = this.button("back", "Previous frame", () => this.step(-1));
    this.playButton = this.button("play", "Play", () => this.play(!this.playing));
    this.nextButton = this.button("next", "Next frame", () => this.step(1));
    this.slider = make("input", "ike-slider", { type: "range", min: 0, step: 1, "aria-label": "Frame" });
    this.count = make("span", "ike-count");
    this.bar.append(this.backButton, this.playButton, this.nextButton, this.slider, this.count);
    this.tools = make("div", "ike-tools", { role: "group", "aria-label": "View" });
    this.brushTools = this.group("Brush");
    this.brush = make("input", "ike-brush", { type: "range", min: 0, max: BRUSH_STEPS.length - 1, step: 1, "aria-label": "Brush size" });
    this.eraser = this.button("erase", "Eraser", () => this.erase(!this.erasing));
    const clear = make("button", "ike-button ike-text", { type: "button", "aria-label": "Clear the painting" });
    clear.textContent = "Clear";
    clear.addEventListener("click", () => this.clearPainting());
    this.brushTools.append(this.brush, this.eraser, clear);
    this.overlayTools = this.group("Overlay");
    this.opacity = make("input", "ike-opacity", { type: "range", min: 0, max: 100, step: 1, "aria-label": "Opacity of the overlay" });
    this.legend = make("span", "ike-legend");
    this.overlayTools.append(this.opacity, this.legend);
    this.zoomTools = this.group("");
    this.zoomTools.append(
      this.button("smaller", "Zoom out", () => this.zoomBy(1 / 1.5)),
      this.button("larger", "Zoom in", () => this.zoomBy(1.5)),
      this.button("full", "Full screen", () => this.fullScreen()),
    );
    this.helpButton = make("button", "ike-button ike-text", { type: "button", "aria-label": "Keys", "aria-expanded": "false" });
    this.helpButton.textContent = "?";
    this.helpButton.addEventListener("click", () => this.showHelp(this.help.hidden));
    this.zoomTools.append(this.helpButton);
    this.readout = make("div", "ike-readout");
    this.tools.append(this.readout, this.brushTools, this.overlayTools, this.zoomTools);
    this.help = make("div", "ike-help");
    this.help.hidden = true;
    this.live = make("div", "ike-live", { role: "status", "aria-live": "polite" });
    this.root.append(this.title, this.stage, this.plot, this.bar, this.tools, this.help, this.live);
    el.append(this.root);
  }

  button(name, label, act) {
    const node = make("button", "ike-button", { type: "button", "aria-label": label, title: label });
    node.innerHTML = icon(name);
    node.addEventListener("click", act);
    return node;
  }

  group(label) {
    const node = make("span", "ike-group");
    if (label) {
      const text = make("span", "ike-label", { "aria-hidden": "true" });
      text.textContent = label;
      node.append(text);
    }
    return node;
  }

  listen() {
    const { model, canvas } = this;
    const on = (target, name, act, options) => {
      target.addEventListener(name, act, options);
      this.cleanups.push(() => target.removeEventListener(name, act, options));
    };
    const heed = (names, act) => {
      for (const name of names) {
        const event = `change:${name}`;
        model.on(event, act);
        this.cleanups.push(() => model.off(event, act));
      }
    };
    heed(["shape"], () => this.reload(["frames", "maps", "compare"]));
    for (const name of ["frames", "maps", "compare"]) heed([name], () => this.reload([name]));
    heed(["colours"], () => this.reload(["maps"]));
    heed(
      ["map_range", "opacity", "paths", "points", "paint", "painted", "caption", "readout", "labels", "height", "parts", "brush", "curves", "curve_range"],
      () => this.refresh(),
    );
    heed(["frame"], () => this.goTo(model.get("frame"), { send: false }));
    heed(["swipe"], () => {
      this.swipe = model.get("swipe");
      this.redraw();
    });
    heed(["playing"], () => this.play(model.get("playing"), false));
    on(bus, "frame", ({ detail }) => this.hear(detail));
    on(this.slider, "input", () => this.goTo(Number(this.slider.value), { settle: false }));
    on(this.slider, "change", () => this.settle());
    on(this.opacity, "input", () => this.redraw());
    on(this.brush, "input", () => this.redraw());
    for (const name of ["pointerdown", "pointermove"]) on(this.plot, name, (event) => event.buttons && this.scrubPlot(event));
    on(this.plot, "pointerup", () => this.settle());
    on(canvas, "pointerdown", (event) => this.press(event));
    on(canvas, "pointermove", (event) => this.move(event));
    on(canvas, "pointerup", (event) => this.release(event));
    on(canvas, "pointercancel", (event) => this.release(event));
    on(canvas, "contextmenu", (event) => model.get("paint") && event.preventDefault());
    on(canvas, "pointerleave", () => {
      this.hover = null;
      this.redraw();
    });
    on(canvas, "wheel", (event) => this.wheel(event), { passive: false });
    on(canvas, "focus", () => this.redraw());
    on(canvas, "blur", () => this.redraw());
    on(this.root, "keydown", (event) => this.key(event));
    on(document, "fullscreenchange", () => this.resize());
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.root);
    this.cleanups.push(() => this.observer.disconnect());
  }

  dispose() {
    cancelAnimationFrame(this.ticket);
    cancelAnimationFrame(this.clock);
    clearTimeout(this.settling);
    clearTimeout(this.saying);
    for (const undo of this.cleanups) undo();
    for (const video of Object.values(this.videos)) video?.close();
    this.root.remove();
  }

  /* What to show */

  get m() {
    return this.model.get("shape")[0];
  }

  get h() {
    return this.model.get("shape")[1];
  }

  get w() {
    return this.model.get("shape")[2];
  }

  reload(names) {
    for (const name of names) {
      this.videos[name]?.close();
      const data = bytesOf(this.model.get(name));
      this.versions[name]++;
      const changed = () => this.refresh();
      this.videos[name] = data.length && this.m ? new Video(data, this.model.get("shape"), changed) : null;
    }
    const { w, h } = this;
    if (w && h && (this.layers?.w !== w || this.layers?.h !== h)) {
      this.layers = { w, h };
      for (const name of ["frames", "maps", "compare", "painted"]) this.layers[name] = new Layer(w, h);
      this.zoom = 1;
      this.centre = null;
      this.cursor = null;
    }
    this.table = colourTable(bytesOf(this.model.get("colours")));
    this.frame = clamp(this.frame, 0, Math.max(0, this.m - 1));
    this.refresh();
  }

  /* After a change of anything but the frame. */
  refresh() {
    const { model } = this;
    const parts = model.get("parts");
    const shown = (node, there) => (node.hidden = !there);
    this.title.textContent = model.get("caption");
    shown(this.title, parts !== "bar" && model.get("caption") !== "");
    shown(this.stage, parts !== "bar" && this.w > 0);
    shown(this.bar, parts !== "stage" && this.m > 1);
    shown(this.plot, parts !== "stage" && this.m > 1 && model.get("curves").length > 0);
    shown(this.tools, parts !== "bar");
    shown(this.zoomTools, parts === "all");
    const overlay = Boolean(this.videos.maps);
    shown(this.overlayTools, overlay);
    shown(this.opacity, overlay && Boolean(this.videos.frames));
    this.overlayTools.firstChild.hidden = this.opacity.hidden;
    shown(this.brushTools, model.get("paint"));
    this.canvas.classList.toggle("ike-paints", model.get("paint"));
    this.slider.max = Math.max(0, this.m - 1);
    const opacity = String(Math.round(model.get("opacity") * 100));
    if (opacity !== this.opacityHeard) this.opacity.value = this.opacityHeard = opacity;
    const brush = BRUSH_STEPS.findIndex((radius) => radius >= model.get("brush"));
    if (brush !== this.brushHeard) {
      this.brushHeard = brush;
      this.brush.value = brush < 0 ? BRUSH_STEPS.length - 1 : brush;
    }
    const [first = "", second = ""] = model.get("labels");
    this.left.textContent = first;
    this.right.textContent = second;
    if (!this.drag?.painting) this.takePainting();
    this.drawLegend();
    this.help.textContent = this.helpText();
    this.resize();
  }

  helpText() {
    const keys = ["\u2190 \u2192 frames", "Home, End first and last", "space play", "Shift + arrows pixel cursor"];
    keys.push(this.model.get("paint") ? "Enter paint, [ ] brush" : "Enter pick the pixel", "+ \u2212 zoom, 0 whole frame", "f full screen");
    keys.push("drag to pan when zoomed, Ctrl + wheel to zoom");
    return keys.join("  \u00b7  ");
  }

  showHelp(open) {
    this.help.hidden = !open;
    this.helpButton.setAttribute("aria-expanded", String(open));
  }

  drawLegend() {
    const [low, high] = this.model.get("map_range");
    const stops = [];
    for (let i = 0; i <= 16; i++) stops.push(css(this.table[Math.min(255, i * 16)]));
    const digits = Math.max(Math.abs(low), Math.abs(high)) >= 10 ? 0 : 2;
    const ends = [low, high].map((value) => (Number.isInteger(value) ? number(value, 0) : number(value, digits)));
    const strip = make("span", "ike-strip");
    strip.style.backgroundImage = `linear-gradient(to right, ${stops.join(", ")})`;
    const nodes = ends.map((text) => Object.assign(make("span", "ike-end"), { textContent: text }));
    this.legend.replaceChildren(nodes[0], strip, nodes[1]);
    this.legend.setAttribute("role", "img");
    this.legend.setAttribute("aria-label", `Colours from ${ends[0]} to ${ends[1]}`);
  }

  resize() {
    const { w, h } = this;
    if (!w || this.model.get("parts") === "bar") return this.redraw();
    const full = document.fullscreenElement === this.root;
    const height = full ? Math.max(200, innerHeight - 190) : this.model.get("height") || STAGE;
    const widest = (height * w) / h;
    this.root.style.maxWidth = full ? "" : `${Math.max(widest, this.model.get("parts") === "all" ? 440 : 120)}px`;
    const available = this.root.clientWidth;
    if (!available) return this.redraw();
    const width = Math.floor(Math.min(available - (full ? 48 : 0), widest));
    this.size = [width, Math.max(1, Math.round((width * h) / w))];
    const dpr = devicePixelRatio || 1;
    const [pw, ph] = this.size.map((side) => Math.round(side * dpr));
    if (this.canvas.width !== pw || this.canvas.height !== ph) {
      this.canvas.width = pw;
      this.canvas.height = ph;
      this.canvas.style.width = `${this.size[0]}px`;
      this.canvas.style.height = `${this.size[1]}px`;
    }
    this.stage.style.width = `${this.size[0]}px`;
    this.redraw();
  }

  /* Frames */

  goTo(frame, { send = true, settle = true, heard = false } = {}) {
    frame = clamp(Math.round(frame), 0, Math.max(0, this.m - 1));
    if (frame !== this.frame) {
      this.frame = frame;
      this.redraw();
      if (!heard) this.tell("frame", frame);
    }
    if (!send || this.playing) return;
    if (this.model.get("follow")) this.followSoon();
    clearTimeout(this.settling);
    if (settle) this.settling = setTimeout(() => this.settle(), SETTLE);
  }

  step(by) {
    if (this.playing) this.play(false);
    this.goTo(this.frame + by);
  }

  /* The scrub has ended: Python hears of the frame. */
  settle() {
    clearTimeout(this.settling);
    this.send({ frame: this.frame });
  }

  followSoon() {
    this.following ??= setTimeout(() => {
      this.following = undefined;
      this.send({ frame: this.frame });
    }, FOLLOW);
  }

  send(changes) {
    const changed = Object.entries(changes).filter(([name, value]) => value !== this.model.get(name));
    if (!changed.length) return;
    for (const [name, value] of changed) this.model.set(name, value);
    this.model.save_changes();
  }

  tell(kind, value) {
    bus.dispatchEvent(new CustomEvent("frame", { detail: { group: this.model.get("group"), kind, value, from: this } }));
  }

  hear({ group, kind, value, from }) {
    if (from === this || group === "" || group !== this.model.get("group")) return;
    if (kind === "frame") this.goTo(value, { send: false, heard: true });
    if (kind === "playing") {
      this.stopClock();
      this.setPlaying(value); // another canvas keeps the time
    }
  }

  play(on, send = true) {
    if (on === this.playing || (on && this.m < 2)) return;
    this.stopClock();
    this.setPlaying(on);
    this.tell("playing", on);
    if (on) {
      if (this.frame === this.m - 1) this.goTo(0, { send: false });
      this.startClock();
    }
    if (send) this.send(on ? { playing: true } : { playing: false, frame: this.frame });
  }

  setPlaying(on) {
    this.playing = on;
    this.playButton.innerHTML = icon(on ? "pause" : "play");
    this.playButton.setAttribute("aria-label", on ? "Pause" : "Play");
    this.playButton.title = on ? "Pause" : "Play";
    this.redraw();
  }

  startClock() {
    let due = performance.now();
    const tick = (now) => {
      const wait = 1000 / this.model.get("fps");
      if (now - due > 1000) due = now; // the page was hidden
      let frame = this.frame;
      while (now >= due + wait) {
        due += wait;
        frame = (frame + 1) % this.m;
      }
      this.goTo(frame, { send: false });
      this.clock = requestAnimationFrame(tick);
    };
    this.clock = requestAnimationFrame(tick);
  }

  stopClock() {
    cancelAnimationFrame(this.clock);
  }

  /* From the screen to pixels and back */

  get scale() {
    return (this.size[0] / this.w) * this.zoom;
  }

  get corner() {
    const across = this.w / this.zoom;
    const down = this.h / this.zoom;
    const [x, y] = this.centre ?? [this.w / 2, this.h / 2];
    return [clamp(x - across / 2, 0, this.w - across), clamp(y - down / 2, 0, this.h - down)];
  }

  /* The position on the screen of a point in pixels, whose pixel (0, 0) has its middle at (0, 0). */
  toScreen(x, y) {
    const [left, top] = this.corner;
    return [(x + 0.5 - left) * this.scale, (y + 0.5 - top) * this.scale];
  }

  where(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  pixelAt([u, v]) {
    const [left, top] = this.corner;
    return [
      clamp(Math.floor(u / this.scale + left), 0, this.w - 1),
      clamp(Math.floor(v / this.scale + top), 0, this.h - 1),
    ];
  }

  zoomBy(factor, at) {
    const zoom = clamp(this.zoom * factor, 1, Math.max(1, Math.min(40, this.w / 4)));
    const [left, top] = this.corner;
    const middle = [left + this.w / this.zoom / 2, top + this.h / this.zoom / 2];
    const fixed = at ? [left + at[0] / this.scale, top + at[1] / this.scale] : (this.cursor ?? middle);
    this.centre = [0, 1].map((i) => fixed[i] + ((middle[i] - fixed[i]) * this.zoom) / zoom);
    this.zoom = zoom;
    if (zoom === 1) this.centre = null;
    this.redraw();
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen?.();
  }

  wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.zoomBy(Math.exp(-event.deltaY / 300), this.where(event));
  }

  /* The pointer */

  press(event) {
    const at = this.where(event);
    this.cursor = null;
    this.canvas.setPointerCapture(event.pointerId);
    const line = this.videos.compare ? this.swipe * this.size[0] : null;
    if (line !== null && Math.abs(at[0] - line) < 14) {
      this.drag = { swiping: true };
    } else if (this.model.get("paint")) {
      this.drag = { painting: true, last: this.pixelAt(at), erase: event.button === 2 || this.erasing };
      this.dab(this.drag.last, this.drag.last, this.drag.erase);
    } else if (event.button === 0) {
      this.drag = { from: at, corner: this.corner, moved: false };
    }
    this.redraw();
  }

  move(event) {
    const at = this.where(event);
    const { drag } = this;
    this.hover = this.pixelAt(at);
    if (!drag) {
      const near = this.videos.compare && Math.abs(at[0] - this.swipe * this.size[0]) < 14;
      this.canvas.classList.toggle("ike-swipes", Boolean(near));
    } else if (drag.swiping) {
      this.swipe = clamp(at[0] / this.size[0], 0, 1);
    } else if (drag.painting) {
      this.dab(drag.last, this.hover, drag.erase);
      drag.last = this.hover;
    } else {
      const [du, dv] = [at[0] - drag.from[0], at[1] - drag.from[1]];
      drag.moved ||= Math.hypot(du, dv) > 4;
      if (drag.moved && this.zoom > 1) {
        const half = [this.w / this.zoom / 2, this.h / this.zoom / 2];
        this.centre = [drag.corner[0] + half[0] - du / this.scale, drag.corner[1] + half[1] - dv / this.scale];
      }
    }
    this.redraw();
  }

  release(event) {
    const { drag } = this;
    this.drag = null;
    if (drag?.swiping) this.send({ swipe: this.swipe });
    else if (drag?.painting) this.sendPainting();
    else if (drag && !drag.moved && event.type === "pointerup") this.pick(this.pixelAt(this.where(event)));
    this.redraw();
  }

  pick([x, y]) {
    const old = this.model.get("pixel");
    if (!old || old[0] !== x || old[1] !== y) this.model.set("pixel", [x, y]);
    this.model.set("picked", [this.frame, x, y]);
    if (!this.playing) this.model.set("frame", this.frame);
    this.model.save_changes();
    this.say(`Picked pixel ${x}, ${y} of frame ${this.frame}.`);
  }

  /* The keyboard */

  key(event) {
    const onStage = event.target === this.canvas;
    if (event.altKey || event.metaKey || (event.ctrlKey && event.key !== "Enter")) return;
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    let done = true;
    if (onStage && event.key in arrows && (event.shiftKey || arrows[event.key][1])) {
      this.moveCursor(...arrows[event.key]);
    } else if (onStage && event.key in arrows) {
      this.step(arrows[event.key][0]);
    } else if (onStage && event.key === "Home") {
      this.goTo(0);
    } else if (onStage && event.key === "End") {
      this.goTo(this.m - 1);
    } else if (onStage && event.key === " ") {
      this.play(!this.playing);
    } else if (onStage && event.key === "Enter" && this.cursor) {
      if (this.model.get("paint")) {
        this.dab(this.cursor, this.cursor, this.erasing);
        this.sendPainting();
      } else {
        this.pick(this.cursor);
      }
    } else if (onStage && (event.key === "[" || event.key === "]") && this.model.get("paint")) {
      this.brush.value = Number(this.brush.value) + (event.key === "]" ? 1 : -1);
    } else if (onStage && (event.key === "," || event.key === ".") && this.videos.compare) {
      this.swipe = clamp(this.swipe + (event.key === "." ? 0.05 : -0.05), 0, 1);
      this.send({ swipe: this.swipe });
    } else if (event.key === "+" || event.key === "=") {
      this.zoomBy(1.5);
    } else if (event.key === "-" || event.key === "_") {
      this.zoomBy(1 / 1.5);
    } else if (event.key === "0") {
      this.zoomBy(1e-9);
    } else if (event.key === "f") {
      this.fullScreen();
    } else if (event.key === "?") {
      this.showHelp(this.help.hidden);
    } else if (event.key === "Escape" && this.cursor) {
      this.cursor = null;
    } else {
      done = false;
    }
    if (done) {
      event.preventDefault();
      this.redraw();
    }
    event.stopPropagation(); // a notebook has other plans for these keys
  }

  moveCursor(dx, dy) {
    const [x, y] = this.cursor ?? this.model.get("pixel") ?? [this.w >> 1, this.h >> 1];
    this.cursor = [clamp(x + dx, 0, this.w - 1), clamp(y + dy, 0, this.h - 1)];
    const [left, top] = this.corner;
    if (this.cursor[0] < left || this.cursor[1] < top || this.cursor[0] >= left + this.w / this.zoom || this.cursor[1] >= top + this.h / this.zoom)
      this.centre = [...this.cursor];
  }

  /* Painting: one byte a pixel, of one frame, or of each if Python gave as many */

  takePainting() {
    const given = bytesOf(this.model.get("painted"));
    const n = this.w * this.h;
    this.painting = given.length === n || given.length === n * this.m ? given.slice() : new Uint8Array(n);
    this.paintingVersion = (this.paintingVersion ?? 0) + 1;
  }

  get paintedFrame() {
    const n = this.w * this.h;
    return this.painting.length === n ? this.painting : this.painting.subarray(this.frame * n, (this.frame + 1) * n);
  }

  get radius() {
    return BRUSH_STEPS[this.brush.value];
  }

  dab([x0, y0], [x1, y1], erase) {
    const target = this.paintedFrame;
    const steps = Math.max(1, Math.abs(x1 - x0), Math.abs(y1 - y0));
    const r = this.radius;
    for (let k = 0; k <= steps; k++) {
      const cx = Math.round(x0 + ((x1 - x0) * k) / steps);
      const cy = Math.round(y0 + ((y1 - y0) * k) / steps);
      for (let y = Math.max(0, cy - r); y <= Math.min(this.h - 1, cy + r); y++)
        for (let x = Math.max(0, cx - r); x <= Math.min(this.w - 1, cx + r); x++)
          if ((x - cx) ** 2 + (y - cy) ** 2 <= r * r + r * 0.5) target[y * this.w + x] = erase ? 0 : 255;
    }
    this.paintingVersion++;
    this.redraw();
  }

  sendPainting() {
    this.model.set("painted", new DataView(this.painting.slice().buffer));
    this.model.save_changes();
    const share = this.painting.reduce((sum, value) => sum + (value > 0), 0) / this.painting.length;
    this.say(`${number(100 * share, 1)} % is painted.`);
  }

  clearPainting() {
    this.painting.fill(0);
    this.paintingVersion++;
    this.sendPainting();
    this.redraw();
  }

  erase(on) {
    this.erasing = on;
    this.eraser.setAttribute("aria-pressed", String(on));
  }

  /* Drawing */

  redraw() {
    this.ticket ??= requestAnimationFrame(() => {
      this.ticket = undefined;
      this.draw();
    });
  }

  draw() {
    const begin = performance.now();
    this.slider.value = this.frame;
    const last = Math.max(0, this.m - 1);
    this.slider.style.setProperty("--ike-done", `${last ? (100 * this.frame) / last : 0}%`);
    this.slider.setAttribute("aria-valuetext", `frame ${this.frame} of ${this.m}`);
    this.count.textContent = `${this.frame} / ${last}`;
    this.root.dataset.frame = this.frame;
    if (this.size && this.layers && !this.stage.hidden) this.drawStage();
    if (!this.plot.hidden) this.drawCurves();
    const text = this.describe();
    this.readout.textContent = text;
    this.say(text);
    this.drawn.count++;
    this.drawn.milliseconds += performance.now() - begin;
  }

  drawStage() {
    const { context, layers, versions, videos, frame, table } = this;
    const dpr = this.canvas.width / this.size[0];
    const [width, height] = this.size;
    const scale = this.scale;
    const [left, top] = this.corner;
    const place = (layer) => context.drawImage(layer.canvas, -left * scale, -top * scale, this.w * scale, this.h * scale);
    context.setTransform(dpr, 0, 0, dpr, 0, 0);
    context.clearRect(0, 0, width, height);
    context.imageSmoothingEnabled = scale < 3;
    context.imageSmoothingQuality = "high";
    const opacity = videos.frames ? Number(this.opacity.value) / 100 : 1;
    const side = (map, version) => {
      if (layers.frames.draw(videos.frames, frame, table, versions.frames)) place(layers.frames);
      if (map.layer.draw(map.video, frame, table, version)) {
        context.globalAlpha = map.video.channels === 1 ? opacity : 1;
        place(map.layer);
        context.globalAlpha = 1;
      }
    };
    side({ layer: layers.maps, video: videos.maps }, versions.maps);
    if (videos.compare) {
      const line = this.swipe * width;
      context.save();
      context.beginPath();
      context.rect(line, 0, width - line, height);
      context.clip();
      context.clearRect(line, 0, width - line, height);
      side({ layer: layers.compare, video: videos.compare }, `${versions.compare}+${versions.maps}`);
      context.restore();
    }
    if (this.painting?.some((value) => value > 0)) this.drawPainting(place);
    for (const path of this.model.get("paths")) this.drawPath(path);
    for (const point of this.model.get("points")) this.drawPoint(point);
    if (videos.compare) this.drawLine(this.swipe * width, height);
    if (this.model.get("paint") && (this.hover || this.cursor)) this.drawBrush(this.cursor ?? this.hover);
    if (this.cursor) this.drawCursor(this.cursor);
    const swiping = Boolean(videos.compare);
    this.left.hidden = !swiping || !this.left.textContent || this.swipe < 0.12;
    this.right.hidden = !swiping || !this.right.textContent || this.swipe > 0.88;
    this.left.style.right = `${width - this.swipe * width + 10}px`;
    this.right.style.left = `${this.swipe * width + 10}px`;
  }

  drawPainting(place) {
    const layer = this.layers.painted;
    const key = `${this.paintingVersion}/${this.frame}`;
    if (layer.key !== key) {
      const values = this.paintedFrame;
      for (let i = 0; i < values.length; i++) layer.words[i] = values[i] ? ((Math.round(values[i] * 0.62) << 24) | 0x32a0ff) >>> 0 : 0;
      layer.context.putImageData(layer.image, 0, 0);
      layer.key = key;
    }
    place(layer);
  }

  /* A line with a dark edge, so that it shows on any picture. */
  stroke(points, colour, width, alpha = 1, dash = []) {
    if (points.length < 2) return;
    const { context } = this;
    context.save();
    context.lineJoin = context.lineCap = "round";
    context.globalAlpha = alpha;
    context.setLineDash(dash);
    context.beginPath();
    points.forEach(([u, v], i) => (i ? context.lineTo(u, v) : context.moveTo(u, v)));
    if (!dash.length) {
      context.lineWidth = width + 2;
      context.strokeStyle = "rgba(0, 0, 0, 0.55)";
      context.stroke();
    }
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.stroke();
    context.restore();
  }

  dot([u, v], radius, colour, alpha = 1) {
    const { context } = this;
    context.save();
    context.globalAlpha = alpha;
    context.beginPath();
    context.arc(u, v, radius, 0, 2 * Math.PI);
    context.fillStyle = colour;
    context.fill();
    context.lineWidth = 2;
    context.strokeStyle = "#fff";
    context.stroke();
    context.lineWidth = 1;
    context.strokeStyle = "rgba(0, 0, 0, 0.6)";
    context.beginPath();
    context.arc(u, v, radius + 1.5, 0, 2 * Math.PI);
    context.stroke();
    context.restore();
  }

  tag(text, [u, v]) {
    const { context } = this;
    context.save();
    context.font = "600 13px system-ui, sans-serif";
    const wide = context.measureText(text).width + 12;
    const x = clamp(u + 11, 2, Math.max(2, this.size[0] - wide - 2));
    const y = clamp(v - 26, 2, this.size[1] - 22);
    context.fillStyle = "rgba(15, 17, 21, 0.78)";
    context.beginPath();
    context.roundRect(x, y, wide, 20, 5);
    context.fill();
    context.fillStyle = "#fff";
    context.textBaseline = "middle";
    context.fillText(text, x + 6, y + 10.5);
    context.restore();
  }

  /* A chain: faint over the whole clip, strong up to now, with a dot where it is now. `show` may leave parts out. */
  drawPath({ points, colour = "#ff9f1c", width = 3, label = "", arrow = false, show = "all", around = 3 }) {
    const near = ([t]) =>
      show === "at" ? t === this.frame : show === "upto" ? t <= this.frame : show === "around" ? Math.abs(t - this.frame) <= around : true;
    const kept = points.filter(near);
    const screen = kept.map(([, x, y]) => this.toScreen(x, y));
    const past = kept.filter(([t]) => t <= this.frame).map(([, x, y]) => this.toScreen(x, y));
    this.stroke(screen, colour, width, show === "all" ? 0.5 : 0.9);
    if (show === "all") this.stroke(past, colour, width + 1);
    if (arrow && screen.length > 1) this.drawArrow(screen, colour, width);
    const now = kept.find(([t]) => t === this.frame);
    if (now) {
      const at = this.toScreen(now[1], now[2]);
      this.dot(at, width + 2.5, colour);
      if (label) this.tag(label, at);
    }
  }

  drawArrow(screen, colour, width) {
    const tip = screen.at(-1);
    const before = [...screen].reverse().find(([u, v]) => Math.hypot(u - tip[0], v - tip[1]) > 6) ?? screen[0];
    const angle = Math.atan2(tip[1] - before[1], tip[0] - before[0]);
    const size = 5 + 2 * width;
    const wing = (turn) => [tip[0] - size * Math.cos(angle + turn), tip[1] - size * Math.sin(angle + turn)];
    this.stroke([wing(0.45), tip, wing(-0.45)], colour, width);
  }

  drawPoint({ frame = null, x, y, colour = "#ff3c28", label = "", show = "all" }) {
    const here = frame === null || frame === this.frame;
    if (!here && show === "at") return;
    const at = this.toScreen(x, y);
    const side = Math.max(7, this.scale);
    const { context } = this;
    context.save();
    context.globalAlpha = here ? 1 : 0.45;
    context.lineWidth = 4;
    context.strokeStyle = "rgba(0, 0, 0, 0.6)";
    context.strokeRect(at[0] - side / 2, at[1] - side / 2, side, side);
    context.lineWidth = 2;
    context.setLineDash(here ? [] : [3, 3]);
    context.strokeStyle = colour;
    context.strokeRect(at[0] - side / 2, at[1] - side / 2, side, side);
    context.restore();
    if (label && here) this.tag(label, at);
  }

  drawCursor([x, y]) {
    const [u, v] = this.toScreen(x, y);
    const arm = 12 + this.scale / 2;
    const gap = 3 + this.scale / 2;
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]])
      this.stroke([[u + gap * dx, v + gap * dy], [u + arm * dx, v + arm * dy]], "#fff", 2);
  }

  drawBrush([x, y]) {
    const [u, v] = this.toScreen(x, y);
    const { context } = this;
    for (const [colour, width] of [["rgba(0, 0, 0, 0.6)", 3], ["#fff", 1.5]]) {
      context.beginPath();
      context.arc(u, v, Math.max(4, (this.radius + 0.5) * this.scale), 0, 2 * Math.PI);
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.stroke();
    }
  }

  drawLine(u, height) {
    this.stroke([[u, 0], [u, height]], "#fff", 2);
    const { context } = this;
    context.save();
    context.fillStyle = "#fff";
    context.shadowColor = "rgba(0, 0, 0, 0.5)";
    context.shadowBlur = 4;
    context.beginPath();
    context.arc(u, height / 2, 11, 0, 2 * Math.PI);
    context.fill();
    context.shadowColor = "transparent";
    context.fillStyle = "#222";
    for (const way of [-1, 1]) {
      context.beginPath();
      context.moveTo(u + way * 7, height / 2);
      context.lineTo(u + way * 3, height / 2 - 4);
      context.lineTo(u + way * 3, height / 2 + 4);
      context.fill();
    }
    context.restore();
  }

  /* Curves over the frames, as wide as the slider's way, with the values of this frame. */

  get plotSides() {
    const plot = this.plot.getBoundingClientRect();
    const way = this.slider.getBoundingClientRect();
    return [way.left - plot.left + 8, way.right - plot.left - 8];
  }

  scrubPlot(event) {
    if (event.type === "pointerdown") this.plot.setPointerCapture(event.pointerId);
    const [left, right] = this.plotSides;
    const at = (event.clientX - this.plot.getBoundingClientRect().left - left) / (right - left);
    if (this.playing) this.play(false);
    this.goTo(at * (this.m - 1), { settle: false });
  }

  drawCurves() {
    const { plot } = this;
    const curves = this.model.get("curves");
    const [low, high] = this.model.get("curve_range");
    const dpr = devicePixelRatio || 1;
    const [width, height] = [plot.clientWidth, plot.clientHeight];
    if (!width) return;
    if (plot.width !== Math.round(width * dpr) || plot.height !== Math.round(height * dpr)) {
      plot.width = Math.round(width * dpr);
      plot.height = Math.round(height * dpr);
    }
    const context = plot.getContext("2d");
    const style = getComputedStyle(this.root);
    const [ink, quiet, rule] = ["--ike-text", "--ike-quiet", "--ike-line"].map((name) => style.getPropertyValue(name).trim());
    const [left, right] = this.plotSides;
    const [top, bottom] = [26, height - 8];
    const u = (frame) => left + ((right - left) * frame) / Math.max(1, this.m - 1);
    const v = (value) => bottom - ((bottom - top) * (clamp(value, low, high) - low)) / (high - low);
    context.setTransform(dpr, 0, 0, dpr, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = "13px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.lineWidth = 1;
    for (const value of [low, (low + high) / 2, high]) {
      context.strokeStyle = rule;
      context.beginPath();
      context.moveTo(left, v(value));
      context.lineTo(right, v(value));
      context.stroke();
      context.fillStyle = quiet;
      context.textAlign = "right";
      context.fillText(Number.isInteger(value) ? number(value, 0) : number(value, 1), left - 10, v(value));
    }
    context.strokeStyle = quiet;
    context.beginPath();
    context.moveTo(u(this.frame), top - 4);
    context.lineTo(u(this.frame), bottom);
    context.stroke();
    let legend = left;
    const said = [];
    for (const { values, label = "", colour = "#3f8fdc" } of curves) {
      context.strokeStyle = colour;
      context.lineWidth = 2.5;
      context.lineJoin = "round";
      context.beginPath();
      values.forEach((value, frame) => {
        if (value === null) return;
        if (frame && values[frame - 1] !== null) context.lineTo(u(frame), v(value));
        else context.moveTo(u(frame), v(value));
      });
      context.stroke();
      const now = values[this.frame];
      if (now !== null) {
        context.fillStyle = colour;
        context.beginPath();
        context.arc(u(this.frame), v(now), 4.5, 0, 2 * Math.PI);
        context.fill();
      }
      const text = `${label} ${now === null ? "\u2013" : number(now)}`.trim();
      context.fillStyle = colour;
      context.fillRect(legend, 9, 14, 4);
      context.fillStyle = ink;
      context.textAlign = "left";
      context.font = "600 14px system-ui, sans-serif";
      context.fillText(text, legend + 20, 11.5);
      legend += context.measureText(text).width + 44;
      said.push(text);
    }
    plot.setAttribute("aria-label", `Curves over the frames; frame ${this.frame}: ${said.join(", ")}`);
  }

  /* Words */

  valueOf(video, x, y) {
    const value = video?.at(this.frame, x, y);
    const [low, high] = this.model.get("map_range");
    return value === null || value === undefined ? null : low + ((high - low) * value) / 255;
  }

  describe() {
    const { model } = this;
    const at = this.cursor ?? this.hover ?? model.get("pixel");
    const words = { frame: this.frame, last: this.m - 1, frames: this.m, caption: model.get("caption") };
    const inside = at && this.layers && at[0] < this.w && at[1] < this.h;
    if (inside) {
      const [x, y] = at;
      Object.assign(words, { x, y, value: this.valueOf(this.videos.maps, x, y), second: this.valueOf(this.videos.compare, x, y) });
      if (this.videos.frames?.ready) words.rgb = this.layers.frames.colour(x, y).join(" ");
    }
    const template = model.get("readout");
    if (template) return fill(template, words);
    const parts = this.m > 1 ? [`frame ${words.frame}`] : [];
    if (inside) {
      const [first = "", second = ""] = model.get("labels");
      parts.push(`pixel (${words.x}, ${words.y})`);
      if (words.value !== null) parts.push(`${first || "value"} ${number(words.value)}`);
      if (words.second !== null) parts.push(`${second || "second"} ${number(words.second)}`);
      if (words.value === null && words.rgb) parts.push(`RGB ${words.rgb}`);
    }
    return parts.join(" \u00b7 ");
  }

  /* To whom reads the page by ear, once it has settled. */
  say(text) {
    const { model } = this;
    this.canvas.setAttribute("aria-label", `${model.get("caption") || "Video"}, frame ${this.frame} of ${this.m}`);
    clearTimeout(this.saying);
    if (!this.playing) this.saying = setTimeout(() => this.live.textContent !== text && (this.live.textContent = text), 500);
  }
}

/* "{value:3} at {x}" with words filled in; what is not known is left out with a dash. */
function fill(template, words) {
  return template.replace(/\{(\w+)(?::(\d))?\}/g, (_, name, digits) => {
    const value = words[name];
    if (value === null || value === undefined) return "\u2013";
    return typeof value === "number" && (digits || !Number.isInteger(value)) ? number(value, Number(digits ?? 2)) : value;
  });
}

function render({ model, el }) {
  const view = new View(model, el);
  return () => view.dispose();
}

export default { render };
