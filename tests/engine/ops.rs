//! Every op, forward and gradient: against finite differences, and on every adapter as devices differ: with bounds
//! checks as in a browser, under WebGPU's default limits, and under the least limits. With the adapters' own limits and
//! all kinds of kernels, `tests/cli/adapters.rs` runs them.

use crate::devices::gpus;
use onebit::device::{Device, Store};
use onebit::gpu::{GpuOptions, LimitSet};
use onebit::kernels::Isa;
use onebit::program::{Backend, Program};
use onebit::verify::{CaseSpec, ReferenceCache, Report, Request, cases, check_gradient, compare_program};
use rayon::prelude::*;

/// What `ONEBIT_OP` chooses ("conv2d 2x5x7x3 to 8, ..."), or all, on the kernels that each device takes by itself.
fn request() -> Request {
    let filter = std::env::var("ONEBIT_OP").unwrap_or_default();
    Request { filter, quick: true, ..Request::default() }
}

fn specs() -> Vec<CaseSpec> {
    request().cases().unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn gradients_equal_finite_differences() {
    let checked = |spec: &CaseSpec| {
        let case = spec.build(cases::SEED);
        let has = case.differentiable && case.graph.outputs().iter().any(|(n, _)| n == "loss");
        has.then(|| check_gradient(&case)).is_some()
    };
    let checked = specs().par_iter().filter(|spec| checked(spec)).count();
    let all_ops = std::env::var_os("ONEBIT_OP").is_none();
    assert!(!all_ops || checked > 40, "only {checked} cases have gradients");
}

/// Cases on every adapter, opened in one way: once for each core, as a software adapter compiles on one.
fn all_pass(way: &str, options: GpuOptions, specs: &[CaseSpec]) {
    let named = |(name, d): (String, Device)| (format!("{name} {way}"), d);
    let set = |_| -> Vec<(String, Device)> { gpus(options).into_iter().map(named).collect() };
    let sets: Vec<_> = (0..rayon::current_num_threads()).map(set).collect();
    let request = request();
    let report = Report { seed: request.seed, devices: request.run(&sets, specs, |_, _| true), ..Report::default() };
    for d in &report.devices {
        assert_eq!(d.ops.values().map(|o| o.cases).sum::<usize>(), specs.len(), "every case ran on {}", d.device);
    }
    assert!(report.passed(), "{report}");
}

/// With bounds checks and WebGPU's default limits.
#[test]
fn every_adapter_as_in_a_browser() {
    let options = GpuOptions { checked: true, limits: LimitSet::Defaults, ..Default::default() };
    all_pass("as in a browser", options, &specs());
}

/// Under the least limits: the cases whose kernels are others then than with the adapter's own, which `tests/cli` runs.
#[test]
fn every_adapter_under_downlevel_limits() {
    let low = GpuOptions { limits: LimitSet::Downlevel, ..Default::default() };
    let devices: Vec<_> = gpus(low).into_iter().zip(gpus(GpuOptions::default())).collect();
    let differs = |spec: &&CaseSpec| {
        let graph = spec.build(cases::SEED).graph;
        let commands = |d: &Device| Program::compile(graph.clone(), d.backend()).unwrap().commands().unwrap();
        devices.iter().any(|((_, low), (_, own))| commands(low) != commands(own))
    };
    let (all, all_ops) = (specs(), std::env::var_os("ONEBIT_OP").is_none());
    let others: Vec<CaseSpec> = all.par_iter().filter(differs).cloned().collect();
    assert!(!all_ops || others.len() > 5, "{} of {} cases have other kernels", others.len(), all.len());
    println!("{} of {} cases have other kernels", others.len(), all.len());
    all_pass("under downlevel limits", low, &others);
}

/// The CPU device by each instruction set that this machine has, whatever `ONEBIT_ISA` says.
#[test]
fn the_cpu_by_every_instruction_set() {
    let specs: Vec<CaseSpec> = specs().into_iter().filter(|c| !c.large).collect();
    // What is wrong, and how many values were compared, by instruction set.
    let one = |spec: &CaseSpec| -> Vec<(Vec<String>, usize)> {
        let (case, references) = (spec.build(cases::SEED), ReferenceCache::new(1 << 28));
        let by = |isa: Isa| {
            let title = format!("{} {} by {isa}", case.op, case.name);
            let program = Program::compile(case.graph.clone(), Backend::Cpu).unwrap();
            match compare_program(&mut Store::on_cpu(isa), program, &case.leaves, &case.scalars, &references) {
                Ok(findings) => {
                    let wrong = findings.iter().filter(|f| f.is_wrong());
                    (wrong.map(|f| format!("{title}: {f:?}")).collect(), findings.len())
                }
                Err(e) => (vec![format!("{title}: {e}")], 0),
            }
        };
        Isa::all().into_iter().map(by).collect()
    };
    let made: Vec<_> = specs.par_iter().map(one).collect();
    let wrong: Vec<&String> = made.iter().flatten().flat_map(|(wrong, _)| wrong).collect();
    assert!(wrong.is_empty(), "{}\n{wrong:#?}", wrong.len());
    for (i, isa) in Isa::all().iter().enumerate() {
        let values: usize = made.iter().map(|of_case| of_case[i].1).sum();
        println!("{isa}: {values} values of {} cases", made.len());
        assert!(values > 0, "{isa} ran nothing");
    }
}
