//! What the end of a file's name says of it.

/// Endings of image files that are decoded. The format itself is seen from the content.
const READ: [&str; 20] = [
    "png", "apng", "jpg", "jpeg", "jfif", "jpe", "jif", "pjpeg", "pjp", "bmp", "dib", "gif", "webp", "tif", "tiff",
    "pnm", "pgm", "ppm", "pbm", "pam",
];

/// Endings of images that are known and not decoded.
const NOT_READ: [&str; 42] = [
    "heic", "heif", "hif", "avif", "avifs", "jxl", "jp2", "j2k", "jpf", "jpx", "jpm", "j2c", "jxr", "wdp", "svg",
    "svgz", "psd", "psb", "xcf", "ico", "cur", "icns", "tga", "qoi", "exr", "hdr", "dds", "pcx", "xpm", "xbm", "ras",
    "sgi", "dcm", "raw", "dng", "cr2", "cr3", "nef", "arw", "orf", "rw2", "raf",
];

/// What a file is by the end of its name.
#[derive(PartialEq, Debug)]
pub(crate) enum Ending {
    /// An image that is decoded.
    Image,
    /// An image that is not.
    UnreadImage,
    Other,
}

/// What a file is by the end of its name (lower case, without ".gz"), and that end with its dot.
pub(crate) fn ending_of(file_name: &str) -> (Ending, String) {
    let Some((_, end)) = file_name.rsplit_once('.') else { return (Ending::Other, "without ending".into()) };
    let kind = if READ.contains(&end) {
        Ending::Image
    } else if NOT_READ.contains(&end) {
        Ending::UnreadImage
    } else {
        Ending::Other
    };
    (kind, format!(".{end}"))
}

/// Whether a file of that name should be a picture that is read here.
pub fn is_picture_name(name: &str) -> bool {
    ending_of(&name.to_lowercase()).0 == Ending::Image
}

/// The endings that are read, for messages.
pub(crate) fn words_of_endings() -> String {
    READ.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_tell_images() {
        for (name, kind, end) in [
            ("a.jfif", Ending::Image, ".jfif"),
            ("a.b.png", Ending::Image, ".png"),
            ("img_1.heic", Ending::UnreadImage, ".heic"),
            ("notes.txt", Ending::Other, ".txt"),
            ("readme", Ending::Other, "without ending"),
        ] {
            assert_eq!(ending_of(name), (kind, end.to_string()));
        }
        assert!(READ.iter().all(|e| !NOT_READ.contains(e)));
    }
}
