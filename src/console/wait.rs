//! A bar on a terminal for work that is counted, and nothing elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// A bar that goes away when it is dropped.
pub struct Waiting(ProgressBar);

impl Waiting {
    /// A bar for `total` pieces of work; `about` stands before what is told of each.
    pub fn new(total: usize, about: &str) -> Waiting {
        let bar = ProgressBar::new(total as u64).with_prefix(about.to_string());
        let style = "{bar:24} {pos}/{len}  {prefix}  {msg}";
        bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
        if !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Waiting(bar)
    }

    /// The next piece begins.
    pub fn tick(&self, what: &str) {
        self.0.set_message(what.to_string());
        self.0.inc(1);
    }

    /// So many pieces are done.
    pub fn at(&self, done: usize, what: &str) {
        self.0.set_message(what.to_string());
        self.0.set_position(done as u64);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
