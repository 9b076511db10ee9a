//! Why bytes are not read as a picture, and what mends it.

use super::MOST_DECODED;
use crate::memory::TooMuch;
use std::fmt;

/// Why bytes are not read as a picture. Each kind has another remedy.
#[derive(Clone, PartialEq, Debug)]
pub enum PixelError {
    /// It is whole, but of a kind that is not read here; which one, with its article: "an AVIF picture".
    Unsupported(String),
    /// Its end is missing; where it breaks off.
    Truncated(String),
    /// It contradicts itself, or its format; how.
    Damaged(String),
    /// It is no picture at all, but this: "an HTML page".
    NotAnImage(String),
    /// It says that it has more pixels than are decoded.
    TooLarge {
        /// Height in pixels.
        h: u64,
        /// Width in pixels.
        w: u64,
        /// Bytes that it would take.
        bytes: u64,
    },
    /// There is not the memory to decode it.
    NoMemory(TooMuch),
}

impl PixelError {
    /// The error as a sentence. `keep` is what a user writes to take pictures that are cut short: a setting or a flag.
    pub fn sentence(&self, keep: &str) -> String {
        match self {
            PixelError::Unsupported(what) => format!("is {what}, which is unsupported: convert it to PNG"),
            PixelError::Truncated(what) => format!(
                "is cut short: {what}. Copy or download it again, or remove it; {keep} takes what there is of such pictures"
            ),
            PixelError::Damaged(what) => format!("is damaged ({what}): repair or remove it"),
            PixelError::NotAnImage(what) => {
                format!("is no picture: it is {what}. Remove it, or fetch the picture again")
            }
            PixelError::NoMemory(e) => format!(
                "takes {e} while it is decoded: shrink it, end other programs, or set RAYON_NUM_THREADS=1, so that fewer are \
                 decoded at once"
            ),
            PixelError::TooLarge { h, w, bytes } => format!(
                "says that it has {h}x{w} pixels (height x width), which are {} MiB, and at most {} are decoded: shrink it",
                bytes.div_ceil(1 << 20),
                MOST_DECODED >> 20
            ),
        }
    }
}

impl fmt::Display for PixelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence(KEEP_IN_RECIPES))
    }
}

/// How recipes are told to take pictures that are cut short.
const KEEP_IN_RECIPES: &str = "--set data.truncated=keep";

/// Whether an end of the data is what an error comes from, however deep.
pub(super) fn is_end_of_data(e: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(e);
    while let Some(e) = cause {
        if e.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::UnexpectedEof) {
            return true;
        }
        cause = e.source();
    }
    false
}
