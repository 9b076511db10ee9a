//! Several runs that go on at once: a bar for all of them and one for each on a terminal, a line at the end of each elsewhere.

use super::text::duration;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Instant;

/// The view.
pub struct Runs {
    all: MultiProgress,
    total: ProgressBar,
    each: BTreeMap<String, Each>,
    live: bool,
    width: usize,
    began: Instant,
    /// Runs that were to be made, and those that ended.
    wanted: usize,
    ended: usize,
}

struct Each {
    bar: ProgressBar,
    accuracy: Option<String>,
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Runs {
    /// A view of runs, of which `names` are to be made and `finished` others were made before.
    pub fn new(names: &[&str], finished: usize) -> Runs {
        let live = std::io::stderr().is_terminal();
        let target = if live { ProgressDrawTarget::stderr_with_hz(4) } else { ProgressDrawTarget::hidden() };
        let all = MultiProgress::with_draw_target(target);
        let total = all.add(ProgressBar::new((names.len() + finished) as u64));
        total.set_style(style("{bar:24} {pos}/{len} runs  {msg}"));
        total.set_position(finished as u64);
        let width = names.iter().map(|n| n.chars().count()).max().unwrap_or(0);
        let each = BTreeMap::new();
        Runs { all, total, each, live, width, began: Instant::now(), wanted: names.len(), ended: 0 }
    }

    /// A run begins.
    pub fn begins(&mut self, name: &str) {
        let bar = self.all.add(ProgressBar::new(1));
        bar.set_style(style("{bar:24} {percent:>3}%  {prefix}  {msg}"));
        bar.set_prefix(format!("{name:w$}", w = self.width));
        self.each.insert(name.to_string(), Each { bar, accuracy: None });
    }

    /// A run has made so many of all its steps.
    pub fn at(&mut self, name: &str, steps: u64, total: u64, loss: f64) {
        let Some(each) = self.each.get(name) else { return };
        each.bar.set_length(total);
        each.bar.set_position(steps);
        let accuracy = each.accuracy.as_ref().map_or(String::new(), |a| format!("  {a}"));
        each.bar.set_message(format!("loss {loss:.4}{accuracy}"));
    }

    /// A run was tested: with what accuracy, and on what.
    pub fn tested(&mut self, name: &str, accuracy: String) {
        if let Some(each) = self.each.get_mut(name) {
            each.accuracy = Some(accuracy);
        }
    }

    /// What the last test of a run that goes on gave.
    pub fn accuracy(&self, name: &str) -> Option<&str> {
        self.each.get(name)?.accuracy.as_deref()
    }

    /// A run ended, in this way; the line that is said of it elsewhere than on a bar.
    pub fn ended(&mut self, name: &str, how: &str) -> String {
        if let Some(each) = self.each.remove(name) {
            each.bar.finish_and_clear();
            self.all.remove(&each.bar);
        }
        self.ended += 1;
        self.total.inc(1);
        let left = self.began.elapsed().as_secs_f64() / self.ended as f64 * (self.wanted - self.ended) as f64;
        self.total.set_message(if left > 0.0 { format!("about {} left", duration(left)) } else { String::new() });
        format!("[{}/{}] {name:w$}  {how}", self.ended, self.wanted, w = self.width)
    }

    /// Says a line above the bars, or on standard output where there are none.
    ///
    /// # Errors
    /// If nobody reads standard output.
    pub fn say(&self, line: &str) -> crate::error::Result<()> {
        match self.live {
            true => self.all.suspend(|| super::text::say(line)),
            false => super::text::say(line),
        }
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        self.each.values().for_each(|e| e.bar.finish_and_clear());
        self.total.finish_and_clear();
    }
}
