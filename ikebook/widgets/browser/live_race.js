/* Several starts that iterate side by side in the page: each has a canvas of its own, which shows x(t) of the t that a slider says.

   Python has sent Q, K and the exact eigenvector, as for live_iteration.js, and of each start y of x(1) = P M x(0) = Q y. */

import { publish } from "./bus.js";
import { Chart, COLOURS, chartRow } from "./chart.js";
import { make, textButton } from "./elements.js";
import { clamp, formatNumber } from "./numbers.js";
import { SpannedMatrix, colourLimit, unit } from "./spectral.js";
import { Traits } from "./traits.js";

const NEAR = 0.99; // cosine from which on a start has come to the eigenvector
const LIES_ON_OTHERS = ["constant", "truth"]; // whose curves are dashed

class LiveRace {
  constructor(model, el) {
    this.traits = new Traits(model);
    this.drawn = { count: 0, milliseconds: 0 };
    this.iteration = 0;
    this.build(el);
    this.traits.onChange(["columns"], () => this.reload());
    this.traits.onChange(["scores", "names"], () => this.redraw());
    this.traits.onChange(["iteration"], () => this.goTo(this.traits.get("iteration")));
    this.reload();
    this.traits.send({ wanted: true }); // Python prepares it then
  }

  build(el) {
    this.root = make("div", "ike ike-race", { "data-lm-suppress-shortcuts": "true" });
    this.root.live = this; // for tests and measurements
    this.root.addEventListener("keydown", (event) => event.stopPropagation()); // a notebook has other plans for some keys
    this.runButton = textButton("Run", "Run: all starts, from x(0) on", () => this.run(!this.timer));
    this.slider = make("input", "ike-slider", { type: "range", min: 0, step: 1, "aria-label": "iteration" });
    this.slider.addEventListener("input", () => {
      this.run(false);
      this.goTo(Number(this.slider.value));
    });
    this.slider.addEventListener("change", () => this.send());
    this.count = make("output", "ike-end");
    this.controls = make("div", "ike-group ike-race-controls", { role: "group", "aria-label": "Race in the page" });
    this.controls.append(this.runButton, Object.assign(make("span", "ike-label"), { textContent: "iteration" }), this.slider, this.count);
    this.words = make("div", "ike-iteration-words", { role: "status" });
    this.charts = chartRow();
    this.root.append(this.controls, this.words, this.charts);
    el.append(this.root);
  }

  /* Takes what Python has sent. */
  reload() {
    const { traits } = this;
    this.run(false);
    const columns = traits.bytes("columns");
    const [scales, small, exact] = ["scales", "small", "exact"].map((name) => traits.get(name));
    this.matrix = columns.length ? new SpannedMatrix({ columns, products: columns, scales: [scales[0], scales[0]], small, exact }) : null;
    this.limits = traits.get("names").map(() => []);
    this.paths = traits.get("firsts").map((first) => [unit(first)]); // y of x(1), x(2), ... of each start
    this.root.hidden = !this.matrix;
    this.slider.max = traits.get("iterations");
    this.goTo(traits.get("iteration"));
  }

  run(on) {
    clearInterval(this.timer);
    const { last } = this;
    if (on && this.iteration >= last) this.goTo(0);
    if (on) this.traits.send({ ran: true }); // Python follows, for the numbers that it keeps
    this.timer = on ? setInterval(() => this.tick(), 1000 * this.traits.get("pace")) : undefined;
    this.runButton.textContent = on ? "Pause" : "Run";
    this.words.setAttribute("aria-busy", String(on)); // read out once it rests
  }

  get last() {
    return this.traits.get("iterations");
  }

  tick() {
    this.goTo(this.iteration + 1);
    if (this.iteration < this.last) return;
    this.run(false);
    this.send();
  }

  send() {
    this.traits.send({ iteration: this.iteration });
  }

