/* Curves and bars as SVG text, as charts.py draws them: for what changes while the pointer or a slider moves. */

import { make } from "./elements.js";

const MARGIN = { left: 50, right: 14, top: 34, bottom: 42 }; // around the axes
const LEGEND_LINE = 20; // height of a line of the legend
const SAMPLE = 48; // width of a line's sample in the legend, and of the room beside its name
const LETTER = 7.4; // width of a letter in the legend, about
const TITLE_LETTER = 8.2; // and in the title
const MARKED = 60; // points of a curve up to which each of them has a dot

export const COLOURS = ["#3f8fdc", "#cf7413", "#2fa35f", "#e0483e", "#9a6fd0", "#8a6d3b", "#00939c", "#c2497f"];

const written = (value) => String(Number(value.toPrecision(6))).replace("-", "\u2212");

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

function words(x, y, text, { anchor = "start", size = 14, weight = 400 } = {}) {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" font-size="${size}" font-weight="${weight}" fill="currentColor">${escaped(text)}</text>`;
}

/* The next of 1, 2, 5 times a power of ten. */
export function roundUp(value) {
  const scale = 10 ** Math.floor(Math.log10(value));
  return scale * [1, 2, 5, 10].find((factor) => scale * factor >= value * (1 - 1e-9));
}

/* Round numbers within a range, about `count` of them. */
export function ticks(low, high, count = 5, whole = false) {
  const step = Math.max(roundUp((high - low) / count), whole ? 1 : 0);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, k) => (first + k) * step);
}

export class Chart {
  /* `x`, `y`: values at the ends of the axes; what lies above or below is drawn at the edge. */
  constructor(title, { x, y, log = false, label = "", whole = true, size = [440, 220] }) {
    Object.assign(this, { title, x, y, log, label, whole });
    [this.width, this.height] = size;
    this.right = this.width - MARGIN.right;
    this.bottom = this.height - MARGIN.bottom;
    this.drawn = [];
    this.legend = [];
  }

  across(value) {
    const [low, high] = this.x;
    return MARGIN.left + ((this.right - MARGIN.left) * (value - low)) / (high - low);
  }

  up(value) {
    const [low, high] = this.y;
    const part = this.log ? Math.log(Math.max(value, 1e-300) / low) / Math.log(high / low) : (value - low) / (high - low);
    return this.bottom - (this.bottom - MARGIN.top) * Math.min(Math.max(part, 0), 1);
  }

  /* A curve through points [x, y]; what is not finite interrupts it. */
  curve(points, { name = "", colour = COLOURS[0], dashed = false } = {}) {
    const dash = dashed ? ' stroke-dasharray="7 5"' : "";
    let way = "";
    let drawing = false;
    const places = [];
    for (const [u, v] of points) {
      if (Number.isFinite(v)) {
        places.push([this.across(u).toFixed(1), this.up(v).toFixed(1)]);
        way += `${drawing ? "L" : "M"}${places.at(-1).join(" ")}`;
      }
      drawing = Number.isFinite(v);
    }
    this.drawn.push(`<path d="${way}" fill="none" stroke="${colour}" stroke-width="2.2"${dash}/>`);
    if (points.length <= MARKED) for (const [u, v] of places) this.drawn.push(`<circle cx="${u}" cy="${v}" r="2.8" fill="${colour}"/>`);
    if (name) this.legend.push([name, `<path d="M0 0h22" stroke="${colour}" stroke-width="2.2"${dash}/>`]);
  }

  /* Bars at [x, from, to]. */
  bars(bars, { name = "", colour = COLOURS[0], width = 0.8 } = {}) {
    for (const [middle, from, to] of bars) {
      const [top, bottom] = [this.up(to), this.up(from)].sort((a, b) => a - b).map((each) => each.toFixed(1));
      const [left, right] = [middle - width / 2, middle + width / 2].map((each) => this.across(each).toFixed(1));
      if (top !== bottom) this.drawn.push(`<path d="M${left} ${top}H${right}V${bottom}H${left}Z" fill="${colour}"/>`);
    }
    if (name) this.legend.push([name, `<path d="M2 -5h20v10h-20z" fill="${colour}"/>`]);
  }

