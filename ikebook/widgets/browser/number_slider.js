/* A slider of one number, with its name before it and its value after it. */

import { publish } from "./bus.js";
import { make } from "./elements.js";
import { formatNumber } from "./numbers.js";
import { Traits } from "./traits.js";

class NumberSlider {
  constructor(model, el) {
    this.traits = new Traits(model);
    this.root = make("div", "ike ike-number", { "data-lm-suppress-shortcuts": "true" });
    this.name = make("span", "ike-label");
    this.slider = make("input", "ike-slider", { type: "range" });
    this.output = make("output", "ike-end");
    const label = make("label", "ike-group");
    label.append(this.name, this.slider);
    this.root.append(label, this.output);
    this.root.addEventListener("keydown", (event) => event.stopPropagation()); // a notebook has other plans for some keys
    this.slider.addEventListener("input", () => this.slide());
    this.slider.addEventListener("change", () => this.send());
    this.traits.onChange(["value", "min", "max", "step", "description"], () => this.refresh());
    el.append(this.root);
    this.refresh();
  }

  refresh() {
    const { traits, slider, name } = this;
    name.textContent = traits.get("description");
    for (const bound of ["min", "max", "step"]) slider[bound] = traits.get(bound);
    slider.value = traits.get("value");
    this.draw(traits.get("value"));
  }

  slide() {
    this.draw(Number(this.slider.value));
    publish("slider", { from: this.traits.get("channel"), value: Number(this.slider.value) });
    if (this.traits.get("continuous")) this.send();
  }

  send() {
    this.traits.send({ value: Number(this.slider.value) });
  }

  draw(value) {
    const { min, max, step } = this.slider;
    this.slider.style.setProperty("--ike-done", `${(100 * (this.slider.value - min)) / (max - min)}%`);
    this.output.textContent = formatNumber(value, Math.max(0, Math.ceil(-Math.log10(step))));
  }

  dispose() {
    this.traits.dispose();
    this.root.remove();
  }
}

/* Shows the slider in an element; gives what takes it away again. */
export function renderSlider({ model, el }) {
  const slider = new NumberSlider(model, el);
  return () => slider.dispose();
}
