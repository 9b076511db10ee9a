//! The parameters of every image.
//!
//! Image `first + i` of the epoch owns the sixteen Philox blocks from `16 * (first + i)` on in the stream of its view, with the
//! epoch as step; crop, flip, jitter, greyscale and blur begin at blocks 0, 8, 9, 12 and 13 of them. The rest has 32
//! blocks in a second stream: policy, rotation, lighting, vertical flip and erasing begin at 0, 8, 9, 10 and 16. So a
//! row does not depend on the batch size, and switching one part on leaves the draws of the others as they were. What mixes
//! images is drawn once a batch, by the number of its first image, in a third stream.

use super::policy::{ROTATION, Space, put, strength, turned};
use super::{AugmentSpec, ColorJitter, Erasing, PadCrop, RandomResizedCrop, mixing};
use crate::rng::{Draws, Philox, streams};
use crate::tensor::columns::*;

/// Eigenvalues of the covariance of ImageNet's colours in 0..1, and its eigenvectors as columns (from the code of
/// fb.resnet.torch, which AlexNet's colour noise is usually taken from).
const COLOUR_VALUES: [f64; 3] = [0.2175, 0.0188, 0.0045];
const COLOUR_VECTORS: [[f64; 3]; 3] =
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]];

/// Draws the parameters of one view of the images of a run.
#[derive(Clone, Debug)]
pub struct Sampler {
    spec: AugmentSpec,
    first_stream: Philox,
    second_stream: Philox,
    mixing: Philox,
}

/// Which image a row is for.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The epoch.
    pub epoch: u64,
    /// The image's number in the epoch.
    pub number: u64,
    /// The number of the first image of its batch.
    pub batch: u64,
}

impl Sampler {
    /// For view number `view` of a run of this seed; `spec` is expected to be valid ([`AugmentSpec::validate`]).
    pub fn new(spec: &AugmentSpec, seed: u64, view: u64) -> Self {
        let stream = |stream: u64| Philox::new(seed, stream + view);
        Sampler {
            spec: spec.clone(),
            first_stream: stream(streams::AUGMENT),
            second_stream: stream(streams::AUGMENT_MORE),
            mixing: stream(streams::MIX),
        }
    }

    /// How the view is made.
    pub fn spec(&self) -> &AugmentSpec {
        &self.spec
    }

    /// Rows of [`COUNT`] numbers for the batch of images of `h` x `w` that begins with number `first` of `epoch`.
    pub fn batch(&self, epoch: u64, first: u64, extents: [usize; 2], rows: &mut [f32]) {
        let to = self.spec.output_size(extents[0], extents[1]);
        for (i, row) in rows.chunks_exact_mut(COUNT).enumerate() {
            self.row(Place { epoch, number: first + i as u64, batch: first }, extents, to, row);
        }
    }

    /// The row of one image of `h` x `w` pixels, of which `to` come out.
    pub fn row(&self, place: Place, [h, w]: [usize; 2], to: [usize; 2], row: &mut [f32]) {
        let spec = &self.spec;
        let draws = |block: u64| self.first_stream.draws(place.epoch, 16 * place.number + block);
        row.copy_from_slice(&neutral(h, w));
        if let Some(crop) = &spec.random_resized_crop {
            row[..4].copy_from_slice(&resized_crop(crop, &mut draws(0), h, w));
        } else if let Some(PadCrop { padding }) = spec.pad_crop {
            let mut d = draws(0);
            let mut offset = || d.below(2 * padding as u32 + 1) as f32 - padding as f32;
            (row[CROP_Y], row[CROP_X]) = (offset(), offset());
        }
        if let Some(flip) = &spec.flip {
            row[FLIP] = happens(flip.p, &mut draws(8)) as u32 as f32;
        }
        if let Some(j) = &spec.color_jitter {
            let mut d = draws(9);
            if happens(j.p, &mut d) {
                jitter(j, &mut d, row);
            }
        }
        if let Some(gray) = &spec.grayscale {
            row[GRAY] = happens(gray.p, &mut draws(12)) as u32 as f32;
        }
        if let Some(blur) = &spec.gaussian_blur {
            let mut d = draws(13);
            if happens(blur.p, &mut d) {
                row[BLUR] = d.between(blur.sigma[0], blur.sigma[1]);
            }
        }
        self.more(place, to, row);
    }

