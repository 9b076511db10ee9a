//! SiMaN: sign-to-magnitude network binarization.

use super::method::{Setting, changed, everything, recipe, train};
use super::{bits_of, devices, distance, normal, one_layer, param, run, values, weighted_sum};
use onebit::data::{Loader, LoaderOptions};
use onebit::device::Device;
use onebit::graph::{Graph, Meta, Role, Value};
use onebit::methods::siman::{Siman, clamp_percent, percentile_place};
use onebit::methods::{Method, Progress};
use onebit::nn::{Binarization, Coding, Magnitude, Mode, NetKind, NetSpec, Per, Shortcut, Split};
use onebit::ops::pointwise::Ste;
use onebit::recipe::Recipe;
use onebit::rng::Philox;
use onebit::tensor::bits::WeightCode;
use onebit::tensor::{HostTensor, RefTensor};
use onebit::train::layer_stats::best_cut;
use onebit::verify::run_reference;
use std::collections::BTreeMap;

const GOLDEN: [f32; 8] = [0.9, 0.1, 0.5, 0.4, 0.05, 0.7, 0.02, 0.3];

/// SiMaN's binarization with some of its choices.
fn rule(magnitude: Magnitude) -> Binarization {
    let binarization = Recipe::find("small-siman").unwrap().1.net.binarization;
    Binarization { magnitude: Some(magnitude), ..binarization }
}

/// The bits of rows of magnitudes `[rows, n]` by the cosine-optimal and by the median split, on every device.
fn splits(m: &HostTensor) -> Vec<(String, [Vec<f64>; 2])> {
    let g = &mut Graph::new();
    let x = g.input("m", Meta::f32(m.shape().clone())).unwrap();
    let cut = g.cosine_split_threshold(x).unwrap();
    let median = g.lower_median(x).unwrap();
    for (name, bits) in [("optimal", g.at_least(x, cut).unwrap()), ("median", g.above(x, median).unwrap())] {
        g.output(name, bits);
    }
    let each = |(name, device): (String, Device)| {
        let made = run(&device, g, &[("m", m.clone())], &[]);
        (name, ["optimal", "median"].map(|split| made[split].to_f64()))
    };
    devices().into_iter().map(each).collect()
}

fn cosine(bits: &[f64], m: &[f32]) -> f64 {
    let dot: f64 = bits.iter().zip(m).map(|(b, m)| b * *m as f64).sum();
    let ones: f64 = bits.iter().sum();
    let norm = m.iter().map(|m| (*m as f64).powi(2)).sum::<f64>().sqrt();
    dot / (ones.sqrt() * norm)
}

#[test]
fn siman_01_sort_and_scan_finds_the_best_of_all_bits() {
    for n in 1..=12usize {
        let mut m = normal([60, n], n as u64);
        m.f32s_mut().iter_mut().for_each(|x| *x = x.abs());
        let best: Vec<f64> = m
            .f32s()
            .chunks(n)
            .map(|row| {
                let bits = |pattern: u32| (0..n).map(|i| (pattern >> i & 1) as f64).collect::<Vec<_>>();
                (1..1u32 << n).map(|pattern| cosine(&bits(pattern), row)).fold(0.0, f64::max)
            })
            .collect();
        for (row, best) in m.f32s().chunks(n).zip(&best) {
            let mut sorted: Vec<f64> = row.iter().map(|m| *m as f64).collect();
            sorted.sort_by(|a, b| b.total_cmp(a));
            let k = best_cut(&sorted);
            let norm = sorted.iter().map(|m| m * m).sum::<f64>().sqrt();
            let reached = sorted[..k].iter().sum::<f64>() / ((k as f64).sqrt() * norm);
            assert!((reached - best).abs() < 1e-12, "{row:?}: {reached}, {best}");
        }
        // In f32 the best may lose to one that is as good but for rounding.
        for (name, [bits, _]) in splits(&m) {
            for ((bits, row), best) in bits.chunks(n).zip(m.f32s().chunks(n)).zip(&best) {
                assert!(best - cosine(bits, row) < 1e-6, "{row:?} on {name}");
            }
        }
    }
}

