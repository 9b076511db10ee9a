//! Convolution of bits that stand for two numbers each: activations for two of the layer, weights for two of their filter
//! (AdaBin's adaptive binary sets). Of popcounts all the same: with an activation `m + d s` and a weight `n + e b`, s and b being
//! -1 or +1, and V the window within the image,
//!
//! ```text
//! y = sum_V (m + d s) (n + e b) = d e sum_V s b + d n sum_V s + m sum_V (n + e b)
//! ```
//!
//! The first sum is a convolution of bits, the second one is the same for all filters, the third one for all images.

use super::super::bytes::{DILATED, Read, Reader, Writer};
use super::super::value::{Inferred, Kind, Meta, Window};
use super::binary_conv::{sums_of_bits, with_gaps, without_gaps};
use super::{Operation, Runs, Stored};
use crate::tensor::bits::unpack;

/// Convolution of bits that stand for two numbers each.
#[derive(Clone, Debug, PartialEq)]
pub struct SetConv {
    /// Channels that filters look at.
    pub channels: usize,
    /// Where they look; beyond the image nothing is summed.
    pub window: Window,
    /// What bits 0 and 1 of an activation stand for.
    pub image: [f32; 2],
    /// What bits 0 and 1 of a filter's weights stand for, a pair a filter.
    pub filters: Vec<[f32; 2]>,
    /// Bits `[filters, rows, columns, channels]`, packed along channels.
    pub bits: Vec<u32>,
}

impl SetConv {
    /// The weights `[filters, rows, columns, channels]` as floats.
    pub fn weights(&self) -> Vec<f32> {
        let filter = self.window.size[0] * self.window.size[1] * self.channels;
        let bits = unpack(self.channels, &self.bits).into_iter().enumerate();
        bits.map(|(i, bit)| self.filters[i / filter][usize::from(bit)]).collect()
    }
}

impl Operation for SetConv {
    fn name(&self) -> &'static str {
        "binary set conv"
    }

    fn takes(&self) -> &'static [Kind] {
        &[Kind::Bits]
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        let g = sums_of_bits(inputs[0], self.channels, self.filters.len(), &self.window, self.bits.len())?;
        Ok(Meta::float([g.oh, g.ow, g.o]))
    }

    fn bits(&self) -> usize {
        self.filters.len() * self.channels * self.window.size[0] * self.window.size[1]
    }

    fn numbers(&self) -> usize {
        2 + 2 * self.filters.len()
    }

    fn since(&self) -> u32 {
        DILATED
    }

    fn multiply_adds(&self, _x: Meta, made: Meta) -> [usize; 2] {
        // What the sums are multiplied with counts nothing, as of scales and normalisations.
        [made.pixels() * self.bits(), 0]
    }
}

impl Stored for SetConv {
    fn write(&self, w: &mut Writer) {
        w.u32(self.channels);
        w.window(&self.window);
        self.image.iter().for_each(|x| w.f32(*x));
        w.floats(self.filters.as_flattened());
        w.words(&without_gaps(self.channels, &self.bits));
    }

    fn read(r: &mut Reader<'_>) -> Read<Self> {
        let (channels, window, image) = (r.u32()?, r.window()?, [r.f32()?, r.f32()?]);
        let pairs = r.floats()?;
        let (filters, []) = pairs.as_chunks::<2>() else {
            return Err(format!("{} numbers, which are no pairs", pairs.len()));
        };
        let words = r.words(u32::from_le_bytes)?;
        let extents = [filters.len(), channels, window.size[0], window.size[1]];
        let weights = extents.into_iter().try_fold(1usize, |n, extent| n.checked_mul(extent));
        let fits = weights.filter(|n| *n > 0 && n.div_ceil(32) == words.len());
        let weights = fits.ok_or_else(|| format!("{} words for weights of extents {extents:?}", words.len()))?;
        Ok(SetConv { channels, window, image, filters: filters.to_vec(), bits: with_gaps(channels, weights, words) })
    }
}

impl Runs for SetConv {}

