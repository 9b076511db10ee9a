// Columns of the parameter rows, as src/ops/image/mod.rs names them.
const COLUMNS = 16u;
const CROP_Y = 0u;
const CROP_X = 1u;
const CROP_HEIGHT = 2u;
const CROP_WIDTH = 3u;
const FLIP = 4u;
const JITTER_ORDER = 5u;
const BRIGHTNESS = 9u;
const CONTRAST = 10u;
const SATURATION = 11u;
const HUE = 12u;
const GRAY = 13u;
const BLUR = 14u;
