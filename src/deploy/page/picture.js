"use strict";
// From a picture to the bytes that the model sees, by the rules of `onebit predict`: upright, on the model's background,
// grey or colour, scaled bilinearly with antialiasing until it covers the model's image, and cut out of the middle.

/** How many times larger than what is kept of it a picture may be. */
onebit.mostCut = 64;

/** A drawable picture of h rows and w columns as upright bytes of `channels` on a background. */
onebit.pixels = (picture, h, w, orientation, background, channels) => {
  const canvas = document.createElement("canvas");
  canvas.width = w;
  canvas.height = h;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = `rgb(${background}, ${background}, ${background})`;
  context.fillRect(0, 0, w, h);
  context.drawImage(picture, 0, 0);
  const from = context.getImageData(0, 0, w, h).data;
  const stored = onebit.stored[orientation];
  const [toH, toW] = orientation > 4 ? [w, h] : [h, w];
  const data = new Uint8Array(toH * toW * channels);
  for (let y = 0, i = 0; y < toH; y++) {
    for (let x = 0; x < toW; x++) {
      const at = 4 * stored(h, w, y, x);
      const [r, g, b] = [from[at], from[at + 1], from[at + 2]];
      // Rec. 601, as images are made grey for training.
      if (channels === 1) data[i++] = (19595 * r + 38470 * g + 7471 * b + 32768) >> 16;
      else {
        data[i++] = r;
        data[i++] = g;
        data[i++] = b;
      }
    }
  }
  return { data, h: toH, w: toW };
};

/** For each of n places along a side the first source pixel, and the weights of it and its neighbours. */
onebit.weights = (side, begin, length, n) => {
  const scale = length / n;
  const reach = Math.max(scale, 1);
  return Array.from({ length: n }, (_, i) => {
    const centre = begin + (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const end = Math.min(side, Math.trunc(centre + reach + 0.5));
    const raw = Array.from({ length: end - first }, (_, k) =>
      Math.max(0, 1 - Math.abs((first + k - centre + 0.5) / reach)),
    );
    const sum = raw.reduce((a, b) => a + b, 0);
    return { first, share: raw.map((x) => x / sum) };
  });
};

/** The middle of an image, scaled until it covers h rows of w. */
onebit.cover = (image, h, w, channels) => {
  if (image.h === h && image.w === w) return image.data;
  const scale = Math.max(h / image.h, w / image.w);
  const [boxH, boxW] = [Math.min(h / scale, image.h), Math.min(w / scale, image.w)];
  if (boxH * boxW * onebit.mostCut < image.h * image.w) {
    throw new Error(`of ${image.h}x${image.w} pixels, ${h}x${w} would be less than a ${onebit.mostCut}th part`);
  }
  const across = onebit.weights(image.w, (image.w - boxW) / 2, boxW, w);
  const down = onebit.weights(image.h, (image.h - boxH) / 2, boxH, h);
  const top = down[0].first;
  const bottom = Math.max(...down.map(({ first, share }) => first + share.length));
  const rows = new Uint8ClampedArray((bottom - top) * w * channels);
  for (let y = top; y < bottom; y++) {
    for (let x = 0; x < w; x++) {
      const { first, share } = across[x];
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let k = 0; k < share.length; k++) sum += share[k] * image.data[(y * image.w + first + k) * channels + c];
        rows[((y - top) * w + x) * channels + c] = Math.floor(sum + 0.5);
      }
    }
  }
  const line = w * channels;
  const bytes = new Uint8ClampedArray(h * line);
  for (let y = 0; y < h; y++) {
    const { first, share } = down[y];
    for (let i = 0; i < line; i++) {
      let sum = 0;
      for (let k = 0; k < share.length; k++) sum += share[k] * rows[(first - top + k) * line + i];
      bytes[y * line + i] = Math.floor(sum + 0.5);
    }
  }
  return new Uint8Array(bytes.buffer);
};

/** The bytes of a drawable picture for a model. */
onebit.bytesOf = (model, picture, h, w, orientation = 1) => {
  const [toH, toW, channels] = model.input;
  const image = onebit.pixels(picture, h, w, orientation, model.background, channels);
  return onebit.cover(image, toH, toW, channels);
};

/** The bytes of an image file for a model. Colour profiles are not applied, as in training. */
onebit.bytesOfFile = async (model, file) => {
  const { orientation, bytes } = onebit.orientation(new Uint8Array(await file.arrayBuffer()));
  const as = { premultiplyAlpha: "none", colorSpaceConversion: "none" };
  const picture = await createImageBitmap(new Blob([bytes], { type: file.type }), as);
  return onebit.bytesOf(model, picture, picture.height, picture.width, orientation);
};
