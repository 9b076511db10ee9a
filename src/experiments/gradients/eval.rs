//! The test of a network as its method has it.

use super::trained::counted;
use super::{TrainedRun, device_of};
use crate::cache::note;
use crate::console::stop::NEVER;
use crate::console::text::{percent, say, say_json};
use crate::data::{Part, Split, trained_on};
use crate::error::{Error, Result};
use crate::experiments::{Ending, EvalOptions};
use crate::methods::Task;
use crate::recipe::RunInfo;
use crate::train::confusion::confusion_svg;
use crate::train::evaluate::{Evaluation, evaluate};
use crate::train::limits::fitting_test;
use crate::train::origin::is_file;
use crate::train::programs::Runner;
use crate::train::run::RunDir;
use serde::Serialize;

/// What is found, and of what: `eval.json`.
#[derive(Serialize)]
struct Found<'a> {
    /// Which part of the images: train, val or test; all of a set without parts.
    part: &'static str,
    /// What the images are.
    data: &'a str,
    /// Where they are, if they are not the run's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_place_of_own: Option<String>,
    /// The checkpoint's file.
    checkpoint: String,
    /// Epochs done when it was written.
    epoch: u64,
    #[serde(flatten)]
    result: &'a Evaluation,
}

pub(super) fn run(options: &EvalOptions, t: TrainedRun) -> Result<Ending> {
    let TrainedRun { run, recipe, info, path, checkpoint, data, part, images: seen, notes } = t;
    if data.test.labels.is_none() {
        let classes = if info.classes.is_empty() { "its classes".into() } else { info.classes.join(", ") };
        return Err(Error::Config(format!(
            "{}: these images have no labels, so there is nothing to compare with: put them into folders that are called like \
             the run's classes ({classes}), or let  onebit predict  name them",
            recipe.data.path
        )));
    }
    notes.iter().for_each(note);
    let of_file = is_file(&options.run);
    if part != Some(Part::Train)
        && let Some(overlap) = seen_in_training(&run, &info, &data)?
    {
        note(overlap);
    }
    let device = device_of(options.device.as_deref(), &info)?;
    let task = Task { recipe: &recipe, images: &seen, teacher: None, targets: None };
    let (programs, batch) = fitting_test(&task, &device, |batch| recipe.method().eval(&task, batch))?;
    let mut runner = Runner::load(programs, &device, recipe.seed)?;
    runner.restore(&checkpoint, &path)?;
    let result = evaluate(&recipe, &mut runner, &data, batch, &NEVER)?.expect("nobody stops this");
    let word = part.map_or("all", Part::word);
    let images = counted(part, result.images as usize);
    let found = Found {
        part: word,
        data: data.test.name.as_str(),
        in_place_of_own: options.data.as_ref().map(|path| path.display().to_string()),
        checkpoint: path.display().to_string(),
        epoch: checkpoint.position.epoch,
        result: &result,
    };
    if options.json {
        say_json(&found)?;
    } else {
        let when = if of_file { String::new() } else { format!("  after {} epochs", checkpoint.position.epoch) };
        say(format!("{}{when}, on {}", path.display(), device.name()))?;
        say(format!("data {}", data.test))?;
        table(&result)?;
        say(format!(
            "\ntop-1 {}   top-5 {}   cross-entropy {:.4}   balanced accuracy {}   macro-F1 {:.4}   ({images})",
            percent(result.accuracy),
            percent(result.top5),
            result.loss,
            percent(result.balanced_accuracy),
            result.macro_f1
        ))?;
    }
    // What was made elsewhere has no directory to keep it in.
    if of_file {
        return Ok(Ending::Done);
    }
    let other = if options.data.is_some() { " (not the run's own)" } else { "" };
    let title = format!("{} on {}{other}, {images}, {} right", info.recipe, data.test.name, percent(result.accuracy));
    let written = run.write_json("eval.json", &found);
    match written.and_then(|()| run.write_text("confusion.svg", &confusion_svg(&result, &title))) {
        Ok(picture) if !options.json => say(format!("confusion matrix: {}", picture.display()))?,
        Ok(_) => {}
        // What was asked for is said already.
        Err(e) => note(format!("the result stands above, but could not be written into the run: {e}")),
    }
    Ok(Ending::Done)
}

/// Says that images to test on were trained on, as far as the run tells.
fn seen_in_training(run: &RunDir, info: &RunInfo, data: &Split) -> Result<Option<String>> {
    let list = run.images();
    if info.data.is_none() && data.drawn {
        return Ok(Some(format!(
            "the run {} is older than the list of images that runs keep, and its test images were drawn in another way: if it \
             learned from these images, some of those it is tested on now were among them",
            run.path().display()
        )));
    }
    if !list.exists() {
        return Ok(None);
    }
    let table = std::fs::read(&list).map_err(Error::io(&list, "read"))?;
    let seen = trained_on(&table, &list, &data.test)?;
    let of = data.test.len();
    Ok((seen > 0)
        .then(|| format!("{seen} of the {of} images that are tested on are among those that the run learned from")))
}

fn table(e: &Evaluation) -> Result<()> {
    let width = e.classes.iter().map(|c| c.name.chars().count()).max().unwrap_or(0).max(5);
    say(format!("\n{:width$}  images   recall  precision      F1  most often taken for", "class"))?;
    for (r, class) in e.classes.iter().enumerate() {
        let share = |x: Option<f64>| x.map_or("-".to_string(), percent);
        let f1 = class.f1.map_or("-".to_string(), |x| format!("{x:.4}"));
        let wrong = (0..e.classes.len()).filter(|&c| c != r).max_by_key(|&c| (e.confusion[r][c], usize::MAX - c));
        let wrong = wrong.filter(|&c| e.confusion[r][c] > 0);
        let wrong = wrong.map_or(String::new(), |c| format!("{} ({})", e.classes[c].name, e.confusion[r][c]));
        say(format!(
            "{:width$}  {:6}  {:>8}  {:>8}  {f1:>6}  {wrong}",
            class.name,
            class.images,
            share(class.recall),
            share(class.precision)
        ))?;
    }
    Ok(())
}
