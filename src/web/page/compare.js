"use strict";
// The one global of this page. Data files hand their content to it, and each script adds what it is about.
const onebit = {};

// Arrays of data files, and the comparison of what a device made with what it should have made.
{
  const bytes = (base64) => {
    const text = atob(base64);
    const made = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) made[i] = text.charCodeAt(i);
    return made;
  };

  const unpackers = {
    u8: bytes,
    u32: (text) => new Uint32Array(bytes(text).buffer),
    f32: (text) => new Float32Array(bytes(text).buffer),
    f64: (text) => new Float64Array(bytes(text).buffer),
    same: ([length, text]) => new Float64Array(length).fill(new Float64Array(bytes(text).buffer)[0]),
  };

  /** The array of an entry of a data file, `{ type: base64 }`. */
  onebit.unpack = (entry) => {
    const [type, content] = Object.entries(entry)[0];
    return unpackers[type](content);
  };

  // Elements in a word; each row begins with a word.
  const perWord = { f32: 1, i32: 1, u32: 1, i16: 2, u8: 4, bits: 32 };

  const readers = {
    f32: (words) => {
      const floats = new Float32Array(words.buffer, words.byteOffset, words.length);
      return (word) => floats[word];
    },
    u32: (words) => (word) => words[word],
    i32: (words) => (word) => words[word] | 0,
    i16: (words) => (word, c) => (words[word] << (16 * (1 - (c % 2)))) >> 16,
    u8: (words) => (word, c) => (words[word] >>> (8 * (c % 4))) & 255,
    bits: (words) => (word, c) => (words[word] >>> (c % 32)) & 1,
  };

  const rowWords = (output) => Math.ceil(output.columns / perWord[output.type]);

  /** Words that hold `count` elements of an output. */
  onebit.wordsOf = (output, count) => (output.columns === 0 ? 0 : (count / output.columns) * rowWords(output));

  /**
   * The worst element of an output. A fraction of its bound over 1 is wrong; it is infinite for a wrong bit or
   * integer. A bit with a bound of 1 may be either and is not compared.
   */
  onebit.compare = (output, words, want, bound) => {
    const { type, columns } = output;
    const read = readers[type](words);
    const [per, wordsInRow] = [perWord[type], rowWords(output)];
    let worst = { fraction: 0, at: 0, got: 0, expected: 0 };
    let ties = 0;
    for (let at = 0; at < want.length; at++) {
      if (type === "bits" && bound[at] >= 1) {
        ties++;
        continue;
      }
      const c = at % columns;
      const got = read(((at - c) / columns) * wordsInRow + Math.floor(c / per), c);
      const expected = want[at];
      const error = got === expected || (Number.isNaN(got) && Number.isNaN(expected)) ? 0 : Math.abs(got - expected);
      const fraction = error === 0 ? 0 : error / bound[at];
      if (fraction > worst.fraction || Number.isNaN(fraction)) {
        worst = { fraction: Number.isNaN(fraction) ? Infinity : fraction, at, got, expected };
      }
    }
    return { ...worst, ties, error: type === "bits" ? unusedBits(words, columns, wordsInRow) : undefined };
  };

  // Kernels rely on it that bits past the last column are 0.
  const unusedBits = (words, columns, wordsInRow) => {
    if (columns % 32 === 0) return undefined;
    const unused = (-1 << (columns % 32)) >>> 0;
    for (let last = wordsInRow - 1; last < words.length; last += wordsInRow) {
      if ((words[last] & unused) !== 0) return `word ${last} has bits past column ${columns} that are not 0`;
    }
    return undefined;
  };
}