    /// What has its draws in the second stream and in that of mixing.
    fn more(&self, place: Place, to: [usize; 2], row: &mut [f32]) {
        let spec = &self.spec;
        let draws = |block: u64| self.second_stream.draws(place.epoch, 32 * place.number + block);
        if let Some(policy) = &spec.rand_augment {
            let (space, share) = (Space::rand(to), strength(policy.magnitude, policy.num_magnitude_bins));
            let mut d = draws(0);
            (0..policy.num_ops).for_each(|slot| space.draw(slot, share, &mut d, to, row));
        } else if let Some(policy) = &spec.trivial_augment {
            let mut d = draws(0);
            let bin = d.below(policy.num_magnitude_bins);
            Space::wide().draw(0, strength(bin, policy.num_magnitude_bins), &mut d, to, row);
        }
        if let Some(rotation) = &spec.rotation {
            let mut d = draws(8);
            if happens(rotation.p, &mut d) {
                put(row, ROTATION, turned(d.between(-rotation.degrees, rotation.degrees) as f64));
            }
        }
        if let Some(lighting) = &spec.lighting {
            let index = 4 * (32 * place.number + 9);
            let factors: [f64; 3] = std::array::from_fn(|k| {
                let normal = self.second_stream.normal(place.epoch, index + k as u64);
                (lighting.std * normal) as f64 * COLOUR_VALUES[k]
            });
            for (column, vectors) in row[LIGHT..][..3].iter_mut().zip(COLOUR_VECTORS) {
                *column = vectors.iter().zip(factors).map(|(v, f)| v * f).sum::<f64>() as f32;
            }
        }
        if let Some(flip) = &spec.vertical_flip {
            row[FLIP_Y] = happens(flip.p, &mut draws(10)) as u32 as f32;
        }
        if let Some(erasing) = &spec.erasing {
            let mut d = draws(16);
            if happens(erasing.p, &mut d) {
                row[ERASE_Y..=ERASE_WIDTH].copy_from_slice(&erased(erasing, &mut d, to));
            }
        }
        if spec.mixes() {
            mixing::mix(spec, &mut self.mixing.draws(place.epoch, 64 * place.batch), to, row);
        }
    }
}

fn happens(p: f32, draws: &mut Draws) -> bool {
    draws.unit() < p
}

/// The crop of a row, and the row made to leave as it is what the crop gives, of `h` x `w` pixels: for crops that are made
/// before an image comes to the device.
pub(in crate::data) fn take_crop(row: &mut [f32], [h, w]: [usize; 2]) -> [usize; 4] {
    let crop = [CROP_Y, CROP_X, CROP_HEIGHT, CROP_WIDTH].map(|column| row[column] as usize);
    row[..4].copy_from_slice(&neutral(h, w)[..4]);
    crop
}

/// The row that leaves an image as it is.
fn neutral(h: usize, w: usize) -> [f32; COUNT] {
    let mut row = [0.0; COUNT];
    (row[CROP_HEIGHT], row[CROP_WIDTH]) = (h as f32, w as f32);
    for (i, order) in row[JITTER_ORDER..][..4].iter_mut().enumerate() {
        *order = i as f32;
    }
    row[BRIGHTNESS..=SATURATION].fill(1.0);
    row[MIX_SHARE] = 1.0;
    row
}

/// Box (y, x, height, width) by the rule of torchvision's `RandomResizedCrop.get_params`: area uniform, aspect ratio
/// uniform in its logarithm, sides rounded; ten tries for a box that fits, then the largest box of a ratio in range,
/// from the centre.
fn resized_crop(crop: &RandomResizedCrop, draws: &mut Draws, h: usize, w: usize) -> [f32; 4] {
    let [low, high] = crop.ratio.map(|r| r as f64);
    let (log_low, log_high) = (libm::log(low), libm::log(high));
    for _ in 0..10 {
        let area = (h * w) as f64 * draws.between(crop.scale[0], crop.scale[1]) as f64;
        let ratio = libm::exp(log_low + (log_high - log_low) * draws.unit() as f64);
        let box_w = libm::sqrt(area * ratio).round_ties_even() as usize;
        let box_h = libm::sqrt(area / ratio).round_ties_even() as usize;
        if (1..=w).contains(&box_w) && (1..=h).contains(&box_h) {
            let y = draws.below((h - box_h + 1) as u32);
            let x = draws.below((w - box_w + 1) as u32);
            return [y as f32, x as f32, box_h as f32, box_w as f32];
        }
    }
    let own = w as f64 / h as f64;
    let (box_h, box_w) = if own < low {
        ((w as f64 / low).round_ties_even() as usize, w)
    } else if own > high {
        (h, (h as f64 * high).round_ties_even() as usize)
    } else {
        (h, w)
    };
    // Rounding keeps at least one pixel.
    let (box_h, box_w) = (box_h.clamp(1, h), box_w.clamp(1, w));
    [((h - box_h) / 2) as f32, ((w - box_w) / 2) as f32, box_h as f32, box_w as f32]
}

