//! What is seen of a run while it trains: a bar on a terminal, a plain line now and then elsewhere, JSON lines for
//! programs.

use super::plot::{LABELS, beside, line_plot};
use super::text::{duration, grouped, mib, percent, say};
use crate::data::Part;
use crate::recipe::Recipe;
use crate::train::checkpoint::Position;
use crate::train::evaluate::Evaluation;
use crate::train::job::{Observer, Status};
use crate::train::prepare::Started;
use crate::train::right::{Guessed, Right};
use crate::train::run::Metric;
use ::console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How a run is shown.
pub fn observer(as_json: bool, started: &Started) -> Box<dyn Observer> {
    let prepared = started.prepared();
    let about = format!("{}  {}", prepared.device().name(), mib(prepared.programs().planned_bytes()));
    let recipe = prepared.recipe().clone();
    if as_json {
        Box::new(Json { recipe })
    } else if std::io::stderr().is_terminal() {
        // Plots are drawn anew each time: through a slow line as well.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(4));
        let style = "{prefix}{bar:24} {percent:>3}%  {msg}";
        bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
        Box::new(Bar { bar, about, recipe, curves: Curves::default() })
    } else {
        Box::new(Lines { about, recipe, last: None })
    }
}

/// Of a run of which nothing is shown before its end.
pub fn silent() -> Box<dyn Observer> {
    struct Silent;
    impl Observer for Silent {}
    Box::new(Silent)
}

fn describe(l: &Status, recipe: &Recipe, about: &str) -> String {
    format!(
        "epoch {} step {}/{}  loss {:.4}  {} {} of {} images  {:.0} images/s  {} left  {about}",
        l.epoch + 1,
        l.step,
        l.per_epoch,
        l.loss,
        Right::of(recipe).in_training(),
        percent(l.right.share()),
        grouped(l.images),
        l.images_per_second,
        duration(l.seconds_left),
    )
}

fn evaluated(epoch: u64, recipe: &Recipe, part: Part, e: &Evaluation) -> String {
    format!(
        "epoch {epoch:3}  {} {}  top-5 {}  loss {:.4}  ({} images)",
        Right::of(recipe).on(part),
        percent(e.accuracy),
        percent(e.top5),
        e.loss,
        grouped(e.images as u64)
    )
}

fn trained(epoch: u64, recipe: &Recipe, loss: f64, right: Guessed, images: u64) -> String {
    let (called, share) = (Right::of(recipe).in_training(), percent(right.share()));
    format!("epoch {epoch:3}  {called} {share}  loss {loss:.4}  ({} images)", grouped(images))
}

fn resumed(p: &Position) -> String {
    format!("resumed after {} steps, in epoch {}", p.steps, p.epoch + 1)
}

struct Bar {
    bar: ProgressBar,
    about: String,
    recipe: Recipe,
    curves: Curves,
}

/// What is plotted while a run trains.
#[derive(Default)]
struct Curves {
    /// Mean loss by steps.
    loss: Vec<(f64, f64)>,
    /// Accuracy on the validation images in percent, by epochs; and their number.
    val: Vec<(f64, f64)>,
    val_images: u64,
    /// The share of right answers on the training images, for a run without validation images.
    train: Vec<(f64, f64)>,
    train_images: u64,
}

impl Curves {
    /// Rows of a plot, and columns at most.
    const SIZE: (usize, usize) = (11, 52);

    fn add(&mut self, line: &Metric) {
        match line {
            Metric::Train { steps, loss, .. } => self.loss.push((*steps as f64, *loss)),
            Metric::Epoch { epoch, right, images, .. } => {
                self.train.push((*epoch as f64, 100.0 * right.share()));
                self.train_images = *images;
            }
            Metric::Val { epoch, accuracy, images, .. } => {
                self.val.push((*epoch as f64, 100.0 * accuracy));
                self.val_images = *images as u64;
            }
            _ => {}
        }
    }

