/* A slider of noise on the flow: the first eigenvector at each level that has been measured, by which angle it has turned, and the
   bounds on that, as lines. */

import { publish } from "./bus.js";
import { Chart } from "./chart.js";
import { make } from "./elements.js";
import { colourLimit, combine, splitColumns } from "./spectral.js";
import { Traits } from "./traits.js";

const LINES = [
  ["sines", "what happens", "#e0483e"],
  ["bounds", "Davis\u2013Kahan", "#3f8fdc"],
  ["printed", "8 |E| / |A|", "#cf7413"],
];

const LEAST_SINE = 0.01; // where the axis of sines ends below, unless there are smaller ones

class LiveNoise {
  constructor(model, el) {
    this.traits = new Traits(model);
    this.root = make("div", "ike ike-noise", { "data-lm-suppress-shortcuts": "true" });
    this.root.live = this; // for tests
    this.root.addEventListener("keydown", (event) => event.stopPropagation()); // a notebook has other plans for some keys
    this.slider = make("input", "ike-slider", { type: "range", min: 0, step: 1, value: 0, "aria-label": "flow noise, measured levels" });
    this.slider.addEventListener("input", () => this.draw());
    this.slider.addEventListener("change", () => this.traits.send({ value: this.level }));
    this.output = make("output", "ike-end");
    this.line = make("div", "ike-group");
    this.line.append(Object.assign(make("span", "ike-label"), { textContent: "flow noise" }), this.slider, this.output);
    this.words = make("div", "ike-iteration-words", { role: "status" });
    this.chart = make("div", "ike-charts");
    const text = make("div");
    text.append(this.line, this.words);
    this.root.append(text, this.chart);
    el.append(this.root);
    this.traits.onChange(["levels", "columns"], () => this.reload());
    this.traits.onChange(["value"], () => this.goTo(this.traits.get("value")));
    this.reload();
    this.traits.send({ wanted: true }); // Python begins to measure then
  }

  reload() {
    const { traits } = this;
    const bytes = traits.bytes("columns");
    this.columns = bytes.length ? splitColumns(bytes, traits.get("scales")) : null;
    this.slider.max = Math.max(1, traits.get("count") - 1);
    this.line.hidden = !this.columns;
    this.goTo(traits.get("value"));
  }

  goTo(value) {
    const place = this.traits.get("levels").indexOf(value);
    if (place >= 0) this.slider.value = place;
    this.draw();
  }

  get place() {
    return Number(this.slider.value);
  }

  get level() {
    return this.traits.get("levels")[this.place];
  }

  draw() {
    const { traits, slider } = this;
    const levels = traits.get("levels");
    slider.style.setProperty("--ike-done", `${(100 * this.place) / slider.max}%`);
    const there = this.columns ? this.level : undefined;
    this.output.textContent = there === undefined ? "" : `${there} px`;
    slider.setAttribute("aria-valuetext", this.output.textContent);
    this.root.dataset.level = there ?? "";
    if (there !== undefined) publish("live", { to: traits.get("shows"), picture: this.picture });
    this.words.textContent = there === undefined ? this.waiting : this.verdict;
    this.chart.innerHTML = levels.length > 1 ? `<div>${this.plot(levels)}</div>` : "";
  }

  /* The first eigenvector with this noise. */
  get picture() {
    const column = [this.columns[this.place]];
    const values = (begin, end, every = 1) => combine(column, [1], begin, end, every);
    const limit = colourLimit(values, column[0].values.length);
    return { caption: `eigenvector 1, ${this.level ? `${this.level} px of noise` : "no noise"}`, range: [-limit, limit], values };
  }

  get waiting() {
    const { traits } = this;
    const done = Math.max(0, traits.get("levels").length - 1);
    return `${done} of ${traits.get("count") - 1} levels of noise are measured in the background; then this slider needs no waiting.`;
  }

  get verdict() {
    if (!this.level) return "Add noise to every flow vector: how far does the first eigenvector turn, and how far may it by theory?";
    const [sine, bound, printed] = LINES.map(([name]) => this.traits.get(name)[this.place]);
    const degrees = ((Math.asin(Math.min(1, sine)) * 180) / Math.PI).toFixed(1);
    const says = bound >= 1 ? "which allows anything" : "and it holds";
    const paper = printed === null ? "" : ` The paper's 8 |E| / |A| is ${rounded(printed)}.`;
    return `Turned by ${degrees} degrees: sine ${rounded(sine)}. Davis\u2013Kahan's bound 2 |E| / gap is ${rounded(bound)}, ${says}.${paper}`;
  }

  plot(levels) {
    const lines = LINES.map(([name, words, colour]) => {
      const values = this.traits.get(name);
      const points = levels.map((level, k) => [level, values[k] > 0 ? values[k] : NaN]);
      return { points: points.slice(1), words, colour };
    }).filter(({ points }) => points.some(([, value]) => Number.isFinite(value)));
    const known = lines.flatMap(({ points }) => points.map(([, value]) => value)).filter(Number.isFinite);
    const chart = new Chart("sine of the turn, and its bounds", {
      x: [0, Math.max(2, ...levels)],
      y: [Math.min(LEAST_SINE, 0.5 * Math.min(...known)), 2 * Math.max(1, ...known)],
      log: true,
      label: "flow noise, pixels",
      whole: false,
      size: [330, 215],
    });
    chart.rule({ y: 1 });
    if (this.columns) chart.rule({ x: this.level, weight: 2 });
    for (const { points, words, colour } of lines) chart.curve(points, { name: words, colour });
    return chart.svg(this.columns ? this.verdict : this.waiting);
  }

  dispose() {
    this.traits.dispose();
    this.root.remove();
  }
}

const rounded = (value) => String(Number(value.toPrecision(3)));

/* Shows the slider in an element; gives what takes it away again. */
export function renderNoise({ model, el }) {
  const noise = new LiveNoise(model, el);
  return () => noise.dispose();
}
