//! The browser's own WebGPU, which shares no code with wgpu and naga: every op and a training step there, and a fault
//! that must be found.

use onebit::recipe::{DEFAULT, Recipe};
use onebit::shader::sources::Sources;
use onebit::verify::{DeviceReport, Record, cases};
use onebit::web::{OpsExport, StepExport, Summary, find_chromium, run_in_browser};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Runs a folder; fails, and does not skip, where there is no Chromium.
fn run(folder: &Path) -> DeviceReport {
    let patience = Duration::from_secs(120);
    run_in_browser(folder, None, patience, &mut |_| {}).unwrap_or_else(|e| panic!("{e}"))
}

fn folder() -> (TempDir, PathBuf) {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path().join("export");
    (place, folder)
}

/// All that is wrong, as text.
fn failures(report: &DeviceReport) -> Vec<String> {
    let text = |op: &String, r: &Record| format!("{op} {}, {}, {}: {:?} {r:?}", r.case, r.step, r.kernels, r.error);
    report.ops.iter().flat_map(|(op, row)| row.failures.iter().map(move |r| text(op, r))).collect()
}

/// The page must have compared all that was exported, and found it right.
fn assert_right(report: &DeviceReport, summary: &Summary) {
    let wrong = failures(report);
    assert!(wrong.is_empty(), "{}: {} wrong\n{}", report.device, wrong.len(), wrong.join("\n"));
    assert!(report.device.starts_with("browser: "), "{}", report.device);
    // What was left out is named as that.
    let left_out = summary.left_out.iter().map(|(op, _)| op.clone());
    let named: BTreeSet<String> = summary.ops.iter().cloned().chain(left_out.clone()).collect();
    assert_eq!(report.ops.keys().cloned().collect::<BTreeSet<_>>(), named);
    left_out.for_each(|op| assert!(!report.ops[&op].unsupported.is_empty(), "{op}"));
    let outputs: usize = report.ops.values().map(|o| o.outputs).sum();
    assert!(outputs >= summary.checks - summary.compiled_only, "{outputs} outputs of {} steps", summary.checks);
    summary.ops.iter().for_each(|op| assert!(report.ops[op].cases > 0 && report.ops[op].worst.is_some(), "{op}"));
}

/// The browser may have to compile for a CPU, which takes seconds for a large kernel: so each text is compiled, and one
/// of each shader runs. All shapes: `onebit export-program --ops`, in a browser with a GPU.
#[test]
fn every_op_and_every_kernel_is_right_in_the_browser() {
    let (_place, folder) = folder();
    let export = OpsExport { quick: true, ..OpsExport::default() };
    let summary = export.write(&folder, |_, _| {}).unwrap_or_else(|e| panic!("{e}"));
    let table: BTreeSet<String> = cases::all().iter().filter(|c| !c.large).map(|c| c.op.to_string()).collect();
    assert_eq!(summary.ops, table, "every op of the table is exported");
    assert!(summary.checks > 800 && summary.compiled_only > 50, "{summary:?}");
    assert_right(&run(&folder), &summary);
}

#[test]
fn a_training_step_is_right_in_the_browser() {
    let (_place, folder) = folder();
    let (name, recipe) = Recipe::find(DEFAULT).unwrap_or_else(|e| panic!("{e}"));
    let recipe = recipe.with(&["batch=4".into()]).unwrap_or_else(|e| panic!("{e}"));
    let export = StepExport { shrink: false, quick: true, ..StepExport::new(name, recipe) };
    let (summary, batch) = export.write(&folder, |_, _| {}).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(batch, 4);
    for op in ["xnor_conv2d", "xnor_conv2d_input_grad", "conv2d", "matmul", "fused", "cross_entropy"] {
        assert!(summary.ops.contains(op), "{op} is not in {:?}", summary.ops);
    }
    assert_right(&run(&folder), &summary);
}

/// A shader that computes something else, and one that is no WGSL: each is found and named.
#[test]
fn planted_faults_are_found_and_named() {
    let built_in = Sources::default();
    let text = |path: &str| built_in.text(path).expect("it is built in").to_string();
    let planted = |path: &str, from: &str, to: &str| {
        let before = text(path);
        assert!(before.contains(from), "{path} has no {from}");
        Sources::default().with(path, before.replace(from, to))
    };
    let found = |filter: &str, sources: Sources| {
        let (_place, folder) = folder();
        let export = OpsExport { filter: filter.into(), sources, ..OpsExport::default() };
        let summary = export.write(&folder, |_, _| {}).unwrap_or_else(|e| panic!("{e}"));
        let report = run(&folder);
        assert_eq!(report.ops.keys().cloned().collect::<BTreeSet<_>>(), summary.ops);
        report
    };

    let report = found("max_pool2d", planted("pool/max_pool2d", "best = max(", "best = min("));
    assert!(!report.ops["max_pool2d"].failures.is_empty(), "{report:?}");

    let report = found("relu", planted("pointwise/relu", "fn relu", "fn relu(x: f32) -> f32 { return y; }\nfn other"));
    let worst = report.ops["relu"].worst.as_ref().expect("it failed");
    assert!(worst.fraction.is_infinite() && worst.error.as_ref().is_some_and(|e| e.contains("relu")), "{worst:?}");
}

#[test]
fn what_cannot_run_says_why() {
    let (place, folder) = folder();
    let fails = |chromium: Option<&Path>, patience: u64| {
        let e = run_in_browser(&folder, chromium, Duration::from_millis(patience), &mut |_| {});
        e.expect_err("it cannot run").to_string()
    };
    let message = fails(None, 1000);
    assert!(message.contains("export") && message.contains("manifest.js"), "{message}");

    let export = OpsExport { filter: "relu".into(), ..OpsExport::default() };
    export.write(&folder, |_, _| {}).unwrap_or_else(|e| panic!("{e}"));
    let message = export.write(&folder, |_, _| {}).expect_err("it exists").to_string();
    assert!(message.contains("not empty"), "{message}");
    let message = fails(Some(&place.path().join("no-chromium")), 1000);
    assert!(message.contains("no-chromium"), "{message}");
    let message = fails(Some(&find_chromium().unwrap_or_else(|e| panic!("{e}"))), 0);
    assert!(message.contains("no further"), "{message}");
    #[cfg(unix)]
    {
        let message = fails(Some(Path::new("/bin/false")), 5000);
        assert!(message.contains("ended early"), "{message}");
    }
}
