//! RandAugment, TrivialAugment and rotation: which retouch, and its numbers. Kinds, strengths and signs are those of
//! torchvision's `RandAugment` and `TrivialAugmentWide` (`transforms.v2`).

use crate::rng::Draws;
use crate::tensor::columns::retouches::*;
use crate::tensor::columns::{SLOT_COLUMNS, SLOTS, slot};

/// The slot of a rotation, behind those of a policy.
pub(crate) const ROTATION: usize = SLOTS - 1;
/// Retouches that a policy has at most.
pub(super) const MOST: usize = SLOTS - 1;

/// One of the fourteen kinds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Colour,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
}

use Kind::*;

/// In torchvision's order.
pub(super) const KINDS: [Kind; 14] = [
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Colour,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
];

/// How far the strongest retouch of each kind goes.
pub(super) struct Space {
    shear: f64,
    /// Pixels across and down.
    shift: [f64; 2],
    degrees: f64,
    /// Of brightness, colour, contrast and sharpness.
    factor: f64,
    /// Bits that are dropped.
    bits: f64,
}

impl Space {
    /// That of RandAugment, for images of `h` x `w`.
    pub fn rand([h, w]: [usize; 2]) -> Self {
        let shift = [w, h].map(|n| 150.0 / 331.0 * n as f64);
        Space { shear: 0.3, shift, degrees: 30.0, factor: 0.9, bits: 4.0 }
    }

    /// The wide one of TrivialAugment.
    pub fn wide() -> Self {
        Space { shear: 0.99, shift: [32.0; 2], degrees: 135.0, factor: 0.99, bits: 6.0 }
    }

    /// Columns of a kind at a share of its greatest strength, of an image of `h` x `w`; `sign` is 1 or -1, for the kinds that go
    /// both ways.
    pub fn columns(&self, kind: Kind, share: f64, sign: f64, extents: [usize; 2]) -> [f32; SLOT_COLUMNS] {
        let one = |kind: usize, amount: f64| [kind as f32, amount as f32, 0.0, 0.0, 0.0, 0.0, 0.0];
        let [h, w] = extents.map(|n| n as f64);
        let factor = 1.0 + sign * share * self.factor;
        // Shears leave the upper left corner where it is.
        let shear = sign * share * self.shear;
        // Whole pixels.
        let shift = self.shift.map(|most| (sign * share * most).trunc());
        match kind {
            Identity => one(KEEP, 0.0),
            ShearX => warp([1.0, shear, shear * h / 2.0, 0.0, 1.0, 0.0]),
            ShearY => warp([1.0, 0.0, 0.0, shear, 1.0, shear * w / 2.0]),
            TranslateX => warp([1.0, 0.0, -shift[0], 0.0, 1.0, 0.0]),
            TranslateY => warp([1.0, 0.0, 0.0, 0.0, 1.0, -shift[1]]),
            Rotate => turned(sign * share * self.degrees),
            Brightness => one(BRIGHTER, factor),
            Colour => one(COLOURED, factor),
            Contrast => one(CONTRASTED, factor),
            Sharpness => one(SHARPENED, factor),
            Posterize => one(POSTERIZED, libm::exp2(8.0 - (share * self.bits).round_ties_even())),
            Solarize => one(SOLARIZED, 1.0 - share),
            AutoContrast => one(STRETCHED, 0.0),
            Equalize => one(EQUALIZED, 0.0),
        }
    }

    /// Draws a kind and a sign, and puts them into slot `number` of a row.
    pub fn draw(&self, number: usize, share: f64, draws: &mut Draws, extents: [usize; 2], row: &mut [f32]) {
        let kind = KINDS[draws.below(KINDS.len() as u32) as usize];
        let sign = if draws.unit() < 0.5 { 1.0 } else { -1.0 };
        put(row, number, self.columns(kind, share, sign, extents));
    }
}

/// The strength of a number of `bins`, as a share of the greatest.
pub(super) fn strength(bin: u32, bins: u32) -> f64 {
    bin as f64 / (bins - 1) as f64
}

/// Puts columns into a slot of a row.
pub(super) fn put(row: &mut [f32], number: usize, columns: [f32; SLOT_COLUMNS]) {
    row[slot(number)..][..SLOT_COLUMNS].copy_from_slice(&columns);
}

/// Columns of a turn by so many degrees, counter-clockwise.
pub(super) fn turned(degrees: f64) -> [f32; SLOT_COLUMNS] {
    let (sin, cos) = libm::sincos(degrees.to_radians());
    warp([cos, -sin, 0.0, sin, cos, 0.0])
}

