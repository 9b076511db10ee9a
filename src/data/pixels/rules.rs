//! What a user decides about pictures that are not plain.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How pictures become pixels where there is more than one way.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PixelRules {
    /// What lies behind transparent pixels.
    pub background: Background,
    /// What becomes of a picture of which the end is missing.
    pub truncated: Truncated,
}

/// What transparent pixels are laid on. The colour that a file stores under them is not seen.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Background {
    /// As a sheet of paper, and as viewers and browsers mostly show them.
    #[default]
    White,
    /// For light shapes on nothing.
    Black,
}

impl fmt::Display for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Background::White { "white" } else { "black" })
    }
}

impl Background {
    /// Its level in every channel, from 0 to 255.
    pub fn level(self) -> u8 {
        match self {
            Background::White => 255,
            Background::Black => 0,
        }
    }

    /// The background of a level that [`Background::level`] gave.
    pub fn of_level(level: u8) -> Option<Background> {
        [Background::White, Background::Black].into_iter().find(|b| b.level() == level)
    }
}

/// What becomes of a picture of which the end is missing.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Truncated {
    /// It is an error that names the file.
    #[default]
    Stop,
    /// What is there is taken. Of a JPEG the rest is grey (or coarse, if its scans refine one another), of other formats
    /// black, or the background if they have transparency. A file of which no pixel is there stays an error, and so does
    /// one of a format that is given as a whole: WebP, binary PNM, and a TIFF in one strip.
    Keep,
}
