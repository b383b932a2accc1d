/* An arrow for x beside the exact eigenvector v1: across, how much of x is v1; upwards, how much is not. It turns towards v1. */

import { make } from "./elements.js";

const RADIUS = 84;
const CORNER = [16, 104]; // where the arrow begins, in units of the picture

export class AngleArrow {
  constructor() {
    this.node = make("div", "ike-angle", { role: "img" });
  }

  /* The cosines of x(0), ..., x(t) to v1, from 0 to 1: dots for those before, the arrow for the last. */
  draw(cosines) {
    const known = cosines.filter((cosine) => Number.isFinite(cosine)).map((cosine) => Math.min(1, cosine));
    const [left, bottom] = CORNER;
    const places = known.map((cosine) => [left + RADIUS * cosine, bottom - RADIUS * Math.sqrt(1 - cosine * cosine)].map((each) => each.toFixed(1)));
    const now = places.pop();
    const degrees = known.length ? `${((Math.acos(known.at(-1)) * 180) / Math.PI).toFixed(1)} degrees from` : "nowhere yet beside";
    this.node.setAttribute("aria-label", `x lies ${degrees} the eigenvector v1`);
    this.node.innerHTML = `<svg viewBox="0 0 132 120" aria-hidden="true" focusable="false">
      <path class="ike-angle-arc" d="M${left} ${bottom - RADIUS}A${RADIUS} ${RADIUS} 0 0 1 ${left + RADIUS} ${bottom}M${left} ${bottom}h${RADIUS + 6}"/>
      ${places.map(([x, y]) => `<circle class="ike-angle-dot" cx="${x}" cy="${y}" r="2.5"/>`).join("")}
      ${now ? `<path class="ike-angle-arrow" d="M${left} ${bottom}L${now}"/><circle class="ike-angle-head" cx="${now[0]}" cy="${now[1]}" r="4.5"/>` : ""}
      <text x="${left + RADIUS + 10}" y="${bottom + 5}">v1</text></svg>`;
  }
}
