//! `onebit eval --protocol`: how good features are that were learned without labels.

use super::eval::{Args, Tested};
use super::progress::observer;
use super::stop::{INTERRUPTED, on_ctrl_c};
use super::text::{grouped, mib, percent, say};
use crate::data::Split;
use crate::device::Device;
use crate::features::low_shot;
use crate::methods::method;
use crate::train::choose::choose;
use crate::train::evaluate::Evaluation;
use crate::train::fit::{Job, Outcome, fit};
use crate::train::limits::fitting_plan;
use crate::train::method::{ImageInfo, Task};
use crate::train::protocol::{Judged, Judgement, Protocol, feature_plan, features, finetune_recipe};
use crate::train::recipe::RunInfo;
use crate::train::run::RunDir;
use crate::train::scheduler::Scheduler;
use crate::tune::remembered;
use anyhow::{Context, bail};
use serde_json::json;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

/// A share of the labels: `10%` or `0.1`.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let number = |t: &str| t.trim().parse::<f64>().ok();
    let share = match text.strip_suffix('%') {
        Some(percent) => number(percent).map(|p| p / 100.0),
        None => number(text),
    };
    share.filter(|s| *s > 0.0 && *s <= 1.0).ok_or_else(|| "give a share over 0 and at most all: 1%, 10%, 100%".into())
}

/// The protocol of that name.
pub(super) fn protocol(text: &str) -> Result<Protocol, String> {
    let all = [Protocol::Knn, Protocol::Linear, Protocol::Finetune];
    all.into_iter().find(|p| p.name() == text).ok_or_else(|| "choose knn, linear or finetune".into())
}

/// Judges a run's features, notes the result in its protocols.json, and says it.
pub(super) fn run(args: &Args, how: Protocol, t: Tested) -> anyhow::Result<ExitCode> {
    for part in [&t.data.train, &t.data.test] {
        if part.is_empty() || part.labels.is_none() {
            bail!("{}: --protocol {} needs training and test images with labels", part.name, how.name());
        }
    }
    let (result, note) = match how {
        Protocol::Finetune => match finetuned(args, &t)? {
            Ok(accuracy) => accuracy,
            Err(stopped) => return Ok(stopped),
        },
        Protocol::Knn | Protocol::Linear => judged(args, how, &t)?,
    };
    let judgement = Judgement {
        protocol: how,
        labels: args.labels,
        data: t.data.name().to_string(),
        training_images: low_shot(t.data.train.len(), args.labels).len(),
        test_images: t.data.test.len(),
        accuracy: result,
    };
    t.run.note_judgement(&judgement)?;
    if args.json {
        say(serde_json::to_string_pretty(&judgement)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    say(format!(
        "{}: {} {}, labels of {} of {} training images, {} test images of {}{note}",
        t.run.path().display(),
        judgement.column(&judgement.data),
        percent(judgement.accuracy),
        grouped(judgement.training_images as u64),
        grouped(t.data.train.len() as u64),
        grouped(judgement.test_images as u64),
        judgement.data
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// A device for a run's features.
pub(super) fn device(select: Option<&str>, info: &RunInfo) -> anyhow::Result<Device> {
    Ok(match choose(select.unwrap_or(&info.select))?.device {
        Device::Gpu(gpu) => Device::Gpu(remembered(&gpu, false)),
        cpu => cpu,
    })
}

/// What makes features, with a run's weights.
pub(super) fn extractor(t: &Tested, device: &Device) -> anyhow::Result<(Scheduler, usize)> {
    let task = Task { recipe: &t.recipe, images: &t.images, teacher: None, targets: None };
    let (plan, batch) = feature_plan(&task, device)?;
    let mut scheduler = Scheduler::load(plan, device, t.recipe.seed)?;
    scheduler.restore(&t.checkpoint, &t.path)?;
    Ok((scheduler, batch))
}

fn judged(args: &Args, how: Protocol, t: &Tested) -> anyhow::Result<(f64, String)> {
    let (mut scheduler, batch) = extractor(t, &device(args.device.as_deref(), &t.info)?)?;
    let never = AtomicBool::new(false);
    let mut of = |set| features(&mut scheduler, set, batch, &never)?.context("nobody stops this");
    let judged = Judged::new(&t.data, args.labels, of(&t.data.train)?, of(&t.data.test)?)?;
    let (result, note): (Evaluation, String) = match how {
        Protocol::Linear => {
            let (result, probe) = judged.by_probe()?;
            let end = if probe.converged { "" } else { ", which did not converge" };
            (result, format!("; {} iterations{end}", probe.iterations))
        }
        _ => (judged.by_neighbours()?, String::new()),
    };
    Ok((result.accuracy, note))
}

/// Trains a copy of the network on the labels, in a run directory below the run's. The accuracy, or the exit code of an
/// interrupted run.
fn finetuned(args: &Args, t: &Tested) -> anyhow::Result<Result<(f64, String), ExitCode>> {
    let with = low_shot(t.data.train.len(), args.labels);
    let mut recipe = finetune_recipe(&t.recipe, &t.run.path().display().to_string(), args.labels, with.len());
    recipe.data.label_share = args.labels;
    let data = Split { train: t.data.train.select(&with).into(), ..t.data.clone() };
    let images = ImageInfo { mean: t.images.mean.clone(), std: t.images.std.clone(), ..ImageInfo::of(&data) };
    let device = device(args.device.as_deref(), &t.info)?;
    let how = method(recipe.method);
    let task = Task { recipe: &recipe, images: &images, teacher: None, targets: None };
    let (mut plan, eval_batch) = fitting_plan(how, &task, &device)?;
    super::given::start_from(&recipe, &mut plan)?;
    let info = RunInfo {
        recipe: format!("{}-finetune", t.info.recipe),
        device: device.name(),
        select: args.device.clone().unwrap_or(t.info.select.clone()),
        version: env!("CARGO_PKG_VERSION").into(),
        mean: images.mean.clone(),
        std: images.std.clone(),
        teacher: None,
    };
    let run = RunDir::create(&t.run.path().join(format!("finetune-{}%", 100.0 * args.labels)), &recipe, info)?;
    let about = format!("{}  {}", device.name(), mib(plan.planned_bytes()));
    let stop = on_ctrl_c()?;
    let mut observer = observer(args.json, &recipe, about);
    let job = Job {
        name: format!("{}-finetune", t.info.recipe),
        recipe,
        method: how,
        data,
        device,
        eval_batch,
        run: run.clone(),
        resume: false,
        stop,
    };
    let outcome = fit(job, plan, &mut *observer);
    drop(observer);
    match outcome? {
        Outcome::Finished(summary) => {
            let accuracy = summary.test_accuracy.context("there are test images")?;
            Ok(Ok((accuracy, format!("; the fine-tuned network is in {}", run.path().display()))))
        }
        Outcome::Stopped { saved, .. } => {
            let again = format!("onebit train --resume --out {}", run.path().display());
            match args.json {
                true => say(json!({ "event": "stopped", "saved": saved, "resume": again }))?,
                false => say(format!("stopped, saved to {}; to go on:  {again}", saved.display()))?,
            }
            Ok(Err(ExitCode::from(INTERRUPTED)))
        }
    }
}
