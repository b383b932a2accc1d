/* What may move by itself. */

/* Whether the reader has asked for less motion, in their system's or browser's settings: then nothing begins to move that they have
   not set going. */
export function prefersStill() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