/// Order and factors by the rule of torchvision's `ColorJitter.get_params`.
fn jitter(j: &ColorJitter, draws: &mut Draws, row: &mut [f32]) {
    for i in (1..4).rev() {
        row.swap(JITTER_ORDER + i, JITTER_ORDER + draws.below(i as u32 + 1) as usize);
    }
    let mut factor = |s: f32| draws.between((1.0 - s).max(0.0), 1.0 + s);
    row[BRIGHTNESS] = factor(j.brightness);
    row[CONTRAST] = factor(j.contrast);
    row[SATURATION] = factor(j.saturation);
    row[HUE] = draws.between(-j.hue, j.hue);
}

/// Box (y, x, height, width) by the rule of torchvision's `RandomErasing.get_params`: as for a crop, but the box leaves
/// something of either side; none (of height 0) where ten tries give none.
fn erased(erasing: &Erasing, draws: &mut Draws, [h, w]: [usize; 2]) -> [f32; 4] {
    let [log_low, log_high] = erasing.ratio.map(|r| libm::log(r as f64));
    for _ in 0..10 {
        let area = (h * w) as f64 * draws.between(erasing.scale[0], erasing.scale[1]) as f64;
        let ratio = libm::exp(log_low + (log_high - log_low) * draws.unit() as f64);
        let box_h = libm::sqrt(area * ratio).round_ties_even() as usize;
        let box_w = libm::sqrt(area / ratio).round_ties_even() as usize;
        let (y, x) = (draws.word(), draws.word());
        if box_h < h && box_w < w {
            let [y, x] = [crate::rng::below(y, (h - box_h + 1) as u32), crate::rng::below(x, (w - box_w + 1) as u32)];
            return [y as f32, x as f32, box_h as f32, box_w as f32];
        }
    }
    [0.0; 4]
}

#[cfg(test)]
mod tests {
    use super::super::{Flip, GaussianBlur, Grayscale, Lighting, Mixing, RandAugment, Rotation, TrivialAugment};
    use super::*;

    const N: usize = 4000;

    fn full() -> AugmentSpec {
        AugmentSpec {
            random_resized_crop: Some(RandomResizedCrop {
                scale: [0.2, 1.0],
                size: Some([8, 8]),
                ..Default::default()
            }),
            flip: Some(Flip::default()),
            color_jitter: Some(ColorJitter { brightness: 0.4, contrast: 1.5, saturation: 0.4, hue: 0.1, p: 0.8 }),
            grayscale: Some(Grayscale::default()),
            gaussian_blur: Some(GaussianBlur::default()),
            ..Default::default()
        }
    }

    fn sample(spec: &AugmentSpec, epoch: u64, first: u64, n: usize, h: usize, w: usize) -> Vec<f32> {
        let mut rows = vec![0.0; n * COUNT];
        Sampler::new(spec, 17, 0).batch(epoch, first, [h, w], &mut rows);
        rows
    }

    fn rows(spec: &AugmentSpec, h: usize, w: usize) -> Vec<Vec<f32>> {
        sample(spec, 1, 0, N, h, w).chunks(COUNT).map(<[f32]>::to_vec).collect()
    }

    /// Share of rows for which `test` holds, with a tolerance of five standard errors around `p`.
    fn assert_share(rows: &[Vec<f32>], p: f64, test: impl Fn(&[f32]) -> bool) {
        let share = rows.iter().filter(|r| test(r)).count() as f64 / rows.len() as f64;
        let bound = 5.0 * (p * (1.0 - p) / rows.len() as f64).sqrt();
        assert!((share - p).abs() < bound, "{share} instead of {p} +- {bound}");
    }

