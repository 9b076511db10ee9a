//! The choices that are remembered of a device.

use crate::cache::{self, Identity, fingerprint};
use crate::device::Device;
use crate::gpu::GpuDevice;
use crate::launch::Choices;
use crate::shader::sources::Sources;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was found of a class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The variant of the rule.
    pub rule: String,
    /// The one to take, of those that equal the rule's bit for bit. Where the rule's is wrong on the device, the first
    /// that is right.
    pub taken: String,
    /// The one to take if it may add in another order; absent if that was not allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub any: Option<String>,
    /// Milliseconds of the rule's and of the one that was wanted; absent if the rule's is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<[f64; 2]>,
}

impl Verdict {
    /// The variant that is taken.
    pub fn choice(&self, allow_reorder: bool) -> &str {
        self.any.as_deref().filter(|_| allow_reorder).unwrap_or(&self.taken)
    }
}

/// A file of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Fingerprint of the shader files: other kernels have other times.
    shaders: String,
    classes: BTreeMap<String, Verdict>,
}

/// Name of their files in the cache.
const KIND: &str = "kernels";

fn identity(device: &GpuDevice) -> Identity {
    Identity::of(&Device::Gpu(device.clone()))
}

fn shaders(sources: &Sources) -> String {
    let files = Sources::all();
    let texts = files.iter().flat_map(|f| [f.as_str(), sources.text(f).unwrap_or_default()]);
    format!("{:016x}", fingerprint(texts))
}

impl Kept {
    /// What is remembered of a device; nothing if it was measured with other shaders.
    pub fn read(device: &GpuDevice, sources: &Sources) -> Kept {
        let shaders = shaders(sources);
        let kept = cache::read::<Kept>(KIND, &identity(device)).filter(|k| k.shaders == shaders);
        kept.unwrap_or(Kept { shaders, classes: BTreeMap::new() })
    }

    pub fn write(&self, device: &GpuDevice) {
        cache::write(KIND, &identity(device), self);
    }

    /// Whether a class need not be measured.
    pub fn has(&self, class: &str, allow_reorder: bool) -> bool {
        self.classes.get(class).is_some_and(|v| v.any.is_some() || !allow_reorder)
    }

    pub fn insert(&mut self, class: &str, verdict: Verdict) {
        self.classes.insert(class.to_string(), verdict);
    }

    /// Only where another variant than the rule's is taken.
    pub fn choices(&self, allow_reorder: bool) -> Choices {
        let other = self.classes.iter().filter(|(_, v)| v.choice(allow_reorder) != v.rule);
        other.map(|(class, v)| (class.clone(), v.choice(allow_reorder).to_string())).collect()
    }
}
