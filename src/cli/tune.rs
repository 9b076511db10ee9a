//! Choosing kernels by measurement: before training, and ahead of time.

use super::look::teacher_for_a_look;
use crate::bench::Bench;
use crate::cache::note;
use crate::console::text::say;
use crate::device::Device;
use crate::experiments::gradients::taken_another;
use crate::gpu::GpuDevice;
use crate::methods::{ImageInfo, Task};
use crate::program::Program;
use crate::recipe::Recipe;
use crate::train::limits::fitting_programs;
use crate::tune::{TuneOptions, classes, tune};
use std::path::Path;

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
        let images = ImageInfo::of(&recipe.open_images()?)?;
        let teacher = teacher_for_a_look(&recipe)?;
        let task = Task { recipe: &recipe, images: &images, teacher: teacher.as_ref(), targets: None };
        let (found, _) = fitting_programs(&task, &face)?;
        programs.extend(found.step.into_iter().map(|(_, p)| p).chain([found.eval]));
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
    let (all, other) = (tuned.measured.len(), taken_another(&tuned, allow_reorder));
    Ok(say(format!(
        "\nanother kernel than the rule's is taken for {other} of {all}, measured in {:.1} s",
        tuned.seconds
    ))?)
}
