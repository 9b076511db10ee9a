//! Self-Masking Networks (checklist of the specification, section 10, in its order).

use super::method::{Setting, changed, everything, recipe, train};
use super::{devices, normal, param, run, weighted_sum};
use onebit::data::Split;
use onebit::device::Device;
use onebit::features::Rows;
use onebit::graph::{Graph, Init, Meta, Role, Value};
use onebit::masks::{MaskFile, apply, base_hash, from_run};
use onebit::methods::smn::{Smn, SmnSpec};
use onebit::methods::swav::SwavSpec;
use onebit::methods::{Method, Task};
use onebit::nn::{Adapt, Mode, NetKind, NetSpec, Stem, masked_weight};
use onebit::optim::{OptimSpec, Rule};
use onebit::tensor::{HostTensor, RefTensor};
use onebit::train::cascade::{Router, expert_recipe, fused, side_by_side};
use onebit::train::programs::{Programs, Runner};
use onebit::train::protocol::LabelledFeatures;
use onebit::train::steps::Steps;
use onebit::verify::run_reference;
use std::collections::{BTreeMap, HashMap};
use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

/// A small network in full precision, adapted or not.
fn net(adapt: Option<Adapt>) -> NetSpec {
    NetSpec { widths: vec![4, 4, 8, 8], adapt, ..NetSpec::new(NetKind::Resnet8, false) }
}

fn masks() -> Adapt {
    SmnSpec::default().adaptation(&NetSpec::new(NetKind::Resnet8, false))
}

/// A recipe at a size for tests, with changes; its base is random.
fn smn(changes: &[&str]) -> Setting {
    Setting::new(recipe("small-smn", &[&["swav.prototypes=10", "swav.dimension=8"], changes].concat()))
}

/// A masked linear layer: `y = x θ'ᵀ`, L = ½ |y|². Leaves x and S; outputs y, dS.
fn golden_graph(scale_gradient: bool) -> Graph {
    let mut g = Graph::new();
    let (w, s, x) = (param(&mut g, "w", [2, 2]), param(&mut g, "s", [2, 2]), g.input("x", Meta::f32([1, 2])).unwrap());
    let zero = g.fill([], 0.0);
    let mask = g.step_above(s, zero).unwrap();
    let (masked, active) = masked_weight(&mut g, w, mask, scale_gradient).unwrap();
    let y = g.linear(x, masked, None).unwrap();
    let squares = g.square(y).unwrap();
    let sum = g.sum(squares, &[0, 1]).unwrap();
    let half = g.scale(sum, 0.5).unwrap();
    let loss = g.reshape(half, []).unwrap();
    let d = g.backward(loss, &[s]).unwrap()[0];
    for (name, v) in [("mask", mask), ("active", active), ("masked", masked), ("y", y), ("ds", d)] {
        g.output(name, v);
    }
    g
}

fn near(got: &HostTensor, expected: &[f64], tolerance: f64, label: &str) {
    crate::near::near(label, &got.to_f64(), expected, |e| tolerance * e.abs().max(1.0));
}

#[test]
fn smn_01_at_first_it_is_the_base_to_the_bit() {
    let features = |adapt| {
        let mut g = Graph::new();
        let x = g.input("x", Meta::f32([2, 12, 12, 1])).unwrap();
        let made = net(adapt).network(&mut g, x, 0, Mode::Eval, None).unwrap();
        g.output("f", made.features);
        g
    };
    let (base, masked) = (features(None), features(Some(masks())));
    let mut leaves: HashMap<String, HostTensor> = HashMap::new();
    for v in masked.params().into_iter().chain(masked.states()) {
        let name = masked.name(v);
        let value = match name.ends_with(".scores") {
            true => HostTensor::from_f32(masked.shape(v).clone(), vec![1.0; masked.shape(v).elements()]),
            false => {
                let mut t = normal(masked.shape(v).clone(), v.index() as u64);
                t.f32s_mut().iter_mut().for_each(|x| *x = if name.ends_with("var") { x.abs() + 0.1 } else { *x });
                t
            }
        };
        leaves.insert(name.to_string(), value);
    }
    leaves.insert("x".into(), normal([2, 12, 12, 1], 99));
    for (name, device) in devices() {
        let of = |g: &Graph| {
            let own: Vec<(&str, HostTensor)> =
                leaves.iter().filter(|(n, _)| g.find(n).is_some()).map(|(n, t)| (n.as_str(), t.clone())).collect();
            run(&device, g, &own, &[])["f"].words().to_vec()
        };
        assert_eq!(of(&base), of(&masked), "{name}");
    }
}

