//! `onebit verify` on every adapter of this machine. Tests start in the order of their names, and these take longest:
//! the driver of SwiftShader compiles on one core, beside which the other tests run.

use crate::program::{Place, finish};
use onebit::verify::{Report, cases};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The report that `--json` wrote.
pub fn report(path: &Path) -> Report {
    serde_json::from_str(&fs::read_to_string(path).expect("the report was written")).expect("it is a report")
}

/// Every op of the table is in every column, with its worst case.
fn lists_every_op(report: &Report) {
    let ops: BTreeSet<&str> = cases::all().iter().map(|c| c.op).collect();
    for d in &report.devices {
        for op in &ops {
            let row = d.ops.get(*op).unwrap_or_else(|| panic!("{op} is missing on {}", d.device));
            assert!(row.worst.is_some() && row.outputs > 0, "{op} on {}", d.device);
        }
    }
}

/// The check of the guide. Compiling takes nearly all of the time: llvmpipe does so without its optimiser here, which is not
/// what is tested.
fn verified(args: &[&str]) -> Report {
    let place = Place::new();
    let mut command = place.command(&[&["verify", "--json", "r.json"], args].concat());
    let outcome = finish(command.env("GALLIVM_PERF", "nopt").spawn().expect("the program starts")).ok();
    let report = report(&place.path("r.json"));
    assert!(report.passed() && outcome.out.contains("passed"), "{}", outcome.out);
    lists_every_op(&report);
    report
}

/// With all kinds of kernels on an adapter: that which tests/engine/ops.rs leaves out.
#[test]
fn an_adapter_passes_with_every_kind_of_kernel() {
    assert!(verified(&["--device", "vulkan"]).devices[0].device.contains("(Vulkan"));
}

/// The CPU in every way, and every adapter that is found, each with the kernels that it takes by itself.
#[test]
fn every_device_of_this_machine_passes() {
    verified(&["--device", "cpu"]);
    let report = verified(&["--device", "all", "--quick"]);
    for wanted in ["cpu", "(Vulkan", "(Gl"] {
        let found = report.devices.iter().any(|d| d.device.contains(wanted));
        assert!(
            found,
            "no {wanted} among {:?}: tests/run.sh installs the drivers",
            report.devices.iter().map(|d| &d.device).collect::<Vec<_>>()
        );
    }
}

/// Another Vulkan driver than the system's: SwiftShader, which comes with Chromium.
#[test]
fn swiftshader_passes() {
    let known = ["/usr/lib/chromium", "/usr/lib/chromium-browser", "/opt/google/chrome"];
    let icd = known.iter().map(|d| Path::new(d).join("vk_swiftshader_icd.json")).find(|p| p.is_file());
    let icd =
        icd.expect("SwiftShader is missing: install Chromium (Debian: apt-get install chromium), as tests/run.sh does");
    let place = Place::new();
    let child = place
        .command(&["verify", "--quick", "--device", "vulkan", "--json", "r.json"])
        .env("VK_DRIVER_FILES", icd)
        .spawn();
    finish(child.expect("the program starts")).ok();
    let report = report(&place.path("r.json"));
    assert!(report.devices[0].device.contains("SwiftShader"), "{}", report.devices[0].device);
    lists_every_op(&report);
}
