//! Training steps of a recipe as a folder: its network, its images, its schedule.

use super::check::{Check, Data};
use super::folder::{Folder, Summary};
use super::variant::{Compiled, DEFAULT_STORAGE_BUFFERS, Way};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::methods::{Graphs, ImageInfo, Task, Teacher};
use crate::program::{Backend, Program, Work};
use crate::recipe::Recipe;
use crate::shader::sources::Sources;
use crate::train::programs::Programs;
use crate::train::steps::{Steps, loader};
use crate::verify::StepRun;
use std::path::Path;
use std::sync::Arc;

/// Training steps, to be exported.
#[derive(Clone, Debug, PartialEq)]
pub struct StepExport {
    /// Name of the recipe.
    pub name: String,
    /// The recipe.
    pub recipe: Recipe,
    /// Bring the batch down until the folder has a moderate size.
    pub shrink: bool,
    /// Only the kernels that GPUs take, each step once.
    pub quick: bool,
    /// How many steps, from the first.
    pub steps: u64,
    /// The shader files. Where they are not the built-in ones, only steps that use the others are exported.
    pub sources: Sources,
}

/// About how large a folder may be before the batch is made smaller.
const MODERATE_BYTES: usize = 128 << 20;
/// Batches are not made smaller than this: the statistics of one image are no statistics.
const LEAST_BATCH: usize = 2;

impl StepExport {
    /// The first step of a recipe, with its own batch or a smaller one.
    pub fn new(name: String, recipe: Recipe) -> StepExport {
        StepExport { name, recipe, shrink: true, quick: false, steps: 1, sources: Sources::default() }
    }

    /// Writes the folder; gives the batch that it was made with, too. `each` is told how many steps of programs are
    /// done, and of how many.
    ///
    /// # Errors
    /// If the images cannot be read or do not fit the recipe, no step uses the shaders, one does not assemble, or the
    /// folder cannot be written.
    pub fn write(&self, dir: &Path, mut each: impl FnMut(usize, usize)) -> Result<(Summary, usize)> {
        let data = self.recipe.open_images()?;
        if data.train.is_empty() {
            return Err(Error::data(&self.recipe.data.path, "there are no training images"));
        }
        let images = match &self.recipe.augment.normalize {
            Some(stats) => ImageInfo::normalised(&data, stats),
            None => ImageInfo::of(&data)?,
        };
        let (recipe, graphs) = self.build(&images)?;
        // Images and recipe must go together before a folder is begun.
        loader(&recipe, &data)?;
        let mut folder = Folder::create(dir, format!("{}, batch {}", self.name, recipe.batch), recipe.seed)?;

        let mut ways: Vec<Vec<Way>> = Vec::new();
        let mut step = Vec::new();
        for (part, graph) in graphs.parts() {
            let compiled = Compiled::new(graph, DEFAULT_STORAGE_BUFFERS, &self.sources)?;
            let mut kept = compiled.ways;
            if self.quick {
                // The first way of a step is that of GPUs.
                kept.dedup_by_key(|w| w.step);
            }
            ways.push(kept);
            step.push((*part, compiled.program));
        }
        let names: Vec<&str> = step.iter().map(|(part, _)| *part).collect();
        let total = self.steps as usize * step.iter().map(|(_, p)| p.steps.len()).sum::<usize>();
        let refresh = graphs.step.len();
        let start = graphs.start.map(|g| Program::compile(g, Backend::Cpu)).transpose()?;
        let eval = Program::compile(graphs.eval, Backend::Cpu)?;
        let programs = Programs { start, step, refresh, updates: Vec::new(), eval, given: graphs.given };
        let mut training = Steps::new(recipe.clone(), &data, programs, &Device::Cpu)?;
        let mut done = 0;
        for steps in 0..self.steps {
            let batch = training.batch(steps)?;
            training.upload(&batch)?;
            for part in 0..training.runner.parts().len() {
                let scalars = training.scalars(part, steps)?;
                let exe = training.runner.part(part);
                let program = exe.program().clone();
                for i in 0..program.steps.len() {
                    each(done, total);
                    done += 1;
                    let run = StepRun::run(exe, &scalars, i)?;
                    let mut ways = ways[part].iter().filter(|w| w.step == i).peekable();
                    if ways.peek().is_none() {
                        continue;
                    }
                    let data = Arc::new(Data::new(&program, &scalars, &run));
                    for way in ways {
                        folder.push(&Check {
                            op: row(&program, i).to_string(),
                            case: format!("{} {} {steps}, {}", self.name, names[part], program.step_scope(i)),
                            kernels: way.kernels.clone(),
                            step: program.step_name(i),
                            recorded: way.recorded.clone(),
                            data: data.clone(),
                            compile_only: false,
                        })?;
                    }
                }
            }
        }
        each(total, total);
        let replaced = self.sources.replaced().collect::<Vec<_>>().join(", ");
        match folder.is_empty() && !replaced.is_empty() {
            true => Err(Error::Config(format!("no step of {} uses {replaced}", self.name))),
            false => Ok((folder.finish()?, recipe.batch)),
        }
    }

    /// The graphs of the recipe, with a batch for which the folder is of moderate size.
    fn build(&self, images: &ImageInfo) -> Result<(Recipe, Graphs)> {
        let mut recipe = self.recipe.clone();
        loop {
            // The test is not exported: its batch may as well be 1.
            let teacher = Teacher::for_a_look(&recipe)?.map(|(t, _)| t);
            let task = Task { recipe: &recipe, images, teacher: teacher.as_ref(), targets: None };
            let graphs = recipe.method().build(&task, recipe.batch, 1)?;
            let program = |g: &crate::graph::Graph| Program::compile(g.clone(), Backend::Cpu);
            let programs = graphs.parts().map(|(_, g)| program(g)).collect::<Result<Vec<_>>>()?;
            let bytes = self.steps as usize * programs.iter().map(bytes).sum::<usize>();
            if !self.shrink || bytes <= MODERATE_BYTES || recipe.batch <= LEAST_BATCH {
                return Ok((recipe, graphs));
            }
            recipe.batch = (recipe.batch / 2).max(LEAST_BATCH);
        }
    }
}

/// About how much of a folder the steps of a program take: words in; numbers and bounds in f64 out; base64.
fn bytes(program: &Program) -> usize {
    let meta = |v: &crate::graph::Value| program.graph.meta(*v);
    let step = |s: &crate::program::Step| {
        let inputs: usize = s.inputs.iter().map(|v| meta(v).bytes()).sum();
        let outputs: usize = s.outputs.iter().map(|v| 16 * meta(v).shape.elements()).sum();
        (inputs + outputs) * 4 / 3
    };
    program.steps.iter().map(step).sum()
}

/// The row of a step in the report: its op. The chains of fused kernels are many, and named in each record.
fn row(program: &Program, i: usize) -> &'static str {
    let op = |n: usize| program.graph.nodes()[n].op.name();
    match &program.steps[i].work {
        Work::Node { node, .. } => op(*node),
        Work::Fused(chains) if chains.len() == 1 && chains[0].nodes.len() == 1 => op(chains[0].nodes[0]),
        Work::Fused(_) => "fused",
        Work::Copy { .. } => "copy",
    }
}
