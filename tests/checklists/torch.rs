//! One training step of each method against PyTorch's (`tests/golden/steps.py`): losses, every gradient (as the momentum
//! or moment that the first step leaves), updated weights and statistics, on every device.

use super::{devices, distance};
use onebit::device::Device;
use onebit::methods::method;
use onebit::tensor::{DType, HostTensor};
use onebit::train::method::{IMAGES, ImageInfo, LABELS, Progress, Task, scalars};
use onebit::train::metrics::Sums;
use onebit::train::recipe::Recipe;
use onebit::train::scheduler::{Plan, Scheduler};
use onebit::train::teacher::Teacher;
use safetensors::SafeTensors;

const BATCH: usize = 4;
const SIDE: usize = 8;
const CLASSES: u32 = 5;

/// `n` numbers of 32 bits that belong to a name, as `hashed` in the script makes them.
fn hashed(name: &str, n: usize) -> Vec<u32> {
    let h = name.bytes().fold(0x811c_9dc5u32, |h, b| (h ^ b as u32).wrapping_mul(0x0100_0193));
    let mix = |i: usize| {
        let x = h.wrapping_add(i as u32).wrapping_mul(0x9e37_79b1);
        let x = (x ^ x >> 15).wrapping_mul(0x85eb_ca77);
        let x = (x ^ x >> 13).wrapping_mul(0xc2b2_ae3d);
        x ^ x >> 16
    };
    (0..n).map(mix).collect()
}

/// Middle and half width of the initial values of a tensor.
fn spread(name: &str) -> [f32; 2] {
    match name.rsplit('.').next().expect("a name has a last part") {
        "running_var" => [1.0, 0.5],
        "running_mean" | "bias" | "threshold" | "shift_in" | "shift_out" => [0.0, 0.25],
        "alpha" => [0.125, 0.0625],
        _ if name.contains("act") => [0.25, 0.125],
        _ if name.contains("bn") || name.contains("downsample.1") => [1.0, 0.25],
        _ if name.contains("discriminator") => [0.0, 0.125],
        _ if name.starts_with("teacher") => [0.0, 0.25],
        _ if name.starts_with("layer") && name.contains("conv") => [0.0, 1.25],
        _ => [0.0, 0.5],
    }
}

/// The initial values of a tensor.
fn fill(seed: &str, name: &str, n: usize) -> Vec<f32> {
    let [middle, width] = spread(name).map(f64::from);
    let unit = |x: u32| (x >> 8) as f64 / 16_777_216.0;
    hashed(&format!("{seed}.{name}"), n).into_iter().map(|x| (middle + width * (2.0 * unit(x) - 1.0)) as f32).collect()
}

/// A built-in recipe, with the script's optimiser and network.
fn recipe(name: &str, decays: [f32; 3], more: &[&str]) -> Recipe {
    let [weight, binary, other] = decays;
    let optimiser = format!(
        "optimiser={{ kind = \"sgd\", momentum = 0.9, weight_decay = {weight:?}, binary_weight_decay = {binary:?}, \
         other_weight_decay = {other:?} }}"
    );
    let common = ["epochs=6", "batch=4", "lr=0.1", "net.widths=[4, 4, 8, 8]", "schedule={ kind = \"constant\" }"];
    let all: Vec<String> = common.iter().chain(more).map(|s| s.to_string()).chain([optimiser]).collect();
    Recipe::find(name).unwrap().1.with(&all).unwrap()
}

/// The tensors that the script stored of a case, by name.
fn golden(case: &str) -> Vec<(String, Vec<f64>)> {
    let bytes = include_bytes!("../golden/steps.safetensors");
    let file = SafeTensors::deserialize(bytes).unwrap();
    let of_case = |(name, t): (&str, safetensors::tensor::TensorView<'_>)| {
        let name = name.strip_prefix(case)?.strip_prefix('/')?.to_string();
        let values: Vec<f32> = bytemuck::pod_collect_to_vec(t.data());
        Some((name, values.into_iter().map(f64::from).collect()))
    };
    file.iter().filter_map(of_case).collect()
}

/// Runs the first step of a recipe, in the given epoch, and compares it with a case of the script.
fn equals_pytorch(case: &str, recipe: &Recipe, epoch: u64) {
    let golden = golden(case);
    let find = |name: &str| &golden.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("{case} lacks {name}")).1;
    let seed = format!("{case}.{}", find("attempt")[0]);
    let images =
        ImageInfo { extents: [SIDE, SIDE, 3], classes: CLASSES as usize, mean: vec![0.5; 3], std: vec![0.25; 3] };
    let teacher = Teacher::for_a_look(recipe).unwrap().map(|(t, _)| t);
    let task = Task { recipe, images: &images, teacher: teacher.as_ref() };
    for (name, device) in devices() {
        let mut scheduler = first_step(&task, &device, &seed, epoch);
        let loss = Sums::take(scheduler.store()).unwrap().loss;
        let expected = find("loss")[0];
        assert!(
            (loss - expected).abs() < 2e-6 * expected,
            "{case} on {name}: a loss of {loss}, PyTorch's is {expected}"
        );
        let mut compared = 0;
        for (tensor, expected) in golden.iter().filter(|(n, _)| n != "loss" && n != "attempt") {
            let got = scheduler.store().read(tensor).unwrap().to_f64();
            let got: Vec<f64> = got.iter().copied().step_by(if got.len() > 600 { 37 } else { 1 }).collect();
            assert_eq!(got.len(), expected.len(), "{case}: {tensor}");
            let norm = expected.iter().map(|x| x * x).sum::<f64>().sqrt();
            // A normalisation takes away what a factor before it does: the gradient of a learned scale is what is left of
            // a sum of some 256 terms of size 0.1.
            let rest = if tensor.ends_with("alpha.momentum") { 1e-5 * (expected.len() as f64).sqrt() } else { 0.0 };
            // Else a dozen layers, each some roundings of sums of up to 256 terms.
            let far = distance(got, expected) * norm;
            assert!(far <= 1e-4 * norm + rest, "{case} on {name}: {tensor} is {far:e} of {norm:e} away from PyTorch's");
            compared += 1;
        }
        // Nothing that a step assigns is left out.
        let graphs: Vec<_> = scheduler.parts().iter().map(|e| e.program().graph.clone()).collect();
        let assigned = graphs.iter().flat_map(|g| g.assigns().iter().map(|(leaf, _)| g.name(*leaf).to_string()));
        let apart = ["metrics.", "passed.", "optim.discriminator"];
        let wanted = assigned.filter(|n| !apart.iter().any(|a| n.starts_with(a)) && !n.ends_with(".bits"));
        for tensor in wanted {
            find(&tensor);
        }
        assert!(compared > 50, "{case}: {compared} tensors");
    }
}

