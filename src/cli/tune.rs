//! Choosing kernels by measurement: before training, and ahead of time.

use super::given::teacher_for_a_look;
use super::text::say;
use crate::bench::Bench;
use crate::cache::note;
use crate::device::Device;
use crate::gpu::GpuDevice;
use crate::methods::method;
use crate::program::Program;
use crate::train::limits::fitting_plan;
use crate::train::method::{ImageInfo, Task};
use crate::train::recipe::Recipe;
use crate::train::scheduler::Plan;
use crate::tune::{TuneOptions, Tuned, classes, tune};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// How long training may be kept waiting, and a class that was begun. A software adapter compiles for seconds: there the
/// kernels are found over several runs, those with the most work first.
fn patience(device: &GpuDevice) -> Duration {
    Duration::from_secs(if device.target().software { 5 } else { 20 })
}

/// The kernels that are best for a plan's programs, measuring what is not known of the device yet.
pub fn before_training(device: &GpuDevice, plan: &Plan, allow_reorder: bool) -> anyhow::Result<Tuned> {
    let limit = Some(patience(device));
    let options = TuneOptions { limit, allow_reorder, ..TuneOptions::default() };
    Ok(tune(device, plan.programs(), &options, &mut |dropped| note(dropped))?)
}

/// What [`before_training`] did, if it measured anything.
pub fn say_tuned(tuned: &Tuned, allow_reorder: bool, as_json: bool) -> anyhow::Result<()> {
    let (classes, other) = (tuned.measured.len(), others(tuned, allow_reorder));
    let (left, seconds) = (tuned.left, tuned.seconds);
    if classes + left == 0 {
        return Ok(());
    }
    if as_json {
        return say(json!({ "event": "tune", "classes": classes, "changed": other, "left": left, "seconds": seconds }));
    }
    let later = if left > 0 { format!("; {left} more the next time") } else { String::new() };
    say(format!(
        "tuning  {classes} kinds of kernels measured in {seconds:.1} s, another one is faster for {other}{later}"
    ))
}

/// Classes for which another variant than the rule's was found.
fn others(tuned: &Tuned, allow_reorder: bool) -> usize {
    tuned.measured.iter().filter(|(_, v)| v.choice(allow_reorder) != v.rule).count()
}

/// Measures the kernels of some recipes' programs or, without any, of the bench's shapes, known or not, and prints what
/// each choice gives.
pub fn ahead(
    device: &GpuDevice,
    recipes: &[String],
    data: Option<&Path>,
    benches: &[Bench],
    allow_reorder: bool,
) -> anyhow::Result<()> {
    let face = Device::Gpu(device.clone());
    let mut programs: Vec<Program> = Vec::new();
    for name in recipes {
        let (_, mut recipe) = Recipe::find(name)?;
        if let Some(data) = data {
            recipe.data.path = data.display().to_string();
        }
        let images = ImageInfo::of(&recipe.data.open()?);
        let teacher = teacher_for_a_look(&recipe)?;
        let task = Task { recipe: &recipe, images: &images, teacher: teacher.as_ref(), targets: None };
        let (plan, _) = fitting_plan(method(recipe.method), &task, &face)?;
        programs.extend(plan.step.into_iter().map(|(_, p)| p).chain([plan.eval]));
    }
    if recipes.is_empty() {
        for bench in benches {
            programs.push(Program::compile(bench.graph.clone(), face.backend())?);
        }
    }
    say(format!("{} kinds of kernels have variants", classes(&programs, &device.target()).len()))?;
    let options = TuneOptions { allow_reorder, again: true, ..TuneOptions::default() };
    let tuned = tune(device, &programs, &options, &mut |dropped| note(dropped))?;
    let width = tuned.measured.iter().map(|(class, _)| class.len()).max().unwrap_or(0);
    say(format!("\n{:width$} {:>9}  {:22} {:>9}  faster", "class", "rule, ms", "taken", "ms"))?;
    for (class, v) in &tuned.measured {
        let taken = v.choice(allow_reorder);
        say(match v.ms {
            Some([rule, other]) => format!("{class:width$} {rule:9.3}  {taken:22} {other:9.3}  {:.2} x", rule / other),
            None => format!("{class:width$} {:>9}  {taken}", "is wrong"),
        })?;
    }
    let (all, other) = (tuned.measured.len(), others(&tuned, allow_reorder));
    say(format!("\nanother kernel than the rule's is taken for {other} of {all}, measured in {:.1} s", tuned.seconds))
}
