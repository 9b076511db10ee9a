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

/// What is read, after "Weights are read".
pub(super) const READ: &str = "from safetensors files, from what torch.save(model.state_dict(), \"weights.pth\") writes, from ONNX \
                               files (.onnx) and from folders of Hugging Face";

/// The format of a file that begins with these bytes.
pub(super) fn of(path: &Path, start: &[u8]) -> Checked<Format> {
    let named_so = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("safetensors"));
    match start {
        [b'P', b'K', 3 | 5, 4 | 6, ..] => Ok(Format::Torch),
        _ if is_legacy(start) => Ok(Format::LegacyTorch),
        [_, _, _, _, _, _, _, _, b'{', ..] => Ok(Format::Safetensors),
        _ => {
            let what = match is_of_another(start) {
                Some(what) => what,
                // What is wrong with it is better said by its reader.
                None if named_so => return Ok(Format::Safetensors),
                None if is_text(start) => "text".into(),
                None => "of no format that is known here".into(),
            };
            let first: Vec<String> = start.iter().take(8).map(|b| format!("{b:02x}")).collect();
            let bytes = if first.is_empty() {
                String::new()
            } else {
                format!(" (it begins with the bytes {})", first.join(" "))
            };
            Err(format!("the file is {what}{bytes}. Weights are read {READ}"))
        }
    }
}

/// What a file is that is known for something else, and what to do.
pub(super) fn is_of_another(start: &[u8]) -> Option<String> {
    const UNPACK: &str = "unpack it first";
    const TO_ONNX: &str = "convert it to ONNX (tf2onnx) and name that file";
    let begins = |magic: &[u8]| start.starts_with(magic);
    let trimmed = start.trim_ascii_start();
    let (what, remedy) = match start {
        [] => ("empty", "copy or download it again"),
        _ if begins(b"version https://git-lfs") => {
            ("a pointer of Git LFS and not the weights", "fetch them with  git lfs pull")
        }
        _ if trimmed.starts_with(b"<") => {
            ("a web page", "the download went wrong, take the link of the file itself and not of the page about it")
        }
        [b'{', ..] => {
            ("JSON", "of a folder with model.safetensors or an index of shards, name the folder or the index")
        }
        [0x80, 0..=5, ..] => (
            "a Python pickle that torch.save did not write",
            "nothing of it is run here; if you trust it, load it in Python and save its arrays as tensors by their names, \
             torch.save({name: torch.as_tensor(array) for name, array in arrays.items()}, \"weights.pth\")",
        ),
        _ if begins(b"\x93NUMPY") => ("one array of numpy (.npy)", "save all tensors of the network by their names"),
        _ if begins(b"\x89HDF") => ("an HDF5 file, as Keras and TensorFlow write (.h5)", TO_ONNX),
        _ if start.get(4..8) == Some(b"TFL3") => ("a TensorFlow Lite model", TO_ONNX),
        _ if begins(b"GGUF") => ("a GGUF file", "take the safetensors that it was made from"),
        [0x08, _, 0x12, ..] => ("as ONNX files begin", "if it is one, give it the ending .onnx"),
        _ if begins(&[0x1f, 0x8b]) => ("compressed with gzip", UNPACK),
        _ if begins(b"BZh") => ("compressed with bzip2", UNPACK),
        _ if begins(b"\xfd7zXZ") => ("compressed with xz", UNPACK),
        _ if begins(&[0x28, 0xb5, 0x2f, 0xfd]) => ("compressed with zstd", UNPACK),
        _ if begins(b"7z\xbc\xaf") => ("a 7z archive", UNPACK),
        _ if start.get(257..262) == Some(b"ustar") => ("a tar archive", UNPACK),
        _ if begins(b"\x89PNG") || begins(&[0xff, 0xd8, 0xff]) => ("a picture", "name a file of weights"),
        _ => return None,
    };
    Some(format!("{what}: {remedy}"))
}

/// Whether bytes are letters, as far as they go: the last one may be cut.
fn is_text(start: &[u8]) -> bool {
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(e) if e.error_len().is_none() => std::str::from_utf8(&start[..e.valid_up_to()]).unwrap_or_default(),
        Err(_) => return false,
    };
    !text.is_empty() && text.chars().all(|c| !c.is_control() || c.is_ascii_whitespace())
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
            (&b""[..], "the file is empty: copy or download it again. Weights"),
            (b"P\0", "no format"),
            (b"<!DOCTYPE html>", "web page"),
            (b"\n <html>", "web page"),
            (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
            (b"{\"hidden_act\": 1}", "is JSON"),
            (b"\x80\x04\x95", "pickle that torch.save did not write: nothing of it is run"),
            (b"\x93NUMPY\x01\0", "array of numpy"),
            (b"\x89HDF\r\n\x1a\n", "tf2onnx"),
            (b"\x1c\0\0\0TFL3", "TensorFlow Lite"),
            (b"GGUF\x03\0\0\0", "GGUF"),
            (b"\x08\x07\x12\x07pytorch", ".onnx"),
            (b"\x1f\x8b\x08", "gzip: unpack"),
            (&tar, "tar archive: unpack"),
            (b"\x89PNG\r\n", "picture"),
            ("Gewichte für später".as_bytes(), "is text"),
        ] {
            let m = of(bytes).unwrap_err();
            assert!(m.contains(said), "{m}");
        }
    }
}
