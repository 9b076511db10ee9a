//! The test of a network as its method has it.

use super::{TrainedRun, device_of};
use crate::cache::note;
use crate::console::stop::NEVER;
use crate::console::text::{percent, say, say_json};
use crate::data::{Split, trained_on};
use crate::error::{Error, Result};
use crate::experiments::{Ending, EvalOptions};
use crate::methods::Task;
use crate::recipe::RunInfo;
use crate::train::confusion::confusion_svg;
use crate::train::evaluate::{Evaluation, evaluate};
use crate::train::limits::fitting_test;
use crate::train::programs::Runner;
use crate::train::run::RunDir;

pub(super) fn run(options: &EvalOptions, run: TrainedRun) -> Result<Ending> {
    let TrainedRun { run, recipe, info, path, checkpoint, data, images } = run;
    if let Some(seen) = seen_in_training(&run, &info, &data)? {
        note(seen);
    }
    let device = device_of(options.device.as_deref(), &info)?;
    let task = Task { recipe: &recipe, images: &images, teacher: None, targets: None };
    let (programs, batch) = fitting_test(&task, &device, |batch| recipe.method().eval(&task, batch))?;
    let mut runner = Runner::load(programs, &device, recipe.seed)?;
    runner.restore(&checkpoint, &path)?;
    let result = evaluate(&recipe, &mut runner, &data, batch, &NEVER)?.expect("nobody stops this");
    run.write_json("eval.json", &result)?;
    let title = format!("{}, {} images, {} right", info.recipe, result.images, percent(result.accuracy));
    let picture = run.write_text("confusion.svg", &confusion_svg(&result, &title))?;
    if options.json {
        say_json(&result)?;
        return Ok(Ending::Done);
    }
    say(format!("{}  after {} epochs, on {}", path.display(), checkpoint.position.epoch, device.name()))?;
    say(format!("data {}", data.test))?;
    table(&result)?;
    say(format!(
        "\ntop-1 {}   top-5 {}   cross-entropy {:.4}   ({} images)",
        percent(result.accuracy),
        percent(result.top5),
        result.loss,
        result.images
    ))?;
    say(format!("confusion matrix: {}", picture.display()))?;
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
    say(format!("\n{:width$}  images  recognised  of those named so  most often taken for", "class"))?;
    for (r, class) in e.classes.iter().enumerate() {
        let precision = class.precision.map_or("-".to_string(), percent);
        let wrong = (0..e.classes.len()).filter(|&c| c != r).max_by_key(|&c| (e.confusion[r][c], usize::MAX - c));
        let wrong = wrong.filter(|&c| e.confusion[r][c] > 0);
        let wrong = wrong.map_or(String::new(), |c| format!("{} ({})", e.classes[c].name, e.confusion[r][c]));
        say(format!(
            "{:width$}  {:6}  {:>10}  {precision:>17}  {wrong}",
            class.name,
            class.images,
            percent(class.recall)
        ))?;
    }
    Ok(())
}
