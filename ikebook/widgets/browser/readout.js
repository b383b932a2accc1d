/* What is under the pointer, in words; or as the trait `readout` says. */

import { digitsFor, fillTemplate, formatNumber } from "./numbers.js";

function wordsOf({ traits, timeline, pictures, pointer }) {
  const at = pointer.at ?? traits.get("pixel");
  const words = { frame: timeline.frame, last: traits.m - 1, frames: traits.m, caption: traits.get("caption") };
  if (!at || !pictures.layers || at[0] >= traits.w || at[1] >= traits.h) return words;
  const [x, y] = at;
  return {
    ...words,
    x,
    y,
    value: pictures.value("maps", timeline.frame, x, y),
    second: pictures.value("compare", timeline.frame, x, y),
    rgb: pictures.rgb(x, y),
  };
}

export function readout(view) {
  const { traits, pictures } = view;
  const words = wordsOf(view);
  const template = traits.get("readout");
  if (template) return fillTemplate(template, words);
  const parts = traits.m > 1 ? [`frame ${words.frame}`] : [];
  if (words.x !== undefined) {
    const [first, second] = traits.get("labels");
    const digits = Math.max(2, digitsFor(...pictures.range));
    parts.push(`pixel (${words.x}, ${words.y})`);
    if (words.value !== null) parts.push(`${first || "value"} ${formatNumber(words.value, digits)}`);
    if (words.second !== null) parts.push(`${second || "second"} ${formatNumber(words.second, digits)}`);
    if (words.value === null && words.rgb) parts.push(`RGB ${words.rgb}`);
  }
  return parts.join(" \u00b7 ");
}
