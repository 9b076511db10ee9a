//! What bytes are, seen from the bytes: names lie.

use super::PixelError;

/// Formats that are read.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Kind {
    Jpeg,
    Png,
    Gif,
    Bmp,
    WebP,
    Tiff,
    Pnm,
}

impl Kind {
    /// The format of a file.
    ///
    /// # Errors
    /// Naming what it is instead.
    pub fn of(bytes: &[u8]) -> Result<Kind, PixelError> {
        let starts = |magic: &[u8]| bytes.starts_with(magic);
        if starts(b"\xff\xd8\xff") {
            return Ok(Kind::Jpeg);
        }
        if starts(b"\x89PNG\r\n\x1a\n") {
            return Ok(Kind::Png);
        }
        if starts(b"GIF87a") || starts(b"GIF89a") {
            return Ok(Kind::Gif);
        }
        if starts(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            return Ok(Kind::WebP);
        }
        // 42 is TIFF, 43 BigTIFF.
        if [&b"II*\0"[..], b"MM\0*", b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0"].iter().any(|m| starts(m)) {
            return Ok(Kind::Tiff);
        }
        // A file header of 14 bytes, then the length of the next header, the shortest of which has 12.
        if starts(b"BM") && bytes.get(14..18).is_some_and(|n| (12..=200).contains(&le32(n))) {
            return Ok(Kind::Bmp);
        }
        if matches!(bytes, [b'P', b'1'..=b'7', b'\t' | b'\n' | b'\r' | b' ' | b'#', ..]) {
            return Ok(Kind::Pnm);
        }
        Err(match unread(bytes) {
            Some(what) => PixelError::Unsupported(what.into()),
            None => PixelError::NotAnImage(other(bytes)),
        })
    }
}

fn le32(b: &[u8]) -> u32 {
    u32::from_le_bytes([b[0], b[1], b[2], b[3]])
}

/// How pictures begin that are not read here.
const UNREAD: &[(usize, &[u8], &str)] = &[
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 codestream"),
    (0, b"II\xbc", "a JPEG XR picture"),
    (0, b"8BPS", "a Photoshop document (PSD)"),
    (0, b"icns", "an Apple icon (ICNS)"),
    (0, b"DDS ", "a DirectDraw surface (DDS)"),
    (0, b"\xabKTX", "a KTX texture"),
    (0, b"qoif", "a QOI picture"),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (0, b"#?RADIANCE", "a Radiance HDR picture"),
    (0, b"#?RGBE", "a Radiance HDR picture"),
    (0, b"PF\n", "a PFM picture of floats"),
    (0, b"Pf\n", "a PFM picture of floats"),
    (0, b"farbfeld", "a farbfeld picture"),
    (0, b"gimp xcf", "a GIMP document (XCF)"),
    (0, b"SIMPLE  =", "a FITS picture"),
    (128, b"DICM", "a DICOM picture"),
    (0, b"\x01\xda", "an SGI picture"),
    (0, b"\x59\xa6\x6a\x95", "a Sun raster picture"),
    (0, b"\x0a\x05\x01", "a PCX picture"),
    (0, b"FLIF", "a FLIF picture"),
    (0, b"BPG\xfb", "a BPG picture"),
    (0, b"\x8aMNG", "an MNG animation"),
    (0, b"\x8bJNG", "a JNG picture"),
    (0, b"FUJIFILMCCD-RAW", "a camera's raw picture (RAF)"),
    (0, b"IIRO", "a camera's raw picture (ORF)"),
    (0, b"IIRS", "a camera's raw picture (ORF)"),
    (0, b"IIU\0", "a camera's raw picture (RW2)"),
    (0, b"\xd7\xcd\xc6\x9a", "a Windows metafile (WMF)"),
];

/// What a picture is that is not read here.
fn unread(bytes: &[u8]) -> Option<&'static str> {
    let at = |(offset, magic, _): &&(usize, &[u8], &str)| bytes.get(*offset..).is_some_and(|b| b.starts_with(magic));
    if let Some((.., what)) = UNREAD.iter().find(at) {
        return Some(what);
    }
    if let Some(what) = of_media_file(bytes).or_else(|| of_windows(bytes)).or_else(|| of_targa(bytes)) {
        return Some(what);
    }
    let text = beginning(bytes);
    text.contains("<svg").then_some("an SVG drawing")
}

/// An icon or cursor of Windows: zero, the kind, and how many pictures there are. Of a TGA the last is zero.
fn of_windows(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0, 0, 1 | 2, 0, 0, 0, ..] => None,
        [0, 0, 1, 0, _, _, ..] => Some("a Windows icon (ICO)"),
        [0, 0, 2, 0, _, _, ..] => Some("a Windows cursor (CUR)"),
        _ => None,
    }
}

/// A TGA, which has no signature at its begin, by fields of its header that go together.
fn of_targa(bytes: &[u8]) -> Option<&'static str> {
    let head = bytes.first_chunk::<18>()?;
    let (map, kind, size, bits, flags) = (&head[3..8], head[2], &head[12..16], head[16], head[17]);
    let fits = match (head[1], kind) {
        // Colours, or levels of grey; plain or by run lengths.
        (0, 2 | 10) => map == [0; 5] && matches!(bits, 15 | 16 | 24 | 32),
        (0, 3 | 11) => map == [0; 5] && matches!(bits, 8 | 16),
        // Indices into a palette.
        (1, 1 | 9) => matches!(map[4], 15 | 16 | 24 | 32) && matches!(bits, 8 | 16),
        _ => false,
    };
    let has_pixels = size[..2] != [0; 2] && size[2..] != [0; 2];
    (fits && has_pixels && flags & 0xc0 == 0).then_some("a TGA picture")
}

