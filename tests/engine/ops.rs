//! Every op, forward and gradient: against finite differences, and on every adapter as devices differ: with bounds
//! checks as in a browser, under WebGPU's default limits, and under the least limits. With the adapters' own limits and
//! all kinds of kernels, `tests/cli/verify.rs` runs them.

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

/// On every adapter as a browser opens it, with bounds checks and WebGPU's default limits, and under the least limits.
#[test]
fn every_adapter_in_every_way_it_is_opened() {
    let (request, specs) = (request(), specs());
    let ways = [
        ("as in a browser", GpuOptions { checked: true, limits: LimitSet::Defaults, ..Default::default() }),
        ("under downlevel limits", GpuOptions { limits: LimitSet::Downlevel, ..Default::default() }),
    ];
    // Once for each core: a software adapter compiles on one.
    let opened = |(way, options)| gpus(options).into_iter().map(move |(name, d)| (format!("{name} {way}"), d));
    let set = |_| -> Vec<(String, Device)> { ways.into_iter().flat_map(opened).collect() };
    let sets: Vec<_> = (0..rayon::current_num_threads()).map(set).collect();
    let report = Report { seed: request.seed, devices: request.run(&sets, &specs, |_, _| true), ..Report::default() };
    for d in &report.devices {
        assert_eq!(d.ops.values().map(|o| o.cases).sum::<usize>(), specs.len(), "every case ran on {}", d.device);
    }
    assert!(report.passed(), "{report}");
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
