//! Names as text: no two become one, and those of files that nobody means as data are known.

use std::ffi::OsStr;
use std::fmt::Write;

/// Folders that other programs keep for themselves.
const SERVICE_FOLDERS: [&str; 16] = [
    "__macosx",
    "@eadir",
    "@recycle",
    "@recently-snapshot",
    "@__thumb",
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    ".thumbnails",
    ".ipynb_checkpoints",
    ".git",
    ".trashes",
    ".appledouble",
    "__pycache__",
];

/// Files that other programs keep for themselves.
const SERVICE_FILES: [&str; 4] = ["thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"];

/// Why a file or folder of this name is no data; `None` if it may be.
pub(super) fn not_data(part: &str) -> Option<&'static str> {
    let lower = part.to_lowercase();
    if SERVICE_FOLDERS.contains(&lower.as_str()) {
        Some("a service folder")
    } else if SERVICE_FILES.contains(&lower.as_str()) {
        Some("a service file")
    } else if part.starts_with('.') && part != ".." {
        Some("hidden")
    } else {
        None
    }
}

/// One part of a name as text. Bytes that are not UTF-8 become `\xNN`, and where there are such, or where the name itself
/// says `\x`, a backslash becomes two: so no two names become one, and the bytes can be told from the text.
pub(super) fn shown(part: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(part)
        && !text.contains("\\x")
    {
        return text.to_string();
    }
    let mut out = String::new();
    for chunk in part.utf8_chunks() {
        out += &chunk.valid().replace('\\', "\\\\");
        // Writing to a String does not fail.
        chunk.invalid().iter().for_each(|byte| write!(out, "\\x{byte:02x}").unwrap_or_default());
    }
    out
}

/// As [`shown`], of a name that the system gave.
pub(crate) fn of_system(part: &OsStr) -> String {
    shown(part.as_encoded_bytes())
}

/// The name of an archive's member without empty parts, dots, and folders that it leaves again: what lies at one place when
/// it is unpacked has one name. A name with backslashes and no '/' was made by a program for Windows, which took them for
/// '/'. Empty if nothing is left.
pub(super) fn of_member(name: &[u8]) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in parts_of(name) {
        match part.as_str() {
            ".." if parts.last().is_some_and(|last| last != "..") => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// The parts of a name or of a link's target, without empty ones and dots.
pub(super) fn parts_of(name: &[u8]) -> Vec<String> {
    let windows = !name.contains(&b'/');
    let parts = name.split(|b| *b == b'/' || (windows && *b == b'\\'));
    parts.filter(|p| !p.is_empty() && *p != b".").map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_names_become_one() {
        let names: [&[u8]; 9] = [
            b"caf\xe9",
            b"caf\xe8",
            b"caf\\xe9",
            b"caf\\\\xe9",
            b"caf",
            "caf\u{fffd}".as_bytes(),
            b"a\\b",
            b"\xff\\b",
            b"\xff\\\\b",
        ];
        let shown: Vec<String> = names.map(shown).to_vec();
        assert_eq!(shown[0], "caf\\xe9");
        assert_eq!(shown[6], "a\\b");
        for (i, a) in shown.iter().enumerate() {
            assert!(!shown[..i].contains(a), "{a}");
        }
    }

    #[test]
    fn names_of_members_are_cleaned() {
        assert_eq!(of_member(b"./cat//0.png"), "cat/0.png");
        assert_eq!(of_member(b"/abs/cat/0.png"), "abs/cat/0.png");
        assert_eq!(of_member(b"cat\\0.png"), "cat/0.png");
        assert_eq!(of_member(b"x/cat\\0.png"), "x/cat\\0.png");
        // A name that leaves the folder is a name like any other: nothing is ever opened by it.
        assert_eq!(of_member(b"../cat/0.png"), "../cat/0.png");
        assert_eq!(of_member(b"../../cat/x/../0.png"), "../../cat/0.png");
        assert_eq!(of_member(b"cat/x/../3.png"), "cat/3.png");
        assert_eq!(of_member(b"cat/../../3.png"), "../3.png");
        assert_eq!(of_member(b"./"), "");
    }

    #[test]
    fn what_other_programs_keep_is_known() {
        for (name, reason) in [
            ("@eaDir", Some("a service folder")),
            ("Thumbs.db", Some("a service file")),
            (".DS_Store", Some("hidden")),
            ("..", None),
            ("cat", None),
        ] {
            assert_eq!(not_data(name), reason, "{name}");
        }
    }
}
