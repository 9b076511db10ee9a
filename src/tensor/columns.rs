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

/// Numbers of a row: one more than there are columns, which fills it up to four vec4.
pub const COUNT: usize = 16;

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
}
