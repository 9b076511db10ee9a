//! Whether programs fit the device, known before anything is allocated.

use super::programs::Programs;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::exchange::{Exchange, One};
use crate::graph::Graph;
use crate::memory::{self, mib};
use crate::methods::{Graphs, Task};
use crate::program::{BufferKind, Program};
use crate::recipe::Recompute;

/// A limit that programs exceed.
#[derive(Clone, Debug, PartialEq)]
pub struct Excess {
    /// The limit, by the name that its interface gives it.
    pub limit: String,
    /// Its value in bytes, if that is known.
    pub allowed: Option<u64>,
    /// What is needed, in bytes.
    pub needed: u64,
    /// What needs it.
    pub what: String,
}

impl Excess {
    /// As a part of a sentence.
    fn told(&self) -> String {
        let Excess { limit, allowed, needed, what } = self;
        match allowed {
            Some(allowed) => format!("{what} needs {}, but {limit} is {}", mib(*needed), mib(*allowed)),
            None => format!("{what} needs {}, which is more than {limit}", mib(*needed)),
        }
    }
}

/// Programs that fit the device; with the batch size of the test, which is made smaller where that helps.
pub fn fitting_programs(task: &Task<'_>, device: &Device) -> Result<(Programs, usize)> {
    fitting_programs_for(task, device, &One)
}

/// As [`fitting_programs`], for one of several ranks that train together; those of a machine share its memory.
///
/// # Errors
/// If not even a batch of one image fits, or ranks cannot train it ([`Programs::compile_for`]).
pub fn fitting_programs_for(task: &Task<'_>, device: &Device, exchange: &dyn Exchange) -> Result<(Programs, usize)> {
    let recipe = task.recipe;
    let method = recipe.method();
    let build = |batch: usize, eval: usize| -> Result<Graphs> { method.build(task, batch, eval) };
    let (ranks, here) = (exchange.ranks(), exchange.local().1 as u64);
    let memory = memory_limit(device).map(|bytes| bytes / here);
    let excess_of = |batch: usize, eval: usize| -> Result<(Programs, Option<Excess>)> {
        let programs = Programs::compile_for(build(batch, eval)?, device, ranks)?;
        let excess = excess(&programs, device, memory, programs.beside_bytes(recipe.accumulate / ranks))?;
        Ok((programs, excess))
    };
    let (programs, first) = excess_of(recipe.batch, recipe.eval.batch)?;
    let Some(mut excess_now) = first else { return Ok((programs, recipe.eval.batch)) };
    // The size of a test batch changes no result, so it gives way first.
    let mut eval = recipe.eval.batch;
    while eval > 1 {
        eval = (eval / 2).max(1);
        let (programs, excess) = excess_of(recipe.batch, eval)?;
        match excess {
            None => return Ok((programs, eval)),
            Some(excess) => excess_now = excess,
        }
    }
    let (mut fits, mut fails) = (0, recipe.batch);
    while fails - fits > 1 {
        let middle = fits + (fails - fits) / 2;
        match excess_of(middle, 1)?.1 {
            None => fits = middle,
            Some(_) => fails = middle,
        }
    }
    let advice = match fits {
        0 => "not even a batch of 1 fits: bring the images to a smaller size (--set data.size=[H,W]), or choose a smaller \
              network or another device"
            .to_string(),
        n => {
            let again = match recipe.memory.recompute {
                Recompute::Nothing | Recompute::Pointwise => "; --set memory.recompute=blocks takes less memory and more time",
                Recompute::Blocks => "",
            };
            // The fewest batches that make a step of as many images.
            let parts = (2..=recipe.batch).find(|parts| recipe.batch.is_multiple_of(*parts) && recipe.batch / parts <= n);
            let parts = parts.map_or(String::new(), |parts| {
                let (batch, together) = (recipe.batch / parts, recipe.accumulate * parts);
                format!("; --set batch={batch} --set accumulate={together} makes steps of as many images")
            });
            format!(
                "the largest batch that fits is {n} (--set batch={n}{parts}); smaller images (--set data.size=[H,W]) take less{again}"
            )
        }
    };
    Err(Error::Device(format!(
        "batch {} does not fit {}: {}; {advice}",
        recipe.batch,
        device.name(),
        excess_now.told()
    )))
}