#[test]
fn smn_02_golden_masks_and_gradients() {
    let leaves = [
        ("w", HostTensor::from_f32([2, 2], vec![1.0, -2.0, 0.5, 3.0])),
        ("s", HostTensor::from_f32([2, 2], vec![1.0, -0.1, 0.2, 0.0])),
        ("x", HostTensor::from_f32([1, 2], vec![1.0, 2.0])),
    ];
    for (name, device) in devices() {
        let made = run(&device, &golden_graph(true), &leaves, &[]);
        // A score of 0 is off.
        assert_eq!(made["mask"].to_f64(), [1.0, 0.0, 1.0, 0.0], "{name}");
        near(&made["active"], &[0.5], 0.0, &name);
        near(&made["y"], &[SQRT_2, FRAC_1_SQRT_2], 1e-6, &name);
        near(&made["ds"], &[1.375, -8.625, -0.125, 5.375], 1e-6, &name);
        let plain = run(&device, &golden_graph(false), &leaves, &[]);
        near(&plain["ds"], &[2.0, -8.0, 0.5, 6.0], 1e-6, &name);
    }
}

#[test]
fn smn_03_the_size_of_the_weights_stays() {
    for share in [0.5, 0.9] {
        let g = &mut Graph::new();
        let (w, m) = (param(g, "w", [100, 1000]), param(g, "m", [100, 1000]));
        let threshold = g.fill([], share);
        let above = g.step_above(m, threshold).unwrap();
        let one = g.fill([], 1.0);
        let mask = g.sub(one, above).unwrap();
        let (masked, _) = masked_weight(g, w, mask, true).unwrap();
        let (a, b) = (g.square(w).unwrap(), g.square(masked).unwrap());
        let (a, b) = (g.mean_all(a).unwrap(), g.mean_all(b).unwrap());
        g.output("before", a);
        g.output("after", b);
        let uniform = Init::Positive(1.0).make(&[100, 1000].into(), 3, "m");
        for (name, device) in devices() {
            let made = run(&device, g, &[("w", normal([100, 1000], 1)), ("m", uniform.clone())], &[]);
            let ratio = made["after"].to_f64()[0] / made["before"].to_f64()[0];
            assert!((ratio - 1.0).abs() < 0.01, "{ratio} at {share} on {name}");
        }
    }
}

#[test]
fn smn_04_only_scores_heads_and_statistics_change() {
    for (name, device) in devices() {
        let setting = smn(&["swav.freeze_epochs=0"]);
        let mut steps = setting.steps(&device);
        let before = everything(&mut steps);
        train(&mut steps, 0..4);
        let after = everything(&mut steps);
        let allowed = |n: &String| {
            n.ends_with(".scores") || n.contains(".running_") || n.contains("head.") || n.contains("prototypes.")
        };
        let moved = changed(&before, &after);
        let wrong: Vec<&String> =
            moved.iter().filter(|n| !allowed(n) && !n.starts_with("optim.") && !n.starts_with("metrics.")).collect();
        assert!(wrong.is_empty(), "{wrong:?} changed on {name}");
        for part in [".scores", ".running_mean", "head.", "prototypes."] {
            assert!(moved.iter().any(|n| n.contains(part)), "no {part} changed on {name}");
        }
    }
}

#[test]
fn smn_05_a_weight_that_is_off_comes_back() {
    // y = θ' x is to be 3; the second weight alone can do that, and is off.
    let mut g = Graph::new();
    let w = g.constant(HostTensor::from_f32([1, 2], vec![-1.0, 3.0]));
    let s = param(&mut g, "s", [1, 2]);
    let zero = g.fill([], 0.0);
    let mask = g.step_above(s, zero).unwrap();
    let (masked, _) = masked_weight(&mut g, w, mask, true).unwrap();
    let x = g.fill([1, 2], 1.0);
    let y = g.linear(x, masked, None).unwrap();
    let goal = g.fill([1, 1], 3.0);
    let loss = g.mse(y, goal).unwrap();
    let d = g.backward(loss, &[s]).unwrap()[0];
    g.output("d", d);
    let mut scores = vec![0.5f32, -0.3];
    for _ in 0..20 {
        let made = run(&Device::Cpu, &g, &[("s", HostTensor::from_f32([1, 2], scores.clone()))], &[]);
        scores.iter_mut().zip(made["d"].f32s()).for_each(|(s, d)| *s -= 0.05 * d);
    }
    assert!(scores[1] > 0.0, "{scores:?}");
}