#[test]
fn siman_02_the_golden_vector() {
    let mut sorted = GOLDEN.map(f64::from);
    sorted.sort_by(|a, b| b.total_cmp(a));
    // S_k / sqrt(k) of the specification: the cut of the first n magnitudes is the largest of the first n.
    let scores = [0.9, 1.131371, 1.212436, 1.25, 1.252198, 1.18392, 1.114995, 1.050054];
    for n in 1..=8 {
        let k = (0..n).max_by(|a, b| f64::total_cmp(&scores[*a], &scores[*b])).unwrap() + 1;
        assert_eq!(best_cut(&sorted[..n]), k, "of {n}");
        let ones: Vec<f64> = (0..n).map(|i| (i < k) as u8 as f64).collect();
        let magnitudes: Vec<f32> = sorted[..n].iter().map(|m| *m as f32).collect();
        let norm = sorted[..n].iter().map(|m| m * m).sum::<f64>().sqrt();
        assert!((cosine(&ones, &magnitudes) * norm - scores[k - 1]).abs() < 1e-6, "of {n}");
    }
    assert_eq!(best_cut(&sorted), 5);
    for (name, [optimal, median]) in splits(&HostTensor::from_f32([1, 8], GOLDEN.to_vec())) {
        assert_eq!(optimal, [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0], "{name}");
        assert_eq!(median, [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0], "{name}");
        assert!((cosine(&optimal, &GOLDEN) - 0.930007).abs() < 1e-6, "{name}");
        assert!((cosine(&median, &GOLDEN) - 0.928374).abs() < 1e-6, "{name}");
    }
}

#[test]
fn siman_03_the_scan_does_not_stop_at_the_first_fall() {
    assert_eq!(best_cut(&[1.0, 0.4, 0.4]), 3);
    for (name, [optimal, _]) in splits(&HostTensor::from_f32([1, 3], vec![1.0, 0.4, 0.4])) {
        assert_eq!(optimal, [1.0; 3], "{name}");
    }
}

#[test]
fn siman_04_the_median_marks_half() {
    for n in [2, 9, 16, 27, 144, 577] {
        let mut m = normal([5, n], n as u64);
        m.f32s_mut().iter_mut().for_each(|x| *x = x.abs());
        for (name, [_, median]) in splits(&m) {
            let ones: Vec<f64> = median.chunks(n).map(|row| row.iter().sum()).collect();
            assert_eq!(ones, [(n / 2) as f64; 5], "n = {n} on {name}");
        }
    }
}

#[test]
fn siman_05_bits_do_not_follow_sign_and_size() {
    let w = normal([3, 3, 3, 8], 5);
    let times = |factor: f32| {
        let mut w = w.clone();
        w.f32s_mut().iter_mut().for_each(|x| *x *= factor);
        w
    };
    for (name, device) in devices() {
        for split in [Split::Median, Split::Optimal] {
            for per in [Per::Filter, Per::Layer] {
                let rule = rule(Magnitude { split, per, ..Default::default() });
                let bits = |w: &HostTensor| bits_of(&device, &rule, w, &[]).0;
                let plain = bits(&w);
                // Negation is exact; so is a power of two, but for eps, which does not change the order.
                assert_eq!(bits(&times(-1.0)), plain, "{split:?} {per:?} on {name}");
                assert_eq!(bits(&times(4.0)), plain, "{split:?} {per:?} on {name}");
            }
        }
        let sign = |w: &HostTensor| bits_of(&device, &Binarization::default(), w, &[]).0;
        assert_ne!(sign(&times(-1.0)), sign(&w), "{name}");
    }
}

#[test]
fn siman_05_a_layer_is_split_by_one_threshold() {
    // One filter has far larger magnitudes than the others, after standardisation only in its tail.
    let mut w = normal([4, 3, 3, 8], 6);
    w.f32s_mut()[..72].iter_mut().enumerate().for_each(|(i, x)| *x = if i == 0 { 50.0 } else { 0.01 * *x });
    for (name, device) in devices() {
        let ones = |per: Per| -> Vec<f64> {
            let rule = rule(Magnitude { per, ..Default::default() });
            bits_of(&device, &rule, &w, &[]).0.to_f64().chunks(72).map(|f| f.iter().sum()).collect()
        };
        assert_eq!(ones(Per::Filter), [36.0; 4], "{name}");
        let layer = ones(Per::Layer);
        assert_eq!((layer.iter().sum::<f64>(), layer[0]), (144.0, 1.0), "{name}");
    }
}

