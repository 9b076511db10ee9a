//! `onebit eval` of a network that compresses a multilayer bootstrap network: both beside each other.

use super::taught;
use crate::cache::note;
use crate::console::stop::NEVER;
use crate::console::text::{grouped, percent, say, say_json, size};
use crate::data::{Dataset, Loader, LoaderOptions, Stats};
use crate::error::{Error, Result};
use crate::experiments::EvalOptions;
use crate::experiments::gradients::{TrainedRun, device_of};
use crate::experiments::mbn::{Agreement, Pace};
use crate::methods::{ImageInfo, Task};
use crate::train::inference::inference_tensors;
use crate::train::limits::fitting_test;
use crate::train::programs::Runner;
use crate::train::run::RunDir;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One part of the images, by both.
#[derive(Serialize)]
struct Part {
    part: &'static str,
    teacher: Option<Agreement>,
    student: Option<Agreement>,
    /// Images.
    images: usize,
    /// Share of them that both put into the same cluster.
    agreement: f64,
}

#[derive(Serialize)]
struct Comparison {
    parts: Vec<Part>,
    /// Of 10,000 predictions of test images.
    teacher_pace: Option<Pace>,
    student_pace: Option<Pace>,
    teacher_bytes: u64,
    student_bytes: usize,
}

pub(super) fn run(options: &EvalOptions, t: TrainedRun) -> Result<()> {
    let device = device_of(options.device.as_deref(), &t.info)?;
    let (of, with_clusters) = taught(&t.recipe, &t.data, &device, &NEVER, options.json)?.expect("nobody stops this");
    let stats = Stats { mean: t.images.mean.clone(), std: t.images.std.clone() };
    let images = ImageInfo::normalised(&with_clusters, &stats);
    let task = Task { recipe: &t.recipe, images: &images, teacher: None, targets: Some(&of.targets) };
    let (programs, batch) = fitting_test(&task, &device, |batch| t.recipe.method().eval(&task, batch))?;
    let mut runner = Runner::load(programs, &device, t.recipe.seed)?;
    runner.restore(&t.checkpoint, &t.path)?;
    let (mut parts, mut student_pace) = (Vec::new(), None);
    let [train, test] = &of.clusters;
    for (part, set, meant) in [("train", &t.data.train, train), ("test", &t.data.test, test)] {
        if set.is_empty() {
            continue;
        }
        let (said, pace) = clusters(&mut runner, set, batch)?;
        student_pace = Some(pace);
        let same = said.iter().zip(meant).filter(|(a, b)| a == b).count();
        parts.push(Part {
            part,
            images: said.len(),
            teacher: Agreement::of(meant, &[set]),
            student: Agreement::of(&said, &[set]),
            agreement: same as f64 / said.len() as f64,
        });
    }
    let shipped = inference_tensors(&task, &t.checkpoint.tensors)?;
    let student_bytes = shipped.values().map(|t| 4 * t.words().len()).sum();
    let missing = || Error::Config("the recipe names no teacher".into());
    let file = RunDir::at(Path::new(&t.recipe.teacher.as_ref().ok_or_else(missing)?.run)).last();
    let teacher_bytes = std::fs::metadata(&file).map_err(Error::io(&file, "read"))?.len();
    let result = Comparison { parts, teacher_pace: of.pace, student_pace, teacher_bytes, student_bytes };
    if options.json {
        say_json(&result)?
    } else {
        say_result(&result, &device.name())?
    };
    if let Err(e) = t.run.write_json("eval.json", &result) {
        note(format!("the result stands above, but could not be written into the run: {e}"));
    }
    Ok(())
}

fn say_result(result: &Comparison, device: &str) -> Result<()> {
    for p in &result.parts {
        let images = grouped(p.images as u64);
        say(format!("{}: student and model agree on {} of {images} images", p.part, percent(p.agreement)))?;
        for (who, found) in [("model", p.teacher), ("student", p.student)] {
            if let Some(found) = found {
                say(format!("  {who:8} {}", found.say()))?;
            }
        }
    }
    say(format!("bytes: model {}, student {}", size(result.teacher_bytes as usize), size(result.student_bytes)))?;
    if let (Some(teacher), Some(student)) = (result.teacher_pace, result.student_pace) {
        say(format!("10,000 predictions on {}:", device))?;
        let line =
            |who: &str, p: Pace| format!("  {who:8} {:.4} s, the device at work {:.4} s", p.seconds, p.device_seconds);
        say(line("model", teacher))?;
        say(line("student", student))?;
        say(format!(
            "  the student is {:.0} times as fast, its device work {:.0} times",
            teacher.seconds / student.seconds,
            teacher.device_seconds / student.device_seconds
        ))?;
    }
    Ok(())
}

/// What a network says of images, and how fast.
fn clusters(runner: &mut Runner, set: &Arc<Dataset>, batch: usize) -> Result<(Vec<u32>, Pace)> {
    let loader = Loader::new(set.clone(), LoaderOptions::eval(batch))?;
    let (mut said, mut spent) = (Vec::with_capacity(set.len()), Duration::ZERO);
    // The first batch warms the device up.
    let mut batches = loader.epoch(0);
    if let Some(b) = batches.next() {
        runner.logits(&b?.images[0])?;
    }
    let start = Instant::now();
    let mut batches = loader.epoch(0);
    while let Some(b) = batches.next() {
        let b = b?;
        let (logits, device) = runner.timed_logits(&b.images[0])?;
        spent += device;
        let columns = logits.shape().columns();
        for row in logits.f32s().chunks_exact(columns).take(b.valid) {
            let best = (1..columns).fold(0, |best, c| if row[c] > row[best] { c } else { best });
            said.push(best as u32);
        }
        batches.recycle(b);
    }
    Ok((said, Pace::of(set.len(), start.elapsed().as_secs_f64(), spent.as_secs_f64())))
}
