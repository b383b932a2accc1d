/* The chains through the pixel that is pointed at, drawn in the canvas while the pointer moves, with their weights in M and the row
   of F; where nothing is pointed at, those of the pixel picked last. */

import { publish, subscribe } from "./bus.js";
import { ChainData, chainBytes } from "./chain_data.js";
import { Chart, chartRow, roundUp } from "./chart.js";
import { make } from "./elements.js";
import { formatNumber } from "./numbers.js";
import { Traits } from "./traits.js";
import { inflate } from "./video.js";

const OWN_CHAIN = "#cf7413";
const ARRIVING = "#9a6fd0";
const NODE = "#ff4d3d";
const ROW_COLOURS = ["#3f8fdc", "#e0483e", "#2fa35f", "#9a6fd0", "#cf7413"]; // not first those of chains
const DRAWN_LINKS = 60; // incoming links that are drawn at most, evenly picked; all of them are counted and plotted

class LiveChains {
  constructor(model, el) {
    this.traits = new Traits(model);
    this.drawn = { count: 0, milliseconds: 0 };
    this.held = new Map();
    this.frame = -1;
    this.at = null; // the pixel that is pointed at
    this.build(el);
    const { traits } = this;
    this.cleanups = [
      subscribe("pointer", (message) => this.point(message)),
      subscribe("picked", (message) => this.pick(message)),
      subscribe("slider", (message) => this.slide(message)),
    ];
    traits.onChange(["data"], () => this.reload());
    traits.onChange(["node"], () => this.take("node"));
    traits.onChange(["shown"], () => this.take("shown"));
    this.take("node");
    this.take("shown");
    this.reload();
    traits.send({ wanted: true }); // Python prepares it then
  }

  build(el) {
    this.root = make("div", "ike ike-chains");
    this.root.live = this; // for tests and measurements
    this.facts = make("table", "ike-facts");
    this.charts = chartRow();
    this.root.append(this.facts, this.charts);
    el.append(this.root);
  }

  /* Takes what Python has sent. */
  async reload() {
    const { traits } = this;
    const data = traits.bytes("data");
    this.held = new Map();
    const [shape, radius, links, unit, columns, scales] = ["shape", "radius", "links", "unit", "columns", "scales"].map((name) => traits.get(name));
    if (data.length) {
      const ticket = (this.ticketOfData = {});
      const bytes = await inflate(data.subarray(4));
      if (ticket !== this.ticketOfData) return; // others have come meanwhile
      const size = chainBytes({ shape, radius, links, columns });
      traits.get("held").forEach((frame, k) => {
        const options = { frame, shape, radius, links, unit, columns, scales: scales[k] };
        this.held.set(frame, { make: () => new ChainData(bytes, k * size, options) });
      });
    }
    this.redraw();
  }

  /* The chains of a frame, if the page has them; unpacked when they are first looked at. */
  chainsOf(frame) {
    const kept = this.held.get(frame);
    if (kept) kept.data ??= kept.make();
    return kept?.data;
  }

  take(name) {
    this[name] = this.traits.get(name);
    this.redraw();
  }

  point({ from, frame, at }) {
    if (from !== this.traits.get("group")) return;
    this.frame = frame;
    this.at = at;
    this.redraw();
  }

  pick({ from, node }) {
    if (from !== this.traits.get("group")) return;
    this.node = node;
    this.redraw();
  }

  slide({ from, value }) {
    const place = this.traits.get("sliders")[from];
    if (place === undefined) return;
    this.shown = this.shown.map((each, k) => (k === place ? value : each));
    this.redraw();
  }

  redraw() {
    this.ticket ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    const begin = performance.now();
    this.ticket = undefined;
    const pointed = this.at && this.held.has(this.frame);
    const [frame, x, y] = pointed ? [this.frame, ...this.at] : this.node;
    const data = this.chainsOf(frame);
    this.root.hidden = !data && !this.looked;
    publish("marks", { to: this.traits.get("group"), marks: data ? this.look(data, x, y) : null });
    this.looked ||= Boolean(data);
    this.drawn.count++;
    this.drawn.milliseconds += performance.now() - begin;
  }