  goTo(iteration) {
    this.iteration = clamp(iteration, 0, this.last);
    this.redraw();
  }

  /* y of x(t) of a start, from t = 1 on. */
  weights(start, t) {
    const path = this.paths[start];
    while (path.length < t) path.push(this.matrix.step(path.at(-1)));
    return path[t - 1];
  }

  /* The cosines of x(0), ..., x(t) of a start to the exact eigenvector, without their signs. */
  cosines(start, t) {
    const found = [this.traits.get("cosines")[start]];
    for (let k = 1; k <= t; k++) found.push(Math.abs(this.matrix.cosine(this.weights(start, k))) || 0);
    return found;
  }

  redraw() {
    this.ticket ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    const begin = performance.now();
    this.ticket = undefined;
    const { matrix, traits, iteration } = this;
    if (!matrix) return;
    const names = traits.get("names");
    const curves = names.map((_, start) => this.cosines(start, iteration));
    traits.get("shows").forEach((to, start) => publish("live", { to, picture: this.picture(names[start], start, curves[start]) }));
    this.slider.value = iteration;
    this.slider.style.setProperty("--ike-done", `${(100 * iteration) / this.last}%`);
    this.count.textContent = `${iteration} / ${this.last}`;
    this.root.dataset.iteration = iteration;
    this.drawCharts(names, curves);
    this.words.textContent = this.sentence(curves);
    this.drawn.count++;
    this.drawn.milliseconds += performance.now() - begin;
  }

  /* What a start's canvas is to show; null for x(0), which Python has sent. */
  picture(name, start, cosines) {
    const { matrix, iteration } = this;
    if (iteration === 0) return null;
    const found = this.weights(start, iteration);
    const y = matrix.cosine(found) < 0 ? found.map((value) => -value) : found; // an eigenvector has no sign
    const values = (begin, end, every) => matrix.labels(y, begin, end, every);
    const limit = (this.limits[start][iteration] ??= colourLimit(values, matrix.nodes));
    return { caption: `${name}: ${formatNumber(cosines.at(-1), 3)}`, range: [-limit, limit], values };
  }

  drawCharts(names, curves) {
    const scores = this.traits.get("scores");
    const charts = [this.chart("cosine to the exact eigenvector", names, curves)];
    const upTo = scores.map((values) => values.slice(0, this.iteration + 1));
    if (scores.length) charts.push(this.chart("J of its masks", names, upTo));
    this.charts.show(...charts);
  }

  chart(title, names, curves) {
    const chart = new Chart(title, { x: [0, this.last], y: [0, 1], label: "iteration" });
    chart.rule({ x: this.iteration });
    curves.forEach((values, start) => {
      const points = values.map((value, t) => [t, value]);
      chart.curve(points, { name: names[start], colour: COLOURS[start % COLOURS.length], dashed: LIES_ON_OTHERS.includes(names[start]) });
    });
    const lasts = curves.map((values, start) => `${names[start]}: ${formatNumber(values.at(-1), 3)}`);
    return chart.svg(`Last values: ${lasts.join("; ")}.`);
  }

  sentence(curves) {
    const { iteration } = this;
    if (iteration === 0) return "Starts that know nothing, and perhaps one that knows the object. Press Run: where does each of them go?";
    const near = curves.filter((values) => values.at(-1) > NEAR).length;
    return `After ${iteration} iteration${iteration === 1 ? "" : "s"}, ${near} of ${curves.length} starts are within a cosine of ${NEAR} of the eigenvector (their cosines are above them). Red is positive, blue negative; where a result is turned, \u2212x is shown.`;
  }

  dispose() {
    clearInterval(this.timer);
    cancelAnimationFrame(this.ticket);
    this.traits.dispose();
    this.root.remove();
  }
}

/* Shows the race's side of the page in an element; gives what takes it away again. */
export function renderRace({ model, el }) {
  const race = new LiveRace(model, el);
  return () => race.dispose();
}
