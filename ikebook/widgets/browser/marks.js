/* Chains and pixels that Python marks (the traits `paths` and `points`), as they look at one frame. */

/* A chain: faint over the whole clip, strong up to now, with a dot where it is now. `show` may leave parts out. */
export function drawPath(pen, viewport, frame, { points, colour = "#ff9f1c", width = 3, label = "", arrow = false, dots = false, show = "all", around = 3 }) {
  const shown = { at: (t) => t === frame, upto: (t) => t <= frame, around: (t) => Math.abs(t - frame) <= around };
  const kept = points.filter(([t]) => (shown[show] ?? (() => true))(t));
  const place = ([, x, y]) => viewport.toScreen(x, y);
  const line = kept.map(place);
  if (dots) {
    // Many of them lie on each other, and on a chain that shall be seen: thin, and without an edge.
    pen.line(line, colour, width, 0.85, false);
    for (const end of [line[0], line.at(-1)]) if (end) pen.end(end, 1.5 + width, colour);
    return;
  }
  pen.line(line, colour, width, show === "all" ? 0.5 : 0.9);
  if (show === "all") pen.line(kept.filter(([t]) => t <= frame).map(place), colour, width + 1);
  if (arrow && line.length > 1) pen.arrowHead(line, colour, width);
  const now = kept.find(([t]) => t === frame);
  if (!now) return;
  pen.dot(place(now), width + 2.5, colour);
  if (label) pen.tag(label, place(now));
}

/* A pixel of one frame, faint in others, or of all frames. */
export function drawPoint(pen, viewport, now, { frame = null, x, y, colour = "#ff3c28", label = "", show = "all" }) {
  const here = frame === null || frame === now;
  if (!here && show === "at") return;
  const at = viewport.toScreen(x, y);
  pen.square(at, Math.max(7, viewport.scale), colour, here ? {} : { alpha: 0.45, dash: [3, 3] });
  if (label && here) pen.tag(label, at);
}