  rule({ x, y, dashed = true, weight = 1 }) {
    const way = x !== undefined ? `M${this.across(x).toFixed(1)} ${MARGIN.top}V${this.bottom}` : `M${MARGIN.left} ${this.up(y).toFixed(1)}H${this.right}`;
    this.drawn.push(`<path d="${way}" stroke="currentColor" stroke-opacity="0.6" stroke-width="${weight}"${dashed ? ' stroke-dasharray="3 3"' : ""}/>`);
  }

  svg(alt = "") {
    const [legend, rows] = this.legendSvg();
    const high = this.height + (rows ? 4 + LEGEND_LINE * rows : 0);
    const said = escaped(`${this.title}. ${alt}`.trim()).replaceAll('"', "&quot;");
    return `<svg role="img" aria-label="${said}" viewBox="0 0 ${this.width} ${high}" style="max-width: ${this.width}px">${this.axes()}${this.drawn.join("")}${legend}</svg>`;
  }

  /* Names with samples of what they name, beside the title if there is room, else below in columns; and how many rows they take there. */
  legendSvg() {
    const widths = this.legend.map(([name]) => SAMPLE + LETTER * name.length);
    const all = widths.reduce((sum, each) => sum + each, 0);
    const beside = this.width - all > MARGIN.left + TITLE_LETTER * this.title.length;
    const columns = Math.max(1, Math.floor((this.width - MARGIN.left) / Math.max(1, ...widths)));
    let right = this.width - all;
    const parts = this.legend.map(([name, sample], k) => {
      const x = beside ? right : MARGIN.left + ((k % columns) * (this.width - MARGIN.left)) / columns;
      const y = beside ? 13 : this.height + 10 + LEGEND_LINE * Math.floor(k / columns);
      right += widths[k];
      return `<g transform="translate(${x.toFixed(1)} ${y})">${sample}</g>${words(x + 30, y + 5, name)}`;
    });
    return [parts.join(""), beside ? 0 : Math.ceil(widths.length / columns)];
  }

  axes() {
    const { x, y, right, bottom } = this;
    const decades = () => {
      const [first, last] = [Math.ceil(Math.log10(y[0]) - 1e-9), Math.floor(Math.log10(y[1]) + 1e-9)];
      return Array.from({ length: last - first + 1 }, (_, k) => 10 ** (first + k));
    };
    const parts = [words(MARGIN.left - 42, 18, this.title, { size: 15, weight: 600 })];
    for (const value of this.log ? decades() : ticks(...y)) {
      parts.push(`<path d="M${MARGIN.left} ${this.up(value).toFixed(1)}H${right}" stroke="currentColor" stroke-opacity="0.15"/>`);
      parts.push(words(MARGIN.left - 7, this.up(value) + 4, written(value), { anchor: "end" }));
    }
    for (const value of ticks(...x, 7, this.whole)) parts.push(words(this.across(value), bottom + 18, written(value), { anchor: "middle" }));
    parts.push(`<path d="M${MARGIN.left} ${MARGIN.top}V${bottom}H${right}" stroke="currentColor" stroke-opacity="0.6" fill="none"/>`);
    if (this.label) parts.push(words((MARGIN.left + right) / 2, bottom + 36, this.label, { anchor: "middle" }));
    return parts.join("");
  }
}

/* An element for charts, beside each other or below where there is no room; `show` takes their SVG. */
export function chartRow() {
  const node = make("div", "ike-charts");
  node.show = (...charts) => {
    node.innerHTML = charts.map((chart) => `<div>${chart}</div>`).join("");
  };
  return node;
}