#[cfg(feature = "train")]
mod ships {
    use super::super::super::{onnx, pack::Packer};
    use super::super::{Op, Ships};
    use super::*;
    use crate::error::Result;
    use crate::graph::{Graph, Node, Value};
    use crate::ops::conv::Conv2d;
    use crate::tensor::bits::pack;
    use crate::tensor::{DType, HostTensor};
    use std::any::Any;

    /// The two numbers of each filter, the smaller one first, and for each weight whether it is the larger one; `None` if a
    /// filter has more than two.
    fn pairs(filters: usize, weights: &[f32]) -> Option<(Vec<[f32; 2]>, Vec<bool>)> {
        let (mut all, mut bits) = (Vec::new(), Vec::new());
        for filter in weights.chunks(weights.len() / filters) {
            let low = filter.iter().copied().reduce(f32::min)?;
            let high = filter.iter().copied().reduce(f32::max)?;
            let is_high = |w: &f32| w.to_bits() == high.to_bits();
            if !filter.iter().all(|w| is_high(w) || w.to_bits() == low.to_bits()) {
                return None;
            }
            all.push([low, high]);
            bits.extend(filter.iter().map(is_high));
        }
        Some((all, bits))
    }

    impl Ships for SetConv {
        /// A convolution of floats whose inputs are two numbers and whose filters have two each. Filters of few weights are as
        /// small as floats.
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            let op: &dyn Any = node.op.as_ref();
            let Some(Conv2d { windows }) = op.downcast_ref() else { return Ok(None) };
            let w = p.constant(node.inputs[1])?;
            let (shape, weights) = (w.shape().clone(), w.f32s());
            let filter = shape.elements() / shape[0];
            if windows.groups != 1 || !(8..=i16::MAX as usize).contains(&filter) {
                return Ok(None);
            }
            let Some((bits_of, image)) = p.two_numbers(p.of(node.inputs[0])?) else { return Ok(None) };
            let Some((filters, bits)) = pairs(shape[0], weights) else { return Ok(None) };
            // Plain signs under a scale, of a filter or a tap: another operation's.
            if image == [-1.0, 1.0] && filters.iter().all(|[low, high]| *low == -high) {
                return Ok(None);
            }
            let window = Window::of([shape[1], shape[2]], windows);
            let conv = SetConv { channels: shape[3], window, image, filters, bits: pack(shape[3], bits) };
            p.push(conv, &[bits_of]).map(Some)
        }

        fn graph(&self, g: &mut Graph, x: &[Value], from: &[Meta], _batch: usize) -> Result<Value> {
            let ([kh, kw], o) = (self.window.size, self.filters.len());
            let bits = HostTensor::from_words([o, kh, kw, from[0].shape[2]], DType::Bits, self.bits.clone());
            let bits = g.constant(bits);
            let weights = g.signed(bits)?;
            let (middle, half) = self.filters.iter().map(|pair| middle_and_half(*pair)).unzip();
            let half = g.constant(HostTensor::from_f32([o, 1, 1, 1], half));
            let middle = g.constant(HostTensor::from_f32([o, 1, 1, 1], middle));
            let weights = g.mul(weights, half)?;
            let weights = g.add(weights, middle)?;
            let (middle, half) = middle_and_half(self.image);
            let x = g.signed(x[0])?;
            let x = g.scale(x, half)?;
            let x = g.offset(x, middle)?;
            g.conv2d_by(x, weights, self.window.windows())
        }

        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], from: Meta) -> String {
            let (middle, half) = middle_and_half(self.image);
            let (half, middle) = (b.floats(&[], &[half]), b.floats(&[], &[middle]));
            let x = b.node("Mul", &[x[0], &half], &[]);
            let x = b.node("Add", &[&x, &middle], &[]);
            b.conv(&x, self.filters.len(), &self.window, (from.shape[2], 1), &self.weights())
        }
    }

    impl Packer<'_> {
        /// If a value is bits with a factor and a summand, the same for all: those bits, and what 0 and 1 of them stand for.
        fn two_numbers(&self, x: usize) -> Option<(usize, [f32; 2])> {
            let node = self.made_by(x)?;
            match &node.op {
                Op::Signed(_) => Some((node.inputs[0], [-1.0, 1.0])),
                Op::Affine(affine) => {
                    let (bits, pair) = self.two_numbers(node.inputs[0])?;
                    let one = |all: &[f32]| all.iter().all(|v| *v == all[0]).then_some(all[0]);
                    let (scale, shift) = (one(&affine.scale)?, one(&affine.shift)?);
                    Some((bits, pair.map(|v| v * scale + shift)))
                }
                _ => None,
            }
        }
    }

    /// Of two numbers the mean, and half of what the second one is more.
    fn middle_and_half([low, high]: [f32; 2]) -> (f32, f32) {
        (low / 2.0 + high / 2.0, high / 2.0 - low / 2.0)
    }
}

