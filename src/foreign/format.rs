//! Which format a file is in, by how it begins; and what to do about those that are not read.

use super::Checked;
use super::torch::is_legacy;
use std::path::Path;

/// Bytes of a file that tell its format.
pub(super) const START: usize = 512;

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Format {
    Safetensors,
    /// The zip archive that `torch.save` writes since PyTorch 1.6.
    Torch,
    /// What it wrote before.
    LegacyTorch,
}

/// The format of a file that begins with these bytes.
pub(super) fn of(path: &Path, start: &[u8]) -> Checked<Format> {
    if start.is_empty() {
        return Err("the file is empty: copy or download it again".into());
    }
    let named_so = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("safetensors"));
    let what = match start {
        [b'P', b'K', 3 | 5, 4 | 6, ..] => return Ok(Format::Torch),
        _ if is_legacy(start) => return Ok(Format::LegacyTorch),
        [_, _, _, _, _, _, _, _, b'{', ..] => return Ok(Format::Safetensors),
        _ if start.starts_with(b"version https://git-lfs") => {
            return Err("this is a pointer of Git LFS and not the weights: fetch them with  git lfs pull".into());
        }
        [b'<', ..] => "a web page: the download went wrong",
        [0x80, 0..=5, ..] => "a Python pickle that torch.save did not write",
        [0x1f, 0x8b, ..] => "compressed with gzip: unpack it first",
        [0x89, b'H', b'D', b'F', ..] => "an HDF5 file",
        _ if start.get(257..262) == Some(b"ustar") => "a tar archive: unpack it first",
        // What is wrong with it is better said by its reader.
        _ if named_so => return Ok(Format::Safetensors),
        _ => "of no format that is known here",
    };
    let first: Vec<String> = start.iter().take(8).map(|b| format!("{b:02x}")).collect();
    Err(format!(
        "the file is {what} (it begins with the bytes {}). Weights are read from safetensors files and from what \
         torch.save(model.state_dict(), \"weights.pth\") writes",
        first.join(" ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_is_shows_in_how_it_begins() {
        let of = |bytes: &[u8]| of(Path::new("w.pth"), bytes);
        assert_eq!(of(b"PK\x03\x04...."), Ok(Format::Torch));
        assert_eq!(of(b"\x40\0\0\0\0\0\0\0{\"a\":"), Ok(Format::Safetensors));
        assert_eq!(of(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M"), Ok(Format::LegacyTorch));
        let mut tar = [0; START];
        tar[257..262].copy_from_slice(b"ustar");
        for (bytes, said) in [
            (&b""[..], "empty"),
            (b"P", "no format"),
            (b"<!DOCTYPE html>", "web page"),
            (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
            (b"\x80\x04\x95", "pickle"),
            (&tar, "tar archive"),
        ] {
            let m = of(bytes).unwrap_err();
            assert!(m.contains(said), "{m}");
        }
    }
}
