//! SwAV: Sinkhorn-Knopp and the loss (checklist of the specification, in its order; golden vectors of its section 9).

use super::method::{Setting, recipe, run_part, train, upload};
use super::{devices, distance, normal, param, run};
use onebit::device::Device;
use onebit::graph::{Graph, Meta};
use onebit::methods::Method;
use onebit::methods::swav::Swav;
use onebit::optim::{OptimSpec, Schedule};
use onebit::tensor::{HostTensor, RefTensor};
use onebit::verify::run_reference;
use std::collections::{BTreeMap, HashMap};

const S: [f32; 12] = [0.9, 0.1, -0.2, 0.8, 0.3, 0.0, 0.1, 0.7, 0.2, 0.75, 0.25, 0.1];

/// Codes of scores on every device.
fn codes(scores: &HostTensor, epsilon: f32, iterations: usize) -> Vec<(String, Vec<f64>)> {
    let g = &mut Graph::new();
    let s = g.input("s", Meta::f32(scores.shape().clone())).unwrap();
    let q = g.sinkhorn(s, epsilon, iterations).unwrap();
    g.output("q", q);
    let each = |(name, device): (String, Device)| (name, run(&device, g, &[("s", scores.clone())], &[])["q"].to_f64());
    devices().into_iter().map(each).collect()
}

/// Scores as cosines are: in [-1, 1].
fn scores(shape: [usize; 2], seed: u64) -> HostTensor {
    let mut s = normal(shape, seed);
    s.f32s_mut().iter_mut().for_each(|x| *x = (0.4 * *x).clamp(-1.0, 1.0));
    s
}

fn near(got: &[f64], expected: &[f64], label: &str) {
    crate::near::near(label, got, expected, |_| 1e-5);
}

fn column_sums(q: &[f64], k: usize) -> Vec<f64> {
    (0..k).map(|c| q.iter().skip(c).step_by(k).sum()).collect()
}

#[test]
fn swav_golden_codes() {
    let s = HostTensor::from_f32([4, 3], S.to_vec());
    #[rustfmt::skip]
    let soft = [
        0.530641, 0.227040, 0.242319, 0.382894, 0.298509, 0.318598, 0.076512, 0.538341, 0.385146, 0.344495, 0.268572, 0.386933,
    ];
    #[rustfmt::skip]
    let sharp = [
        0.999045, 0.0000765, 0.000879, 0.721664, 0.022289, 0.256048, 0.0, 0.826169, 0.173831, 0.122590, 0.003786, 0.873624,
    ];
    for (name, q) in codes(&s, 0.5, 3) {
        near(&q, &soft, &name);
        near(&column_sums(&q, 3), &[1.334542, 1.332462, 1.332996], &name);
    }
    for (name, q) in codes(&s, 0.5, 1) {
        near(&q[..3], &[0.553143, 0.213281, 0.233577], &name);
    }
    for (name, q) in codes(&s, 0.5, 100) {
        near(&q[..3], &[0.530254, 0.227281, 0.242465], &name);
        near(&column_sums(&q, 3), &[4.0 / 3.0; 3], &name);
    }
    for (name, q) in codes(&s, 0.05, 3) {
        near(&q, &sharp, &name);
        near(&column_sums(&q, 3), &[1.843299, 0.852321, 1.304380], &name);
    }
}

#[test]
fn swav_rows_sum_to_one_and_columns_balance() {
    let s = scores([24, 10], 1);
    for epsilon in [0.5, 0.05, 0.03, 0.01] {
        for (name, q) in codes(&s, epsilon, 3) {
            assert!(q.iter().all(|q| q.is_finite() && *q >= 0.0), "{epsilon} on {name}");
            assert!(q.chunks(10).all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-5), "{epsilon} on {name}");
        }
    }
    for (name, q) in codes(&s, 0.5, 200) {
        assert!(column_sums(&q, 10).iter().all(|sum| (sum - 2.4).abs() < 1e-3), "{name}");
    }
}

