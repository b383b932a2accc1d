/* Keys: on the picture, and anywhere on the canvas. */

import { clamp } from "./numbers.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const SWIPE_STEP = 0.05;

/* What a key does on the picture; undefined if nothing. */
function stageAction(view, { key, shiftKey }) {
  const { timeline, pointer, stage, toolbar, traits } = view;
  const swipe = (by) => () => {
    stage.swipe = clamp(stage.swipe + by, 0, 1);
    view.sendSwipe();
  };
  if (key in ARROWS && (shiftKey || ARROWS[key][1])) return () => pointer.moveCursor(...ARROWS[key]);
  if (key in ARROWS) return () => timeline.step(ARROWS[key][0]);
  if (key === "Home") return () => timeline.goTo(0);
  if (key === "End") return () => timeline.goTo(timeline.last);
  if (key === " ") return () => timeline.play(!timeline.playing);
  if (key === "Enter" && pointer.cursor && !traits.get("paint")) return () => view.pick(pointer.cursor);
  if (key === "Enter" && pointer.cursor)
    return () => {
      view.paint(pointer.cursor, pointer.cursor, toolbar.erasing);
      view.sendPainting();
    };
  if ((key === "[" || key === "]") && traits.get("paint")) return () => toolbar.changeRadius(key === "]" ? 1 : -1);
  if ((key === "," || key === ".") && stage.swiping) return swipe(key === "." ? SWIPE_STEP : -SWIPE_STEP);
  return undefined;
}

/* What a key does wherever the focus is; undefined if nothing. */
function viewAction(view, { key }) {
  if (key === "+" || key === "=") return () => view.zoomBy(1.5);
  if (key === "-" || key === "_") return () => view.zoomBy(1 / 1.5);
  if (key === "0") return () => view.zoomBy(1e-9);
  if (key === "f") return () => view.fullScreen(); // of a whole widget, this has been heard before (see whole.js)
  if (key === "F") return () => view.fullScreen(view.root);
  if (key === "?") return () => view.toolbar.toggleHelp();
  if (key === "Escape" && view.pointer.cursor) return () => (view.pointer.cursor = null);
  return undefined;
}

export function pressKey(view, event) {
  if (event.altKey || event.metaKey || (event.ctrlKey && event.key !== "Enter")) return;
  const onStage = event.target === view.stage.canvas;
  const action = (onStage && stageAction(view, event)) || viewAction(view, event);
  if (action) {
    action();
    event.preventDefault();
    view.redraw();
  }
  event.stopPropagation(); // a notebook has other plans for these keys
}