/// The programs of a step, run once on the script's values.
fn first_step(task: &Task<'_>, device: &Device, seed: &str, epoch: u64) -> Scheduler {
    let how = method(task.recipe.method);
    let mut graphs = how.build(task, BATCH, BATCH).unwrap();
    graphs.refresh.clear();
    let start = graphs.start.take();
    let mut scheduler = Scheduler::load(Plan::compile(graphs, device).unwrap(), device, 0).unwrap();
    for graph in scheduler.parts().iter().map(|e| e.program().graph.clone()).collect::<Vec<_>>() {
        for v in graph.params().into_iter().chain(graph.states()) {
            let (name, meta) = (graph.name(v), graph.meta(v));
            let ours = ["metrics.", "passed.", "optim."].iter().any(|p| name.starts_with(p));
            if meta.dtype == DType::F32 && !ours && !name.ends_with(".matrix") {
                let values = fill(seed, name, meta.shape.elements());
                scheduler.store().write(name, &HostTensor::from_f32(meta.shape.clone(), values)).unwrap();
            }
        }
    }
    if let Some(start) = start {
        scheduler.store().load(start).unwrap().run(&[]).unwrap();
    }
    let pixels: Vec<u8> =
        hashed(&format!("{seed}.images"), BATCH * SIDE * SIDE * 3).iter().map(|x| (x >> 24) as u8).collect();
    let labels = hashed(&format!("{seed}.labels"), BATCH).iter().map(|x| x % CLASSES).collect();
    scheduler.input(IMAGES, &HostTensor::from_u8([BATCH, SIDE * SIDE * 3], &pixels)).unwrap();
    scheduler.input(LABELS, &HostTensor::from_u32([BATCH], labels)).unwrap();
    let progress = Progress { steps: epoch, per_epoch: 1, total: 6 };
    for part in 0..scheduler.parts().len() {
        let graph = scheduler.parts()[part].program().graph.clone();
        let values = scalars(how, task.recipe, progress, &graph).unwrap();
        scheduler.run(part, &values).unwrap();
    }
    scheduler
}

const PLAIN: [f32; 3] = [1e-3, 0.0, 0.0];
const GROUPS: [f32; 3] = [1e-3, 0.0, 2e-3];

#[test]
fn torch_plain_signs() {
    equals_pytorch("sign", &recipe("small-sign", PLAIN, &[]), 0);
}

#[test]
fn torch_xnor_net() {
    let net = ["net.skip=double", "net.shortcut=float", "net.activation=none"];
    equals_pytorch("xnor", &recipe("small-xnor", PLAIN, &net), 0);
}

#[test]
fn torch_bireal_net() {
    equals_pytorch("bireal", &recipe("small-bireal", PLAIN, &[]), 0);
}

#[test]
fn torch_ir_net_in_the_middle_of_training() {
    equals_pytorch("irnet", &recipe("small-irnet", [1e-3, 2e-3, 0.0], &[]), 3);
}

#[test]
fn torch_reactnet() {
    equals_pytorch("reactnet", &recipe("small-reactnet", PLAIN, &["start_from="]), 0);
}

#[test]
fn torch_siman_with_both_codings() {
    let clamp = ["net.binarization.magnitude.clamp=true"];
    equals_pytorch("siman-pm1", &recipe("small-siman", GROUPS, &clamp), 3);
    equals_pytorch("siman-01", &recipe("small-siman-01", GROUPS, &clamp), 3);
}

#[test]
fn torch_rbcn() {
    let common = ["rbcn.lambda_kernel=1e-2", "rbcn.lambda_features=1.0", "rbcn.discriminator_lr=1e-4"];
    equals_pytorch("rbcn", &recipe("small-rbcn", PLAIN, &common), 0);
}

#[test]
fn torch_rbcn_controls() {
    let mse = ["rbcn.lambda_kernel=1e-2", "rbcn.lambda_features=0.5"];
    equals_pytorch("rbcn-mse", &recipe("small-rbcn-mse", PLAIN, &mse), 0);
    let distill = ["rbcn.lambda_kernel=1e-2", "rbcn.distill=0.5"];
    equals_pytorch("rbcn-kd", &recipe("small-rbcn-kd", PLAIN, &distill), 0);
}