#[test]
fn smn_06_all_off_gives_zeros() {
    let leaves = [
        ("w", HostTensor::from_f32([2, 2], vec![1.0, -2.0, 0.5, 3.0])),
        ("s", HostTensor::from_f32([2, 2], vec![-1.0; 4])),
        ("x", HostTensor::from_f32([1, 2], vec![1.0, 2.0])),
    ];
    for (name, device) in devices() {
        let made = run(&device, &golden_graph(true), &leaves, &[]);
        assert_eq!(made["y"].to_f64(), [0.0, 0.0], "{name}");
        assert!(made["ds"].to_f64().iter().all(|d| d.is_finite()), "{name}");
    }
}

#[test]
fn smn_07_gradients_of_several_crops_are_summed() {
    // Two crops of different sizes through one network, together and one by one; statistics that run keep them apart.
    let build = |crops: &[usize]| {
        let mut g = Graph::new();
        let mut sum: Option<Value> = None;
        for &size in crops {
            let x = g.input(&format!("x{size}"), Meta::f32([2, size, size, 1])).unwrap();
            let made = net(Some(masks())).network(&mut g, x, 0, Mode::Frozen, None).unwrap();
            let (loss, _) = weighted_sum(&mut g, made.features, size as u64);
            sum = Some(sum.map_or(loss, |s| g.add(s, loss).unwrap()));
        }
        let scores = g.find("layer2.0.conv1.weight.scores").unwrap();
        let d = g.backward(sum.unwrap(), &[scores]).unwrap()[0];
        g.output("d", d);
        g
    };
    let graphs = [build(&[12, 8]), build(&[12]), build(&[8])];
    for (name, device) in devices() {
        let d = graphs.each_ref().map(|g| {
            let mut leaves = Vec::new();
            for v in g.params().into_iter().chain(g.states()) {
                let n = g.shape(v).elements();
                let one = g.name(v).ends_with("scores") || g.name(v).ends_with("var");
                let t = if one {
                    HostTensor::from_f32(g.shape(v).clone(), vec![1.0; n])
                } else {
                    normal(g.shape(v).clone(), n as u64)
                };
                leaves.push((g.name(v), t));
            }
            for size in [12, 8] {
                let x = format!("x{size}");
                if g.find(&x).is_some() {
                    leaves.push((if size == 12 { "x12" } else { "x8" }, normal([2, size, size, 1], size as u64)));
                }
            }
            run(&device, g, &leaves, &[])["d"].to_f64()
        });
        let largest = d[0].iter().fold(0f64, |m, x| m.max(x.abs()));
        assert!(largest > 1e-3 && d[1].len() == d[0].len() && d[2].len() == d[0].len());
        for (both, (a, b)) in d[0].iter().zip(d[1].iter().zip(&d[2])) {
            assert!((both - a - b).abs() < 1e-4 * largest, "{both} {a} {b} on {name}");
        }
    }
}

