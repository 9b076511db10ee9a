//! Every op, forward and gradient: against finite differences, and on every adapter as devices differ: with bounds
//! checks as in a browser, under WebGPU's default limits, and under the least limits. With the adapters' own limits and
//! all kinds of kernels, `tests/cli/adapters.rs` runs them on the first.

use crate::devices::gpus;
use onebit::device::{Device, Store};
use onebit::gpu::{GpuOptions, LimitSet};
use onebit::kernels::Isa;
use onebit::program::{Backend, Command, Program};
use onebit::verify::{CaseSpec, ReferenceCache, Report, Request, cases, check_gradient, compare_program};
use rayon::prelude::*;
use std::collections::BTreeSet;

/// What `ONEBIT_OP` chooses ("conv2d 2x5x7x3 to 8, ..."), or all, on the kernels that each device takes by itself.
fn request() -> Request {
    let filter = std::env::var("ONEBIT_OP").unwrap_or_default();
    Request { filter, quick: true, ..Request::default() }
}

pub fn specs() -> Vec<CaseSpec> {
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
        // Those that are the same must keep within the limits as well.
        let bindings = |c: &Command| if let Command::Dispatch(d) = c { d.buffers.len() } else { 0 };
        for ((name, low), _) in &devices {
            let Backend::Gpu(target) = low.backend() else { panic!("{name} is no GPU") };
            let most = commands(low).iter().map(bindings).max().unwrap_or(0);
            assert!(most <= target.max_storage_buffers as usize, "{} {}: {most} on {name}", spec.op, spec.name);
        }
        devices.iter().any(|((_, low), (_, own))| commands(low) != commands(own))
    };
    let (all, all_ops) = (specs(), std::env::var_os("ONEBIT_OP").is_none());
    let others: Vec<CaseSpec> = all.par_iter().filter(differs).cloned().collect();
    assert!(!all_ops || others.len() > 5, "{} of {} cases have other kernels", others.len(), all.len());
    println!("{} of {} cases have other kernels", others.len(), all.len());
    all_pass("under downlevel limits", low, &others);
}

/// All kinds of kernels on the adapters that `tests/cli/adapters.rs` gives their own kernels alone: cases until every shader
/// file has run. A software adapter would need ten minutes to compile all of them once more.
#[test]
fn every_shader_runs_on_every_other_adapter() {
    let request = Request { filter: request().filter, ..Request::default() };
    let specs: Vec<CaseSpec> = request.cases().unwrap_or_else(|e| panic!("{e}"));
    let specs: Vec<CaseSpec> = specs.into_iter().filter(|spec| !spec.large).collect();
    let others = || gpus(GpuOptions::default()).into_iter().skip(1);
    for (nth, (name, device)) in others().enumerate() {
        let files = |spec: &CaseSpec| request.files(&device, spec).unwrap_or_else(|e| panic!("{name}: {e}"));
        let of_cases: Vec<BTreeSet<String>> = specs.par_iter().map(files).collect();
        let mut left: BTreeSet<&String> = of_cases.iter().flatten().collect();
        let (all, mut chosen) = (left.len(), Vec::new());
        while !left.is_empty() {
            // Of the cases with a file that is left, that with the fewest to compile.
            let has = |i: &usize| of_cases[*i].iter().any(|f| left.contains(f));
            let next = (0..specs.len()).filter(has).min_by_key(|i| of_cases[*i].len()).expect("a case has it");
            left.retain(|f| !of_cases[next].contains(*f));
            chosen.push(specs[next].clone());
        }
        let set = |_| others().skip(nth).take(1).collect();
        let sets: Vec<Vec<(String, Device)>> = (0..rayon::current_num_threads()).map(set).collect();
        let devices = request.run(&sets, &chosen, |_, _| true);
        let report = Report { seed: request.seed, devices, ..Report::default() };
        println!("{name}: {all} files in {} of {} cases", chosen.len(), specs.len());
        assert!(report.passed(), "{report}");
    }
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
