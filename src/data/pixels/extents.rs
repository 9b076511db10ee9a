//! How large a picture is, without its pixels where its format says it.

use super::kind::Kind;
use super::{PixelError, PixelRules, Pixels, Truncated, jpeg, png};

impl Pixels {
    /// Height, width and channels (1 or 3) of what [`Pixels::decode`] gives.
    ///
    /// # Errors
    /// As [`Pixels::decode`], as far as it can be seen without decoding.
    pub(in crate::data) fn extents(bytes: &[u8], rules: &PixelRules) -> Result<[usize; 3], PixelError> {
        let decoded = || Pixels::decode(bytes, rules).map(|p| [p.h, p.w, p.c]);
        match Kind::of(bytes)? {
            Kind::Jpeg => Pixels::extents_of_jpeg(bytes, rules),
            Kind::Png => png::extents(bytes)?.map_or_else(decoded, Ok),
            _ => decoded(),
        }
    }

    fn extents_of_jpeg(bytes: &[u8], rules: &PixelRules) -> Result<[usize; 3], PixelError> {
        let found = jpeg::Structure::of(bytes)?;
        if let (Some(missing), Truncated::Stop) = (found.missing, rules.truncated) {
            return Err(PixelError::Truncated(missing));
        }
        let (h, w) = (found.h as usize, found.w as usize);
        let [h, w] = if found.orientation.to_exif() >= 5 { [w, h] } else { [h, w] };
        Ok([h, w, if found.components == 1 { 1 } else { 3 }])
    }
}
