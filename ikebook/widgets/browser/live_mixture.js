/* A slider for each eigenvector, and their mixture in a canvas of the group while a slider moves. */

import { publish } from "./bus.js";
import { make } from "./elements.js";
import { formatNumber } from "./numbers.js";
import { colourLimit, combine, splitColumns } from "./spectral.js";
import { Traits } from "./traits.js";

class LiveMixture {
  constructor(model, el) {
    this.traits = new Traits(model);
    this.root = make("div", "ike ike-mixture", { role: "group", "aria-label": "Mixture of eigenvectors", "data-lm-suppress-shortcuts": "true" });
    this.root.live = this; // for tests
    this.root.addEventListener("keydown", (event) => event.stopPropagation()); // a notebook has other plans for some keys
    el.append(this.root);
    this.traits.onChange(["values"], () => this.build());
    this.traits.onChange(["columns"], () => this.reload());
    this.traits.onChange(["weights"], () => this.sending || this.receive());
    this.build();
    this.reload();
    this.traits.send({ wanted: true }); // Python sends the eigenvectors then
  }

  build() {
    const { traits, root } = this;
    this.sliders = traits.get("values").map((_, k) => {
      const slider = make("input", "ike-weight", { type: "range", min: -1, max: 1, step: 0.05, "aria-label": `Weight of eigenvector ${k + 1}` });
      slider.addEventListener("input", () => this.mix());
      slider.addEventListener("change", () => this.send());
      return slider;
    });
    this.outputs = this.sliders.map(() => make("output", "ike-end"));
    root.replaceChildren(
      ...this.sliders.map((slider, k) => {
        const line = make("div", "ike-group");
        line.append(Object.assign(make("span", "ike-label"), { textContent: `v${k + 1}` }), slider, this.outputs[k]);
        return line;
      }),
    );
    this.showWeights(traits.get("weights"));
  }

  reload() {
    const bytes = this.traits.bytes("columns");
    this.columns = bytes.length ? splitColumns(bytes, this.traits.get("scales")) : null;
  }

  get weights() {
    return this.sliders.map((slider) => Number(slider.value));
  }

  showWeights(weights) {
    this.sliders.forEach((slider, k) => {
      slider.value = weights[k] ?? 0;
      this.outputs[k].textContent = formatNumber(Number(slider.value));
    });
  }

  /* A slider has been let go: what is shown stays until Python sends its own. */
  send() {
    this.sending = true;
    this.traits.send({ weights: this.weights });
    this.sending = false;
  }

  /* Weights from elsewhere, whose mixture has been sent, too. */
  receive() {
    this.showWeights(this.traits.get("weights"));
    if (this.showing) publish("live", { to: this.traits.get("group"), picture: null });
    this.showing = false;
  }

  mix() {
    this.showWeights(this.weights);
    if (this.columns) this.ticket ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.ticket = undefined;
    this.showing = true;
    publish("live", { to: this.traits.get("group"), picture: this.picture });
  }

  /* What the canvas is to show. */
  get picture() {
    const { weights, columns } = this;
    const values = (begin, end, every = 1) => combine(columns, weights, begin, end, every);
    const limit = colourLimit(values, columns[0].values.length);
    const names = weights.map((weight, k) => (weight ? `${formatNumber(weight)} v${k + 1}` : ""));
    const caption = names.filter(Boolean).join(" + ").replaceAll("+ \u2212", "\u2212 ") || "nothing: all weights are 0";
    return { caption, range: [-limit, limit], values };
  }

  dispose() {
    cancelAnimationFrame(this.ticket);
    this.traits.dispose();
    this.root.remove();
  }
}

/* Shows the sliders in an element; gives what takes them away again. */
export function renderMixture({ model, el }) {
  const mixture = new LiveMixture(model, el);
  return () => mixture.dispose();
}