/// Along an axis of the outputs: which taps see the image, each kind of them once, and the kind of each output.
fn seen(conv: &SetConv, x: Meta, made: Meta, axis: usize) -> (Vec<Vec<bool>>, Vec<usize>) {
    let (taps, size) = (conv.window.size[axis], x.shape[axis]);
    let of = |out: usize| (0..taps).map(|k| conv.window.tap(out, k, size).is_some()).collect::<Vec<bool>>();
    let all: Vec<Vec<bool>> = (0..made.shape[axis]).map(of).collect();
    let mut kinds = all.clone();
    kinds.sort();
    kinds.dedup();
    let kind = |taps: &Vec<bool>| kinds.binary_search(taps).expect("one of them");
    let of_outputs = all.iter().map(kind).collect();
    (kinds, of_outputs)
}

/// What the runtime knows of such a layer beforehand.
pub(in crate::deploy) struct Sums {
    /// `[rows, columns, channels]` of the image, words of a pixel.
    x: [usize; 3],
    words: usize,
    window: Window,
    columns: usize,
    /// Factors of the sum of products and of that of the image's signs, a filter.
    factors: Vec<[f32; 2]>,
    /// Which taps' rows a row of outputs sees, and columns: the number of the class.
    classes: [Vec<usize>; 2],
    /// The third sum, `[classes of rows, classes of columns, filters]`.
    beforehand: Vec<f32>,
    column_classes: usize,
}

impl Sums {
    pub fn new(conv: &SetConv, x: Meta, made: Meta) -> Sums {
        let pair = |[low, high]: [f32; 2]| {
            ((f64::from(low) + f64::from(high)) / 2.0, (f64::from(high) - f64::from(low)) / 2.0)
        };
        let ((m, d), [kh, kw], c) = (pair(conv.image), conv.window.size, conv.channels);
        let factors = conv.filters.iter().map(|f| pair(*f)).map(|(n, e)| [(d * e) as f32, (d * n) as f32]).collect();
        // What each tap of each filter sums to.
        let weights = conv.weights();
        let taps: Vec<f64> = weights.chunks(c).map(|tap| tap.iter().map(|w| f64::from(*w)).sum()).collect();
        let ((rows, row_class), (columns, column_class)) = (seen(conv, x, made, 0), seen(conv, x, made, 1));
        let mut beforehand = Vec::new();
        for rows in &rows {
            for columns in &columns {
                beforehand.extend(taps.chunks(kh * kw).map(|filter| {
                    let inside = filter.iter().enumerate().filter(|(k, _)| rows[k / kw] && columns[k % kw]);
                    (m * inside.map(|(_, w)| w).sum::<f64>()) as f32
                }));
            }
        }
        Sums {
            x: x.shape,
            words: c.div_ceil(32),
            window: conv.window,
            columns: made.shape[1],
            factors,
            classes: [row_class, column_class],
            beforehand,
            column_classes: columns.len(),
        }
    }

    /// The sum of the signs of each pixel of an image of bits.
    pub fn of_pixels(&self, bits: &[u32], sums: &mut Vec<i32>) {
        let c = self.x[2] as i32;
        sums.clear();
        sums.extend(
            bits.chunks_exact(self.words)
                .map(|pixel| 2 * pixel.iter().map(|word| word.count_ones() as i32).sum::<i32>() - c),
        );
    }