/// Trains the scores of a masked linear layer towards fixed outputs, by SGD with momentum; the masks of every step.
fn masks_over_time(lr: f32, start: f32, threshold: f32, decay: f32, steps: usize) -> Vec<Vec<f64>> {
    let mut g = Graph::new();
    let w = g.constant(normal([6, 10], 1));
    let s = g.param("s", [6, 10], Init::Constant(start), Role::Score).unwrap();
    let t = g.fill([], threshold);
    let mask = g.step_above(s, t).unwrap();
    let (masked, _) = masked_weight(&mut g, w, mask, true).unwrap();
    let x = g.constant(normal([16, 10], 2));
    let goal = g.constant(normal([16, 6], 3));
    let y = g.linear(x, masked, None).unwrap();
    let loss = g.mse(y, goal).unwrap();
    let d = g.backward(loss, &[s]).unwrap();
    let sgd = OptimSpec { weight_decay: decay, ..OptimSpec::new(Rule::Sgd { momentum: 0.9, nesterov: false }) };
    sgd.step(&mut g, &[s], &d, None).unwrap();
    g.output("mask", mask);
    let mut store = onebit::device::Store::new(Device::Cpu);
    let leaves = g.clone();
    let mut exe = store.load(g).unwrap();
    store.initialise(&leaves, 0).unwrap();
    (0..steps)
        .map(|_| {
            exe.run(&[lr]).unwrap();
            exe.read("mask").unwrap().to_f64()
        })
        .collect()
}

/// Share of the bits of all steps that differ.
fn disagreement(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    assert!(!a.is_empty() && a.iter().map(Vec::len).eq(b.iter().map(Vec::len)));
    let (a, b) = (a.iter().flatten(), b.iter().flatten());
    let all = a.clone().count() as f64;
    a.zip(b).filter(|(a, b)| a != b).count() as f64 / all
}

#[test]
fn smn_08_scaling_start_and_rate_changes_nothing() {
    let own = masks_over_time(0.5, 1.0, 0.0, 0.0, 200);
    assert!(own.last().unwrap().contains(&0.0) && own[0].iter().all(|m| *m == 1.0));
    // A power of two scales without rounding.
    assert_eq!(own, masks_over_time(1.0, 2.0, 0.0, 0.0, 200));
}

#[test]
fn smn_09_shifting_start_and_threshold_changes_nothing() {
    let own = masks_over_time(0.5, 1.0, 0.0, 0.0, 200);
    let shifted = masks_over_time(1.0, 2.5, 0.5, 0.0, 200);
    assert!(disagreement(&own, &shifted) < 1e-3);
    // In f64 by hand: the gradient of the reference, SGD with momentum.
    let mut g = Graph::new();
    let w = g.constant(normal([6, 10], 1));
    let (s, t) = (param(&mut g, "s", [6, 10]), g.input("t", Meta::f32([])).unwrap());
    let mask = g.step_above(s, t).unwrap();
    let (masked, _) = masked_weight(&mut g, w, mask, true).unwrap();
    let (x, goal) = (g.constant(normal([16, 10], 2)), g.constant(normal([16, 6], 3)));
    let y = g.linear(x, masked, None).unwrap();
    let loss = g.mse(y, goal).unwrap();
    let d = g.backward(loss, &[s]).unwrap()[0];
    let run = |lr: f64, start: f64, threshold: f64| {
        let (mut scores, mut momentum) = (vec![start; 60], vec![0.0; 60]);
        let mut masks = Vec::new();
        for _ in 0..120 {
            let leaves: BTreeMap<String, RefTensor> = [
                ("s".to_string(), RefTensor::f32([6, 10], scores.clone())),
                ("t".to_string(), RefTensor::f32([], vec![threshold])),
            ]
            .into();
            let at = run_reference(&g, &leaves, &[]);
            masks.push(at[mask.index()].data.clone());
            for ((s, m), d) in scores.iter_mut().zip(&mut momentum).zip(&at[d.index()].data) {
                *m = 0.9 * *m + d;
                *s -= lr * *m;
            }
        }
        masks
    };
    assert_eq!(run(0.5, 1.0, 0.0), run(1.0, 2.5, 0.5));
}

#[test]
fn smn_10_decay_breaks_the_shift() {
    let decayed = |lr, start, threshold, decay| masks_over_time(lr, start, threshold, decay, 200);
    let difference = disagreement(&decayed(0.5, 1.0, 0.0, 0.05), &decayed(1.0, 2.5, 0.5, 0.05));
    assert!(difference > 0.01, "{difference}");
}

#[test]
fn smn_11_twice_the_rate_is_half_the_start() {
    assert_eq!(masks_over_time(1.0, 1.0, 0.0, 0.0, 100), masks_over_time(0.5, 0.5, 0.0, 0.0, 100));
}