#[test]
fn siman_06_share_of_ones_by_distribution() {
    let n = 4608;
    let p = Philox::new(6, 0);
    let laplace = |i| -(1.0 - p.uniform(0, i) as f64).ln();
    let gauss = |i| (p.normal(1, i) as f64).abs();
    for (law, share) in [("Laplace", 0.368), ("Gauss", 0.541)] {
        let sample = |i| if law == "Laplace" { laplace(i) } else { gauss(i) };
        let trials = 100;
        let sum: usize = (0..trials)
            .map(|t| {
                let mut m: Vec<f64> = (0..n).map(|i| sample(t * n + i)).collect();
                m.sort_by(|a, b| b.total_cmp(a));
                best_cut(&m)
            })
            .sum();
        let mean = sum as f64 / (trials * n) as f64;
        assert!((mean - share).abs() < 0.01, "{law}: {mean}");
    }
}

#[test]
fn siman_07_gradient_of_the_latent_weights() {
    // The surrogate: a convolution with |z| in place of bits. Both losses are linear in the weights, so that their
    // gradients must agree.
    let build = |surrogate: bool| {
        let g = &mut Graph::new();
        let (x, w) = (param(g, "x", [2, 5, 5, 3]), param(g, "w", [4, 3, 3, 3]));
        let rows = g.reshape(w, [4, 27]).unwrap();
        let z = g.standardize(rows, 1e-5).unwrap();
        let m = g.abs(z).unwrap();
        let m = g.reshape(m, [4, 3, 3, 3]).unwrap();
        let xb = g.sign(x, Ste::Identity).unwrap();
        let y = if surrogate {
            let xs = g.signed(xb).unwrap();
            g.conv2d(xs, m, 1, 1, 1).unwrap()
        } else {
            let fixed = g.detach(m).unwrap();
            let fixed = g.reshape(fixed, [4, 27]).unwrap();
            let median = g.lower_median(fixed).unwrap();
            let median = g.reshape(median, [4, 1, 1, 1]).unwrap();
            let bits = g.above(m, median).unwrap();
            let y = g.xnor_conv2d(xb, bits, 1, 1, WeightCode::PlusMinus).unwrap();
            g.to_f32(y).unwrap()
        };
        let (loss, _) = weighted_sum(g, y, 7);
        let d = g.backward(loss, &[w]).unwrap()[0];
        (std::mem::take(g), z, loss, d)
    };
    let leaves: BTreeMap<String, RefTensor> =
        [("x", normal([2, 5, 5, 3], 8)), ("w", normal([4, 3, 3, 3], 9))].map(|(n, t)| (n.into(), (&t).into())).into();
    let (layer, z, _, d) = build(false);
    let made = run_reference(&layer, &leaves, &[]);
    let (z, d) = (&made[z.index()].data, &made[d.index()].data);
    let (surrogate, _, loss, _) = build(true);
    let norm = d.iter().map(|d| d * d).sum::<f64>().sqrt();
    for (i, d) in d.iter().enumerate() {
        let shifted = |by: f64| {
            let mut leaves = leaves.clone();
            leaves.get_mut("w").unwrap().data[i] += by;
            run_reference(&surrogate, &leaves, &[])[loss.index()].data[0]
        };
        let difference = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
        assert!((difference - d).abs() < 1e-6 * norm, "{i}: {d} by the layer, {difference} by differences");
    }
    for (d, z) in d.chunks(27).zip(z.chunks(27)) {
        assert!(d.iter().sum::<f64>().abs() < 1e-12 * norm);
        // Zero but for eps.
        assert!(d.iter().zip(z).map(|(d, z)| d * z).sum::<f64>().abs() < 1e-4 * norm);
    }
}