    /// Output pixel `pixel` of the sums of products over it, of `y.len()` filters.
    pub fn finish(&self, of_pixels: &[i32], pixel: usize, products: &[i16], y: &mut [f32]) {
        let (oy, ox) = (pixel / self.columns, pixel % self.columns);
        let [h, w, _] = self.x;
        let rows = (0..self.window.size[0]).filter_map(|k| self.window.tap(oy, k, h));
        let signs: i32 = rows
            .flat_map(|row| {
                (0..self.window.size[1]).filter_map(move |k| self.window.tap(ox, k, w).map(|x| row * w + x))
            })
            .map(|at| of_pixels[at])
            .sum();
        let class = self.classes[0][oy] * self.column_classes + self.classes[1][ox];
        let beforehand = &self.beforehand[class * y.len()..][..y.len()];
        let signs = signs as f32;
        for (((y, product), [first, second]), third) in y.iter_mut().zip(products).zip(&self.factors).zip(beforehand) {
            *y = first * f32::from(*product) + second * signs + third;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::bits::pack;

    #[test]
    fn bytes_are_read_back_and_pairs_are_told() {
        let bits = pack(5, (0..2 * 6 * 5).map(|i| i * i % 7 < 3));
        let window = Window { size: [2, 3], stride: 1, padding: 1, dilation: 1 };
        let conv = SetConv { channels: 5, window, image: [-0.5, 2.0], filters: vec![[-1.0, 0.25], [0.5, 0.75]], bits };
        let mut w = Writer::new(DILATED);
        conv.write(&mut w);
        let back = |bytes: &[u8]| SetConv::read(&mut Reader::new(bytes, DILATED));
        assert_eq!(back(&w.bytes).unwrap(), conv);
        for n in 0..w.bytes.len() {
            assert!(back(&w.bytes[..n]).is_err(), "{n}");
        }
    }

    /// The formula of the sums against the convolution itself, at the border too.
    #[test]
    fn sums_make_the_convolution_of_the_numbers() {
        for (h, w, c, window) in [
            (4, 5, 3, Window { size: [3, 3], stride: 1, padding: 1, dilation: 1 }),
            (7, 6, 33, Window { size: [3, 3], stride: 2, padding: 1, dilation: 1 }),
            (9, 9, 1, Window { size: [3, 2], stride: 1, padding: 2, dilation: 2 }),
            (3, 3, 40, Window::PIXEL),
        ] {
            let bit = |i: usize| (i.wrapping_mul(2_654_435_761) >> 7) % 5 < 2;
            let filters = vec![[-0.75f32, 0.5], [0.25, 0.375], [1.5, -1.0]];
            let taps = window.size[0] * window.size[1];
            let bits = pack(c, (0..filters.len() * taps * c).map(bit));
            let conv = SetConv { channels: c, window, image: [-0.5, 1.25], filters, bits };
            let x = Meta { shape: [h, w, c], kind: Kind::Bits };
            let made = conv.infer(&[x]).unwrap();
            let image: Vec<bool> = (0..h * w * c).map(|i| bit(i + 99)).collect();
            let (sums, mut of_pixels) = (Sums::new(&conv, x, made), Vec::new());
            sums.of_pixels(&pack(c, image.iter().copied()), &mut of_pixels);
            let (weights, o) = (conv.weights(), conv.filters.len());
            let mut y = vec![0.0; o];
            for pixel in 0..made.pixels() {
                let (oy, ox) = (pixel / made.shape[1], pixel % made.shape[1]);
                let mut products = vec![0i16; o];
                let mut expected = vec![0.0f64; o];
                for (f, tap) in (0..o).flat_map(|f| (0..taps).map(move |tap| (f, tap))) {
                    let row = window.tap(oy, tap / window.size[1], h);
                    let Some((row, column)) = row.zip(window.tap(ox, tap % window.size[1], w)) else { continue };
                    for i in 0..c {
                        let (a, v) = (image[(row * w + column) * c + i], weights[(f * taps + tap) * c + i]);
                        let is_second = v == conv.filters[f][1];
                        products[f] += if a == is_second { 1 } else { -1 };
                        expected[f] += f64::from(v) * f64::from(conv.image[usize::from(a)]);
                    }
                }
                sums.finish(&of_pixels, pixel, &products, &mut y);
                for (y, e) in y.iter().zip(&expected) {
                    assert!((f64::from(*y) - e).abs() < 1e-4 * (1.0 + e.abs()), "{h}x{w}x{c} {pixel}: {y} {e}");
                }
            }
        }
    }
}