/// A run whose masks have changed, its tensors, and the mask that it learned.
fn learned(setting: &Setting, device: &Device) -> (Steps, HashMap<String, HostTensor>, MaskFile) {
    let mut steps = setting.steps(device);
    train(&mut steps, 0..4);
    let tensors = steps.runner.gather().unwrap();
    let mask = from_run(&setting.recipe, &setting.images, &tensors).unwrap();
    assert!(mask.tensors.iter().any(|t| t.active() < t.weights()) && mask.tensors.iter().all(|t| t.active() > 0));
    (steps, tensors, mask)
}

#[test]
fn smn_12_a_mask_file_brings_back_the_network_to_the_bit() {
    let setting = smn(&["smn.score_lr=5000.0", "smn.shortcut_norms=true"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.1bit");
    for (name, device) in devices() {
        let (mut steps, tensors, mask) = learned(&setting, &device);
        mask.save(&path).unwrap();
        let loaded = MaskFile::load(&path).unwrap();
        assert_eq!(loaded, mask);
        let bytes = std::fs::metadata(&path).unwrap().len() as usize;
        let table = u32::from_le_bytes(*std::fs::read(&path).unwrap()[12..].first_chunk().unwrap()) as usize;
        let words: usize = mask.tensors.iter().map(|t| t.weights().div_ceil(32)).sum();
        let statistics: usize = mask.statistics.iter().map(|s| s.values.len()).sum();
        assert_eq!(bytes, 16 + table + 4 * words + 4 * statistics + 4);

        // The base as the run began with it: its weights are in the checkpoint as they were.
        let base: HashMap<String, HostTensor> =
            tensors.iter().filter(|(n, _)| !n.ends_with(".scores")).map(|(n, t)| (n.clone(), t.clone())).collect();
        let plain = setting.recipe.net.clone();
        let applied = apply(&plain, &setting.images, &base, &loaded, &device).unwrap();
        let mut g = Graph::new();
        let [h, w, c] = setting.images.extents;
        let x = g.input("x", Meta::f32([2, h, w, c])).unwrap();
        let mut adapted = g.clone();
        let f = plain.network(&mut g, x, 0, Mode::Eval, None).unwrap().features;
        g.output("f", f);
        let f = setting.recipe.network().network(&mut adapted, x, 0, Mode::Eval, None).unwrap().features;
        adapted.output("f", f);
        let image = normal([2, h, w, c], 7);
        let features = |g: &Graph, from: &HashMap<String, HostTensor>| {
            let leaves = g.params().into_iter().chain(g.states());
            let mut leaves: Vec<(&str, HostTensor)> = leaves.map(|v| (g.name(v), from[g.name(v)].clone())).collect();
            leaves.push(("x", image.clone()));
            run(&device, g, &leaves, &[])["f"].words().to_vec()
        };
        assert_eq!(features(&g, &applied), features(&adapted, &tensors), "{name}");
        // That the run's own program gives these features too is a test of the command line (tests/cli/unlabelled.rs).
        let images = &steps.loader.batch(0, 0).unwrap().images[0];
        assert!(steps.runner.logits(images).unwrap().f32s().iter().all(|x| x.is_finite()), "{name}");
    }
}

#[test]
fn smn_13_one_bit_a_weight() {
    // Widths at which every tensor fills its words.
    let setting = smn(&["smn.score_lr=5000.0", "net.widths=[32, 32, 32, 32]"]);
    let (_, tensors, mask) = learned(&setting, &Device::Cpu);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.1bit");
    // The file with its masks, and without: the difference is what masks take on disk.
    let size = |mask: &MaskFile| {
        mask.save(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        bytes.len() - u32::from_le_bytes(*bytes[12..].first_chunk().unwrap()) as usize
    };
    let bytes = size(&mask) - size(&MaskFile { tensors: vec![], ..mask.clone() });
    // Every weight that has a score is masked; in the run they are floats.
    let masked: Vec<&HostTensor> = tensors.iter().filter(|(n, _)| n.ends_with(".scores")).map(|(_, t)| t).collect();
    let weights: usize = masked.iter().map(|t| t.shape().elements()).sum();
    assert!(masked.len() > 5 && weights > 1000, "{} masks of {weights} weights", masked.len());
    assert_eq!(bytes, masked.iter().map(|t| 4 * t.shape().elements().div_ceil(32)).sum::<usize>());
    assert_eq!((4 * weights) as f64 / bytes as f64, 32.0);
    // Both values occur, in every mask's own number of weights.
    let on: usize = mask.tensors.iter().flat_map(|t| &t.bits).map(|w| w.count_ones() as usize).sum();
    assert!(0 < on && on < weights, "{on} of {weights} are on");
    assert_eq!(mask.bits(), weights);
}

#[test]
fn smn_14_masks_of_resnet_50() {
    let bits = |shortcut_norms| {
        let adapt = Adapt { shortcut_norms, ..masks() };
        let spec = NetSpec { stem: Some(Stem::Imagenet), adapt: Some(adapt), ..NetSpec::new(NetKind::Resnet50, false) };
        let g = &mut Graph::new();
        let x = g.input("x", Meta::f32([1, 64, 64, 3])).unwrap();
        let made = spec.network(g, x, 0, Mode::Eval, None).unwrap();
        made.masks.iter().map(|m| g.shape(m.weight).elements()).sum::<usize>()
    };
    assert_eq!((bits(true), bits(false)), (23_462_592, 23_454_912));
}

#[test]
fn smn_15_another_base_is_refused() {
    let setting = smn(&["smn.score_lr=5000.0"]);
    let (_, mut tensors, mask) = learned(&setting, &Device::Cpu);
    let net = &setting.recipe.net;
    assert_eq!(base_hash(net, &setting.images, &tensors).unwrap(), mask.base);
    tensors.get_mut("conv1.weight").unwrap().f32s_mut()[3] += 1e-6;
    let m = apply(net, &setting.images, &tensors, &mask, &Device::Cpu).unwrap_err().to_string();
    assert!(m.contains("another network") && m.contains(&mask.base), "{m}");
}

#[test]
fn smn_20_labels_do_not_reach_it_and_statistics_alone_leave_all_weights_on() {
    let trained = |setting: &Setting| {
        let mut steps = setting.steps(&Device::Cpu);
        train(&mut steps, 0..4);
        steps.runner.gather().unwrap()
    };
    let mut setting = smn(&[]);
    let own = trained(&setting);
    let mut shuffled = (*setting.data.train).clone();
    shuffled.labels.as_mut().unwrap().rotate_left(5);
    setting.data = Split { train: shuffled.into(), ..setting.data };
    assert_eq!(own, trained(&setting));
    let control = trained(&smn(&["smn.adapt=statistics"]));
    assert!(!control.keys().any(|n| n.ends_with(".scores")));
    assert_eq!(control["conv1.weight"], own["conv1.weight"]);
    assert_ne!(control["bn1.running_mean"].to_f64(), vec![0.0; 4]);
}

#[test]
fn smn_baselines_keep_the_share_that_they_are_told() {
    let adapt = Adapt { keep: Some(0.3), ..masks() };
    let g = &mut Graph::new();
    let x = g.input("x", Meta::f32([1, 12, 12, 1])).unwrap();
    let made = net(Some(adapt)).network(g, x, 0, Mode::Eval, None).unwrap();
    let mut sizes = Vec::new();
    for m in &made.masks {
        g.output(m.name.clone(), m.mask);
        sizes.push((m.name.clone(), g.shape(m.weight).elements()));
    }
    let leaves: Vec<(&str, HostTensor)> =
        g.params().into_iter().map(|v| (g.name(v), normal(g.shape(v).clone(), v.index() as u64))).collect();
    for (name, device) in devices() {
        let made = run(&device, g, &leaves, &[]);
        for (layer, n) in &sizes {
            let on = made[layer].to_f64().iter().sum::<f64>() as usize;
            assert_eq!(on, n - ((1.0 - 0.3f32 as f64) * *n as f64) as usize, "{layer} on {name}");
        }
    }
}

/// Features of three kinds of images, in 30 dimensions.
fn kinds(n: usize, seed: u64) -> Rows {
    let noise = normal([n, 30], seed);
    let row = |i: usize| (0..30).map(move |j| if j == i % 3 { 4.0 } else { 0.5 });
    let data = (0..n).flat_map(row).zip(noise.f32s()).map(|(m, x)| m + 0.3 * x).collect();
    Rows::new(data, 30).unwrap()
}

#[test]
fn smn_16_a_stored_router_sorts_alike() {
    let train = kinds(240, 1);
    let router = Router::fit(&train, 3, 0).unwrap();
    let of = router.route(&train).unwrap();
    let stored: Router = serde_json::from_str(&serde_json::to_string(&router).unwrap()).unwrap();
    assert_eq!(stored.route(&train).unwrap(), of);
    // Whitening makes noise as large as what tells the kinds apart, so clusters need not be the kinds; none is empty.
    assert!((0..3).all(|c| of.contains(&c)), "{of:?}");
    assert_eq!(stored.route(&kinds(60, 2)).unwrap(), router.route(&kinds(60, 2)).unwrap());
}

#[test]
fn smn_17_fused_features_have_zeros_where_no_expert_was_asked_and_one_variance() {
    let own = kinds(120, 1);
    let experts: Vec<Rows> = (2..5).map(|s| kinds(120, s)).collect();
    let routed: Vec<u32> = (0..120).map(|i| i % 3).collect();
    let all = side_by_side(&own, &experts, Some(&routed)).unwrap();
    assert_eq!(all.d(), 120);
    for (i, row) in all.rows().enumerate() {
        assert_eq!(row[..30], *own.row(i));
        for k in 0..3 {
            let slot = &row[30 * (k + 1)..][..30];
            match routed[i] as usize == k {
                true => assert_eq!(slot, experts[k].row(i)),
                false => assert!(slot.iter().all(|x| *x == 0.0)),
            }
        }
    }
    let (train, test) = fused(&side_by_side(&own, &experts, None).unwrap(), &all, own.d()).unwrap();
    assert_eq!((train.d(), test.d()), (own.d(), own.d()));
    let variance = |c: usize| {
        let column: Vec<f64> = train.rows().map(|r| r[c] as f64).collect();
        let mean = column.iter().sum::<f64>() / 120.0;
        assert!(mean.abs() < 1e-5);
        column.iter().map(|x| (x - mean).powi(2)).sum::<f64>()
    };
    let first = variance(0);
    assert!((0..own.d()).all(|c| (variance(c) / first - 1.0).abs() < 1e-3));
}

#[test]
fn smn_18_an_expert_starts_from_the_dispatchers_scores() {
    let setting = smn(&["smn.score_lr=5000.0", "swav.queue=16"]);
    let (_, tensors, _) = learned(&setting, &Device::Cpu);
    let recipe = expert_recipe(&setting.recipe, "dispatcher", 1, 8, 32).unwrap();
    assert_eq!((recipe.epochs, recipe.batch, recipe.own::<SwavSpec>("swav").unwrap().queue_after), (8, 8, 1));
    let carried = |name: &String| Smn.inherits(&recipe, name) && !name.starts_with("optim.");
    let task = Task { recipe: &recipe, images: &setting.images, teacher: None, targets: None };
    let mut graphs = Smn.build(&task, 8, 8).unwrap();
    graphs.given = tensors.iter().filter(|(n, _)| carried(n)).map(|(n, t)| (n.clone(), t.clone())).collect();
    let mut runner = Runner::load(Programs::compile(graphs, &Device::Cpu).unwrap(), &Device::Cpu, 0).unwrap();
    let scores: Vec<&String> = tensors.keys().filter(|n| n.ends_with(".scores") && !n.starts_with("optim.")).collect();
    assert!(!scores.is_empty());
    for name in scores {
        assert_eq!(runner.store().read(name).unwrap(), tensors[name], "{name}");
    }
    assert_ne!(runner.store().read("head.0.weight").unwrap(), tensors["head.0.weight"]);
}

#[test]
fn smn_19_one_neighbour_of_the_training_images_is_the_image_itself() {
    let x = kinds(50, 3);
    let mut set = onebit::data::Dataset::embedded().train.select(&(0..50).collect::<Vec<u32>>());
    set.labels = Some((0..50).map(|i| i % 10).collect());
    let data = Split { train: set.clone().into(), test: set.into(), ..onebit::data::Dataset::embedded() };
    let evaluated = LabelledFeatures::new(&data, 1.0, &x, &x).unwrap();
    assert_eq!(evaluated.by_neighbours_of(1, &Device::Cpu).unwrap().accuracy, 1.0);
}
