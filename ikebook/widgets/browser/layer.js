/* One frame of a video, drawn at its own size, and the colours of grey videos. */

export class Layer {
  constructor(w, h) {
    this.canvas = document.createElement("canvas");
    this.canvas.width = w;
    this.canvas.height = h;
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.image = this.context.createImageData(w, h);
    this.words = new Uint32Array(this.image.data.buffer);
    this.key = null;
  }

  /* Draws a frame, unless it is there already: `version` changes whenever the video or its colours do. Gives whether there
     is something to show. */
  draw(video, frame, colours, version) {
    if (!video || !video.ready) return false;
    const key = `${version}/${frame}`;
    if (key === this.key) return true;
    if (video.pictures) {
      const picture = video.picture(frame);
      if (!picture) return this.key !== null; // the last one stays until this one is there
      this.context.drawImage(picture, 0, 0, video.w, video.h);
    } else {
      this.fill(video, frame, colours);
    }
    this.key = key;
    return true;
  }

  fill(video, frame, colours) {
    const { words } = this;
    const n = words.length;
    const values = video.values(frame);
    if (video.channels === 1) {
      for (let i = 0; i < n; i++) words[i] = colours[values[i]];
    } else {
      for (let i = 0, j = 0; i < n; i++, j += 3) words[i] = 0xff000000 | (values[j + 2] << 16) | (values[j + 1] << 8) | values[j];
    }
    this.context.putImageData(this.image, 0, 0);
  }

  colour(x, y) {
    return [...this.context.getImageData(x, y, 1, 1).data.subarray(0, 3)];
  }
}

/* 256 RGB or RGBA colours as words that an ImageData takes (little-endian machines, which is all that run browsers). */
export function colourWords(bytes) {
  const step = bytes.length / 256;
  const words = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const [r, g, b, a = 255] = step >= 3 ? bytes.subarray(i * step, (i + 1) * step) : [i, i, i];
    words[i] = ((a << 24) | (b << 16) | (g << 8) | r) >>> 0;
  }
  return words;
}

/* Such a word as CSS writes a colour. */
export function cssColour(word) {
  return `rgba(${word & 255}, ${(word >> 8) & 255}, ${(word >> 16) & 255}, ${((word >>> 24) / 255).toFixed(3)})`;
}