    #[test]
    fn nothing_asked_for_gives_neutral_rows() {
        let row = &rows(&AugmentSpec::default(), 30, 40)[7];
        let mut expected = [0.0; COUNT];
        expected[..16].copy_from_slice(&[0., 0., 30., 40., 0., 0., 1., 2., 3., 1., 1., 1., 0., 0., 0., 0.]);
        expected[MIX_SHARE] = 1.0;
        assert_eq!(row[..], expected);
    }

    #[test]
    fn crops_fit_and_follow_scale_and_ratio() {
        let spec = full();
        let rows = rows(&spec, 320, 320);
        for r in &rows {
            let [y, x, h, w] = [r[CROP_Y], r[CROP_X], r[CROP_HEIGHT], r[CROP_WIDTH]];
            assert!(y >= 0.0 && x >= 0.0 && y + h <= 320.0 && x + w <= 320.0 && h >= 1.0 && w >= 1.0);
            // Sides are rounded by at most half a pixel of about 100 at least.
            let (area, ratio) = (h * w / (320.0 * 320.0), w / h);
            assert!((0.19..=1.0).contains(&area) && (0.74..=1.35).contains(&ratio), "{area} {ratio}");
        }
        // Below area 0.5 a box of every ratio in 3/4..4/3 fits, so within 0.2..0.5 the area stays uniform:
        // as many boxes below 0.35 as above.
        let small: Vec<Vec<f32>> =
            rows.into_iter().filter(|r| r[CROP_HEIGHT] * r[CROP_WIDTH] < 0.5 * 320.0 * 320.0).collect();
        assert_share(&small, 0.5, |r| r[CROP_HEIGHT] * r[CROP_WIDTH] < 0.35 * 320.0 * 320.0);
        assert_share(&small, 0.5, |r| r[CROP_WIDTH] > r[CROP_HEIGHT]);
        assert_eq!(spec.output_size(320, 320), [8, 8]);
    }

    #[test]
    fn crops_that_never_fit_come_from_the_centre() {
        // Square boxes of the whole area do not fit into 10 x 40, nor those of four times the area into anything.
        let crop = |scale, ratio| AugmentSpec {
            random_resized_crop: Some(RandomResizedCrop { scale, ratio, size: None }),
            ..Default::default()
        };
        let wide = rows(&crop([1.0, 1.0], [1.0, 1.0]), 10, 40);
        assert!(wide.iter().all(|r| r[..4] == [0.0, 15.0, 10.0, 10.0]));
        let tall = rows(&crop([1.0, 1.0], [1.0, 1.0]), 40, 10);
        assert!(tall.iter().all(|r| r[..4] == [15.0, 0.0, 10.0, 10.0]));
        let huge = rows(&crop([4.0, 4.0], [0.75, 1.3]), 20, 20);
        assert!(huge.iter().all(|r| r[..4] == [0.0, 0.0, 20.0, 20.0]));
    }

    #[test]
    fn padded_crops_reach_every_offset_evenly() {
        let spec = AugmentSpec { pad_crop: Some(PadCrop { padding: 2 }), ..Default::default() };
        let rows = rows(&spec, 28, 28);
        for y in -2..=2 {
            assert_share(&rows, 0.2, |r| r[CROP_Y] == y as f32);
            assert_share(&rows, 0.2, |r| r[CROP_X] == y as f32);
        }
        assert_share(&rows, 0.04, |r| r[CROP_Y] == -2.0 && r[CROP_X] == 2.0);
        assert!(rows.iter().all(|r| r[CROP_HEIGHT] == 28.0 && r[CROP_WIDTH] == 28.0));
    }

