//! What was measured on a device and is worth keeping: small JSON files in the user's cache folder, one a device
//! and kind. They are never needed: one that is missing, broken or cannot be written costs a measurement.

use crate::cache_folder::{VARIABLE, folder};
pub use crate::cache_folder::{note, use_folder};
use crate::device::Device;
use crate::files::{create_dir, read_text, write_atomic};
use crate::hash::fnv1a;
use crate::kernels::Isa;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::path::Path;

/// Which device, with which driver, under which version of this program: what a measurement holds for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// `cpu`, or the graphics API.
    pub backend: String,
    /// Name of the processor or adapter.
    pub name: String,
    /// Driver, by the name that it gives itself; threads for the CPU device.
    pub driver: String,
    /// Version of the driver, in its own words; the instruction set of the CPU device.
    pub driver_info: String,
    /// Version of this program.
    pub version: String,
}

impl Identity {
    /// That of a device.
    pub fn of(device: &Device) -> Identity {
        let version = env!("CARGO_PKG_VERSION").to_string();
        match device {
            Device::Cpu => Identity {
                backend: "cpu".into(),
                name: processor(),
                driver: format!("{} threads", rayon::current_num_threads()),
                driver_info: Isa::chosen().map(|isa| isa.to_string()).unwrap_or_default(),
                version,
            },
            Device::Gpu(d) => {
                let i = d.info();
                let backend = format!("{:?}", i.backend).to_lowercase();
                let (name, driver, driver_info) = (i.name.clone(), i.driver.clone(), i.driver_info.clone());
                Identity { backend, name, driver, driver_info, version }
            }
        }
    }

    /// A file name for it: readable, and another one for any other identity.
    fn file(&self, kind: &str) -> String {
        let all = [&self.backend, &self.name, &self.driver, &self.driver_info, &self.version].map(String::as_str);
        format!("{kind}-{}-{:016x}.json", self.backend, fingerprint(all))
    }
}

impl Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let driver = format!("{} {}", self.driver, self.driver_info);
        write!(f, "{} ({}, {}; onebit {})", self.name, self.backend, driver.trim(), self.version)
    }
}

/// 64 bits that depend on all of the texts, the same in every version of this program.
pub(crate) fn fingerprint<'a>(texts: impl IntoIterator<Item = &'a str>) -> u64 {
    fnv1a(texts.into_iter().flat_map(|t| t.bytes().chain([0])))
}

/// Name of the processor, where it tells.
fn processor() -> String {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::__cpuid;
        if __cpuid(0x8000_0000).eax >= 0x8000_0004 {
            let leaves = [0x8000_0002, 0x8000_0003, 0x8000_0004].map(__cpuid);
            let words = leaves.into_iter().flat_map(|l| [l.eax, l.ebx, l.ecx, l.edx]);
            let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
            return String::from_utf8_lossy(&bytes).trim_matches(['\0', ' ']).to_string();
        }
    }
    std::env::consts::ARCH.to_string()
}

/// A file's content, with the device that it belongs to.
#[derive(Serialize, Deserialize)]
struct Kept<T> {
    device: Identity,
    content: T,
}

/// What is kept of a device under `kind`. A file that cannot be used is named in a note, and left out.
pub fn read<T: DeserializeOwned>(kind: &str, device: &Identity) -> Option<T> {
    let path = folder()?.join(device.file(kind));
    read_at(&path, device)
}

fn read_at<T: DeserializeOwned>(path: &Path, device: &Identity) -> Option<T> {
    if !path.exists() {
        return None;
    }
    let parsed = read_text(path)
        .map_err(|e| e.to_string())
        .and_then(|text| serde_json::from_str::<Kept<T>>(&text).map_err(|e| format!("{}: {e}", path.display())));
    match parsed {
        Ok(kept) => (kept.device == *device).then_some(kept.content),
        Err(e) => {
            note(format!("what was kept of the device is left out, because it cannot be read: {e}"));
            None
        }
    }
}

/// Keeps `content` of a device under `kind`, in place of what was there. A folder that cannot be written is named
/// in a note.
pub fn write<T: Serialize>(kind: &str, device: &Identity, content: &T) {
    let Some(folder) = folder() else {
        return note(format!("nothing is kept for the next time: there is no cache folder; name one in {VARIABLE}"));
    };
    let path = folder.join(device.file(kind));
    let text = serde_json::to_string_pretty(&Kept { device: device.clone(), content });
    let written = text.map_err(|e| e.to_string()).and_then(|t| {
        create_dir(&folder).and_then(|()| write_atomic(&path, format!("{t}\n").as_bytes())).map_err(|e| e.to_string())
    });
    if let Err(e) = written {
        note(format!("nothing is kept for the next time: {e}; {VARIABLE} names another folder"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_of_one_device_and_broken_ones_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let device = Identity::of(&Device::Cpu);
        assert!(!device.name.is_empty());
        let path = folder.path().join(device.file("test"));
        assert_eq!(read_at::<u32>(&path, &device), None);
        let kept = serde_json::to_string(&Kept { device: device.clone(), content: 7 }).unwrap();
        std::fs::write(&path, &kept).unwrap();
        assert_eq!(read_at::<u32>(&path, &device), Some(7));
        let other = Identity { version: "0".into(), ..device.clone() };
        assert_ne!(other.file("test"), device.file("test"));
        assert_eq!(read_at::<u32>(&path, &other), None);
        for broken in ["", "{", "[]", &kept[..kept.len() - 3]] {
            std::fs::write(&path, broken).unwrap();
            assert_eq!(read_at::<u32>(&path, &device), None, "{broken}");
        }
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert_eq!(read_at::<u32>(&path, &device), None);
    }
}
