/* A whole widget, with all its controls: on the full screen, and its pictures as large as there is room.

   Its element has the class `ike-whole`: in a notebook the box that Python has made, in a page what shows its states. How large pictures are is
   told by `--ike-picture`, a factor of their heights, which canvases hear of on the bus. */

import { publish } from "./bus.js";
import { clamp } from "./numbers.js";

const SCREEN = [1280, 720]; // on which text has its own size; on a larger one it is larger
const LARGEST_TEXT = 4;
const FULL = [0.25, 8]; // of pictures' heights, on the full screen
const STEPS = 9; // of the search for the largest that fits

const TYPED = "textarea, select, [contenteditable], input:not([type=range], [type=button], [type=checkbox], [type=radio])";

/* The whole that a node is in, which is made if it is the first to ask; null where there is none, as for a canvas alone. */
export function wholeOf(node) {
  const root = node.closest(".ike-whole");
  return root && (root.ikebookWhole ??= new Whole(root)); // each of its widgets has its own copy of this module
}

/* Whether an element fills the screen; in a shadow tree, the document names its host. */
export function isFull(root) {
  return root.getRootNode().fullscreenElement === root;
}

export function toggleFull(root) {
  if (isFull(root)) document.exitFullscreen();
  else root.requestFullscreen?.();
}

export class Whole {
  constructor(root) {
    this.root = root;
    this.scale = 1;
    root.addEventListener("keydown", (event) => this.press(event), true); // before those inside, who keep their keys
    root.addEventListener("fullscreenchange", () => this.turn());
    this.observer = new ResizeObserver(() => this.keepFitting());
  }

  /* On the full screen from now on, or no more. */
  turn() {
    const { root, observer } = this;
    observer.disconnect();
    root.toggleAttribute("data-lm-suppress-shortcuts", isFull(root)); // a notebook has other plans for some keys
    if (isFull(root)) for (const node of [root, ...root.children]) observer.observe(node); // which calls at once
    else this.restore();
  }

  restore() {
    this.root.style.zoom = "";
    this.fitted = null;
    if (this.resting) this.resting();
    else this.enlarge(1);
  }

  /* How large pictures are while it does not fill the screen: as large as `fits` allows, or, where nothing does, as in a text. Anew with another
     size of the window, and until the reader begins to work with it: some of it comes late, and later nothing may jump. */
  rest(fits, range, size = () => `${innerWidth}x${innerHeight}`) {
    let before;
    this.resting = () => {
      before = size();
      if (!this.fit(fits, range)) this.enlarge(1);
    };
    addEventListener("resize", () => !isFull(this.root) && size() !== before && this.resting());
    const late = new ResizeObserver(() => !isFull(this.root) && this.resting());
    for (const event of ["pointerdown", "keydown"]) this.root.addEventListener(event, () => late.disconnect(), true);
    late.observe(this.root); // which calls at once
  }

  /* Another size of the screen, or of what is shown: pictures give way to it, and grow only with the screen, so that nothing jumps. */
  keepFitting() {
    const { root } = this;
    if (!isFull(root)) return;
    const size = `${innerWidth}x${innerHeight}`;
    const [least, most] = FULL;
    const fits = () => root.scrollHeight <= root.clientHeight;
    if (size !== this.fitted) {
      root.style.zoom = clamp(Math.min(innerWidth / SCREEN[0], innerHeight / SCREEN[1]), 1, LARGEST_TEXT);
      this.fit(fits, [least, most]);
    } else if (!fits()) this.fit(fits, [least, this.scale]);
    this.fitted = size;
  }

  /* The largest pictures with which all of it fits; the smallest, where nothing does. Gives whether it fits. */
  fit(fits, [least, most]) {
    let [low, high] = [Math.log(least), Math.log(most)];
    this.enlarge(most);
    if (fits()) return true;
    for (let k = 0; k < STEPS; k++) {
      const middle = (low + high) / 2;
      this.enlarge(Math.exp(middle));
      if (fits()) low = middle;
      else high = middle;
    }
    this.enlarge(Math.exp(low));
    return fits();
  }

  enlarge(scale) {
    this.scale = scale;
    if (scale === 1) this.root.style.removeProperty("--ike-picture");
    else this.root.style.setProperty("--ike-picture", scale);
    publish("fit", { root: this.root });
  }

  press(event) {
    if (event.altKey || event.metaKey || event.ctrlKey || event.target.matches?.(TYPED)) return;
    if (event.key === "f") toggleFull(this.root);
    else if (event.key === "Escape" && isFull(this.root)) document.exitFullscreen();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