fn warp(matrix: [f64; 6]) -> [f32; SLOT_COLUMNS] {
    let mut columns = [WARP as f32; SLOT_COLUMNS];
    columns[1..].copy_from_slice(&matrix.map(|m| m as f32));
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{Device, Store};
    use crate::graph::{Graph, Meta};
    use crate::ops::image::Retouch;
    use crate::tensor::HostTensor;
    use crate::tensor::columns::{COUNT, ERASE_HEIGHT, ERASE_WIDTH, ERASE_X, ERASE_Y};
    use safetensors::SafeTensors;

    /// What torchvision made, by `tests/golden/augment_torchvision.py`.
    const MADE: &[u8] = include_bytes!("../../../tests/golden/augment_torchvision.safetensors");
    const H: usize = 13;
    const W: usize = 21;

    fn picture() -> Vec<f32> {
        (0..H * W * 3).map(|i| ((37 * i + i * i / 7) % 256) as f32 / 255.0).collect()
    }

    /// What the CPU device makes of a picture with this row.
    fn retouched(x: Vec<f32>, row: Vec<f32>, how: Option<Retouch>) -> Vec<f32> {
        let mut g = Graph::new();
        let image = g.input("x", Meta::f32([1, H, W, 3])).expect("a new name");
        let params = g.input("params", Meta::f32([1, COUNT])).expect("a new name");
        let y = match how {
            Some(how) => g.retouch(image, params, how),
            None => g.erase(image, params, -0.75),
        };
        g.output("y", y.expect("fits"));
        let mut store = Store::new(Device::Cpu);
        let mut program = store.load(g).expect("compiles");
        store.write("x", &HostTensor::from_f32([1, H, W, 3], x)).expect("fits");
        store.write("params", &HostTensor::from_f32([1, COUNT], row)).expect("fits");
        program.run(&[]).expect("runs");
        program.read("y").expect("an output").f32s().to_vec()
    }

    #[test]
    fn retouches_are_those_of_torchvision() {
        let made = SafeTensors::deserialize(MADE).expect("a safetensors file");
        let share = strength(19, 31);
        let space = Space::rand([H, W]);
        let squared = picture().iter().map(|v| v * v).collect::<Vec<f32>>();
        let pale = picture().iter().map(|v| 0.25 + 0.5 * v).collect::<Vec<f32>>();
        for (name, kind, bilinear, x) in [
            ("shear_x", ShearX, false, picture()),
            ("shear_x_bilinear", ShearX, true, picture()),
            ("shear_y", ShearY, false, picture()),
            ("translate_x", TranslateX, false, picture()),
            ("translate_y", TranslateY, false, picture()),
            ("rotate", Rotate, false, picture()),
            ("rotate_bilinear", Rotate, true, picture()),
            ("brightness", Brightness, false, picture()),
            ("color", Colour, false, picture()),
            ("contrast", Contrast, false, picture()),
            ("sharpness", Sharpness, false, picture()),
            ("posterize", Posterize, false, picture()),
            ("solarize", Solarize, false, picture()),
            ("autocontrast", AutoContrast, false, pale),
            ("equalize", Equalize, false, squared),
        ] {
            let mut row = vec![0.0; COUNT];
            put(&mut row, 2, space.columns(kind, share, -1.0, [H, W]));
            // Beyond the image lies 0, as where torchvision is given no fill; given one it darkens the edge twice.
            let got = retouched(x, row, Some(Retouch { slot: 2, colours: true, bilinear, fill: 0.0 }));
            // Its luma has 0.2989 of red where Rec. 601 and Pillow have 0.299; its places of turned pixels are good to 1e-5 or so.
            let bound = if [Colour, Contrast].contains(&kind) { 1e-4 } else { 2e-5 };
            assert_near(name, &got, &made, bound);
        }
        let mut row = vec![0.0; COUNT];
        for (column, v) in [(ERASE_Y, 3.0), (ERASE_X, 5.0), (ERASE_HEIGHT, 7.0), (ERASE_WIDTH, 11.0)] {
            row[column] = v;
        }
        assert_near("erase", &retouched(picture(), row, None), &made, 0.0);
    }

    fn assert_near(name: &str, got: &[f32], made: &SafeTensors<'_>, bound: f32) {
        let expected: Vec<f32> = bytemuck::pod_collect_to_vec(made.tensor(name).expect("made").data());
        assert_eq!(got.len(), expected.len());
        for (i, (g, e)) in got.iter().zip(&expected).enumerate() {
            assert!((g - e).abs() <= bound, "{name}, element {i}: {g} instead of {e}");
        }
    }
}