#[test]
fn swav_shifts_and_permutations() {
    let s = scores([8, 5], 2);
    let mut all_shifted = s.clone();
    all_shifted.f32s_mut().iter_mut().for_each(|x| *x += 0.25);
    let mut samples_shifted = s.clone();
    samples_shifted
        .f32s_mut()
        .chunks_mut(5)
        .enumerate()
        .for_each(|(b, row)| row.iter_mut().for_each(|x| *x += 0.1 * b as f32));
    let turned: Vec<f32> =
        (0..8).rev().flat_map(|b| (0..5).rev().map(move |k| (b, k))).map(|(b, k)| s.f32s()[5 * b + k]).collect();
    let turned = HostTensor::from_f32([8, 5], turned);
    let on = |s: &HostTensor| codes(s, 0.05, 3);
    for (((plain, shifted), by_sample), turned) in
        on(&s).into_iter().zip(on(&all_shifted)).zip(on(&samples_shifted)).zip(on(&turned))
    {
        let name = plain.0;
        near(&shifted.1, &plain.1, &name);
        assert!(distance(by_sample.1, &plain.1) > 1e-3, "three iterations see a shift of a sample on {name}");
        let back: Vec<f64> = turned.1.into_iter().rev().collect();
        near(&back, &plain.1, &name);
    }
}

#[test]
fn swav_equal_samples_use_all_prototypes_alike() {
    let row = [0.3, -0.2, 0.9, 0.0];
    for (name, q) in codes(&HostTensor::from_f32([6, 4], row.repeat(6)), 0.05, 1) {
        near(&q, &[0.25; 24], &name);
    }
}

#[test]
fn swav_in_logarithms_equals_the_published_form() {
    // As released, with the largest score taken away: columns to 1/K, rows to 1/B, three times, then times B.
    let (b, k) = (16, 7);
    let s = scores([b, k], 3);
    for epsilon in [0.5f32, 0.05, 0.03, 0.01] {
        let largest = s.f32s().iter().fold(f64::MIN, |m, x| m.max(*x as f64));
        let mut q: Vec<f64> = s.f32s().iter().map(|x| ((*x as f64 - largest) / epsilon as f64).exp()).collect();
        for _ in 0..3 {
            let sums = column_sums(&q, k);
            q.iter_mut().enumerate().for_each(|(i, q)| *q /= sums[i % k] * k as f64);
            q.chunks_mut(k).for_each(|row| {
                let sum: f64 = row.iter().sum();
                row.iter_mut().for_each(|q| *q /= sum * b as f64);
            });
        }
        let expected: Vec<f64> = q.iter().map(|q| q * b as f64).collect();
        for (name, q) in codes(&s, epsilon, 3) {
            // Scores divided by epsilon are large: their rounding is what is left.
            let bound = 4.0 * 2f64.powi(-23) / epsilon as f64;
            assert!(q.iter().zip(&expected).all(|(q, e)| (q - e).abs() < 1e-5 + bound), "{epsilon} on {name}");
        }
    }
}

/// Unit vectors of angles.
fn unit(angles: [f64; 4]) -> HostTensor {
    HostTensor::from_f32([4, 2], angles.iter().flat_map(|a| [a.cos() as f32, a.sin() as f32]).collect())
}

/// The golden loss with its gradients by scores and prototypes.
fn golden(device: &Device) -> HashMap<String, HostTensor> {
    let g = &mut Graph::new();
    let c = param(g, "c", [3, 2]);
    let z = ["z1", "z2"].map(|name| g.input(name, Meta::f32([4, 2])).unwrap());
    let s = z.map(|z| g.linear(z, c, None).unwrap());
    let q = s.map(|s| g.sinkhorn(s, 0.5, 3).unwrap());
    let loss = g.swapped_prediction(&s, &[(0, q[0]), (1, q[1])], 0.1).unwrap();
    let halves = [(0, 1), (1, 0)].map(|(i, v)| g.swapped_prediction(&[s[v], s[v]], &[(0, q[i])], 0.1).unwrap());
    let [d1, d2, dc] = g.backward(loss, &[s[0], s[1], c]).unwrap()[..] else { unreachable!() };
    for (name, v) in
        [("loss", loss), ("ce12", halves[0]), ("ce21", halves[1]), ("q1", q[0]), ("d1", d1), ("d2", d2), ("dc", dc)]
    {
        g.output(name, v);
    }
    let leaves = [
        ("c", HostTensor::from_f32([3, 2], vec![1.0, 0.0, 0.0, 1.0, -1.0, 0.0])),
        ("z1", unit([0.2, 1.4, 2.8, 0.9])),
        ("z2", unit([0.4, 1.2, 3.0, 0.6])),
    ];
    run(device, g, &leaves, &[])
}

