//! What is seen of a run while it trains: a bar on a terminal, a plain line now and then elsewhere, JSON lines for
//! programs.

use super::plot::{beside, line_plot};
use super::text::{duration, grouped, mib, percent, say};
use crate::data::Part;
use crate::methods::EvaluatedBy;
use crate::recipe::Recipe;
use crate::train::checkpoint::Position;
use crate::train::evaluate::Evaluation;
use crate::train::fit::{Observer, Status};
use crate::train::prepare::Started;
use crate::train::run::Metric;
use ::console::Term;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// What an accuracy on a part is the accuracy of.
pub fn accuracy_of(recipe: &Recipe, part: Part) -> String {
    match recipe.method().evaluated_by(recipe) {
        EvaluatedBy::Logits => format!("{} accuracy", part.word()),
        EvaluatedBy::Neighbours => format!("{} accuracy by nearest neighbours", part.word()),
    }
}

/// How a run is shown.
pub fn observer(as_json: bool, started: &Started) -> Box<dyn Observer> {
    let prepared = started.prepared();
    let about = format!("{}  {}", prepared.device().name(), mib(prepared.programs().planned_bytes()));
    let recipe = prepared.recipe().clone();
    if as_json {
        Box::new(Json)
    } else if std::io::stderr().is_terminal() {
        let bar = ProgressBar::no_length();
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

fn describe(l: &Status, about: &str) -> String {
    format!(
        "epoch {} step {}/{}  loss {:.4}  train accuracy {}  {:.0} images/s  {} left  {about}",
        l.epoch + 1,
        l.step,
        l.per_epoch,
        l.loss,
        percent(l.accuracy),
        l.images_per_second,
        duration(l.seconds_left),
    )
}

fn evaluated(epoch: u64, recipe: &Recipe, part: Part, e: &Evaluation) -> String {
    format!(
        "epoch {epoch:3}  {} {}  top-5 {}  loss {:.4}  ({} images)",
        accuracy_of(recipe, part),
        percent(e.accuracy),
        percent(e.top5),
        e.loss,
        grouped(e.images as u64)
    )
}

fn trained(epoch: u64, loss: f64, accuracy: f64, images: u64) -> String {
    format!("epoch {epoch:3}  train accuracy {}  loss {loss:.4}  ({} images)", percent(accuracy), grouped(images))
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
    /// Accuracy on the validation images in percent, by epochs.
    val: Vec<(f64, f64)>,
    /// The same on the training images, for a run without validation images.
    train: Vec<(f64, f64)>,
}

impl Curves {
    /// Rows of a plot, and columns at most.
    const SIZE: (usize, usize) = (11, 52);

    fn add(&mut self, line: &Metric) {
        match line {
            Metric::Train { steps, loss, .. } => self.loss.push((*steps as f64, *loss)),
            Metric::Epoch { epoch, accuracy, .. } => self.train.push((*epoch as f64, 100.0 * accuracy)),
            Metric::Val { epoch, accuracy, .. } => self.val.push((*epoch as f64, 100.0 * accuracy)),
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
        let (title, points) = match self.val.is_empty() {
            true => ("train accuracy, %".to_string(), &self.train),
            false => (format!("{}, %", accuracy_of(recipe, Part::Val)), &self.val),
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
        self.bar.set_message(describe(l, &self.about));
    }

    fn trained(&mut self, epoch: u64, loss: f64, accuracy: f64, images: u64) {
        self.bar.println(trained(epoch, loss, accuracy, images));
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
            put(describe(l, &self.about));
        }
    }

    fn trained(&mut self, epoch: u64, loss: f64, accuracy: f64, images: u64) {
        put(trained(epoch, loss, accuracy, images));
    }

    fn evaluated(&mut self, epoch: u64, part: Part, e: &Evaluation) {
        put(evaluated(epoch, &self.recipe, part, e));
    }

    fn note(&mut self, text: &str) {
        put(text);
    }
}

struct Json;

impl Observer for Json {
    fn resumed(&mut self, p: &Position) {
        put(json!({ "event": "resumed", "epoch": p.epoch, "step": p.step, "steps": p.steps }));
    }

    fn progressed(&mut self, l: &Status) {
        put(json!({
            "event": "train", "epoch": l.epoch, "step": l.step, "steps": l.steps, "total": l.total, "loss": l.loss,
            "accuracy": l.accuracy, "images_per_second": l.images_per_second, "seconds_left": l.seconds_left,
        }));
    }

    fn trained(&mut self, epoch: u64, loss: f64, accuracy: f64, images: u64) {
        put(json!({
            "event": "epoch", "epoch": epoch, "part": "train", "images": images, "accuracy": accuracy, "loss": loss,
        }));
    }

    fn evaluated(&mut self, epoch: u64, part: Part, e: &Evaluation) {
        put(json!({
            "event": part.word(), "epoch": epoch, "part": part.word(), "images": e.images, "accuracy": e.accuracy,
            "top5": e.top5, "loss": e.loss,
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
