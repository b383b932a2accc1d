/* The line under the playback bar: what is under the pointer in words, the brush, the overlay, zoom and help. Where a bar is for
   several pictures, zoom and help are on it. */

import { iconButton, make, textButton } from "./elements.js";
import { cssColour } from "./layer.js";
import { digitsFor, formatNumber } from "./numbers.js";
import { BRUSH_RADII } from "./painting.js";
import { isFull } from "./whole.js";

export class Toolbar {
  constructor(view) {
    this.view = view;
    this.erasing = false;
    this.node = make("div", "ike-tools", { role: "group", "aria-label": "View" });
    this.readout = make("div", "ike-readout");
    this.brushTools = this.buildBrush();
    this.overlayTools = this.buildOverlay();
    this.zoomTools = this.buildZoom();
    this.node.append(this.readout, this.brushTools, this.overlayTools, this.zoomTools);
    this.help = make("div", "ike-help");
    this.help.hidden = true;
  }

  buildBrush() {
    const { view } = this;
    const tools = group("Brush");
    this.brush = make("input", "ike-brush", { type: "range", min: 0, max: BRUSH_RADII.length - 1, step: 1, "aria-label": "Brush size" });
    this.brush.addEventListener("input", () => view.redraw());
    this.eraser = iconButton("erase", "Eraser", () => this.erase(!this.erasing));
    tools.append(this.brush, this.eraser, textButton("Clear", "Clear the painting", () => view.clearPainting()));
    return tools;
  }

  buildOverlay() {
    const tools = group("Overlay");
    this.opacitySlider = make("input", "ike-opacity", { type: "range", min: 0, max: 100, step: 1, "aria-label": "Opacity of the overlay" });
    this.opacitySlider.addEventListener("input", () => this.view.redraw());
    this.legend = make("span", "ike-legend");
    tools.append(this.opacitySlider, this.legend);
    return tools;
  }

  buildZoom() {
    const { view } = this;
    const tools = group("");
    this.helpButton = textButton("?", "Keys", () => this.toggleHelp());
    this.helpButton.setAttribute("aria-expanded", "false");
    this.fullButton = iconButton("full", "Full screen", () => view.fullScreen());
    tools.append(
      iconButton("smaller", "Zoom out", () => view.zoomBy(1 / 1.5)),
      iconButton("larger", "Zoom in", () => view.zoomBy(1.5)),
      this.fullButton,
      this.helpButton,
    );
    return tools;
  }

  /* Of the map over the frame, from 0 to 1. */
  get opacity() {
    return this.view.pictures.has("frames") ? Number(this.opacitySlider.value) / 100 : 1;
  }

  /* Of the brush, in pixels. */
  get radius() {
    return BRUSH_RADII[this.brush.value];
  }

  changeRadius(by) {
    this.brush.value = Number(this.brush.value) + by;
  }

  erase(on) {
    this.erasing = on;
    this.eraser.setAttribute("aria-pressed", String(on));
  }

  toggleHelp() {
    this.help.hidden = !this.help.hidden;
    this.helpButton.setAttribute("aria-expanded", String(!this.help.hidden));
  }

  /* After a change of anything but the frame. */
  refresh() {
    const { traits, pictures, parts, bar } = this.view;
    this.node.hidden = parts === "bar";
    const place = parts === "bar" ? bar.node : this.node;
    if (this.zoomTools.parentNode !== place) place.append(this.zoomTools);
    this.zoomTools.hidden = parts === "stage";
    this.refreshFull();
    this.overlayTools.hidden = !pictures.has("maps");
    this.opacitySlider.hidden = !pictures.has("maps") || !pictures.has("frames");
    this.overlayTools.firstChild.hidden = this.opacitySlider.hidden || parts === "stage";
    this.brushTools.hidden = !traits.get("paint");
    this.takeSliders();
    this.drawLegend();
    this.help.textContent = this.helpText();
  }

  /* Where a page may not fill the screen, as in some frames, there is no button that would. */
  refreshFull() {
    const { whole, parts, root } = this.view;
    this.fullButton.hidden = !document.fullscreenEnabled || (parts === "bar" && !whole);
    const label = isFull(whole?.root ?? root) ? "Leave the full screen" : "Full screen";
    this.fullButton.setAttribute("aria-label", label);
    this.fullButton.title = `${label} (f)`;
  }

  /* What the user has set stays until Python says something else. */
  takeSliders() {
    const { traits } = this.view;
    const opacity = Math.round(traits.get("opacity") * 100);
    if (opacity !== this.givenOpacity) this.opacitySlider.value = this.givenOpacity = opacity;
    const brush = BRUSH_RADII.findIndex((radius) => radius >= traits.get("brush"));
    if (brush !== this.givenBrush) {
      this.givenBrush = brush;
      this.brush.value = brush < 0 ? BRUSH_RADII.length - 1 : brush;
    }
  }

  drawLegend() {
    const { pictures } = this.view;
    const [low, high] = pictures.range;
    const stops = [];
    for (let i = 0; i <= 16; i++) stops.push(cssColour(pictures.colours[Math.min(255, i * 16)]));
    const ends = [low, high].map((value) => formatNumber(value, Number.isInteger(value) ? 0 : digitsFor(low, high)));
    const strip = make("span", "ike-strip");
    strip.style.backgroundImage = `linear-gradient(to right, ${stops.join(", ")})`;
    const nodes = ends.map((text) => Object.assign(make("span", "ike-end"), { textContent: text }));
    this.legend.replaceChildren(nodes[0], strip, nodes[1]);
    this.legend.setAttribute("role", "img");
    this.legend.setAttribute("aria-label", `Colours from ${ends[0]} to ${ends[1]}`);
  }

  helpText() {
    const { traits, parts } = this.view;
    const paints = traits.get("paint");
    const keys = ["\u2190 \u2192 frames", "Home, End first and last", "space play"];
    const zoom = ["+ \u2212 zoom, 0 whole frame", "f full screen", "F this picture alone"];
    if (parts === "bar") return `On a picture: ${[...keys, ...zoom, "Ctrl + wheel to zoom", "? its other keys"].join("  \u00b7  ")}`;
    keys.push("Shift + arrows pixel cursor", paints ? "Enter paint, [ ] brush" : "Enter pick the pixel", ...zoom);
    keys.push(paints ? "drag to paint, right button to erase" : "drag to pan when zoomed", "Ctrl + wheel to zoom");
    return keys.join("  \u00b7  ");
  }
}

function group(label) {
  const node = make("span", "ike-group");
  if (label) node.append(Object.assign(make("span", "ike-label", { "aria-hidden": "true" }), { textContent: label }));
  return node;
}
