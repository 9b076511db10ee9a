//! A text with its origin.

use std::sync::Arc;

/// WGSL, and whether it is made of nothing but what is built into this program. Only such text runs without bounds checks
/// on a device: its kernels check their own bounds, and the tests run every one of them. Whatever else a text is made
/// of, and if it is one line of it, it is foreign.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Wgsl {
    text: Arc<str>,
    ours: bool,
}

impl Wgsl {
    /// A text from anywhere. Devices run it checked.
    pub fn foreign(text: impl Into<Arc<str>>) -> Self {
        Wgsl { text: text.into(), ours: false }
    }

    /// Only what is assembled knows what it is made of.
    pub(super) fn assembled(text: String, ours: bool) -> Self {
        Wgsl { text: text.into(), ours }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text, shared.
    pub fn shared(&self) -> Arc<str> {
        self.text.clone()
    }

    /// Whether all of it is built into this program.
    pub fn is_ours(&self) -> bool {
        self.ours
    }
}
