//! Every shader, in every variant that the cases reach, on every graphics API: naga validates it and
//! writes it for Vulkan, Metal and DX12. Needs no GPU, so it also covers those that are not at hand.

use naga::back::{hlsl, msl, pipeline_constants::process_overrides, spv};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage};
use onebit::bench::ceiling_kernels;
use onebit::gpu::trial_kernels;
use onebit::graph::Graph;
use onebit::launch::{Choices, MatrixUnit, Target};
use onebit::program::{Backend, Command, Kernel, Options, Program};
use onebit::shader::Wgsl;
use onebit::shader::sources::Sources;
use onebit::tune::{Class, classes};
use onebit::verify::cases;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::Arc;

/// What the programs of the cases are made of.
#[derive(Default)]
pub struct Reached {
    /// Each kernel once, by text and constants.
    pub kernels: BTreeMap<(Wgsl, String), Kernel>,
    files: BTreeSet<String>,
}

impl Reached {
    fn program(&mut self, p: &Program) {
        for command in p.commands().unwrap_or_else(|e| panic!("{e}")) {
            if let Command::Dispatch(d) = command {
                self.kernel(d.kernel);
            }
        }
    }

    fn kernel(&mut self, k: Kernel) {
        self.files.extend(k.files.iter().cloned());
        self.kernels.insert((k.source.clone(), format!("{:?}", k.constants)), k);
    }
}

/// Which of the variants that tuning may take in place of the rule's are looked at.
#[derive(Clone, Copy, PartialEq)]
pub enum Variants {
    /// Another one each time, so that over all cases each kind is met.
    InTurn,
    /// All of them.
    Every,
}

/// Every kernel of the cases, for devices with much and with little, and those that measure a device's ceilings.
pub fn reached(variants: Variants) -> Reached {
    let (mut reached, mut turn) = (Reached::default(), 0);
    for case in cases::all().iter().filter(|c| !c.large).map(|c| c.build(cases::SEED)) {
        on_matrix_units(&mut reached, &case.graph);
        for (software, subgroup) in [(true, None), (true, Some(8)), (false, None)] {
            for max_storage_buffers in [4, 16] {
                // With few workgroups wanted, large tiles are chosen too.
                for busy_workgroups in [1, Target::BUSY_WORKGROUPS] {
                    let least = Target::default();
                    let target = Target { software, subgroup, max_storage_buffers, busy_workgroups, ..least };
                    let compile = |target: Target| {
                        Program::compile_with(case.graph.clone(), Backend::Gpu(target), Options::default())
                            .unwrap_or_else(|e| panic!("{} {}: {e}", case.op, case.name))
                    };
                    let program = compile(target.clone());
                    reached.program(&program);
                    if max_storage_buffers == 4 || busy_workgroups == 1 {
                        continue;
                    }
                    let classes = classes([&program], &target);
                    let most = classes.iter().map(|c| c.variants.len()).max().unwrap_or(0);
                    for nth in 0..if variants == Variants::Every { most } else { most.min(1) } {
                        let choose = |c: &Class| {
                            turn += 1;
                            let at = if variants == Variants::Every { nth } else { turn };
                            (c.key.clone(), c.variants[at % c.variants.len()].name.clone())
                        };
                        let choices: Choices = classes.iter().map(choose).collect();
                        reached.program(&compile(Target { choices: Arc::new(choices), ..target.clone() }));
                    }
                }
            }
        }
    }
    // Those that measure a device's ceilings, or try its matrix units, belong to no program.
    for kernel in [ceiling_kernels(), trial_kernels()].into_iter().flat_map(|k| k.unwrap_or_else(|e| panic!("{e}"))) {
        reached.kernel(kernel);
    }
    reached
}

/// Kernels for all kinds of matrix units, each as soon as a case has a class that it fits.
fn on_matrix_units(reached: &mut Reached, graph: &Graph) {
    for (size, half) in [(8, false), (8, true), (16, true)] {
        let matrix = Some(MatrixUnit { size, half, subgroup: 32 });
        let target = Target { max_workgroup_memory: WITH_MATRICES as u32, matrix, ..Target::default() };
        let program = Program::compile(graph.clone(), Backend::Gpu(target.clone())).unwrap_or_else(|e| panic!("{e}"));
        let classes = classes([&program], &target);
        for nth in 0.. {
            // The nth of each class that has so many.
            let choose = |c: &Class| {
                let mut units = c.variants.iter().filter(|v| v.name.starts_with("matrix units"));
                Some((c.key.clone(), units.nth(nth)?.name.clone()))
            };
            let choices: Choices = classes.iter().filter_map(choose).collect();
            if choices.is_empty() {
                break;
            }
            let target = Target { choices: Arc::new(choices), ..target.clone() };
            reached.program(&Program::compile(graph.clone(), Backend::Gpu(target)).unwrap_or_else(|e| panic!("{e}")));
        }
    }
}

/// Bytes of workgroup memory that kernels for matrix units take at most; smaller devices have smaller tiles.
const WITH_MATRICES: usize = 48 << 10;