/// An ISO base media file by its brands.
fn of_media_file(bytes: &[u8]) -> Option<&'static str> {
    if bytes.get(4..8) != Some(b"ftyp") {
        return None;
    }
    let end = (u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize).clamp(8, bytes.len().min(256));
    // The major brand, its version, then brands that it can be read as.
    let brands: Vec<&[u8]> =
        bytes[8..end].chunks_exact(4).enumerate().filter(|(i, _)| *i != 1).map(|(_, b)| b).collect();
    let any = |of: &[&[u8; 4]]| brands.iter().any(|b| of.iter().any(|o| *b == &o[..]));
    Some(if any(&[b"avif", b"avis"]) {
        "an AVIF picture"
    } else if any(&[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"]) {
        "a HEIC picture"
    } else if any(&[b"jp2 ", b"jpx "]) {
        "a JPEG 2000 picture"
    } else if any(&[b"jxl "]) {
        "a JPEG XL picture"
    } else if any(&[b"crx "]) {
        "a camera's raw picture (CR3)"
    } else {
        return None;
    })
}

/// The begin of a file as text in lower case, without what may stand before markup.
fn beginning(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(1024)];
    String::from_utf8_lossy(head).trim_start_matches('\u{feff}').trim_start().to_lowercase()
}

/// What bytes are that are no picture.
fn other(bytes: &[u8]) -> String {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    if bytes.is_empty() {
        return "an empty file".into();
    }
    if bytes.iter().all(|b| *b == 0) {
        return format!("a file of {} zero bytes", bytes.len());
    }
    if bytes.get(4..8) == Some(b"ftyp") || starts(b"\x1aE\xdf\xa3") || bytes.get(8..12) == Some(b"AVI ") {
        return "a video".into();
    }
    let documents: [(&[u8], &str); 4] =
        [(b"%PDF", "PDF"), (b"%!PS", "PostScript"), (b"\xc5\xd0\xd3\xc6", "EPS"), (b"AT&TFORM", "DjVu")];
    if let Some((_, of)) = documents.iter().find(|(magic, _)| starts(magic)) {
        return format!("a document ({of}), of which a page can be saved as a picture");
    }
    let text = beginning(bytes);
    if text.starts_with("version https://git-lfs") {
        return "a Git LFS pointer in place of the picture (git lfs pull fetches it)".into();
    }
    if text.starts_with("<!doctype html") || ["<html", "<head", "<body"].iter().any(|tag| text.contains(tag)) {
        return "an HTML page, as servers send in place of a picture that they do not give".into();
    }
    if text.starts_with("<?xml") {
        return "an XML document".into();
    }
    if text.starts_with('{') || text.starts_with('[') {
        return "a JSON document".into();
    }
    if starts(b"\x1f\x8b")
        || starts(b"PK\x03\x04")
        || starts(b"7z\xbc\xaf")
        || starts(b"Rar!")
        || starts(b"\x28\xb5\x2f\xfd")
    {
        return "an archive".into();
    }
    let head = &bytes[..bytes.len().min(256)];
    // A character may be cut in two at the end of what is looked at.
    let is_text = match std::str::from_utf8(head) {
        Ok(text) => text.chars().all(|c| !c.is_control() || c.is_whitespace()),
        Err(_) => false,
    };
    if is_text {
        return format!("text, {} bytes of it", bytes.len());
    }
    let shown: Vec<String> = bytes.iter().take(8).map(|b| format!("{b:02x}")).collect();
    format!("a file of {} bytes of no known format, which begins with {}", bytes.len(), shown.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_picture_is_called_what_it_is() {
        let said = |bytes: &[u8]| match Kind::of(bytes).unwrap_err() {
            PixelError::NotAnImage(what) | PixelError::Unsupported(what) => what,
            e => panic!("{e:?}"),
        };
        for (bytes, what) in [
            (&b""[..], "an empty file"),
            (&[0; 99], "99 zero bytes"),
            (b" \n<!DOCTYPE html><html>404</html>", "an HTML page"),
            (b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "an XML document"),
            (b"<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"/>", "an SVG drawing"),
            (b"{\"error\": 404}", "a JSON document"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "git lfs pull"),
            (b"PK\x03\x04....", "an archive"),
            (b"hello\n", "text"),
            (b"\0\0\0\x1cftypavif\0\0\0\0mif1avif", "an AVIF picture"),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC picture"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0avifmif1", "an AVIF picture"),
            (b"\0\0\0\x14ftypisom\0\0\0\0mp42", "a video"),
            (b"\xff\x0a\xfa\x7f", "JPEG XL"),
            (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
            (b"8BPS\0\x01", "PSD"),
            (b"%PDF-1.7", "PDF"),
            (b"\0\0\x01\0\x01\0", "ICO"),
            (b"\0\0\x02\0\x01\0", "CUR"),
            (b"\0\0\x02\0\0\0\0\0\0\0\0\0\x10\0\x10\0\x18\x20", "TGA"),
            (b"\0\x01\x09\0\0\0\x01\x18\0\0\0\0\x10\0\x10\0\x08\0", "TGA"),
            (b"\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\x10\0\x18\x20", "no known format"),
            (b"\x9a\x01\x02", "no known format, which begins with 9a 01 02"),
        ] {
            assert!(said(bytes).contains(what), "{what}: {}", said(bytes));
        }
        assert_eq!(Kind::of(b"P5 1 1 255 a"), Ok(Kind::Pnm));
        assert_eq!(Kind::of(b"MM\0+\0\x08\0\0"), Ok(Kind::Tiff));
    }
}
