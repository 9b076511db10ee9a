//! Augmentations: boxes that hang over the edge, mirrored, enlarged, shrunk; every order of colour
//! adjustments; every retouch, in every slot; erased boxes and mixed images; one and three channels.

use crate::graph::Value;
use crate::ops::image::Retouch;
use crate::ops::image::columns as col;
use crate::rng::Philox;
use crate::tensor::columns::retouches;
use crate::tensor::{DType, HostTensor};
use crate::verify::{Case, CaseSpec};

/// `n` rows of parameters: a box in or around `h` x `w`, everything else in the ranges of strong
/// augmentation. Every other row is neutral in colour, every third not blurred.
pub(super) fn params(n: usize, h: usize, w: usize, resized: bool) -> HostTensor {
    let p = Philox::new(3, (h * w + n) as u64);
    let orders = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]];
    let mut rows = vec![0.0; n * col::COUNT];
    for (i, row) in rows.chunks_exact_mut(col::COUNT).enumerate() {
        let mut k = 100 * i as u64;
        let mut uniform = |low: f32, high: f32| {
            k += 1;
            low + (high - low) * p.uniform(0, k)
        };
        let (box_h, box_w) = match resized {
            true => (uniform(1.0, h as f32 + 1.0).floor(), uniform(1.0, w as f32 + 1.0).floor()),
            false => (h as f32, w as f32),
        };
        // Resized boxes lie in the image, but for the last, which hangs over it.
        let over = if resized && i + 1 < n { 0.0 } else { 2.0 };
        row[col::CROP_HEIGHT] = box_h;
        row[col::CROP_WIDTH] = box_w;
        row[col::CROP_Y] = uniform(-over, h as f32 - box_h + 1.0 + over).floor();
        row[col::CROP_X] = uniform(-over, w as f32 - box_w + 1.0 + over).floor();
        row[col::FLIP] = (i % 2) as f32;
        row[col::FLIP_Y] = (i / 2 % 2) as f32;
        row[col::BRIGHTNESS..=col::SATURATION].fill(1.0);
        for (k, o) in orders[i % 4].iter().enumerate() {
            row[col::JITTER_ORDER + k] = *o as f32;
        }
        if i % 2 == 0 {
            row[col::BRIGHTNESS] = uniform(0.4, 1.6);
            row[col::CONTRAST] = uniform(0.0, 2.5);
            row[col::SATURATION] = uniform(0.2, 1.8);
            row[col::HUE] = uniform(-0.5, 0.5);
        }
        row[col::GRAY] = (i % 4 == 3) as u8 as f32;
        row[col::BLUR] = if i % 3 == 2 { 0.0 } else { uniform(0.1, 2.0) };
        row[col::LIGHT..][..3].fill_with(|| uniform(-0.2, 0.2));
        // Every third image keeps all of itself; boxes may hang over the edge and be empty.
        let boxes = [
            [col::ERASE_Y, col::ERASE_X, col::ERASE_HEIGHT, col::ERASE_WIDTH],
            [col::MIX_Y, col::MIX_X, col::MIX_HEIGHT, col::MIX_WIDTH],
        ];
        for (k, [y, x, height, width]) in boxes.into_iter().enumerate() {
            if !(i + k).is_multiple_of(3) {
                row[y] = uniform(0.0, h as f32).floor();
                row[x] = uniform(0.0, w as f32).floor();
                row[height] = uniform(0.0, h as f32).floor();
                row[width] = uniform(0.0, w as f32).floor();
            }
        }
        row[col::MIX_SHARE] = if i % 3 == 0 { 1.0 } else { uniform(0.0, 1.0) };
        for slot in 0..col::SLOTS {
            retouch(&mut row[col::slot(slot)..][..col::SLOT_COLUMNS], i + 3 * slot, &mut uniform);
        }
    }
    HostTensor::from_f32([n, col::COUNT], rows)
}

/// The columns of a slot: kind number `i` of them all, over again; turned, sheared and shifted if it is a warp.
fn retouch(slot: &mut [f32], i: usize, uniform: &mut impl FnMut(f32, f32) -> f32) {
    let kinds = retouches::DEFINES.len();
    slot[0] = (i % kinds) as f32;
    match i % kinds {
        retouches::WARP => slot[1..].fill_with(|| uniform(-1.2, 1.2)),
        retouches::POSTERIZED => slot[1] = [4.0, 16.0, 128.0][i / kinds % 3],
        // An edge that some of the numbers lie on.
        retouches::SOLARIZED => slot[1] = if (i / kinds).is_multiple_of(2) { 128.0 / 255.0 } else { uniform(0.0, 1.0) },
        _ => slot[1] = uniform(0.0, 2.0),
    }
}

/// Pixels in 0..1 as an input, in steps of 1/255 so that channels are equal now and then.
fn pixels(c: &mut Case, n: usize, h: usize, w: usize, channels: usize) -> crate::error::Result<Value> {
    let bytes = c.integers([n, h * w * channels], DType::U8, 256);
    c.graph.image_to_f32(bytes, [h, w, channels])
}

