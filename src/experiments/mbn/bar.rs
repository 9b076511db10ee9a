//! What is seen while layers are fitted or applied.

use crate::console::text::say;
use crate::mbn::FitProgress;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// A bar on a terminal, a line now and then elsewhere, nothing for programs.
pub struct LayerBar {
    bar: Option<ProgressBar>,
    last: Instant,
    quiet: bool,
    /// What is done layer by layer.
    what: String,
}

impl LayerBar {
    /// One that says what is done, or nothing if `quiet`.
    pub fn new(what: impl Into<String>, quiet: bool) -> LayerBar {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{bar:24} {percent:>3}%  {msg}");
            ProgressBar::no_length().with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        LayerBar { bar, last: Instant::now(), quiet, what: what.into() }
    }

    /// Some clusterings of a layer are done.
    pub fn progress(&mut self, p: FitProgress) {
        let text = || said(&self.what, p);
        if let Some(bar) = &self.bar {
            bar.set_length(p.clusterings as u64);
            bar.set_position(p.done as u64);
            bar.set_message(text());
        } else if !self.quiet && self.last.elapsed() >= Duration::from_secs(10) {
            self.last = Instant::now();
            // A fit goes on when nobody reads about it any more.
            let _ = say(text());
        }
    }
}

/// Of what is done, the layer and how much of it.
fn said(what: &str, p: FitProgress) -> String {
    format!("{what}: layer {}/{}, {} centres, {} of {} clusterings", p.layer + 1, p.layers, p.k, p.done, p.clusterings)
}

impl Drop for LayerBar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_begins_with_what_is_done() {
        let p = FitProgress { layer: 1, layers: 8, k: 800, done: 1, clusterings: 100 };
        assert_eq!(
            said("codes of the images by runs/small-mbn", p),
            "codes of the images by runs/small-mbn: layer 2/8, 800 centres, 1 of 100 clusterings"
        );
    }
}
