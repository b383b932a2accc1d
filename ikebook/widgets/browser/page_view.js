/* What static pages show: a slider that steps through the states of a widget, and its canvases, alive. */

import { iconButton, make } from "./elements.js";
import { renderIteration } from "./live_iteration.js";
import { renderChains } from "./live_chains.js";
import { renderMixture } from "./live_mixture.js";
import { renderNoise } from "./live_noise.js";
import { renderRace } from "./live_race.js";
import { renderSlider } from "./number_slider.js";
import { clamp } from "./numbers.js";
import { PageModel } from "./page_model.js";
import { render } from "./view.js";

const KEPT = new Set(["frame", "playing", "swipe", "opacity", "painted", "picked"]); // the reader's own, from state to state

/* The bytes of a blob of the page, of base64. */
export async function blobBytes(text, packed) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  if (!packed) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export class Page {
  /* Shows states, whose bytes are in the map `blobs`, in an element. */
  constructor(states, blobs, main) {
    this.states = states;
    this.blobs = blobs;
    this.index = 0;
    this.main = main;
    main.classList.add("ike-whole");
    this.content = make("div", "ike-content");
    main.replaceChildren(this.content);
    this.shown = null;
    if (states.length > 1) this.buildSteps();
    this.go(0);
  }

  buildSteps() {
    this.steps = make("div", "ike ike-steps", { role: "group", "aria-label": "Steps" });
    this.slider = make("input", "ike-slider", { type: "range", min: 0, max: this.states.length - 1, step: 1, value: 0, "aria-label": "Step" });
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
    this.label = make("output", "ike-step", { "aria-live": "polite" });
    this.steps.append(
      iconButton("back", "Previous step", () => this.go(this.index - 1)),
      iconButton("next", "Next step", () => this.go(this.index + 1)),
      this.slider,
      this.label,
    );
    this.main.prepend(this.steps);
  }

  go(index) {
    this.index = clamp(index, 0, this.states.length - 1);
    const { label, tree } = this.states[this.index];
    if (this.steps) {
      this.slider.value = this.index;
      this.slider.style.setProperty("--ike-done", `${(100 * this.index) / (this.states.length - 1)}%`);
      this.slider.setAttribute("aria-valuetext", label);
      this.label.textContent = label;
    }
    this.main.dataset.step = this.index;
    this.shown = this.update(this.shown, tree, (node) => this.content.replaceChildren(node));
  }

  /* The canvas of this state that was clicked leads to the state of the nearest pixel. */
  pick([frame, x, y]) {
    let best = null;
    this.states.forEach(({ pixel }, index) => {
      if (!pixel) return;
      const distance = Math.hypot(pixel[1] - x, pixel[2] - y) + 1e-3 * Math.abs(pixel[0] - frame);
      if (!best || distance < best.distance) best = { index, distance };
    });
    if (best) this.go(best.index);
  }

  /* Make what is shown into `tree`, in place as far as both are alike. Gives what is shown then. */
  update(shown, tree, place) {
    if (!tree) {
      shown?.close?.();
      place(document.createComment("nothing"));
      return null;
    }
    if (!shown || shown.kind !== tree.kind || (tree.children && shown.children.length !== tree.children.length)) {
      shown?.close?.();
      shown = this.create(tree);
      place(shown.node);
      return shown;
    }
    this[tree.kind](shown, tree);
    return shown;
  }

  create(tree) {
    const node = make("div", `ike-node ike-node-${tree.kind}${tree.row ? " ike-row" : ""}`);
    for (const [name, value] of Object.entries(tree.style ?? {})) node.style.setProperty(name, value);
    const shown = { kind: tree.kind, node, children: [] };
    this[tree.kind](shown, tree);
    return shown;
  }

  box(shown, tree) {
    tree.children.forEach((child, i) => {
      shown.children[i] = this.update(shown.children[i], child, (node) => {
        const old = shown.node.childNodes[i];
        if (old) old.replaceWith(node);
        else shown.node.append(node);
      });
    });
    shown.close = () => shown.children.forEach((child) => child?.close?.());
  }

  canvas(shown, tree) {
    this.widget(shown, tree, render);
  }

  iteration(shown, tree) {
    this.widget(shown, tree, renderIteration);
  }

  mixture(shown, tree) {
    this.widget(shown, tree, renderMixture);
  }

  race(shown, tree) {
    this.widget(shown, tree, renderRace);
  }

  chains(shown, tree) {
    this.widget(shown, tree, renderChains);
  }

  noise(shown, tree) {
    this.widget(shown, tree, renderNoise);
  }

  number(shown, tree) {
    this.widget(shown, tree, renderSlider);
  }

  textOf(value) {
    return typeof value === "string" ? value : new TextDecoder().decode(this.blobs.get(value.text));
  }

  stateOf(state) {
    const bytesOrValue = ([name, value]) => [name, value?.bytes !== undefined ? this.blobs.get(value.bytes) : value];
    return Object.fromEntries(Object.entries(state).map(bytesOrValue));
  }

  dispose() {
    this.shown?.close?.();
    this.main.replaceChildren();
  }

  /* What a kernel would otherwise stand behind. */
  widget(shown, tree, draw) {
    const state = this.stateOf(tree.state);
    if (shown.model) {
      const changed = Object.entries(state).filter(([name, value]) => !KEPT.has(name) && !same(value, shown.model.get(name)));
      shown.model.receive(Object.fromEntries(changed));
      return;
    }
    shown.model = new PageModel(state);
    shown.model.on("saved:picked", (picked) => picked && this.pick(picked));
    shown.close = draw({ model: shown.model, el: shown.node });
  }

  html(shown, tree) {
    const text = this.textOf(tree.value);
    if (shown.text !== text) shown.node.innerHTML = shown.text = text;
  }

  image(shown, tree) {
    if (shown.blob === tree.blob) return;
    shown.blob = tree.blob;
    if (shown.url) URL.revokeObjectURL(shown.url);
    shown.url = URL.createObjectURL(new Blob([this.blobs.get(tree.blob)], { type: tree.media }));
    const image = make("img", "", { alt: tree.alt });
    image.src = shown.url;
    shown.node.replaceChildren(image);
  }

  control(shown, tree) {
    const name = Object.assign(make("span", "ike-label"), { textContent: tree.label });
    const value = Object.assign(make("strong"), { textContent: tree.value });
    shown.node.replaceChildren(name, " ", value);
  }
}

function same(a, b) {
  return a === b || (typeof a === "object" && !ArrayBuffer.isView(a) && JSON.stringify(a) === JSON.stringify(b));
}
