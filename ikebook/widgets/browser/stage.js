/* The picture: the frame with its map, what is painted, the swipe line, and marks. */

import { make } from "./elements.js";
import { Layer } from "./layer.js";
import { drawPath, drawPoint } from "./marks.js";
import { Pen } from "./pen.js";

const HEIGHT = 420; // CSS pixels, unless the trait `height` says otherwise
const SHARP = 3; // CSS pixels a video's pixel has from which on its edges stay sharp

export class Stage {
  constructor(view) {
    this.view = view;
    this.swipe = view.traits.get("swipe");
    this.node = make("div", "ike-stage");
    this.canvas = make("canvas", "ike-canvas", { tabindex: "0", role: "application", "aria-roledescription": "video" });
    this.context = this.canvas.getContext("2d");
    this.left = make("span", "ike-side ike-left", { "aria-hidden": "true" });
    this.right = make("span", "ike-side ike-right", { "aria-hidden": "true" });
    this.node.append(this.canvas, this.left, this.right);
  }

  get swiping() {
    return this.view.pictures.has("compare");
  }

  /* Where the swipe line is on the screen; null where there is none. */
  get line() {
    return this.swiping ? this.swipe * this.view.viewport.size[0] : null;
  }

  /* After a change of anything but the frame. */
  refresh() {
    const { traits } = this.view;
    const [first = "", second = ""] = traits.get("labels");
    this.left.textContent = first;
    this.right.textContent = second;
    this.canvas.classList.toggle("ike-paints", traits.get("paint"));
  }

  /* By how much a picture is to be larger than it would be in a text (see whole.js). */
  get enlarged() {
    return Number(getComputedStyle(this.view.root).getPropertyValue("--ike-picture")) || 1;
  }

  /* Makes the picture as large as there is room. */
  resize() {
    const { traits, root, viewport, parts, full } = this.view;
    const { w, h } = traits;
    if (!w || parts === "bar") return;
    const height = full ? Math.max(200, innerHeight - 190) : (traits.get("height") || HEIGHT) * this.enlarged;
    const widest = (height * w) / h;
    root.style.maxWidth = full ? "" : `${Math.max(widest, parts === "all" ? 440 : 220)}px`;
    const available = root.clientWidth;
    if (!available) return;
    // A title may be as wide as the column: where a picture is narrow, a longer one would come to two lines, and all below would jump.
    this.view.title.style.width = full ? "" : `${Math.max(available, root.parentElement?.clientWidth ?? 0)}px`;
    const width = Math.floor(Math.min(available - (full ? 48 : 0), widest));
    viewport.size = [width, Math.max(1, Math.round((width * h) / w))];
    const sharpness = (devicePixelRatio || 1) * (this.canvas.currentCSSZoom ?? 1);
    const [wide, high] = viewport.size.map((side) => Math.round(side * sharpness));
    if (this.canvas.width !== wide || this.canvas.height !== high) {
      this.canvas.width = wide;
      this.canvas.height = high;
      this.canvas.style.width = `${viewport.size[0]}px`;
      this.canvas.style.height = `${viewport.size[1]}px`;
    }
    this.node.style.width = `${viewport.size[0]}px`;
  }

  draw() {
    const { context, view } = this;
    const { viewport, pictures } = view;
    if (!viewport.size || !pictures.layers || this.node.hidden) return;
    const [width, height] = viewport.size;
    const scale = this.canvas.width / width;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    context.imageSmoothingEnabled = viewport.scale < SHARP;
    this.drawPictures(width, height);
    this.drawPainting();
    const pen = new Pen(context, viewport.size);
    this.drawMarks(pen);
    if (this.swiping) pen.swipeLine(this.line);
    this.drawPointer(pen);
    this.placeLabels(width);
  }

  drawPictures(width, height) {
    const { context, line } = this;
    const { pictures, timeline, toolbar, matrix } = this.view;
    this.place(matrix.layer() ?? pictures.layer("maps", timeline.frame, toolbar.opacity));
    if (line === null) return;
    context.save();
    context.beginPath();
    context.rect(line, 0, width - line, height);
    context.clip();
    context.clearRect(line, 0, width - line, height);
    this.place(pictures.layer("compare", timeline.frame, toolbar.opacity));
    context.restore();
  }

  place(layer) {
    if (!layer) return;
    const { viewport, traits } = this.view;
    const { scale } = viewport;
    const [left, top] = viewport.corner;
    this.context.drawImage(layer.canvas, -left * scale, -top * scale, traits.w * scale, traits.h * scale);
  }

  drawPainting() {
    const { painting, traits, timeline } = this.view;
    const { w, h } = traits;
    if (painting.empty) return;
    if (this.painted?.w !== w || this.painted?.h !== h) this.painted = { w, h, layer: new Layer(w, h) };
    painting.draw(this.painted.layer, timeline.frame);
    this.place(this.painted.layer);
  }

  drawMarks(pen) {
    const { viewport, timeline, entry, liveMarks } = this.view;
    for (const path of liveMarks.paths) drawPath(pen, viewport, timeline.frame, path);
    for (const point of liveMarks.points) drawPoint(pen, viewport, timeline.frame, point);
    if (entry.place) drawPoint(pen, viewport, timeline.frame, { x: entry.place[1], y: entry.place[2], colour: "#fff" });
  }

  /* The brush, and the keyboard's cursor. */
  drawPointer(pen) {
    const { traits, viewport, pointer, toolbar } = this.view;
    if (traits.get("paint") && pointer.at) pen.circle(viewport.toScreen(...pointer.at), Math.max(4, (toolbar.radius + 0.5) * viewport.scale));
    if (pointer.cursor) pen.cross(viewport.toScreen(...pointer.cursor), 3 + viewport.scale / 2, 12 + viewport.scale / 2);
  }

  /* The names beside the swipe line. */
  placeLabels(width) {
    const { swiping, swipe, left, right } = this;
    left.hidden = !swiping || !left.textContent || swipe < 0.12;
    right.hidden = !swiping || !right.textContent || swipe > 0.88;
    left.style.right = `${width - swipe * width + 10}px`;
    right.style.left = `${swipe * width + 10}px`;
  }
}