    /// The plots beside each other, in a terminal of that size; empty where there is no room, or nothing to show yet.
    fn text(&self, recipe: &Recipe, (rows, columns): (u16, u16)) -> String {
        // The bar, and some lines of what was said before, have their place too.
        if usize::from(rows) < Self::SIZE.0 + 6 {
            return String::new();
        }
        let width = (usize::from(columns).saturating_sub(4) / 2).min(Self::SIZE.1);
        let loss = line_plot("training loss", "steps", &self.loss, width, Self::SIZE.0);
        let of = |what: &str, images: u64| {
            let whole = format!("{what}, % of {} images", grouped(images));
            // A number that is cut is another one.
            if whole.chars().count() + LABELS <= width { whole } else { format!("{what}, %") }
        };
        let (title, points) = match self.val.is_empty() {
            true => (of(Right::of(recipe).in_training(), self.train_images), &self.train),
            false => (of(&Right::of(recipe).on(Part::Val), self.val_images), &self.val),
        };
        let accuracy = line_plot(&title, "epochs", points, width, Self::SIZE.0);
        if loss.is_empty() {
            return String::new();
        }
        beside(&loss, &accuracy, width + 2).iter().map(|line| format!("{line}\n")).collect()
    }
}

impl Observer for Bar {
    fn resumed(&mut self, p: &Position) {
        self.bar.println(resumed(p));
    }

    fn progressed(&mut self, l: &Status) {
        self.bar.set_length(l.total);
        self.bar.set_position(l.steps);
        self.bar.set_message(describe(l, &self.recipe, &self.about));
    }

    fn trained(&mut self, epoch: u64, loss: f64, right: Guessed, images: u64) {
        self.bar.println(trained(epoch, &self.recipe, loss, right, images));
    }

    fn evaluated(&mut self, epoch: u64, part: Part, e: &Evaluation) {
        self.bar.println(evaluated(epoch, &self.recipe, part, e));
    }

    fn logged(&mut self, line: &Metric) {
        self.curves.add(line);
        self.bar.set_prefix(self.curves.text(&self.recipe, Term::stderr().size()));
    }

    fn note(&mut self, text: &str) {
        self.bar.println(text);
    }
}

impl Drop for Bar {
    /// The bar goes, the curves stay.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        eprint!("{}", self.curves.text(&self.recipe, Term::stderr().size()));
    }
}

struct Lines {
    about: String,
    recipe: Recipe,
    last: Option<Instant>,
}

impl Observer for Lines {
    fn resumed(&mut self, p: &Position) {
        put(resumed(p));
    }

    fn progressed(&mut self, l: &Status) {
        if self.last.is_none_or(|t| t.elapsed() >= LINE_EVERY) {
            self.last = Some(Instant::now());
            put(describe(l, &self.recipe, &self.about));
        }
    }

    fn trained(&mut self, epoch: u64, loss: f64, right: Guessed, images: u64) {
        put(trained(epoch, &self.recipe, loss, right, images));
    }

    fn evaluated(&mut self, epoch: u64, part: Part, e: &Evaluation) {
        put(evaluated(epoch, &self.recipe, part, e));
    }

    fn note(&mut self, text: &str) {
        put(text);
    }
}

struct Json {
    recipe: Recipe,
}

impl Observer for Json {
    fn resumed(&mut self, p: &Position) {
        put(json!({ "event": "resumed", "epoch": p.epoch, "step": p.step, "steps": p.steps }));
    }

    fn progressed(&mut self, l: &Status) {
        put(json!({
            "event": "train", "epoch": l.epoch + 1, "step": l.step, "steps": l.steps, "total": l.total, "part": "train",
            "images": l.images, "loss": l.loss, l.right.name(): l.right.share(), "images_per_second": l.images_per_second, "seconds_left": l.seconds_left,
        }));
    }

    fn trained(&mut self, epoch: u64, loss: f64, right: Guessed, images: u64) {
        put(json!({
            "event": "epoch", "epoch": epoch, "part": "train", "images": images, right.name(): right.share(), "loss": loss,
        }));
    }

    fn evaluated(&mut self, epoch: u64, part: Part, e: &Evaluation) {
        put(json!({
            "event": part.word(), "epoch": epoch, "part": part.word(), "images": e.images, "accuracy": e.accuracy,
            "of": Right::of(&self.recipe).on(part), "top5": e.top5, "loss": e.loss,
        }));
    }

    fn note(&mut self, text: &str) {
        put(json!({ "event": "note", "text": text }));
    }
}

/// A run goes on when nobody reads about it any more.
fn put(line: impl std::fmt::Display) {
    let _ = say(line);
}
