/* The buttons and the slider under the picture. */

import { icon, iconButton, make } from "./elements.js";

export class PlaybackBar {
  constructor(timeline) {
    this.timeline = timeline;
    this.node = make("div", "ike-bar", { role: "group", "aria-label": "Playback" });
    this.playButton = iconButton("play", "Play the video", () => timeline.play(!timeline.playing));
    this.slider = make("input", "ike-slider", { type: "range", min: 0, step: 1, "aria-label": "Frame" });
    this.slider.addEventListener("input", () => timeline.goTo(Number(this.slider.value), { scrubbing: true }));
    this.slider.addEventListener("change", () => timeline.sendFrame());
    this.count = make("span", "ike-count");
    this.node.append(
      iconButton("back", "Previous frame", () => timeline.step(-1)),
      this.playButton,
      iconButton("next", "Next frame", () => timeline.step(1)),
      this.slider,
      this.count,
    );
  }

  refresh() {
    this.slider.max = this.timeline.last;
  }

  showPlaying() {
    const { playing } = this.timeline;
    this.playButton.innerHTML = icon(playing ? "pause" : "play");
    const label = playing ? "Pause the video" : "Play the video"; // a widget may have a Play of its own
    this.playButton.setAttribute("aria-label", label);
    this.playButton.title = label;
  }

  draw() {
    const { frame, last } = this.timeline;
    this.slider.value = frame;
    this.slider.style.setProperty("--ike-done", `${last ? (100 * frame) / last : 0}%`);
    this.slider.setAttribute("aria-valuetext", `frame ${frame} of ${last + 1}`);
    this.count.textContent = `${frame} / ${last}`;
  }
}
