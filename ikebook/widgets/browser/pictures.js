/* The videos that Python has sent: the frames, a map over them, and what the map is compared with. */

import { Layer, colourWords } from "./layer.js";
import { LiveVideo, Video } from "./video.js";

export const VIDEOS = ["frames", "maps", "compare"];

export class Pictures {
  constructor(traits, changed) {
    this.traits = traits;
    this.changed = changed;
    this.videos = { frames: null, maps: null, compare: null };
    this.versions = { frames: 0, maps: 0, compare: 0 };
    this.layers = null;
    this.live = null;
  }

  /* Takes these videos anew, and gives whether they have another size. */
  reload(names) {
    const { traits } = this;
    const { m, h, w } = traits;
    for (const name of names) {
      this.videos[name]?.close();
      if (name === "maps") this.live = null;
      const data = traits.bytes(name);
      this.versions[name]++;
      this.videos[name] = data.length && m ? new Video(data, [m, h, w], this.changed) : null;
    }
    this.colours = colourWords(traits.bytes("colours"));
    if (!w || !h || (this.layers?.w === w && this.layers?.h === h)) return false;
    this.layers = { w, h };
    for (const name of [...VIDEOS, "mixed"]) this.layers[name] = new Layer(w, h);
    return true;
  }

  /* A map that the page computes (see live_map.js), until Python sends another; null: that which Python has sent last. */
  showLive(picture) {
    if (!picture) return this.reload(["maps"]);
    this.videos.maps?.close();
    this.videos.maps = new LiveVideo(picture, [this.traits.h, this.traits.w]);
    this.versions.maps++;
    this.live = picture;
    return false;
  }

  /* The values of the first and the last colour. */
  get range() {
    return this.live?.range ?? this.traits.get("map_range");
  }

  has(name) {
    return this.videos[name] !== null;
  }

  /* The layer of a frame under a map, "maps" or "compare"; null where there is nothing to show. They are laid over each other
     at their own size, so that only one picture has to be enlarged. */
  layer(name, frame, opacity) {
    const { layers, videos, versions, colours } = this;
    const version = name === "compare" ? `${versions.compare}+${versions.maps}` : versions.maps; // new colours are a new map
    const framed = layers.frames.draw(videos.frames, frame, colours, versions.frames);
    const mapped = layers[name].draw(videos[name], frame, colours, version);
    if (!mapped) return framed ? layers.frames : null;
    if (!framed || videos[name].channels === 3) return layers[name];
    const { context } = layers.mixed;
    context.globalAlpha = 1;
    context.drawImage(layers.frames.canvas, 0, 0);
    context.globalAlpha = opacity;
    context.drawImage(layers[name].canvas, 0, 0);
    return layers.mixed;
  }

  /* The value of a map at a pixel; null where there is none. */
  value(name, frame, x, y) {
    const value = this.videos[name]?.at(frame, x, y) ?? null;
    const [low, high] = this.range;
    return value === null ? null : low + ((high - low) * value) / 255;
  }

  /* The colour of the frame that is shown. */
  rgb(x, y) {
    return this.videos.frames?.ready ? this.layers.frames.colour(x, y).join(" ") : undefined;
  }

  close() {
    for (const video of Object.values(this.videos)) video?.close();
  }
}