#[test]
fn siman_08_gradient_of_the_learned_scale() {
    let g = &mut Graph::new();
    let (x, w) = (param(g, "x", [2, 5, 5, 3]), param(g, "w", [4, 3, 3, 3]));
    let alpha = param(g, "alpha", [4]);
    let (xb, wb) = (g.sign(x, Ste::Identity).unwrap(), g.sign(w, Ste::Identity).unwrap());
    let conv = g.xnor_conv2d(xb, wb, 1, 1, WeightCode::ZeroOne).unwrap();
    let y = g.mul(conv, alpha).unwrap();
    let (loss, upstream) = weighted_sum(g, y, 8);
    let d = g.backward(loss, &[alpha]).unwrap()[0];
    g.output("d", d);
    g.output("conv", conv);
    let leaves = [
        ("x", normal([2, 5, 5, 3], 1)),
        ("w", normal([4, 3, 3, 3], 2)),
        ("alpha", HostTensor::from_f32([4], vec![0.1, -0.2, 0.3, 0.4])),
    ];
    for (name, device) in devices() {
        let made = run(&device, g, &leaves, &[]);
        let mut expected = [0.0; 4];
        for (i, (y, up)) in made["conv"].to_f64().iter().zip(upstream.f32s()).enumerate() {
            expected[i % 4] += y * *up as f64;
        }
        assert!(distance(made["d"].to_f64(), &expected) < 1e-6, "{name}");
    }
}

#[test]
fn siman_09_the_two_codings_differ_by_the_sum_of_the_window() {
    let g = &mut Graph::new();
    let x = g.input("x", Meta::f32([2, 5, 4, 33])).unwrap();
    let w = g.input("w", Meta::f32([3, 3, 3, 33])).unwrap();
    let ones = g.fill([3, 3, 3, 33], 1.0);
    let (xb, wb) = (g.sign(x, Ste::Identity).unwrap(), g.sign(w, Ste::Identity).unwrap());
    let all = g.sign(ones, Ste::Identity).unwrap();
    for (name, w, code) in
        [("pm1", wb, WeightCode::PlusMinus), ("01", wb, WeightCode::ZeroOne), ("window", all, WeightCode::ZeroOne)]
    {
        let y = g.xnor_conv2d(xb, w, 1, 1, code).unwrap();
        g.output(name, y);
    }
    let leaves = [("x", normal([2, 5, 4, 33], 9)), ("w", normal([3, 3, 3, 33], 10))];
    for (name, device) in devices() {
        let made = run(&device, g, &leaves, &[]);
        let [pm1, zero_one, window] = ["pm1", "01", "window"].map(|n| made[n].to_f64());
        for i in 0..pm1.len() {
            assert_eq!(pm1[i], 2.0 * zero_one[i] - window[i], "{i} on {name}");
        }
    }
}

#[test]
fn siman_11_decay_by_group() {
    let recipe = Recipe::find("cifar10-resnet20-siman").unwrap().1;
    let decay_of = |recipe: &Recipe| -> BTreeMap<String, f32> {
        let g = &mut Graph::new();
        let x = g.input("x", Meta::f32([2, 32, 32, 3])).unwrap();
        recipe.net.build(g, x, 10, Mode::Train, None).unwrap();
        let role = |v: Value| g.init(v).unwrap().1;
        g.params().into_iter().map(|v| (g.name(v).to_string(), recipe.optimiser.decay_of(role(v)))).collect()
    };
    let decays = decay_of(&recipe);
    let (mut without, mut with) = (0, 0);
    for (name, decay) in &decays {
        let binary = name.starts_with("layer") && name.contains("conv");
        assert_eq!(*decay, if binary { 0.0 } else { 5e-4 }, "{name}");
        if binary { without += 1 } else { with += 1 }
    }
    // 18 convolutions with their scales; the rest is real.
    assert_eq!((without, with > 40), (36, true));
    // The release's quirk: binary shortcuts, whose name does not hold "conv", decay.
    let net = ["net.kind=resnet18", "net.shortcut=binary", "optimiser.binary_shortcut_decay=5e-4"];
    let quirk = decay_of(&recipe.with(&net.map(String::from)).unwrap());
    assert_eq!((quirk["layer2.0.downsample.0.weight"], quirk["layer2.0.conv1.weight"]), (5e-4, 0.0));
    let plain = decay_of(&recipe.with(&net[..2].iter().map(|s| s.to_string()).collect::<Vec<_>>()).unwrap());
    assert_eq!(plain["layer2.0.downsample.0.weight"], 0.0);
}