  /* Shows a pixel of a frame, and gives what is to be drawn over the video. */
  look(data, x, y) {
    const [p, sigma, loop] = this.shown;
    const { frame } = data;
    const near = ([t]) => Math.abs(t - frame) <= p;
    const kernel = ([t, , , alike]) => (t === frame ? loop : Math.exp(-((t - frame) ** 2) / (2 * sigma ** 2))) * alike;
    const chain = data.chain(x, y).filter(near);
    const incoming = data.incoming(x, y).filter(near);
    this.seen = { node: [frame, x, y], chain, incoming, out: chain.map(kernel), into: incoming.map(kernel), row: data.row(x, y) }; // for tests
    this.showFacts(data, p);
    this.charts.show(this.weightsChart(data, p), this.rowChart(data));
    const picked = Array.from({ length: Math.min(incoming.length, DRAWN_LINKS) }, (_, k, count = Math.min(incoming.length, DRAWN_LINKS)) =>
      incoming[count === 1 ? 0 : Math.round((k * (incoming.length - 1)) / (count - 1))]);
    const links = picked.map(([t, u, v]) => ({ points: [[t, u, v], [frame, x, y]], colour: ARRIVING, width: 1, dots: true }));
    const own = { points: chain.map(([t, u, v]) => [t, u, v]), colour: OWN_CHAIN, width: 4, arrow: true };
    return { paths: [own, ...links], points: [{ frame, x, y, colour: NODE }] };
  }

  showFacts(data, p) {
    const { node, chain, incoming, out, into } = this.seen;
    const [frame, x, y] = node;
    const [ahead, behind] = [chain.at(-1)[0] - frame, frame - chain[0][0]];
    const ended = [
      ahead < Math.min(p, data.radius, data.frames - 1 - frame) ? `forward after ${ahead}` : "",
      behind < Math.min(p, data.radius, frame) ? `backward after ${behind}` : "",
    ].filter(Boolean);
    const rows = [
      ["node", `frame ${frame}, pixel (${x}, ${y})`],
      ["its chain", `${ahead} ahead, ${behind} behind`, OWN_CHAIN],
      ["ended early", ended.length ? `${ended.join(", ")} frames` : "no"],
      ["chains that lead here", String(incoming.length), ARRIVING],
      ["weight k(\u0394t), out + in", `${formatNumber(total(out))} + ${formatNumber(total(into))}`],
    ];
    this.facts.replaceChildren(
      ...rows.map(([name, value, colour]) => {
        const row = make("tr");
        const head = Object.assign(make("th", "", { scope: "row" }), { textContent: name });
        if (colour) head.prepend(Object.assign(make("span", "ike-swatch"), { style: `background: ${colour}` }));
        row.append(head, Object.assign(make("td"), { textContent: value }));
        return row;
      }),
    );
  }

  /* Sums of the weights by their frames' offsets, on axes that are the same for all pixels of the frame. */
  weightsChart(data, p) {
    const { chain, incoming, out, into, node } = this.seen;
    const sums = new Map();
    const add = (frames, weights, side) =>
      frames.forEach(([t], i) => {
        const both = sums.get(t - node[0]) ?? [0, 0];
        both[side] += weights[i];
        sums.set(t - node[0], both);
      });
    add(chain, out, 0);
    add(incoming, into, 1);
    const chart = new Chart("Weights in M", { x: [-p - 0.6, p + 0.6], y: [0, roundUp(data.top)], label: "\u0394t, frames", size: [520, 165] });
    chart.bars([...sums].map(([offset, [a]]) => [offset, 0, a]), { colour: OWN_CHAIN, name: "out: k(\u0394t)" });
    chart.bars([...sums].map(([offset, [a, b]]) => [offset, a, a + b]), { colour: ARRIVING, name: "in" });
    return chart.svg(`${formatNumber(total(out))} along its own chain, ${formatNumber(total(into))} of chains that lead here.`);
  }

  rowChart(data) {
    const curves = new Map();
    data.columns.forEach((column, k) => {
      const parts = column.match(/^(.*)\[([+-]\d+)\]$/);
      const [name, offset] = parts ? [parts[1], Number(parts[2])] : [column, 0];
      curves.set(name, [...(curves.get(name) ?? []), [offset, this.seen.row[k]]]);
    });
    const reach = Math.max(1, ...[...curves.values()].flat().map(([offset]) => Math.abs(offset)));
    const [low, high] = data.range;
    const room = 0.06 * (high - low) || 1;
    const chart = new Chart("Its row of F", { x: [-reach - 0.3, reach + 0.3], y: [low - room, high + room], label: "\u0394t, frames", size: [520, 165] });
    chart.rule({ y: 0, dashed: false });
    [...curves].forEach(([name, points], k) => chart.curve(points.sort((a, b) => a[0] - b[0]), { name, colour: ROW_COLOURS[k % ROW_COLOURS.length] }));
    return chart.svg(`${data.columns.length} features: ${[...curves.keys()].join(", ")}.`);
  }

  dispose() {
    cancelAnimationFrame(this.ticket);
    for (const undo of this.cleanups) undo();
    this.traits.dispose();
    this.root.remove();
  }
}

const total = (values) => values.reduce((sum, value) => sum + value, 0);

/* Shows chains in an element; gives what takes them away again. */
export function renderChains({ model, el }) {
  const chains = new LiveChains(model, el);
  return () => chains.dispose();
}
