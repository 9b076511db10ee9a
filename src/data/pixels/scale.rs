//! Scaling: bilinear with antialiasing, in fixed point, the same on every instruction set.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

/// A rectangle of an image in pixels, which may begin and end between them.
pub(super) struct Part {
    pub top: f64,
    pub left: f64,
    pub h: f64,
    pub w: f64,
}

/// The `part` of an image of `h` x `w` pixels of `c` bytes, scaled to `to_h` x `to_w` pixels in `out`. What lies outside of
/// the part is not seen.
///
/// # Panics
/// If the part is not within the image, `c` is neither 1 nor 3, or a slice is not as long as its pixels.
pub(super) fn scale(
    resizer: &mut Resizer,
    from: (&[u8], [usize; 2]),
    c: usize,
    part: &Part,
    to: (&mut [u8], [usize; 2]),
) {
    // The type of a pixel is chosen here: for one that is only known to `resize`, all sixteen that it knows are compiled.
    match c {
        1 => scale_typed::<U8>(resizer, from, part, to),
        3 => scale_typed::<U8x3>(resizer, from, part, to),
        _ => panic!("pixels have 1 or 3 channels, not {c}"),
    }
}

fn scale_typed<P: PixelTrait>(
    resizer: &mut Resizer,
    (from, [h, w]): (&[u8], [usize; 2]),
    part: &Part,
    (out, [to_h, to_w]): (&mut [u8], [usize; 2]),
) {
    let from = TypedImageRef::<P>::from_buffer(w as u32, h as u32, from).expect("h * w pixels");
    let mut to = TypedImage::<P>::from_buffer(to_w as u32, to_h as u32, out).expect("to_h * to_w pixels");
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .crop(part.left, part.top, part.w, part.h)
        .use_alpha(false);
    resizer.resize_typed(&from, &mut to, &options).expect("the part is within the image");
}