/// A program that tests, alone, made by `test` for a batch size, and that size: the recipe's, or a smaller one where that is too much.
pub fn fitting_test(
    task: &Task<'_>,
    device: &Device,
    test: impl Fn(usize) -> Result<Graph>,
) -> Result<(Programs, usize)> {
    let memory = memory_limit(device);
    let mut batch = task.recipe.eval.batch;
    loop {
        let graphs = Graphs { eval: test(batch)?, ..Graphs::default() };
        let programs = Programs::compile(graphs, device)?;
        // Its checkpoint is in memory already.
        match excess(&programs, device, memory, 0)? {
            None => return Ok((programs, batch)),
            Some(_) if batch > 1 => batch /= 2,
            Some(e) => {
                return Err(Error::Device(format!(
                    "not even one image at a time fits {}: {}",
                    device.name(),
                    e.told()
                )));
            }
        }
    }
}

/// The first limit that programs exceed, which take so many bytes of host memory `beside` their plan. How much memory a GPU
/// has is found by asking for it.
fn excess(programs: &Programs, device: &Device, memory: Option<u64>, beside: usize) -> Result<Option<Excess>> {
    if let Device::Gpu(d) = device {
        let allowed = d.target().max_binding_bytes;
        let largest = programs
            .programs()
            .flat_map(|p| p.buffers.iter().enumerate().map(move |(i, b)| (4 * b.words as u64, p, i)))
            .max_by_key(|(bytes, ..)| *bytes)
            .filter(|(bytes, ..)| *bytes > allowed);
        if let Some((needed, program, buffer)) = largest {
            let limit = "the adapter's max_storage_buffer_binding_size".to_string();
            return Ok(Some(Excess { limit, allowed: Some(allowed), needed, what: tenant(program, buffer) }));
        }
    }
    let needed = (programs.planned_bytes() + beside) as u64;
    if let Some(allowed) = memory.filter(|m| needed > *m) {
        let limit = "the memory that this program can still have".to_string();
        let what = match beside {
            0 => "the whole plan",
            _ => "the whole plan, with its checkpoint and the batches that wait,",
        };
        return Ok(Some(Excess { limit, allowed: Some(allowed), needed, what: what.into() }));
    }
    if let Device::Gpu(d) = device {
        let buffers = programs.buffers();
        if !d.has_memory_for(&buffers)? {
            let limit = "the device can give now (other programs may hold some of its memory)".to_string();
            let (needed, what) = (buffers.iter().sum(), "the whole plan".into());
            return Ok(Some(Excess { limit, allowed: None, needed, what }));
        }
    }
    Ok(None)
}

/// What decides the size of a buffer.
fn tenant(program: &Program, buffer: usize) -> String {
    let graph = &program.graph;
    let of = |v: crate::graph::Value| format!("{} {}", graph.name(v), graph.meta(v));
    match program.buffers[buffer].kind {
        BufferKind::Persistent(v) | BufferKind::Input(v) | BufferKind::Constant(v) => of(v),
        BufferKind::Output | BufferKind::Transient => program
            .steps
            .iter()
            .flat_map(|s| &s.outputs)
            .filter(|v| program.place[v.index()] == Some(buffer))
            .max_by_key(|v| graph.meta(**v).words())
            .map_or("scratch memory".to_string(), |v| of(*v)),
    }
}

/// Free memory where buffers come from host memory and the system tells it.
fn memory_limit(device: &Device) -> Option<u64> {
    let host = match device {
        Device::Cpu => true,
        Device::Gpu(d) => d.target().software,
    };
    // A share of it is left for what is not planned: kernels' scratch, batches that wait, stacks of threads, and the address space
    // of those that work, read images and write checkpoints.
    let set_aside = memory::set_aside(rayon::current_num_threads() + 3);
    let left = |bytes: u64| (bytes - bytes / 8 - (bytes / 8).min(128 << 20)).saturating_sub(set_aside);
    host.then(memory::available)?.map(left)
}