    #[test]
    fn jitter_flip_gray_and_blur_have_their_ranges_and_probabilities() {
        let rows = rows(&full(), 32, 32);
        assert_share(&rows, 0.5, |r| r[FLIP] == 1.0);
        assert_share(&rows, 0.2, |r| r[GRAY] == 1.0);
        assert_share(&rows, 0.5, |r| r[BLUR] > 0.0);
        assert_share(&rows, 0.8, |r| r[BRIGHTNESS] != 1.0);
        let within = |column: usize, low: f32, high: f32| {
            assert!(rows.iter().all(|r| (low..=high).contains(&r[column])), "column {column}");
            let middle = (low + high) / 2.0;
            let touched: Vec<Vec<f32>> = rows.iter().filter(|r| r[BRIGHTNESS] != 1.0).cloned().collect();
            assert_share(&touched, 0.5, |r| r[column] < middle);
        };
        within(BRIGHTNESS, 0.6, 1.4);
        within(CONTRAST, 0.0, 2.5);
        within(SATURATION, 0.6, 1.4);
        within(HUE, -0.1, 0.1);
        assert!(rows.iter().all(|r| r[BLUR] == 0.0 || (0.1..=2.0).contains(&r[BLUR])));
        let touched: Vec<Vec<f32>> = rows.into_iter().filter(|r| r[BRIGHTNESS] != 1.0).collect();
        for operation in 0..4 {
            assert_share(&touched, 0.25, |r| r[JITTER_ORDER] == operation as f32);
            assert_share(&touched, 0.25, |r| r[JITTER_ORDER + 3] == operation as f32);
        }
        for r in &touched {
            let mut order = r[JITTER_ORDER..][..4].to_vec();
            order.sort_by(f32::total_cmp);
            assert_eq!(order, [0.0, 1.0, 2.0, 3.0]);
        }
    }

    #[test]
    fn rows_depend_on_place_epoch_and_part_only() {
        let all = sample(&full(), 2, 0, 20, 32, 32);
        let later = sample(&full(), 2, 13, 7, 32, 32);
        assert_eq!(all[13 * COUNT..], later);
        assert_ne!(all, sample(&full(), 3, 0, 20, 32, 32));
        // Without blur and jitter everything else stays.
        let less = AugmentSpec { gaussian_blur: None, color_jitter: None, ..full() };
        let less = sample(&less, 2, 0, 20, 32, 32);
        for (a, b) in all.chunks(COUNT).zip(less.chunks(COUNT)) {
            assert_eq!((&a[..5], a[GRAY]), (&b[..5], b[GRAY]));
        }
    }

    #[test]
    fn policies_draw_every_kind_with_its_strength() {
        let policy = RandAugment { num_ops: 3, magnitude: 15, ..Default::default() };
        let rows = rows(&AugmentSpec { rand_augment: Some(policy), ..Default::default() }, 331, 662);
        let kinds = rows.iter().flat_map(|r| (0..3).map(|s| r[slot(s)..][..SLOT_COLUMNS].to_vec()));
        let drawn: Vec<Vec<f32>> = kinds.collect();
        // Identity; five warps; eight of their own kind.
        for (kind, of_14) in [(retouches::KEEP, 1.0), (retouches::WARP, 5.0), (retouches::SHARPENED, 1.0)] {
            assert_share(&drawn, of_14 / 14.0, |d| d[0] == kind as f32);
        }
        let amounts = |kind: usize| drawn.iter().filter(move |d| d[0] == kind as f32).map(|d| d[1]);
        // Half of 0.9, either way; half of the four bits that may go; half of the way down.
        assert!(amounts(retouches::BRIGHTER).all(|a| a == 1.45 || a == 0.55));
        assert!(amounts(retouches::BRIGHTER).any(|a| a == 1.45) && amounts(retouches::BRIGHTER).any(|a| a == 0.55));
        assert!(amounts(retouches::POSTERIZED).all(|a| a == 64.0) && amounts(retouches::SOLARIZED).all(|a| a == 0.5));
        // A shift of half of 150 of 331 pixels: 150 across, 75 down.
        let shifted = |x: f32, y: f32| drawn.iter().any(|d| d[..] == [1.0, 1.0, 0.0, x, 0.0, 1.0, y]);
        assert!(shifted(150.0, 0.0) && shifted(-150.0, 0.0) && shifted(0.0, 75.0) && shifted(0.0, -75.0));
        assert!(rows.iter().all(|r| r[slot(3)..].iter().all(|v| *v == 0.0)));

        let trivial = AugmentSpec { trivial_augment: Some(TrivialAugment::default()), ..Default::default() };
        let rows = super::tests::rows(&trivial, 32, 32);
        let factors: Vec<Vec<f32>> =
            rows.iter().filter(|r| r[slot(0)] == retouches::BRIGHTER as f32).map(|r| vec![r[slot(0) + 1]]).collect();
        assert!(factors.iter().all(|f| (0.01..=1.99).contains(&f[0])));
        assert_share(&factors, 0.5, |f| (f[0] - 1.0).abs() < 0.495);
    }

