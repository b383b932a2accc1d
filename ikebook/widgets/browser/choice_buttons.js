/* Buttons of which one is chosen, as a group of radio buttons: by a click, or by the arrow keys. */

import { make } from "./elements.js";
import { Traits } from "./traits.js";

class ChoiceButtons {
  constructor(model, el) {
    this.traits = new Traits(model);
    this.root = make("div", "ike-choice", { role: "radiogroup", "data-lm-suppress-shortcuts": "true" });
    this.root.addEventListener("keydown", (event) => this.press(event));
    this.traits.onChange(["labels", "width", "name"], () => this.build());
    this.traits.onChange(["index"], () => this.refresh());
    el.append(this.root);
    this.build();
  }

  build() {
    const { traits, root } = this;
    root.setAttribute("aria-label", traits.get("name"));
    this.buttons = traits.get("labels").map((label, k) => {
      const button = make("button", "ike-choice-button", { type: "button", role: "radio" });
      button.textContent = label;
      button.style.minWidth = traits.get("width");
      button.addEventListener("click", () => this.choose(k));
      return button;
    });
    root.replaceChildren(...this.buttons);
    this.refresh();
  }

  refresh() {
    const index = this.traits.get("index");
    this.buttons.forEach((button, k) => {
      button.setAttribute("aria-checked", String(k === index));
      button.tabIndex = k === (index ?? 0) ? 0 : -1; // one stop of the Tab key
    });
  }

  choose(k) {
    this.traits.send({ index: k });
    this.refresh();
  }

  press(event) {
    event.stopPropagation(); // a notebook has other plans for some keys
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by || !this.buttons.length) return;
    event.preventDefault();
    const count = this.buttons.length;
    const k = (this.buttons.indexOf(event.target) + by + count) % count;
    this.buttons[k].focus();
    this.choose(k);
  }

  dispose() {
    this.traits.dispose();
    this.root.remove();
  }
}

/* Shows the buttons in an element; gives what takes them away again. */
export function renderChoice({ model, el }) {
  const choice = new ChoiceButtons(model, el);
  return () => choice.dispose();
}