#[test]
fn swav_golden_loss_and_gradients() {
    for (name, device) in devices() {
        let made = golden(&device);
        let is = |what: &str, expected: &[f64]| near(&made[what].to_f64(), expected, &format!("{what} on {name}"));
        is("ce12", &[2.186007]);
        is("ce21", &[2.200986]);
        is("loss", &[2.193497]);
        #[rustfmt::skip]
        is("q1", &[0.815982, 0.141919, 0.042099, 0.152482, 0.646562, 0.200956, 0.008040, 0.085838, 0.906122, 0.423127, 0.485299, 0.091573]);
        #[rustfmt::skip]
        is("d1", &[0.406458, -0.338080, -0.068379, -0.231456, 0.407148, -0.175692, -0.006884, -0.074026, 0.080911, -0.483823, 0.565995, -0.082172]);
        #[rustfmt::skip]
        is("d2", &[0.223915, -0.171291, -0.052624, -0.186421, 0.437612, -0.251192, -0.010049, -0.107040, 0.117089, 0.635224, -0.520757, -0.114467]);
        is("dc", &[0.737664, -0.257933, -0.163589, 0.784640, -0.574075, -0.526707]);
        // Rows of the gradient by scores sum to 0.
        for d in ["d1", "d2"] {
            assert!(made[d].to_f64().chunks(3).all(|row| row.iter().sum::<f64>().abs() < 1e-5), "{d} on {name}");
        }
    }
}

#[test]
fn swav_codes_carry_no_gradient() {
    // Differences with the codes held fixed equal the gradient of the whole.
    let g = &mut Graph::new();
    let s = [param(g, "s1", [5, 4]), param(g, "s2", [5, 4])];
    let q = s.map(|s| g.sinkhorn(s, 0.05, 3).unwrap());
    let loss = g.swapped_prediction(&s, &[(0, q[0]), (1, q[1])], 0.1).unwrap();
    let d = g.backward(loss, &s).unwrap();
    let leaves: BTreeMap<String, RefTensor> =
        [("s1", 5), ("s2", 6)].map(|(n, seed)| (n.to_string(), RefTensor::from(&scores([5, 4], seed)))).into();
    let at = run_reference(g, &leaves, &[]);
    let f = &mut Graph::new();
    let p = [param(f, "s1", [5, 4]), param(f, "s2", [5, 4])];
    let fixed = [0, 1].map(|i| (i, f.input(["q1", "q2"][i], Meta::f32([5, 4])).unwrap()));
    let frozen = f.swapped_prediction(&p, &fixed, 0.1).unwrap();
    let mut held = leaves.clone();
    for (name, q) in ["q1", "q2"].iter().zip(q) {
        held.insert(name.to_string(), at[q.index()].clone());
    }
    for (name, d) in ["s1", "s2"].iter().zip(d) {
        for (i, d) in at[d.index()].data.iter().enumerate() {
            let shifted = |by: f64| {
                let mut leaves = held.clone();
                leaves.get_mut(*name).unwrap().data[i] += by;
                run_reference(f, &leaves, &[])[frozen.index()].data[0]
            };
            let difference = (shifted(1e-6) - shifted(-1e-6)) / 2e-6;
            assert!((difference - d).abs() < 1e-6, "{name}[{i}]: {d}, {difference}");
        }
    }
}

#[test]
fn swav_gradient_stays_on_the_sphere() {
    let g = &mut Graph::new();
    let (y, c) = (param(g, "y", [6, 5]), param(g, "c", [4, 5]));
    let z = g.l2_normalize(y, 1e-12).unwrap();
    let s = g.linear(z, c, None).unwrap();
    let q = g.sinkhorn(s, 0.05, 3).unwrap();
    let other = g.scale(s, 0.5).unwrap();
    let loss = g.swapped_prediction(&[s, other], &[(1, q)], 0.1).unwrap();
    let d = g.backward(loss, &[y]).unwrap()[0];
    g.output("z", z);
    g.output("d", d);
    for (name, device) in devices() {
        let made = run(&device, g, &[("y", normal([6, 5], 7)), ("c", normal([4, 5], 8))], &[]);
        for (z, d) in made["z"].to_f64().chunks(5).zip(made["d"].to_f64().chunks(5)) {
            assert!(d.iter().any(|d| d.abs() > 1e-4));
            assert!(z.iter().zip(d).map(|(z, d)| z * d).sum::<f64>().abs() < 1e-5, "{name}");
        }
    }
}