#[test]
fn siman_12_learning_rate_of_the_400_epochs() {
    let recipe = Recipe::find("cifar10-resnet20-siman").unwrap().1;
    let at = |epoch: u64| {
        let progress = Progress::new(196 * epoch + 100, 196, 196 * 400);
        Siman.scalar(&recipe, progress, "lr").unwrap() as f64
    };
    let cosine = |e: f64| 0.05 * (1.0 + (std::f64::consts::PI * (e - 4.0) / 396.0).cos());
    for (epoch, lr) in [0.02, 0.04, 0.06, 0.08, 0.10, cosine(5.0)].into_iter().enumerate() {
        assert!((at(epoch as u64) - lr).abs() < 1e-8, "epoch {epoch}: {}", at(epoch as u64));
    }
    for epoch in [50, 202, 399] {
        assert!((at(epoch) - cosine(epoch as f64)).abs() < 1e-8, "epoch {epoch}: {}", at(epoch));
    }
}

#[test]
fn siman_13_the_clamp_opens_and_is_the_identity_at_its_end() {
    for (epoch, percent) in [(0, 15.0), (200, 7.5), (399, 0.0375)] {
        assert!((clamp_percent(epoch, 400) - percent).abs() < 1e-12);
    }
    // On devices, against sorting: the latent weights after a forward pass with percentiles p and 100 - p.
    let rule = rule(Magnitude { clamp: true, ..Default::default() });
    let w = normal([4, 3, 3, 4], 13);
    let centred: Vec<f64> = w
        .f32s()
        .chunks(36)
        .flat_map(|f| {
            let mean = f.iter().map(|x| *x as f64).sum::<f64>() / 36.0;
            f.iter().map(move |x| *x as f64 - mean)
        })
        .collect();
    let mut sorted: Vec<f64> = centred.iter().map(|x| x.abs()).collect();
    sorted.sort_by(f64::total_cmp);
    let percentile = |p: f64| {
        let (rank, rest) = percentile_place(sorted.len(), p);
        sorted[rank] + rest * (sorted.get(rank + 1).unwrap_or(&sorted[rank]) - sorted[rank])
    };
    let g = &mut Graph::new();
    let net = one_layer(g, rule, [4, 4], Mode::Batch);
    g.output("w", net.binary[0].weight.unwrap());
    let recipe = Recipe::find("small-siman").unwrap().1;
    let progress = |epoch: u64| Progress::new(epoch, 1, recipe.epochs);
    for (name, device) in devices() {
        for epoch in [0, recipe.epochs / 2, recipe.epochs] {
            let p = clamp_percent(epoch, recipe.epochs);
            let scalars: Vec<f32> =
                g.scalars().iter().map(|s| Siman.scalar(&recipe, progress(epoch), s).unwrap()).collect();
            let made = run(&device, g, &[("conv1.weight", w.clone())], &scalars);
            let (low, high) = (percentile(p), percentile(100.0 - p));
            let expected: Vec<f64> = centred.iter().map(|x| x.abs().clamp(low, high).copysign(*x)).collect();
            assert!(distance(made["w"].to_f64(), &expected) < 1e-6, "p = {p} on {name}");
            if p == 0.0 {
                assert_eq!((low, high), (sorted[0], *sorted.last().unwrap()));
            }
        }
    }
}