/// The cases of this family.
pub fn cases() -> Vec<CaseSpec> {
    let mut all = Vec::new();
    for [n, h, w, channels] in [[1, 1, 1, 1], [2, 5, 7, 3], [3, 8, 8, 1], [2, 6, 5, 2]] {
        all.push(CaseSpec::new("image_to_f32", format!("{n} of {h} x {w} x {channels}"), move |c| {
            let y = pixels(c, n, h, w, channels)?;
            c.keep(y)
        }));
    }
    // Images, height, width, channels, output height and width.
    let sizes = [
        [1, 1, 1, 1, 1, 1],
        [5, 8, 8, 3, 8, 8],
        [6, 9, 7, 3, 5, 11],
        [7, 12, 10, 1, 4, 3],
        [4, 5, 6, 3, 17, 13],
        [3, 6, 5, 2, 6, 5],
    ];
    for [n, h, w, channels, oh, ow] in sizes {
        for resized in [false, true] {
            let name = format!("{n} of {h} x {w} x {channels} to {oh} x {ow}, boxes of their own size: {resized}");
            all.push(CaseSpec::new("crop_resize", name, move |c| {
                let images = c.integers([n, h * w * channels], DType::U8, 256);
                let p = c.input(params(n, h, w, resized));
                let y = c.graph.crop_resize(images, p, [h, w, channels], [oh, ow])?;
                c.keep(y)
            }));
        }
    }
    for [n, h, w, channels] in [[1, 1, 1, 3], [8, 5, 7, 3], [9, 16, 12, 3], [5, 9, 8, 1], [2, 33, 40, 3]] {
        all.push(CaseSpec::new("color_jitter", format!("{n} of {h} x {w} x {channels}"), move |c| {
            let p = c.input(params(n, h, w, true));
            let x = pixels(c, n, h, w, channels)?;
            let y = c.graph.color_jitter(x, p)?;
            c.keep(y)
        }));
        all.push(CaseSpec::new("grayscale", format!("{n} of {h} x {w} x {channels}"), move |c| {
            let p = c.input(params(n, h, w, true));
            let x = pixels(c, n, h, w, channels)?;
            let y = c.graph.grayscale(x, p)?;
            c.keep(y)
        }));
    }
    // Ten kinds in an image each, at extents with and without an inside; 400 pixels are enough for an even histogram.
    for [n, h, w, channels] in [[1, 1, 1, 3], [10, 2, 7, 3], [12, 20, 21, 3], [10, 24, 19, 1]] {
        for (slot, bilinear) in [(0, false), (3, true)] {
            let name = format!("{n} of {h} x {w} x {channels}, slot {slot}, bilinear: {bilinear}");
            all.push(CaseSpec::new("retouch", name, move |c| {
                let p = c.input(params(n, h, w, true));
                let x = pixels(c, n, h, w, channels)?;
                let how = Retouch { slot, colours: true, bilinear, fill: if bilinear { 0.5 } else { 0.0 } };
                let y = c.graph.retouch(x, p, how)?;
                c.keep(y)
            }));
        }
    }
    for bilinear in [false, true] {
        let name = format!("warps alone, 10 of 9 x 6 x 2, bilinear: {bilinear}");
        all.push(CaseSpec::new("retouch", name, move |c| {
            let mut p = params(10, 9, 6, true);
            for row in p.f32s_mut().chunks_exact_mut(col::COUNT) {
                let kind = &mut row[col::slot(4)];
                *kind = if *kind == retouches::WARP as f32 { *kind } else { retouches::KEEP as f32 };
            }
            let p = c.input(p);
            let x = pixels(c, 10, 9, 6, 2)?;
            let y = c.graph.retouch(x, p, Retouch { slot: 4, colours: false, bilinear, fill: 0.25 })?;
            c.keep(y)
        }));
    }
    for [n, h, w, channels] in [[1, 1, 1, 1], [7, 9, 5, 3], [6, 8, 12, 2]] {
        all.push(CaseSpec::new("erase", format!("{n} of {h} x {w} x {channels}"), move |c| {
            let p = c.input(params(n, h, w, true));
            let x = c.random([n, h, w, channels]);
            let y = c.graph.erase(x, p, -0.75)?;
            c.keep(y)
        }));
        all.push(CaseSpec::new("mix_images", format!("{n} of {h} x {w} x {channels}"), move |c| {
            let p = c.input(params(n, h, w, true));
            let x = c.random([n, h, w, channels]);
            let y = c.graph.mix_images(x, p)?;
            c.keep(y)
        }));
    }
    all.push(CaseSpec::new("light", "three channels", move |c| {
        let p = c.input(params(4, 5, 6, true));
        let x = c.random([4, 5, 6, 3]);
        let y = c.graph.light(x, p)?;
        c.keep(y)
    }));
    all.push(CaseSpec::new("mix_labels", "five", move |c| {
        let p = c.input(params(5, 4, 4, true));
        let labels = c.integers([5], DType::U32, 10);
        let mixed = c.graph.mix_labels(labels, p)?;
        c.keep(mixed.other)?;
        c.keep(mixed.share)
    }));
    for [n, h, w, channels, radius] in [[3, 2, 2, 1, 1], [4, 9, 7, 3, 3], [3, 12, 20, 3, 11], [2, 5, 6, 33, 4]] {
        all.push(CaseSpec::new("gaussian_blur", format!("{n} of {h} x {w} x {channels}, radius {radius}"), move |c| {
            let p = c.input(params(n, h, w, true));
            let x = c.random([n, h, w, channels]);
            let y = c.graph.gaussian_blur(x, p, radius)?;
            c.keep(y)
        }));
    }
    all.push(CaseSpec::new("normalize", "three channels", move |c| {
        let x = c.random([2, 3, 4, 3]);
        let y = c.graph.normalize(x, &[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225])?;
        c.grad(y)
    }));
    all
}
