/* The canvas of ikebook's widgets: a video with maps, chains and marks over it.

   Python sends the frames once; everything that moves then happens here. What goes back is `frame` (when a scrub has ended),
   `pixel` with `picked` (a click), `playing`, `swipe` (when its line has been let go), and `painted` (after a stroke).

   A view is made of parts, each in a file of its own; it hears of the traits and of the page, and tells the parts. */

import { subscribe } from "./bus.js";
import { Curves } from "./curves.js";
import { make } from "./elements.js";
import { pressKey } from "./keyboard.js";
import { LiveMap } from "./live_map.js";
import { LiveMarks } from "./live_marks.js";
import { MatrixEntry } from "./matrix_entry.js";
import { MatrixPicture } from "./matrix_picture.js";
import { prefersStill } from "./motion.js";
import { formatNumber } from "./numbers.js";
import { Painting } from "./painting.js";
import { Pictures, VIDEOS } from "./pictures.js";
import { PlaybackBar } from "./playback_bar.js";
import { Pointer } from "./pointer.js";
import { readout } from "./readout.js";
import { Stage } from "./stage.js";
import { Timeline } from "./timeline.js";
import { Toolbar } from "./toolbar.js";
import { Traits } from "./traits.js";
import { Viewport } from "./viewport.js";
import { isFull, toggleFull, wholeOf } from "./whole.js";

const ANNOUNCE = 500; // milliseconds of rest after which a screen reader hears what is shown

/* Traits that change what is drawn, and nothing else. */
const DRAWN = [
  "map_range", "opacity", "paths", "points", "paint", "painted", "caption", "readout", "labels", "height", "parts", "brush", "curves",
  "curve_range",
];

class View {
  constructor(model, el) {
    this.cleanups = [];
    this.drawn = { count: 0, milliseconds: 0 };
    this.traits = new Traits(model);
    this.viewport = new Viewport(this.traits, () => this.redraw());
    this.pictures = new Pictures(this.traits, () => this.refresh());
    this.painting = new Painting(this.traits, () => this.redraw());
    this.pointer = new Pointer(this);
    this.entry = new MatrixEntry(this);
    this.matrix = new MatrixPicture(this);
    this.liveMap = new LiveMap(this);
    this.liveMarks = new LiveMarks(this);
    this.timeline = new Timeline(this.traits, () => this.redraw(), () => this.showPlaying());
    this.stage = new Stage(this);
    this.bar = new PlaybackBar(this.timeline);
    this.curves = new Curves(this);
    this.toolbar = new Toolbar(this);
    this.build(el);
    this.listenToPython();
    this.listenToPage();
    this.reload(VIDEOS);
    this.matrix.reorder();
    this.playAsPython();
  }

  build(el) {
    this.root = make("div", "ike", { "data-lm-suppress-shortcuts": "true" });
    this.root.drawn = this.drawn; // for measurements
    this.title = make("div", "ike-title");
    this.live = make("div", "ike-live", { role: "status", "aria-live": "polite" });
    const { stage, curves, bar, toolbar } = this;
    this.root.append(this.title, stage.node, curves.node, bar.node, toolbar.node, toolbar.help, this.live);
    el.append(this.root);
  }

  listenToPython() {
    const { traits, timeline, stage } = this;
    traits.onChange(["shape"], () => this.reload(VIDEOS));
    for (const name of VIDEOS) traits.onChange([name], () => this.reload([name]));
    traits.onChange(["colours"], () => this.reload(["maps"]));
    traits.onChange(DRAWN, () => this.refresh());
    traits.onChange(["places"], () => this.matrix.reorder());
    traits.onChange(["frame"], () => timeline.goTo(traits.get("frame"), { send: false }));
    traits.onChange(["playing"], () => this.playAsPython());
    traits.onChange(["swipe"], () => {
      stage.swipe = traits.get("swipe");
      this.redraw();
    });
  }

  listenToPage() {
    const { pointer, timeline, curves } = this;
    const { canvas } = this.stage;
    const on = (target, names, act, options) => {
      for (const name of names) {
        target.addEventListener(name, act, options);
        this.cleanups.push(() => target.removeEventListener(name, act, options));
      }
    };
    on(curves.node, ["pointerdown", "pointermove"], (event) => event.buttons && curves.scrub(event));
    on(curves.node, ["pointerup"], () => timeline.sendFrame());
    on(canvas, ["pointerdown"], (event) => pointer.press(event));
    on(canvas, ["pointermove"], (event) => pointer.move(event));
    on(canvas, ["pointerup", "pointercancel"], (event) => pointer.release(event));
    on(canvas, ["pointerleave"], () => pointer.leave());
    on(canvas, ["wheel"], (event) => pointer.wheel(event), { passive: false });
    on(canvas, ["contextmenu"], (event) => this.traits.get("paint") && event.preventDefault());
    on(canvas, ["focus", "blur"], () => this.redraw());
    on(this.root, ["keydown"], (event) => pressKey(this, event));
    on(document, ["fullscreenchange"], () => this.refresh());
    this.cleanups.push(subscribe("fit", ({ root }) => root.contains(this.root) && this.resize()));
    const observer = new ResizeObserver(() => {
      this.join();
      this.resize();
    });
    observer.observe(this.root);
    this.cleanups.push(() => observer.disconnect());
  }

