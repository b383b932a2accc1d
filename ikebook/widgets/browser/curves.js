/* Curves over the frames (the trait `curves`), as wide as the slider's way, with the values of the frame that is shown. */

import { make } from "./elements.js";
import { clamp, formatNumber } from "./numbers.js";

const TOP = 26; // CSS pixels above the curves, for their names
const BOTTOM = 8;

export class Curves {
  constructor(view) {
    this.view = view;
    this.node = make("canvas", "ike-plot", { role: "img" });
  }

  /* The screen positions of the first and the last frame. */
  get sides() {
    const plot = this.node.getBoundingClientRect();
    const way = this.view.bar.slider.getBoundingClientRect();
    const scale = this.node.clientWidth / plot.width;
    return [(way.left - plot.left) * scale + 8, (way.right - plot.left) * scale - 8];
  }

  /* The frame under the mouse. */
  scrub(event) {
    if (event.type === "pointerdown") this.node.setPointerCapture(event.pointerId);
    const { timeline } = this.view;
    const [left, right] = this.sides;
    const plot = this.node.getBoundingClientRect();
    const at = (((event.clientX - plot.left) * this.node.clientWidth) / plot.width - left) / (right - left);
    if (timeline.playing) timeline.play(false);
    timeline.goTo(at * timeline.last, { scrubbing: true });
  }

  draw() {
    const { node, view } = this;
    const [width, height] = [node.clientWidth, node.clientHeight];
    if (node.hidden || !width) return;
    const dpr = (devicePixelRatio || 1) * (node.currentCSSZoom ?? 1);
    if (node.width !== Math.round(width * dpr) || node.height !== Math.round(height * dpr)) {
      node.width = Math.round(width * dpr);
      node.height = Math.round(height * dpr);
    }
    const style = getComputedStyle(view.root);
    const [ink, quiet, rule] = ["--ike-text", "--ike-quiet", "--ike-line"].map((name) => style.getPropertyValue(name).trim());
    const context = node.getContext("2d");
    context.setTransform(dpr, 0, 0, dpr, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = "13px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.lineWidth = 1;
    const [low, high] = view.traits.get("curve_range");
    const [left, right] = this.sides;
    const bottom = height - BOTTOM;
    const across = (frame) => left + ((right - left) * frame) / Math.max(1, view.timeline.last);
    const up = (value) => bottom - ((bottom - TOP) * (clamp(value, low, high) - low)) / (high - low);
    const axes = { context, left, right, bottom, across, up };
    this.drawAxis(axes, low, high, quiet, rule);
    this.drawCurves(axes, ink);
  }

  drawAxis({ context, left, right, bottom, across, up }, low, high, quiet, rule) {
    for (const value of [low, (low + high) / 2, high]) {
      context.strokeStyle = rule;
      context.beginPath();
      context.moveTo(left, up(value));
      context.lineTo(right, up(value));
      context.stroke();
      context.fillStyle = quiet;
      context.textAlign = "right";
      context.fillText(formatNumber(value, Number.isInteger(value) ? 0 : 1), left - 10, up(value));
    }
    const now = across(this.view.timeline.frame);
    context.strokeStyle = quiet;
    context.beginPath();
    context.moveTo(now, TOP - 4);
    context.lineTo(now, bottom);
    context.stroke();
  }

  drawCurves(axes, ink) {
    const { context, across, up } = axes;
    const { frame } = this.view.timeline;
    const values = [];
    let legend = axes.left;
    for (const curve of this.view.traits.get("curves")) {
      const { label = "", colour = "#3f8fdc" } = curve;
      this.drawCurve(axes, curve.values, colour);
      const now = curve.values[frame];
      if (now !== null) {
        context.fillStyle = colour;
        context.beginPath();
        context.arc(across(frame), up(now), 4.5, 0, 2 * Math.PI);
        context.fill();
      }
      const text = `${label} ${now === null ? "\u2013" : formatNumber(now)}`.trim();
      context.fillStyle = colour;
      context.fillRect(legend, 9, 14, 4);
      context.fillStyle = ink;
      context.textAlign = "left";
      context.font = "600 14px system-ui, sans-serif";
      context.fillText(text, legend + 20, 11.5);
      legend += context.measureText(text).width + 44;
      values.push(text);
    }
    this.node.setAttribute("aria-label", `Curves over the frames; frame ${frame}: ${values.join(", ")}`);
  }

  /* A value that is not known interrupts the curve. */
  drawCurve({ context, across, up }, values, colour) {
    context.strokeStyle = colour;
    context.lineWidth = 2.5;
    context.lineJoin = "round";
    context.beginPath();
    values.forEach((value, frame) => {
      if (value === null) return;
      if (frame && values[frame - 1] !== null) context.lineTo(across(frame), up(value));
      else context.moveTo(across(frame), up(value));
    });
    context.stroke();
  }
}
