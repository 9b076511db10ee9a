//! A box of each image, resized and perhaps mirrored, left and right or top and bottom; and bytes as numbers.

use super::{check_params, columns};
use crate::error::{Error, Result};
use crate::graph::{CpuIo, EPS, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::launch::{Launch, Lowering, Operand, fold_groups};
use crate::ops::inputs::exactly;
use crate::tensor::{DType, RefTensor};
use rayon::prelude::*;

/// `images u8 [n, h w c]`, `params [n, 64]` -> `f32 [n, oh, ow, c]` in 0..1.
///
/// Bilinear with half-pixel centres: output pixel i of n reads the box at `(i + 0.5) size / n - 0.5`, as
/// torchvision's resize without antialiasing does. Neighbours beyond the edge of the *box* repeat it
/// (crop, then resize); pixels of the box beyond the *image* are 0 (pad, then crop). A box of the
/// output's size moves pixels unchanged.
#[derive(Clone, Debug)]
pub struct CropResize {
    /// Height, width and channels of the images.
    pub input: [usize; 3],
    /// Height and width of the result.
    pub output: [usize; 2],
}

/// What a row of parameters says.
struct Crop {
    y: i64,
    x: i64,
    h: usize,
    w: usize,
    flip: bool,
    flip_y: bool,
}

impl Crop {
    fn of(row: &[f32]) -> Crop {
        let at = |c: usize| row[c];
        Crop {
            y: at(columns::CROP_Y) as i64,
            x: at(columns::CROP_X) as i64,
            h: (at(columns::CROP_HEIGHT) as usize).max(1),
            w: (at(columns::CROP_WIDTH) as usize).max(1),
            flip: at(columns::FLIP) != 0.0,
            flip_y: at(columns::FLIP_Y) != 0.0,
        }
    }
}

/// The two neighbours, relative to the box, and the weight of the second.
fn neighbours(i: usize, size: usize, out: usize) -> (usize, usize, f32) {
    let scale = if size == out { 1.0 } else { size as f32 / out as f32 };
    let at = ((i as f32 + 0.5) * scale - 0.5).clamp(0.0, (size - 1) as f32);
    let first = at as usize;
    (first, (first + 1).min(size - 1), at - first as f32)
}

impl CropResize {
    /// Index of a pixel's first byte in an image, if it lies in the image.
    fn pixel(&self, y: i64, x: i64) -> Option<usize> {
        let [h, w, c] = self.input;
        let inside = (0..h as i64).contains(&y) && (0..w as i64).contains(&x);
        inside.then(|| (y as usize * w + x as usize) * c)
    }
}

impl Op for CropResize {
    fn name(&self) -> &'static str {
        "crop_resize"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let ([h, w, c], [oh, ow]) = (self.input, self.output);
        let [x, params] = exactly("crop_resize", inputs)?;
        let image = h.checked_mul(w).and_then(|pixels| pixels.checked_mul(c));
        let of_images = x.dtype == DType::U8 && x.shape.len() == 2 && Some(x.shape[1]) == image;
        if !of_images || [h, w, c, oh, ow].contains(&0) {
            let m = format!("wants images of {h} x {w} x {c} as u8[n, {h} {w} {c}], got {x}, to {oh} x {ow}");
            return Err(Error::shape("crop_resize", m));
        }
        check_params("crop_resize", x.shape[0], params)?;
        Ok(vec![Meta::f32([x.shape[0], oh, ow, c])])
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Ok(vec![None, None])
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let ([h, w, c], [oh, ow]) = (self.input, self.output);
        let mut data = Vec::new();
        for (image, row) in inputs[0].data.chunks_exact(h * w * c).zip(inputs[1].data.chunks_exact(columns::COUNT)) {
            let corner = [row[columns::CROP_Y].trunc(), row[columns::CROP_X].trunc()];
            let size = [row[columns::CROP_HEIGHT].trunc().max(1.0), row[columns::CROP_WIDTH].trunc().max(1.0)];
            let [mirrored, upside_down] = [columns::FLIP, columns::FLIP_Y].map(|c| row[c] != 0.0);
            let place =
                |i: usize, size: f64, out: usize| ((i as f64 + 0.5) * size / out as f64 - 0.5).clamp(0.0, size - 1.0);
            for oy in 0..oh {
                for ox in 0..ow {
                    let at_y = place(if upside_down { oh - 1 - oy } else { oy }, size[0], oh);
                    let at_x = place(if mirrored { ow - 1 - ox } else { ox }, size[1], ow);
                    for channel in 0..c {
                        // Every pixel of the box, weighted by its triangle.
                        let mut sum = 0.0;
                        for y in [at_y.floor(), at_y.floor() + 1.0] {
                            for x in [at_x.floor(), at_x.floor() + 1.0] {
                                let weight = (1.0 - (at_y - y).abs()) * (1.0 - (at_x - x).abs());
                                let [row, column] = [corner[0] + y, corner[1] + x];
                                let inside = row >= 0.0 && column >= 0.0 && row < h as f64 && column < w as f64;
                                if inside && weight > 0.0 {
                                    sum += weight * image[(row as usize * w + column as usize) * c + channel] / 255.0;
                                }
                            }
                        }
                        data.push(sum);
                    }
                }
            }
        }
        vec![RefTensor::f32(outputs[0].shape.clone(), data)]
    }

    /// The place in the box is off by some roundings of its size, and the picture rises by at most 1 a
    /// pixel; interpolation itself adds few roundings of numbers up to 1.
    fn bound(&self, inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let each = self.output[0] * self.output[1] * self.input[2];
        let rows = inputs[1].data.chunks_exact(columns::COUNT);
        let of = |row: &[f64]| {
            let size = row[columns::CROP_HEIGHT].max(1.0) + row[columns::CROP_WIDTH].max(1.0);
            12.0 * EPS * (size + 2.0)
        };
        let bound: Vec<f64> = rows.flat_map(|row| vec![of(row); each]).collect();
        assert_eq!(bound.len(), outputs[0].data.len());
        vec![bound]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let ([h, w, c], [oh, ow]) = (self.input, self.output);
        let bytes: &[u8] = bytemuck::cast_slice(io.words(0));
        let stride = 4 * DType::U8.row_words(h * w * c);
        let params = io.f32(1);
        io.out(0).par_chunks_mut(oh * ow * c).enumerate().for_each(|(n, out)| {
            let image = &bytes[n * stride..][..h * w * c];
            let crop = Crop::of(&params[n * columns::COUNT..][..columns::COUNT]);
            let across: Vec<(Option<usize>, Option<usize>, f32)> = (0..ow)
                .map(|ox| {
                    let (a, b, t) = neighbours(if crop.flip { ow - 1 - ox } else { ox }, crop.w, ow);
                    let column = |x: usize| {
                        let x = crop.x + x as i64;
                        (0..w as i64).contains(&x).then(|| x as usize * c)
                    };
                    (column(a), column(b), t)
                })
                .collect();
            for (oy, out) in out.chunks_exact_mut(ow * c).enumerate() {
                let (a, b, ty) = neighbours(if crop.flip_y { oh - 1 - oy } else { oy }, crop.h, oh);
                let line = |y: usize| self.pixel(crop.y + y as i64, 0).map(|p| &image[p..p + w * c]);
                let (upper, lower) = (line(a), line(b));
                let byte = |line: Option<&[u8]>, at: Option<usize>, channel: usize| match (line, at) {
                    (Some(line), Some(at)) => line[at + channel] as f32,
                    _ => 0.0,
                };
                for (&(left, right, tx), out) in across.iter().zip(out.chunks_exact_mut(c)) {
                    for (channel, out) in out.iter_mut().enumerate() {
                        let mix = |line| {
                            let (l, r) = (byte(line, left, channel), byte(line, right, channel));
                            l + tx * (r - l)
                        };
                        let (u, d) = (mix(upper), mix(lower));
                        *out = (u + ty * (d - u)) / 255.0;
                    }
                }
            }
        });
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let ([h, w, c], [oh, ow]) = (self.input, self.output);
        let pixels = cx.inputs[0].shape[0] * oh * ow;
        let constants = [
            ("COUNT", pixels),
            ("H", h),
            ("W", w),
            ("C", c),
            ("OH", oh),
            ("OW", ow),
            ("ROW_WORDS", DType::U8.row_words(h * w * c)),
        ];
        Ok(Lowering {
            temps: vec![],
            launches: vec![Launch {
                shader: "image/crop_resize",
                defines: columns::DEFINES.to_vec(),
                constants: constants.map(|(n, v)| (n, v as f64)).to_vec(),
                workgroups: fold_groups(pixels.div_ceil(64)),
                operands: vec![Operand::In(0), Operand::In(1), Operand::Out(0)],
            }],
        })
    }
}

impl Graph {
    /// The crop of each image that its parameters name, resized to `output` (height, width) and mirrored
    /// if they say so: `u8 [n, h w c]` -> `f32 [n, oh, ow, c]` in 0..1. `input` is height, width, channels.
    pub fn crop_resize(
        &mut self,
        images: Value,
        params: Value,
        input: [usize; 3],
        output: [usize; 2],
    ) -> Result<Value> {
        self.apply1(CropResize { input, output }, &[images, params])
    }

    /// `u8 [n, h w c]` -> `f32 [n, h, w, c]` in 0..1. `input` is height, width, channels.
    pub fn image_to_f32(&mut self, images: Value, input: [usize; 3]) -> Result<Value> {
        let [h, w, c] = input;
        let x = self.meta(images);
        if x.dtype != DType::U8 || x.shape.len() != 2 || x.shape[1] != h * w * c {
            let m = format!("wants images of {h} x {w} x {c} as u8[n, {}], got {x}", h * w * c);
            return Err(Error::shape("image_to_f32", m));
        }
        let n = x.shape[0];
        let scaled = self.scale(images, 1.0 / 255.0)?;
        self.reshape(scaled, [n, h, w, c])
    }
}