#[test]
fn swav_loss_of_equal_features_is_at_least_the_logarithm() {
    for row in [[0.5, 0.5, 0.5, 0.5], [0.9, 0.1, -0.3, 0.2]] {
        let g = &mut Graph::new();
        let s = g.input("s", Meta::f32([6, 4])).unwrap();
        let q = g.sinkhorn(s, 0.05, 3).unwrap();
        let loss = g.swapped_prediction(&[s, s], &[(0, q), (1, q)], 0.1).unwrap();
        g.output("loss", loss);
        for (name, device) in devices() {
            let made = run(&device, g, &[("s", HostTensor::from_f32([6, 4], row.repeat(6)))], &[]);
            let (loss, least) = (made["loss"].to_f64()[0], 4f64.ln());
            let equal = row == [0.5; 4];
            assert!(if equal { (loss - least).abs() < 1e-5 } else { loss > least + 0.1 }, "{loss} on {name}");
        }
    }
}

#[test]
fn swav_small_crops_are_only_predicted() {
    // Two views with codes and one without: every term of the sum by hand.
    let g = &mut Graph::new();
    let s = ["s0", "s1", "s2"].map(|n| g.input(n, Meta::f32([5, 4])).unwrap());
    let q = [0, 1].map(|i| (i, g.sinkhorn(s[i], 0.05, 3).unwrap()));
    let loss = g.swapped_prediction(&s, &q, 0.1).unwrap();
    let mut sum = g.fill([], 0.0);
    for (i, q) in q {
        for v in [0, 1, 2] {
            if v != i {
                let logits = g.scale(s[v], 10.0).unwrap();
                let term = g.soft_cross_entropy(logits, q).unwrap();
                sum = g.add(sum, term).unwrap();
            }
        }
    }
    let by_hand = g.scale(sum, 0.25).unwrap();
    g.output("loss", loss);
    g.output("by hand", by_hand);
    for (name, device) in devices() {
        let leaves = [("s0", scores([5, 4], 1)), ("s1", scores([5, 4], 2)), ("s2", scores([5, 4], 3))];
        let made = run(&device, g, &leaves, &[]);
        assert!((made["loss"].to_f64()[0] - made["by hand"].to_f64()[0]).abs() < 1e-5, "{name}");
    }
}

#[test]
fn swav_prototypes_are_unit_vectors_and_stay_while_frozen() {
    let setting = Setting::new(recipe("small-swav", &["swav.freeze_epochs=1", "swav.prototypes=10"]));
    for (name, device) in devices() {
        let mut steps = setting.steps(&device);
        let read = |steps: &mut onebit::train::steps::Steps, leaf: &str| steps.runner.store().read(leaf).unwrap();
        let (before, head) = (read(&mut steps, "prototypes.weight"), read(&mut steps, "head.0.weight"));
        let first = steps.per_epoch() as u64;
        train(&mut steps, 0..first);
        assert_eq!(read(&mut steps, "prototypes.weight"), before, "frozen on {name}");
        assert_ne!(read(&mut steps, "head.0.weight"), head, "{name}");
        // The step brings rows back to length 1 and moves them by little.
        upload(&mut steps, first);
        run_part(&mut steps, 0, first);
        let after = read(&mut steps, "prototypes.weight");
        assert_ne!(after, before, "{name}");
        for row in after.to_f64().chunks(64) {
            let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
            assert!((norm - 1.0).abs() < 0.05, "{norm} on {name}");
        }
    }
}

/// Means of the last of some epochs on images of the embedded set.
fn learned(more: &[&str]) -> BTreeMap<String, f64> {
    let size = [
        "data.train_images=1200",
        "batch=100",
        "epochs=12",
        "lr=5e-3",
        "swav.prototypes=20",
        "net.widths=[8, 8, 16, 32]",
    ];
    let setting = Setting::new(recipe("small-swav", &[&size[..], more].concat()));
    let mut steps = setting.steps(&Device::Cpu);
    let epoch = steps.per_epoch() as u64;
    train(&mut steps, 0..11 * epoch);
    steps.runner.take_means().unwrap();
    train(&mut steps, 11 * epoch..12 * epoch);
    let means = steps.runner.take_means().unwrap();
    let warned = Swav.warning(&setting.recipe, 12, &means);
    let collapsed = means["usage_entropy"] < 0.2 * 20f64.ln();
    assert_eq!(warned.is_some_and(|w| w.contains("collapsed")), collapsed, "{means:?}");
    means
}