  /* Once it stands in the page, it knows which widget it is part of. */
  join() {
    if (this.whole) return;
    this.whole = wholeOf(this.root);
    if (this.whole) this.toolbar.refresh();
  }

  dispose() {
    cancelAnimationFrame(this.ticket);
    clearTimeout(this.announcing);
    for (const undo of this.cleanups) undo();
    for (const part of [this.traits, this.viewport, this.timeline, this.entry, this.liveMap, this.liveMarks]) part.dispose();
    this.pictures.close();
    this.root.remove();
  }

  /* Videos that Python has sent anew. */
  reload(names) {
    const { traits, timeline } = this;
    if (this.pictures.reload(names)) {
      this.viewport.whole();
      this.pointer.cursor = null;
    }
    this.root.shape = traits.get("shape"); // for tests, that look at single pixels
    timeline.frame = Math.min(timeline.frame, timeline.last);
    this.refresh();
  }

  /* After a change of anything but the frame. */
  refresh() {
    const { traits, stage, bar, curves, toolbar } = this;
    const { m, w } = traits;
    const { parts } = this;
    this.showTitle();
    stage.node.hidden = parts === "bar" || !w;
    bar.node.hidden = parts === "stage" || m < 2;
    curves.node.hidden = parts === "stage" || m < 2 || !traits.get("curves").length;
    for (const part of [stage, bar, toolbar]) part.refresh();
    if (this.pointer.drag?.kind !== "paint") this.painting.reload();
    this.resize();
  }

  showTitle() {
    const caption = this.pictures.live?.caption ?? this.traits.get("caption");
    this.title.textContent = caption;
    this.title.hidden = this.parts === "bar" || caption === "";
  }

  /* After another map in place of one, as while a slider moves: what else there is stays. */
  refreshMap() {
    this.showTitle();
    this.toolbar.drawLegend();
    this.redraw();
  }

  get full() {
    return isFull(this.root);
  }

  /* What is shown of the canvas: a picture that has its bar elsewhere has one of its own while it fills the screen. */
  get parts() {
    return this.full ? "all" : this.traits.get("parts");
  }

  resize() {
    this.stage.resize();
    this.redraw();
  }

  redraw() {
    this.ticket ??= requestAnimationFrame(() => {
      this.ticket = undefined;
      this.draw();
    });
  }

  draw() {
    const begin = performance.now();
    this.root.dataset.frame = this.timeline.frame;
    this.root.dataset.zoom = this.viewport.zoom.toFixed(2);
    this.bar.draw();
    this.stage.draw();
    this.curves.draw();
    this.entry.publish();
    this.liveMarks.publish();
    const text = readout(this);
    this.toolbar.readout.textContent = text;
    this.announce(text);
    this.drawn.count++;
    this.drawn.milliseconds += performance.now() - begin;
  }

  showPlaying() {
    this.bar.showPlaying();
    this.redraw();
  }

  /* Plays or pauses as Python says; who wants no motion has to press Play. */
  playAsPython() {
    const wanted = this.traits.get("playing");
    if (wanted && prefersStill()) return;
    this.timeline.play(wanted, false);
  }

  /* To whom reads the page by ear, once nothing moves any more. */
  announce(text) {
    const { traits, timeline, stage, live } = this;
    stage.canvas.setAttribute("aria-label", `${traits.get("caption") || "Video"}, frame ${timeline.frame} of ${traits.m}`);
    clearTimeout(this.announcing);
    if (timeline.playing) return;
    this.announcing = setTimeout(() => live.textContent !== text && (live.textContent = text), ANNOUNCE);
  }

  /* What pointer, keys and buttons do. */

  zoomBy(factor, point = this.pointer.cursor) {
    this.viewport.zoomBy(factor, point);
    this.redraw();
  }

  /* The widget that it is part of, with all that belongs to that, fills the screen; or an element alone. */
  fullScreen(element = this.whole?.root ?? this.root) {
    if (element !== this.root || this.full || this.parts !== "bar") toggleFull(element);
  }

  pick([x, y]) {
    const { traits, timeline } = this;
    const before = traits.get("pixel");
    const changes = { picked: [timeline.frame, x, y] };
    if (!before || before[0] !== x || before[1] !== y) changes.pixel = [x, y];
    if (!timeline.playing) changes.frame = timeline.frame;
    this.liveMarks.pick([timeline.frame, x, y]);
    traits.send(changes);
    this.announce(`Picked pixel ${x}, ${y} of frame ${timeline.frame}.`);
  }

  sendSwipe() {
    this.traits.send({ swipe: this.stage.swipe });
  }

  paint(from, to, erase) {
    this.painting.stroke(this.timeline.frame, from, to, this.toolbar.radius, erase);
  }

  sendPainting() {
    this.painting.send();
    this.announce(`${formatNumber(100 * this.painting.share, 1)} % is painted.`);
  }

  clearPainting() {
    this.painting.clear();
    this.announce("Nothing is painted.");
  }
}

/* Shows the canvas of a model in an element; gives what takes it away again. */
export function render({ model, el }) {
  const view = new View(model, el);
  return () => view.dispose();
}
