//! Every op, forward and gradient: against finite differences, and on every adapter as devices differ: with bounds
//! checks as in a browser, under WebGPU's default limits, and under the least limits. With the adapters' own limits and
//! all kinds of kernels, `tests/cli/verify.rs` runs them.

mod common;

use onebit::gpu::{GpuOptions, LimitSet};
use onebit::verify::{CaseSpec, Report, Request, cases, check_gradient};

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
    let mut checked = 0;
    let all = specs().into_iter().map(|c| c.build(cases::SEED));
    for case in all.filter(|c| c.differentiable && c.graph.outputs().iter().any(|(n, _)| n == "loss")) {
        check_gradient(&case);
        checked += 1;
    }
    let all_ops = std::env::var_os("ONEBIT_OP").is_none();
    assert!(!all_ops || checked > 40, "only {checked} cases have gradients");
}

/// Runs the cases on every adapter that is opened so.
fn every_adapter(options: GpuOptions) {
    let (request, specs) = (request(), specs());
    let mut report = Report { seed: request.seed, ..Report::default() };
    for (name, device) in common::devices(options) {
        let made = request.run(&device, name, &specs, |_| true);
        assert_eq!(made.ops.values().map(|o| o.cases).sum::<usize>(), specs.len(), "every case ran");
        report.devices.push(made);
    }
    assert!(report.passed(), "{report}");
}

#[test]
fn every_adapter_with_bounds_checks() {
    every_adapter(GpuOptions { checked: true, ..Default::default() });
}

#[test]
fn every_adapter_under_default_limits() {
    every_adapter(GpuOptions { limits: LimitSet::Defaults, ..Default::default() });
}

#[test]
fn every_adapter_under_downlevel_limits() {
    every_adapter(GpuOptions { limits: LimitSet::Downlevel, ..Default::default() });
}