#[test]
fn swav_learns_with_balanced_codes_and_collapses_without() {
    let chance = 20f64.ln();
    let balanced = learned(&[]);
    assert!(balanced["swav_loss"] < chance - 0.3, "{balanced:?}");
    assert!(balanced["usage_entropy"] > 0.8 * chance, "{balanced:?}");
    let alone = learned(&["swav.codes=softmax", "swav.freeze_epochs=0"]);
    assert!(alone["swav_loss"] < 0.2 && alone["usage_entropy"] < 0.2 * chance, "{alone:?}");
}

#[test]
fn swav_codes_that_are_too_soft_teach_nothing() {
    let soft = learned(&["swav.epsilon=1.0"]);
    assert!(soft["swav_loss"] > 20f64.ln() - 0.1, "{soft:?}");
}

#[test]
fn swav_left_out_samples_do_not_count() {
    for (b, left) in [(9, 4), (12, 0), (7, 6)] {
        let g = &mut Graph::new();
        let (s, out) = (g.input("s", Meta::f32([b, 5])).unwrap(), g.input("out", Meta::f32([b, 1])).unwrap());
        let all = g.sinkhorn_without(Some(out), s, 0.05, 3).unwrap();
        let rest = g.slice(all, 0, left..b, 1).unwrap();
        let own = g.slice(s, 0, left..b, 1).unwrap();
        let alone = g.sinkhorn(own, 0.05, 3).unwrap();
        let joint = g.sinkhorn(s, 0.05, 3).unwrap();
        let joint = g.slice(joint, 0, left..b, 1).unwrap();
        for (name, v) in [("rest", rest), ("alone", alone), ("joint", joint)] {
            g.output(name, v);
        }
        for (name, device) in devices() {
            let flags =
                |on: bool| HostTensor::from_f32([b, 1], (0..b).map(|i| (on && i < left) as u8 as f32).collect());
            let without = run(&device, g, &[("s", scores([b, 5], 1)), ("out", flags(true))], &[]);
            near(&without["rest"].to_f64(), &without["alone"].to_f64(), &name);
            let with = run(&device, g, &[("s", scores([b, 5], 1)), ("out", flags(false))], &[]);
            assert_eq!(with["rest"].words(), with["joint"].words(), "{name}");
            assert_eq!(with["rest"].shape()[0], b - left);
        }
    }
}

#[test]
fn swav_queue_holds_the_newest_first_and_waits_until_it_is_full() {
    // 32 images in batches of 8: four steps an epoch; 20 rows are two batches.
    let changes = ["swav.queue=20", "swav.queue_after=1", "swav.prototypes=10", "swav.dimension=6", "epochs=3"];
    let setting = Setting::new(recipe("small-swav", &changes));
    for (name, device) in devices() {
        let mut steps = setting.steps(&device);
        let queue = |steps: &mut onebit::train::steps::Steps, view: usize| {
            let t = steps.runner.store().read(&format!("queue.{view}")).unwrap();
            assert_eq!(t.shape()[..], [16, 6]);
            t.to_f64().chunks(6).map(<[f64]>::to_vec).collect::<Vec<_>>()
        };
        train(&mut steps, 0..4);
        assert!(queue(&mut steps, 0).iter().flatten().all(|x| *x == 0.0), "{name}");
        train(&mut steps, 4..5);
        let first = queue(&mut steps, 0);
        let length = |row: &Vec<f64>| row.iter().map(|x| x * x).sum::<f64>().sqrt();
        assert!(first[..8].iter().all(|r| (length(r) - 1.0).abs() < 1e-5), "{name}");
        assert!(first[8..].iter().flatten().all(|x| *x == 0.0), "{name}");
        assert_ne!(first, queue(&mut steps, 1), "{name}");
        train(&mut steps, 5..6);
        let second = queue(&mut steps, 0);
        assert_eq!(second[8..], first[..8], "{name}");
        train(&mut steps, 6..7);
        let third = queue(&mut steps, 0);
        assert_eq!(third[8..], second[..8], "{name}");
        let unused: Vec<f32> =
            (3..8).map(|s| Swav.scalar(&setting.recipe, steps.progress(s), "swav.queue_unused").unwrap()).collect();
        assert_eq!(unused, [1.0, 1.0, 1.0, 0.0, 0.0]);
    }
}

