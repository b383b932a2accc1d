/* Lines, dots and words over the picture, in CSS pixels: light with a dark edge, so that they show on any picture. */

import { clamp } from "./numbers.js";

export class Pen {
  /* `width`, `height`: of the picture. */
  constructor(context, [width, height]) {
    this.context = context;
    this.width = width;
    this.height = height;
  }

  line(points, colour, width, alpha = 1, edge = true) {
    if (points.length < 2) return;
    const { context } = this;
    context.save();
    context.lineJoin = context.lineCap = "round";
    context.globalAlpha = alpha;
    context.beginPath();
    points.forEach(([u, v], i) => (i ? context.lineTo(u, v) : context.moveTo(u, v)));
    for (const [ink, thickness] of [...(edge ? [["rgba(0, 0, 0, 0.55)", width + 2]] : []), [colour, width]]) {
      context.lineWidth = thickness;
      context.strokeStyle = ink;
      context.stroke();
    }
    context.restore();
  }

  /* The two wings at the end of a line. */
  arrowHead(points, colour, width) {
    const tip = points.at(-1);
    const before = [...points].reverse().find(([u, v]) => Math.hypot(u - tip[0], v - tip[1]) > 6) ?? points[0];
    const angle = Math.atan2(tip[1] - before[1], tip[0] - before[0]);
    const size = 5 + 2 * width;
    const wing = (turn) => [tip[0] - size * Math.cos(angle + turn), tip[1] - size * Math.sin(angle + turn)];
    this.line([wing(0.45), tip, wing(-0.45)], colour, width);
  }

  dot([u, v], radius, colour) {
    const { context } = this;
    context.save();
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

  /* The end of a thin line. */
  end([u, v], radius, colour) {
    const { context } = this;
    context.beginPath();
    context.arc(u, v, radius, 0, 2 * Math.PI);
    context.fillStyle = colour;
    context.fill();
    context.lineWidth = 1;
    context.strokeStyle = "#fff";
    context.stroke();
  }

  circle([u, v], radius) {
    const { context } = this;
    for (const [colour, width] of [["rgba(0, 0, 0, 0.6)", 3], ["#fff", 1.5]]) {
      context.beginPath();
      context.arc(u, v, radius, 0, 2 * Math.PI);
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.stroke();
    }
  }

  square([u, v], side, colour, { alpha = 1, dash = [] } = {}) {
    const { context } = this;
    context.save();
    context.globalAlpha = alpha;
    context.lineWidth = 4;
    context.strokeStyle = "rgba(0, 0, 0, 0.6)";
    context.strokeRect(u - side / 2, v - side / 2, side, side);
    context.lineWidth = 2;
    context.setLineDash(dash);
    context.strokeStyle = colour;
    context.strokeRect(u - side / 2, v - side / 2, side, side);
    context.restore();
  }

  /* A cross with a gap for the pixel in its middle. */
  cross([u, v], gap, arm) {
    for (const [du, dv] of [[1, 0], [-1, 0], [0, 1], [0, -1]])
      this.line([[u + gap * du, v + gap * dv], [u + arm * du, v + arm * dv]], "#fff", 2);
  }

  /* Words beside a point, within the picture. */
  tag(text, [u, v]) {
    const { context } = this;
    context.save();
    context.font = "600 13px system-ui, sans-serif";
    const wide = context.measureText(text).width + 12;
    const x = clamp(u + 11, 2, Math.max(2, this.width - wide - 2));
    const y = clamp(v - 26, 2, this.height - 22);
    context.fillStyle = "rgba(15, 17, 21, 0.78)";
    context.beginPath();
    context.roundRect(x, y, wide, 20, 5);
    context.fill();
    context.fillStyle = "#fff";
    context.textBaseline = "middle";
    context.fillText(text, x + 6, y + 10.5);
    context.restore();
  }

  /* A line from top to bottom, with a handle to take hold of. */
  swipeLine(u) {
    const { context, height } = this;
    this.line([[u, 0], [u, height]], "#fff", 2);
    context.save();
    context.fillStyle = "#fff";
    context.shadowColor = "rgba(0, 0, 0, 0.5)";
    context.shadowBlur = 4;
    context.beginPath();
    context.arc(u, height / 2, 11, 0, 2 * Math.PI);
    context.fill();
    context.shadowColor = "transparent";
    context.fillStyle = "#222";
    for (const side of [-1, 1]) {
      context.beginPath();
      context.moveTo(u + side * 7, height / 2);
      context.lineTo(u + side * 3, height / 2 - 4);
      context.lineTo(u + side * 3, height / 2 + 4);
      context.fill();
    }
    context.restore();
  }
}
