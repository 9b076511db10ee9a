//! Every op, forward and gradient, on every device, against the f64 reference.

mod common;

use onebit::device::{Device, Store};
use onebit::gpu::{GpuOptions, LimitSet};
use onebit::program::{Backend, Options, Program};
use onebit::shader::launch::Target;
use onebit::verify::{Case, cases, check_gradient, compare_program};

/// Runs the cases on a device; panics with all that is wrong.
fn run(label: &str, device: &Device, options: &Options, cases: &[Case]) {
    run_compiled_for(label, device, device.backend(), options, cases);
}

/// As [`run`], with programs compiled for `backend`.
fn run_compiled_for(label: &str, device: &Device, backend: Backend, options: &Options, cases: &[Case]) {
    let mut wrong = Vec::new();
    for case in cases {
        let mut store = Store::new(device.clone());
        let compared = Program::compile_with(case.graph.clone(), backend.clone(), options.clone())
            .and_then(|program| compare_program(&mut store, program, &case.leaves, &case.scalars));
        match compared {
            Err(e) => wrong.push(format!("{} {}: {e}", case.op, case.name)),
            Ok(findings) => {
                assert!(!findings.is_empty(), "{} {}: nothing was compared", case.op, case.name);
                wrong.extend(findings.iter().filter(|f| f.is_wrong()).map(|f| {
                    format!(
                        "{} {}: step {} (value {}) at {}: got {}, expected {}, {} of the bound",
                        case.op,
                        case.name,
                        f.step,
                        f.value.index(),
                        f.worst.at,
                        f.worst.got,
                        f.worst.expected,
                        f.worst.fraction
                    )
                }));
            }
        }
    }
    assert!(wrong.is_empty(), "{label}: {} of {} cases\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// All cases, or those whose op and name ("conv2d 2x5x7x3 to 8, ...") contain `ONEBIT_OP`.
fn cases() -> Vec<Case> {
    let wanted = std::env::var("ONEBIT_OP").unwrap_or_default();
    let specs = cases::all().into_iter().filter(|c| !c.large && c.title().contains(&wanted));
    let cases: Vec<Case> = specs.map(|c| c.build(cases::SEED)).collect();
    assert!(!cases.is_empty(), "no case is of an op called {wanted}");
    cases
}

#[test]
fn gradients_equal_finite_differences() {
    let mut checked = 0;
    let all = cases();
    for case in all.iter().filter(|c| c.differentiable && c.graph.outputs().iter().any(|(n, _)| n == "loss")) {
        check_gradient(case);
        checked += 1;
    }
    let all_ops = std::env::var_os("ONEBIT_OP").is_none();
    assert!(!all_ops || checked > 40, "only {checked} cases have gradients");
}

#[test]
fn cpu_device() {
    let cases = cases();
    run("cpu, fused", &Device::Cpu, &Options::default(), &cases);
    run("cpu, op by op", &Device::Cpu, &Options::op_by_op(), &cases);
}

#[test]
fn every_adapter() {
    let cases = cases();
    for (name, device) in common::devices(GpuOptions::default()) {
        run(&format!("{name}, unchecked, fused"), &device, &Options::default(), &cases);
        run(&format!("{name}, unchecked, op by op"), &device, &Options::op_by_op(), &cases);
    }
}

/// Software adapters are given other kernels than real GPUs where barriers matter: here every adapter
/// runs those of the other kind, so that both are tested wherever the tests run, and under the least
/// limits, because a software adapter's own are larger than a GPU's.
#[test]
fn every_adapter_with_the_kernels_of_the_other_kind() {
    let cases = cases();
    for (name, device) in common::devices(GpuOptions { limits: LimitSet::Downlevel, ..Default::default() }) {
        let Backend::Gpu(mut target) = device.backend() else { panic!("{name} is no GPU") };
        target.software = !target.software;
        let label = format!("{name}, kernels for software: {}", target.software);
        run_compiled_for(&label, &device, Backend::Gpu(target), &Options::default(), &cases);
    }
}

/// The cases are small, so that the kernels of real GPUs would only ever take their smallest tiles: here
/// few workgroups are enough. Other ops know no tiles.
#[test]
fn every_adapter_with_large_tiles() {
    let cases: Vec<Case> = cases().into_iter().filter(|c| c.op == "matmul" || c.op.ends_with("conv2d")).collect();
    for (name, device) in common::devices(GpuOptions { limits: LimitSet::Downlevel, ..Default::default() }) {
        let Backend::Gpu(target) = device.backend() else { panic!("{name} is no GPU") };
        let target = Target { software: false, busy_workgroups: 1, ..target };
        run_compiled_for(&format!("{name}, large tiles"), &device, Backend::Gpu(target), &Options::default(), &cases);
    }
}

#[test]
fn every_adapter_with_bounds_checks() {
    let cases = cases();
    for (name, device) in common::devices(GpuOptions { checked: true, ..Default::default() }) {
        run(&format!("{name}, checked"), &device, &Options::default(), &cases);
    }
}

#[test]
fn every_adapter_under_default_limits() {
    let cases = cases();
    for (name, device) in common::devices(GpuOptions { limits: LimitSet::Defaults, ..Default::default() }) {
        run(&format!("{name}, default limits"), &device, &Options::default(), &cases);
    }
}

#[test]
fn every_adapter_under_downlevel_limits() {
    let cases = cases();
    for (name, device) in common::devices(GpuOptions { limits: LimitSet::Downlevel, ..Default::default() }) {
        run(&format!("{name}, downlevel limits"), &device, &Options::default(), &cases);
    }
}
