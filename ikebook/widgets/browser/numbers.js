/* Numbers, as the canvas writes them. */

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

export const formatNumber = (value, digits = 2) => (Number.isFinite(value) ? value.toFixed(digits) : "none").replace("-", "\u2212");

/* As many digits as a number between these ends needs. */
export function digitsFor(low, high) {
  return clamp(2 - Math.floor(Math.log10(Math.max(Math.abs(low), Math.abs(high), 1e-9)) + 1), 0, 8);
}

/* "{value:3} at {x}" with words filled in; what is not known is a dash. */
export function fillTemplate(template, words) {
  return template.replace(/\{(\w+)(?::(\d))?\}/g, (_, name, digits) => {
    const value = words[name];
    if (value === null || value === undefined) return "\u2013";
    return typeof value === "number" && (digits || !Number.isInteger(value)) ? formatNumber(value, Number(digits ?? 2)) : value;
  });
}
