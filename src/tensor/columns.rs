//! The layout of what happens to each image of a batch: a tensor `f32 [images, COUNT]`, whose columns are listed here once.
//! They are drawn by `data::augment` and done to the pixels by `ops::image`; shaders get their numbers from [`DEFINES`].

/// Defines the columns, and the list of them that shaders are assembled with.
macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident = $at:literal;)+) => {
        $($(#[$doc])* pub const $name: usize = $at;)+

        /// Names and numbers of the columns, and `COLUMNS`, how many numbers a row has.
        pub const DEFINES: &[(&str, u32)] = &[("COLUMNS", COUNT as u32), $((stringify!($name), $at)),+];
    };
}

/// Numbers of a row: one more than there are columns, which fills it up to 16 vec4.
pub const COUNT: usize = 64;
/// Retouches of an image, one after the other.
pub const SLOTS: usize = 5;
/// Columns of a retouch.
pub const SLOT_COLUMNS: usize = 7;

/// The first column of retouch number `slot`: what is done ([`retouches`]), and behind it its numbers.
///
/// # Panics
/// If there is no such slot.
pub const fn slot(slot: usize) -> usize {
    assert!(slot < SLOTS, "a row has as many retouches as it has slots");
    RETOUCH + SLOT_COLUMNS * slot
}

columns! {
    /// Upper edge of the crop, in pixels of the input; may be negative.
    CROP_Y = 0;
    /// Left edge of the crop.
    CROP_X = 1;
    /// Height of the crop, in pixels of the input; what lies outside of the input is 0.
    CROP_HEIGHT = 2;
    /// Width of the crop.
    CROP_WIDTH = 3;
    /// 1: mirror left and right, after cropping.
    FLIP = 4;
    /// Four columns: which adjustment is first, second, …: 0 brightness, 1 contrast, 2 saturation, 3 hue.
    JITTER_ORDER = 5;
    /// Brightness factor; neutral is 1.
    BRIGHTNESS = 9;
    /// Contrast factor; neutral is 1.
    CONTRAST = 10;
    /// Saturation factor; neutral is 1.
    SATURATION = 11;
    /// Hue shift in turns of the colour circle, -0.5..=0.5.
    HUE = 12;
    /// 1: replace the colours by their luma.
    GRAY = 13;
    /// Standard deviation of the blur in pixels of the output, 0 for none.
    BLUR = 14;
    /// 1: mirror top and bottom, after cropping.
    FLIP_Y = 15;
    /// Three columns: what is added to red, green and blue.
    LIGHT = 16;
    /// Upper edge of the box that is erased.
    ERASE_Y = 19;
    /// Left edge of the box that is erased.
    ERASE_X = 20;
    /// Height of the box that is erased, 0 for none.
    ERASE_HEIGHT = 21;
    /// Width of the box that is erased.
    ERASE_WIDTH = 22;
    /// Share of the image itself where it is mixed with the one before it in the batch; neutral is 1.
    MIX_SHARE = 23;
    /// Upper edge of the box that is taken from the other image.
    MIX_Y = 24;
    /// Left edge of that box.
    MIX_X = 25;
    /// Height of that box; 0 where all of both images is blended.
    MIX_HEIGHT = 26;
    /// Width of that box.
    MIX_WIDTH = 27;
    /// [`SLOTS`] times [`SLOT_COLUMNS`] columns: see [`slot`].
    RETOUCH = 28;
}

/// What is done in a slot, its first column. Its numbers: for [`WARP`](retouches::WARP) six, the first two rows of the
/// matrix that takes a pixel of the result, seen from the middle, to where it comes from; for the others one.
pub mod retouches {
    /// Defines the kinds, and the list of them that shaders are assembled with.
    macro_rules! kinds {
        ($($(#[$doc:meta])* $name:ident = $number:literal;)+) => {
            $($(#[$doc])* pub const $name: usize = $number;)+

            /// Names and numbers of the kinds.
            pub const DEFINES: &[(&str, u32)] = &[$((stringify!($name), $number)),+];
        };
    }

    kinds! {
        /// Nothing.
        KEEP = 0;
        /// Rotated, shifted, sheared.
        WARP = 1;
        /// Times a factor.
        BRIGHTER = 2;
        /// By a factor away from the pixel's luma.
        COLOURED = 3;
        /// By a factor away from the image's mean luma.
        CONTRASTED = 4;
        /// By a factor away from what the pixel's neighbourhood makes of it.
        SHARPENED = 5;
        /// Rounded down to so many levels.
        POSTERIZED = 6;
        /// What is at least so bright is inverted.
        SOLARIZED = 7;
        /// Each channel stretched over 0..1.
        STRETCHED = 8;
        /// Each channel's histogram made even.
        EQUALIZED = 9;
    }
}