#[test]
fn siman_14_a_test_reads_bits_and_not_weights() {
    let setting = Setting::new(recipe("small-siman", &[]));
    for (name, device) in devices() {
        let mut steps = setting.steps(&device);
        train(&mut steps, 0..2);
        let loader = Loader::new(setting.data.test.clone(), LoaderOptions::eval(8)).unwrap();
        let images = &loader.batch(0, 0).unwrap().images[0];
        let first = steps.runner.logits(images).unwrap();
        let before = everything(&mut steps);
        assert_eq!(steps.runner.logits(images).unwrap(), first, "{name}");
        assert!(changed(&before, &everything(&mut steps)).is_empty(), "a test changes nothing on {name}");
        let weights = steps.runner.binary_weights();
        assert_eq!(weights.len(), 6);
        for (seed, weight) in weights.iter().enumerate() {
            let shape = before[weight].shape().clone();
            steps.runner.store().write(weight, &normal(shape, seed as u64)).unwrap();
        }
        assert_eq!(steps.runner.logits(images).unwrap(), first, "{name}");
    }
}

#[test]
fn siman_15_the_median_by_search_is_the_sorted_one() {
    // Tied, subnormal, all zero, random; the search works on bit patterns, so nothing is rounded or flushed.
    let p = Philox::new(15, 0);
    let kinds =
        [|x: f32| x, |x: f32| (x * 3.0).round() / 8.0, |x: f32| f32::from_bits((x * 40.0) as u32), |_: f32| 0.0];
    for (name, device) in devices() {
        let lengths: Vec<usize> = match device {
            Device::Cpu => (1..=300).chain((300..=5000).step_by(97)).chain([2304, 4608, 5000]).collect(),
            Device::Gpu(_) => vec![1, 2, 3, 27, 144, 577, 4608, 5000],
        };
        for n in lengths {
            let rows: Vec<f32> =
                kinds.iter().flat_map(|f| (0..n).map(|i| f(p.normal(n as u64, i as u64).abs()))).collect();
            let g = &mut Graph::new();
            let x = g.input("x", Meta::f32([4, n])).unwrap();
            let median = g.lower_median(x).unwrap();
            g.output("median", median);
            let made = run(&device, g, &[("x", HostTensor::from_f32([4, n], rows.clone()))], &[]);
            let expected = rows.chunks(n).map(|row| {
                let mut row = row.to_vec();
                row.sort_by(f32::total_cmp);
                row[n.div_ceil(2) - 1].to_bits()
            });
            assert!(made["median"].words().iter().copied().eq(expected), "n = {n} on {name}");
        }
    }
    assert_eq!(percentile_place(101, 37.5), (37, 0.5));
}

#[test]
fn siman_16_binary_weights_of_the_networks() {
    let count = |kind, shortcut| {
        NetSpec { shortcut, ..NetSpec::new(kind, true) }.count([32, 32, 3], 10).unwrap().binary_weights
    };
    assert_eq!(count(NetKind::Resnet20, None), 267_264);
    assert_eq!(count(NetKind::VggSmall, None), 4_571_136);
    assert_eq!(count(NetKind::Resnet18, Some(Shortcut::Binary)), 11_157_504);
    assert_eq!(count(NetKind::Resnet18, Some(Shortcut::Float)), 10_985_472);
}

#[test]
fn siman_weights_are_what_the_coding_says() {
    // The layer's own products, from its bits: 2B - 1 or B.
    for (coding, zero) in [(Coding::PlusMinus, false), (Coding::ZeroOne, true)] {
        let rule = rule(Magnitude { coding, ..Default::default() });
        let w = normal([2, 3, 3, 4], 20);
        for (name, device) in devices() {
            let bits = bits_of(&device, &rule, &w, &[]).0;
            let sums: Vec<f64> = values(&bits, zero).chunks(36).map(|f| f.iter().sum()).collect();
            // Half of 36 are ones.
            assert_eq!(sums, [if zero { 18.0 } else { 0.0 }; 2], "{coding:?} on {name}");
        }
    }
    let g = &mut Graph::new();
    one_layer(g, rule(Magnitude::default()), [4, 4], Mode::Train);
    let scales = g.params().into_iter().filter(|v| matches!(g.init(*v), Some((_, Role::BinaryScale)))).count();
    assert_eq!(scales, 4, "a learned scale for each binary layer");
}