#[test]
fn swav_small_crops_have_statistics_of_their_own() {
    let changes = ["swav.small={views=3,size=[12,12],scale=[0.1,0.4]}", "swav.prototypes=10", "swav.dimension=6"];
    let setting = Setting::new(recipe("small-swav", &changes));
    let views = Swav.views(&setting.recipe);
    let sizes: Vec<[usize; 2]> = views.iter().map(|v| v.output_size(28, 28)).collect();
    assert_eq!(sizes, [[28, 28], [28, 28], [12, 12], [12, 12], [12, 12]]);
    for (name, device) in devices() {
        let mut steps = setting.steps(&device);
        train(&mut steps, 0..1);
        // Two groups move the running statistics one after the other: 1 becomes 0.81 and two shares of variances.
        let var = steps.runner.store().read("bn1.running_var").unwrap().to_f64();
        assert!(var.iter().all(|v| *v > 0.81), "{var:?} on {name}");
        assert!(var.iter().any(|v| (v - 0.81).abs() > 1e-4), "{var:?} on {name}");
        let graph = steps.runner.parts()[0].program().graph().clone();
        let batches = graph.nodes().iter().filter(|n| n.op.name() == "channel_stats" && n.scope == "bn1").count();
        assert_eq!(batches, 2);
        let means = steps.runner.take_means().unwrap();
        assert!(means["swav_loss"].is_finite() && means["swav_loss"] > 0.0, "{means:?}");
    }
}

#[test]
fn swav_rate_rises_from_its_start_and_falls_to_its_end() {
    let s: Schedule = toml::from_str("kind = \"cosine\"\nwarmup = 10\nfrom = 0.3\nmin = 0.0048").unwrap();
    let at = |step| s.at(4.8, step, 313, 100) as f64;
    assert!((at(0) - 0.3).abs() < 1e-6 && (at(3129) - 4.8).abs() < 1e-6 && (at(3130) - 4.8).abs() < 1e-6);
    // numpy.linspace(0.3, 4.8, 3130)[1000]
    assert!((at(1000) - 1.738_159_2).abs() < 1e-6, "{}", at(1000));
    assert!((at(31299) - 0.0048).abs() < 1e-4, "{}", at(31299));
}

#[test]
fn swav_larc_golden() {
    for (p, d, expected) in [([3.0, 4.0], [0.6, 0.8], [2.9982, 3.9976]), ([0.0, 0.0], [0.6, 0.8], [-0.36, -0.48])] {
        let g = &mut Graph::new();
        let (w, grad) = (param(g, "p", [2]), g.input("d", Meta::f32([2])).unwrap());
        let larc: OptimSpec =
            toml::from_str("kind = \"larc\"\nmomentum = 0.9\ntrust = 0.001\nclip = false\nweight_decay = 1e-6")
                .unwrap();
        larc.step(g, &[w], &[grad], None).unwrap();
        let next = g.next(w);
        g.output("next", next);
        for (name, device) in devices() {
            let leaves = [("p", HostTensor::from_f32([2], p.to_vec())), ("d", HostTensor::from_f32([2], d.to_vec()))];
            near(&run(&device, g, &leaves, &[0.6])["next"].to_f64(), &expected, &name);
        }
    }
}

#[test]
fn swav_labels_reach_nothing() {
    let mut setting = Setting::new(recipe("small-swav", &["swav.prototypes=10"]));
    let trained = |setting: &Setting| {
        let mut steps = setting.steps(&Device::Cpu);
        train(&mut steps, 0..4);
        steps.runner.gather().unwrap()
    };
    let own = trained(&setting);
    let mut shuffled = (*setting.data.train).clone();
    shuffled.labels.as_mut().unwrap().rotate_left(5);
    setting.data.train = shuffled.into();
    assert_eq!(own, trained(&setting));
}
