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

/// Whether bytes begin as those of an image do, read or not.
pub(crate) fn is_image_content(head: &[u8]) -> bool {
    let boxed = head.get(4..8) == Some(b"ftyp")
        && head.get(8..12).is_some_and(|brand| {
            [&b"heic"[..], b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis", b"jxl ", b"jp2 "].contains(&brand)
        });
    let magics: [&[u8]; 4] =
        [b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n", b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"];
    boxed || magics.iter().any(|m| head.starts_with(m)) || image::guess_format(head).is_ok()
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

    #[test]
    fn content_tells_images_too() {
        assert!(is_image_content(b"\0\0\0\x18ftypheic\0\0\0\0"));
        assert!(is_image_content(b"\xff\xd8\xff\xe0\0\x10JFIF\0"));
        assert!(!is_image_content(b"class,name\n1,cat\n"));
    }
}