    #[test]
    fn turns_light_and_erased_boxes_have_their_ranges() {
        let spec = AugmentSpec {
            vertical_flip: Some(Flip { p: 0.25 }),
            rotation: Some(Rotation { degrees: 30.0, p: 0.5, ..Default::default() }),
            lighting: Some(Lighting { std: 0.1 }),
            erasing: Some(Erasing { p: 0.75, ..Default::default() }),
            ..Default::default()
        };
        let rows = rows(&spec, 100, 100);
        assert_share(&rows, 0.25, |r| r[FLIP_Y] == 1.0);
        let turned: Vec<Vec<f32>> = rows.iter().filter(|r| r[slot(ROTATION)] != 0.0).cloned().collect();
        assert_share(&rows, 0.5, |r| r[slot(ROTATION)] == retouches::WARP as f32);
        // The sine, from -1/2 to 1/2; half of the turns are of less than 15 degrees.
        assert!(turned.iter().all(|r| r[slot(ROTATION) + 4].abs() < 0.50001));
        assert_share(&turned, 0.5, |r| r[slot(ROTATION) + 4].abs() < 0.258_819);
        // Along the first component all three go the same way, mostly.
        let same = rows.iter().filter(|r| r[LIGHT] * r[LIGHT + 1] > 0.0 && r[LIGHT] * r[LIGHT + 2] > 0.0).count();
        assert!(same * 10 > 9 * N, "{same}");
        let red = rows.iter().map(|r| (r[LIGHT] as f64).powi(2)).sum::<f64>() / N as f64;
        let variance: f64 = (0..3).map(|k| (0.1 * COLOUR_VALUES[k] * COLOUR_VECTORS[0][k]).powi(2)).sum();
        assert!((red / variance - 1.0).abs() < 5.0 * (2.0 / N as f64).sqrt(), "{red} {variance}");
        let boxes: Vec<Vec<f32>> = rows.iter().filter(|r| r[ERASE_HEIGHT] > 0.0).cloned().collect();
        assert_share(&rows, 0.75, |r| r[ERASE_HEIGHT] > 0.0);
        for r in &boxes {
            let [y, x, h, w] = [r[ERASE_Y], r[ERASE_X], r[ERASE_HEIGHT], r[ERASE_WIDTH]];
            assert!(y >= 0.0 && x >= 0.0 && y + h <= 100.0 && x + w <= 100.0, "{r:?}");
            // Sides are rounded by at most half a pixel of at least 7.
            assert!((0.018..0.345).contains(&(h * w / 1e4)) && (0.27..3.6).contains(&(h / w)), "{h} {w}");
        }
    }

    #[test]
    fn a_batch_is_mixed_as_one() {
        let both = AugmentSpec {
            mixup: Some(Mixing { alpha: 1.0, p: 0.5 }),
            cutmix: Some(Mixing::default()),
            ..Default::default()
        };
        let batches: Vec<Vec<f32>> = (0..2000).map(|i| sample(&both, 0, 4 * i, 4, 20, 30)).collect();
        let first: Vec<Vec<f32>> = batches
            .iter()
            .map(|rows| {
                let of = |row: &[f32]| row[MIX_SHARE..=MIX_WIDTH].to_vec();
                assert!(rows.chunks(COUNT).all(|row| of(row) == of(rows)));
                rows[..COUNT].to_vec()
            })
            .collect();
        // A box in half of them, but for those of no area; no mixing in a quarter.
        let blended: Vec<Vec<f32>> =
            first.iter().filter(|r| r[MIX_HEIGHT] == 0.0 && r[MIX_SHARE] < 1.0).cloned().collect();
        assert_share(&first, 0.25, |r| r[MIX_HEIGHT] == 0.0 && r[MIX_SHARE] < 1.0);
        assert_share(&blended, 0.5, |r| r[MIX_SHARE] < 0.5);
        for r in first.iter().filter(|r| r[MIX_HEIGHT] > 0.0) {
            assert!(r[MIX_Y] + r[MIX_HEIGHT] <= 20.0 && r[MIX_X] + r[MIX_WIDTH] <= 30.0, "{r:?}");
            assert_eq!(r[MIX_SHARE], (1.0 - (r[MIX_HEIGHT] * r[MIX_WIDTH]) as f64 / 600.0) as f32);
        }
        assert!(first.iter().filter(|r| r[MIX_HEIGHT] > 0.0).count() > 800);
    }
}
