//! `onebit verify --recipe NAME --gradients`.

use super::{Args, recipe_of};
use crate::cli::look::teacher_for_a_look;
use crate::console::text::say;
use crate::console::wait::Waiting;
use crate::device::Device;
use crate::files::write_atomic;
use crate::methods::{ImageInfo, Task};
use crate::train::limits::fitting_programs;
use crate::train::node_check::check_gradients;
use crate::train::steps::Steps;
use crate::verify::GradientReport;
use anyhow::bail;
use std::process::ExitCode;

/// Images of the step: few, because the reference computes every node many times.
const IMAGES: usize = 4;

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Some(name) = &args.recipe else {
        bail!("--gradients checks the layers of a recipe: say of which by --recipe NAME, or --recipe FILE.toml");
    };
    let (name, mut recipe) = recipe_of(args, name)?;
    let data = recipe.open_images()?;
    let images = ImageInfo::of(&data)?;
    let teacher = teacher_for_a_look(&recipe)?;
    recipe.batch = recipe.batch.min(IMAGES);
    // The test is not checked: one image is enough of it.
    recipe.eval.batch = 1;
    let task = Task { recipe: &recipe, images: &images, teacher: teacher.as_ref(), targets: None };
    // Its numbers do not matter much: it is where the step's content is made, and moves on to the next part of the step.
    let programs = fitting_programs(&task, &Device::Cpu)?.0;
    let is_second = |i| if i < programs.refresh { "" } else { " of the second pass" };
    let names = programs.step.iter().enumerate().map(|(i, (name, _))| format!("{name}{}", is_second(i)));
    let names: Vec<String> = names.collect();
    let mut report = GradientReport {
        version: env!("CARGO_PKG_VERSION").to_string(),
        recipe: name,
        seed: recipe.seed,
        layers: Vec::new(),
    };
    let mut steps = Steps::new(recipe, &data, programs, &Device::Cpu)?;
    let waiting = Waiting::new(100 * names.len(), "gradients");
    check_gradients(&mut steps, &names, &mut report, |part, node, of| {
        waiting.at(100 * part + 100 * node / of, &format!("{}, node {node} of {of}", names[part]));
    })?;
    drop(waiting);
    say(&report)?;
    if let Some(path) = &args.json {
        write_atomic(path, format!("{}\n", serde_json::to_string_pretty(&report)?).as_bytes())?;
        say(format!("written to {}", path.display()))?;
    }
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