/// What a kernel asks of a device beyond the least, by its `enable` lines and its names.
pub fn capabilities(source: &str) -> Capabilities {
    let mut wanted = Capabilities::empty();
    if source.contains("subgroup") {
        wanted |= Capabilities::SUBGROUP;
    }
    for (line, capability) in [
        ("enable f16;", Capabilities::SHADER_FLOAT16),
        ("enable wgpu_cooperative_matrix;", Capabilities::COOPERATIVE_MATRIX | Capabilities::SUBGROUP),
    ] {
        if source.lines().any(|l| l == line) {
            wanted |= capability;
        }
    }
    wanted
}

/// A kernel with its constants put in, and what naga knows of it.
pub fn read(kernel: &Kernel) -> Result<(Module, ModuleInfo), Box<dyn Error>> {
    let source = kernel.source.text();
    let module = naga::front::wgsl::parse_str(source).map_err(|e| e.emit_to_string(source))?;
    let validate = |m: &Module| {
        let mut validator = Validator::new(ValidationFlags::all(), capabilities(source));
        validator.validate(m).map_err(|e| e.emit_to_string(source))
    };
    let info = validate(&module)?;
    let constants = kernel.constants.iter().map(|(n, v)| (n.to_string(), *v)).collect();
    let (module, _) = process_overrides(&module, &info, Some((ShaderStage::Compute, "main")), &constants)?;
    let info = validate(&module)?;
    Ok((module.into_owned(), info))
}

/// Asks `failure` of every kernel, on all cores; what it said.
pub fn failures(kernels: &[Kernel], failure: impl Fn(&Kernel) -> Option<String> + Sync) -> Vec<String> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let named = |k: &Kernel| failure(k).map(|e| format!("{} {:?}: {e}", k.name, k.constants));
    std::thread::scope(|s| {
        let chunks = kernels.chunks(kernels.len().div_ceil(threads));
        let workers: Vec<_> = chunks.map(|c| s.spawn(|| c.iter().filter_map(named).collect::<Vec<_>>())).collect();
        workers.into_iter().flat_map(|w| w.join().expect("failures are returned")).collect()
    })
}

/// Validates a kernel and writes it for each API; the least limits of any device must be enough for it.
fn translate(kernel: &Kernel) -> Result<(), Box<dyn Error>> {
    let (module, info) = read(kernel)?;
    let capabilities = capabilities(kernel.source.text());
    let entry = (ShaderStage::Compute, "main");

    let limits = wgpu::Limits::downlevel_defaults();
    let invocations: u32 = module.entry_points[0].workgroup_size.iter().product();
    let shared = module.global_variables.iter().filter(|(_, v)| v.space == AddressSpace::WorkGroup);
    let bytes: u32 = shared.map(|(_, v)| module.types[v.ty].inner.size(module.to_ctx())).sum();
    let matrices = capabilities.contains(Capabilities::COOPERATIVE_MATRIX);
    let memory = if matrices { WITH_MATRICES as u32 } else { limits.max_compute_workgroup_storage_size };
    if invocations > limits.max_compute_invocations_per_workgroup || bytes > memory {
        return Err(format!("{invocations} invocations, {bytes} bytes of workgroup memory").into());
    }

    let pipeline = spv::PipelineOptions { shader_stage: entry.0, entry_point: entry.1.to_string() };
    spv::write_vec(&module, &info, &spv::Options::default(), Some(&pipeline))?;
    let entry_point = Some((entry.0, entry.1.to_string()));
    let pipeline = msl::PipelineOptions { entry_point: entry_point.clone(), ..Default::default() };
    // Metal 2.0 is of 2017; its matrices came with 2.3.
    let options = msl::Options { lang_version: if matrices { (2, 3) } else { (2, 0) }, ..Default::default() };
    msl::write_string(&module, &info, &options, &pipeline)?;
    if matrices {
        // DX12 has none.
        return Ok(());
    }
    // Subgroups came to DX12 with shader model 6.
    let subgroups = capabilities.contains(Capabilities::SUBGROUP);
    let shader_model = if subgroups { hlsl::ShaderModel::V6_0 } else { hlsl::Options::default().shader_model };
    let options = hlsl::Options { shader_model, ..Default::default() };
    let (pipeline, mut text) = (hlsl::PipelineOptions { entry_point }, String::new());
    hlsl::Writer::new(&mut text, &options, &pipeline).write(&module, &info, None)?;
    Ok(())
}

#[test]
fn every_kernel_translates_for_every_api() {
    let kernels: Vec<Kernel> = reached(Variants::InTurn).kernels.into_values().collect();
    let failures = failures(&kernels, |k| translate(k).err().map(|e| e.to_string()));
    assert!(failures.is_empty(), "{} of {} kernels\n{}", failures.len(), kernels.len(), failures.join("\n"));
}

#[test]
fn cases_reach_every_shader() {
    let reached = reached(Variants::InTurn).files;
    let missed: Vec<String> = Sources::all().into_iter().filter(|f| !reached.contains(f)).collect();
    assert!(missed.is_empty(), "no case reaches {}", missed.join(", "));
}
