/* Power iteration in the page, beside two canvases of one group: what is painted in one becomes x(0), and the other shows x.

   Where there is a kernel, Python has the buttons, and the page iterates while the mouse paints. In a static page, the buttons
   are here. */

import { AngleArrow } from "./angle_arrow.js";
import { publish, subscribe } from "./bus.js";
import { make, textButton } from "./elements.js";
import { prefersStill } from "./motion.js";
import { formatNumber } from "./numbers.js";
import { SpannedMatrix } from "./spectral.js";
import { Traits } from "./traits.js";
import { Walk } from "./walk.js";

class LiveIteration {
  constructor(model, el) {
    this.traits = new Traits(model);
    this.drawn = { count: 0, milliseconds: 0 };
    this.walk = null;
    this.painting = null; // x(0), if it is painted in the page
    this.stroking = false;
    this.said = "";
    this.build(el);
    this.unsubscribe = subscribe("painting", (message) => this.receive(message));
    this.traits.onChange(["columns", "products", "reason"], () => this.reload());
    this.traits.onChange(["cosines"], () => {
      if (this.traits.get("cosines").length > 1) this.said = ""; // Python has gone on
      this.redraw();
    });
    this.reload();
    this.traits.send({ wanted: true }); // Python prepares it then
  }

  build(el) {
    this.root = make("div", "ike ike-iteration");
    this.root.live = this; // for tests and measurements
    const buttons = {
      back: textButton("Back", "Back: one stage, in the page", () => this.go("back")),
      next: textButton("Next", "Next stage, in the page", () => this.go("next")),
      play: textButton("Iterate", "Iterate until it has converged", () => this.play(!this.timer)),
      restart: textButton("Restart", "Restart: back to x(0)", () => this.go("restart")),
    };
    this.buttons = buttons;
    this.controls = make("div", "ike-group", { role: "group", "aria-label": "Power iteration in the page" });
    this.controls.append(...Object.values(buttons));
    this.arrow = new AngleArrow();
    this.words = make("div", "ike-iteration-words", { role: "status" });
    const text = make("div", "ike-iteration-text");
    text.append(this.controls, this.words);
    this.root.append(this.arrow.node, text);
    el.append(this.root);
  }

  /* Takes what Python has sent. */
  reload() {
    const { traits } = this;
    this.play(false);
    this.stroking = false;
    this.walk = null;
    const [columns, products] = [traits.bytes("columns"), traits.bytes("products")];
    if (columns.length && columns.length === products.length) { // they may come one after the other
      const [scales, small, exact] = ["scales", "small", "exact"].map((name) => traits.get(name));
      this.walk = new Walk(new SpannedMatrix({ columns, products, scales, small, exact }));
      this.beginAsPython();
    }
    this.controls.hidden = !this.walk || !traits.get("controls");
    this.draw();
  }

  /* x(0) as Python has it. */
  beginAsPython() {
    const { traits, walk } = this;
    this.painting = null;
    walk.begin(traits.get("start"), traits.get("cosines")[0] ?? NaN);
    walk.restart();
  }

  /* What is painted by now, while the mouse moves, and when it has been let go. */
  receive({ group, values, done }) {
    const { walk, traits } = this;
    if (!walk || group !== traits.get("group") || values.length !== walk.matrix.nodes) return;
    if (!this.stroking) walk.restart();
    this.stroking = !done;
    if (done && !traits.get("controls")) this.handOver();
    else if (values.some((value) => value > 0)) this.follow(values);
    else {
      this.play(false);
      this.beginAsPython();
    }
    this.redraw();
  }

  follow(values) {
    const { walk } = this;
    this.painting = values;
    walk.begin(walk.matrix.first(values), walk.matrix.startCosine(values));
    if (walk.iteration === 0) walk.iterate();
    if (!this.timer && !prefersStill()) this.play(true);
  }

  /* Python has heard of the stroke, and begins with x(0): its steps are shown from now on. */
  handOver() {
    const { walk } = this;
    this.play(false);
    this.said = walk.iteration > 0 ? `While you painted, the page came to ${this.numbers}` : "";
    this.painting = null;
    walk.restart();
  }

  go(action) {
    this.play(false);
    this.walk[action]();
    this.redraw();
  }

  play(on) {
    clearInterval(this.timer);
    this.timer = on ? setInterval(() => this.tick(), 1000 * this.traits.get("pace")) : undefined;
    this.buttons.play.textContent = on ? "Pause" : "Iterate";
    this.words.setAttribute("aria-busy", String(on)); // read out once it rests
  }

  tick() {
    this.walk.iterate();
    if (this.walk.ended && !this.stroking) this.play(false);
    this.redraw();
  }

  redraw() {
    this.ticket ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    const begin = performance.now();
    this.ticket = undefined;
    const { walk, buttons, traits } = this;
    const picture = walk && this.picture;
    if (picture || this.showing) publish("live", { to: traits.get("group"), picture });
    this.showing = picture;
    this.arrow.node.hidden = traits.get("reason") !== ""; // else its room is kept, so that nothing jumps
    this.arrow.draw(walk && (walk.iteration > 0 || this.painting) ? walk.cosines : traits.get("cosines"));
    this.words.textContent = this.sentence;
    buttons.back.disabled = buttons.restart.disabled = !walk?.iteration;
    buttons.next.disabled = buttons.play.disabled = walk?.ended ?? true;
    this.root.dataset.iteration = walk?.iteration ?? "";
    this.drawn.count++;
    this.drawn.milliseconds += performance.now() - begin;
  }

  /* What the other canvas is to show; null: what Python has sent. */
  get picture() {
    const { walk, painting } = this;
    if (walk.iteration > 0) {
      const { limit, values, voting, turned, iteration } = walk;
      const caption = `${voting ? `M x(${iteration})` : `x(${iteration})`}${turned ? ", shown with its sign turned" : ""}`;
      return { caption, range: [-limit, limit], values };
    }
    if (!painting) return null;
    return { caption: "x(0)", range: [-1, 1], values: (begin, end) => Float32Array.from(painting.subarray(begin, end), (value) => value / 255) };
  }

  get numbers() {
    const { walk } = this;
    const { matrix, weights, iteration } = walk;
    const values = [formatNumber(matrix.rayleigh(weights), 3), matrix.residual(weights).toExponential(1).replace("-", "\u2212")];
    return `x(${iteration}): Rayleigh quotient ${values[0]}, residual ${values[1]}, cosine to the exact eigenvector ${formatNumber(walk.cosines.at(-1), 4)}.`;
  }

  get sentence() {
    const { walk, traits } = this;
    if (!walk) return traits.get("reason");
    if (walk.iteration > 0) return this.numbers + (walk.converged ? " Converged." : "");
    const still = prefersStill();
    const does = still ? "the page shows x(1) of what is painted" : "the page itself iterates from what is painted";
    if (!traits.get("controls")) return this.said || `While you paint, ${does}.`;
    const draw = `Draw on the left, anywhere, in any frame: ${still ? "Iterate then goes on from there" : "the page iterates while you paint"}.`;
    return walk.found.length ? `${draw} Or press Iterate, to begin with this x(0).` : draw;
  }

  dispose() {
    this.play(false);
    cancelAnimationFrame(this.ticket);
    this.unsubscribe();
    this.traits.dispose();
    this.root.remove();
  }
}

/* Shows power iteration in an element; gives what takes it away again. */
export function renderIteration({ model, el }) {
  const iteration = new LiveIteration(model, el);
  return () => iteration.dispose();
}
