//! RBCN: rectified binary convolutional networks. Lines 3, 4, 6, 8 and 9 are about pieces that are not public; their
//! tests stand beside them, in `src/methods/rbcn/`.

use super::method::{Setting, changed, everything, recipe, run_part, shipped_differs, train, upload};
use super::{bits_of, devices, distance, normal, param, run, values};
use onebit::device::Device;
use onebit::graph::{Graph, Meta};
use onebit::methods::TRANSIENT;
use onebit::nn::{Binarization, Scale};
use onebit::ops::pointwise::Ste;
use onebit::recipe::Recipe;
use onebit::tensor::bits::WeightCode;
use onebit::tensor::{DType, HostTensor};
use onebit::train::inference::{inference_tensors, with_mean_matrices};
use onebit::train::steps::Steps;

const DISCRIMINATORS: usize = 0;
const STUDENT: usize = 1;
const MATRICES: usize = 2;

#[test]
fn rbcn_01_signs_are_plus_and_minus_one() {
    let binarization = Recipe::find("small-rbcn").unwrap().1.net.binarization;
    let binarization = Binarization { scale: Scale::Layer, matrix: None, ..binarization };
    let mut w = normal([2, 3, 3, 4], 1);
    w.f32s_mut()[..2].copy_from_slice(&[0.0, -0.0]);
    for (name, device) in devices() {
        let signs = values(&bits_of(&device, &binarization, &w, &[]).0, false);
        for (sign, w) in signs.iter().zip(w.f32s()) {
            assert_eq!(*sign, if *w >= 0.0 { 1.0 } else { -1.0 }, "{w} on {name}");
        }
    }
}

/// `conv(sign(x), sign(w) ⊙ C)` by popcounts on the host: each tap's own sum over channels, times C.
fn by_popcounts(x: &HostTensor, w: &HostTensor, c: impl Fn(usize) -> f64) -> Vec<f64> {
    let (n, h, width, channels) = (x.shape()[0], x.shape()[1], x.shape()[2], x.shape()[3]);
    let filters = w.shape()[0];
    let bits = |t: &[f32]| t.iter().map(|v| (*v >= 0.0) as u64).collect::<Vec<_>>();
    let (x, w) = (bits(x.f32s()), bits(w.f32s()));
    let mut y = Vec::new();
    for (image, row, column) in (0..n).flat_map(|i| (0..h).flat_map(move |r| (0..width).map(move |c| (i, r, c)))) {
        for filter in 0..filters {
            let mut sum = 0.0;
            for tap in 0..9 {
                let (r, s) = ((row + tap / 3).wrapping_sub(1), (column + tap % 3).wrapping_sub(1));
                if r >= h || s >= width {
                    continue;
                }
                let (a, b) = (((image * h + r) * width + s) * channels, (filter * 9 + tap) * channels);
                let differing = (0..channels).filter(|k| x[a + k] != w[b + k]).count();
                sum += c(tap) * (channels as f64 - 2.0 * differing as f64);
            }
            y.push(sum);
        }
    }
    y
}

#[test]
fn rbcn_02_forward_with_every_shape_of_the_matrix() {
    let (x, w) = (normal([2, 5, 4, 33], 1), normal([3, 3, 3, 33], 2));
    let g = &mut Graph::new();
    let (vx, vw) = (g.input("x", Meta::f32([2, 5, 4, 33])).unwrap(), param(g, "w", [3, 3, 3, 33]));
    let (xb, wb) = (g.sign(vx, Ste::ApproxSign).unwrap(), g.sign(vw, Ste::ApproxSign).unwrap());
    let (xs, ws) = (g.signed(xb).unwrap(), g.signed(wb).unwrap());
    let shapes = [("scalar", [1, 1, 1, 1]), ("kernel", [1, 3, 3, 1]), ("full", [1, 3, 3, 33])];
    let matrices = shapes.map(|(name, shape)| {
        let mut c = normal(shape, 3);
        c.f32s_mut().iter_mut().for_each(|c| *c = 0.05 + 0.01 * *c);
        (name, c)
    });
    for (name, c) in &matrices {
        let c = g.constant(c.clone());
        let scaled = g.mul(ws, c).unwrap();
        let y = g.conv2d(xs, scaled, 1, 1, 1).unwrap();
        g.output(*name, y);
    }
    let packed = g.xnor_conv2d(xb, wb, 1, 1, WeightCode::PlusMinus).unwrap();
    g.output("packed", packed);
    let [scalar, kernel] = [0, 1].map(|i| {
        let c = matrices[i].1.f32s().to_vec();
        by_popcounts(&x, &w, |tap| c[tap % c.len()] as f64)
    });
    let integers = by_popcounts(&x, &w, |_| 1.0);
    for (name, device) in devices() {
        let made = run(&device, g, &[("x", x.clone()), ("w", w.clone())], &[]);
        assert_eq!(made["packed"].to_f64(), integers, "{name}");
        // 297 products, each rounded once.
        assert!(distance(made["scalar"].to_f64(), &scalar) < 297.0 * 2f64.powi(-24), "{name}");
        assert!(distance(made["kernel"].to_f64(), &kernel) < 297.0 * 2f64.powi(-24), "{name}");
    }
    // A network takes the popcounts where it can.
    for (shape, packed) in [("scalar", true), ("kernel", false), ("full", false)] {
        let matrix = format!("net.binarization.matrix={shape}");
        let setting = Setting::new(recipe("small-rbcn-r", &[&matrix]));
        let steps = setting.steps(&Device::Cpu);
        let graph = &steps.runner.parts()[0].program().graph();
        assert_eq!(graph.nodes().iter().any(|n| n.op.name() == "xnor_conv2d"), packed, "{shape}");
    }
}

#[test]
fn rbcn_05_the_estimator_of_the_weights() {
    let g = &mut Graph::new();
    let n = 2001;
    let w = param(g, "w", [n]);
    let bits = g.sign(w, Ste::ApproxSign).unwrap();
    let signs = g.signed(bits).unwrap();
    let sum = g.sum(signs, &[0]).unwrap();
    let sum = g.reshape(sum, []).unwrap();
    let slope = g.backward(sum, &[w]).unwrap()[0];
    g.output("slope", slope);
    let points: Vec<f32> = (0..n).map(|i| (i as f32 - 1000.0) / 1000.0).collect();
    for (name, device) in devices() {
        let made = run(&device, g, &[("w", HostTensor::from_f32([n], points.clone()))], &[]);
        let slopes = made["slope"].to_f64();
        assert_eq!([1000, 500, 1500, 0, 2000].map(|i| slopes[i]), [2.0, 1.0, 1.0, 0.0, 0.0], "{name}");
        // The trapezoidal rule is exact for lines that bend at a point.
        let integral: f64 = slopes.windows(2).map(|s| (s[0] + s[1]) / 2000.0).sum();
        assert!((integral - 2.0).abs() < 1e-5, "{integral} on {name}");
    }
}

#[test]
fn rbcn_07_no_part_changes_what_belongs_to_another() {
    let setting = Setting::new(recipe("small-rbcn", &[]));
    for (name, device) in devices() {
        let mut steps = setting.steps(&device);
        upload(&mut steps, 0);
        let of = |part: usize, tensor: &str| {
            let discriminator = tensor.contains("discriminator.");
            let passed_on = tensor.starts_with("passed.");
            let matrix = tensor.ends_with(".matrix") && !passed_on;
            match part {
                DISCRIMINATORS => discriminator || tensor.starts_with("metrics."),
                STUDENT => !discriminator && !matrix && !tensor.starts_with("teacher."),
                _ => matrix || tensor.starts_with("metrics."),
            }
        };
        for part in [DISCRIMINATORS, STUDENT, MATRICES] {
            let before = everything(&mut steps);
            run_part(&mut steps, part, 0);
            let changed = changed(&before, &everything(&mut steps));
            let foreign: Vec<_> = changed.iter().filter(|t| !of(part, t)).collect();
            assert!(foreign.is_empty(), "part {part} on {name} changed {foreign:?}");
            let wanted = ["discriminator.0.0.weight", "layer1.0.conv1.weight", "layer1.0.conv1.matrix"][part];
            assert!(changed.iter().any(|t| t == wanted), "part {part} on {name} left {wanted} as it was: {changed:?}");
        }
    }
}

#[test]
fn rbcn_10_teachers_stay_as_they_are() {
    let names = ["small-rbcn", "small-rbcn-mse", "small-rbcn-kd", "small-reactnet"];
    for (name, device) in devices() {
        for recipe_name in names {
            let widths: &[&str] = if recipe_name == "small-reactnet" { &["start_from="] } else { &[] };
            let setting = Setting::new(recipe(recipe_name, widths));
            let mut steps = setting.steps(&device);
            let before = everything(&mut steps);
            let taught = before.keys().filter(|n| n.starts_with("teacher.")).count();
            assert!(taught > 20, "{recipe_name} has a teacher of {taught} tensors");
            let all = steps.per_epoch() as u64;
            train(&mut steps, 0..all);
            let changed = changed(&before, &everything(&mut steps));
            let taught: Vec<_> = changed.iter().filter(|n| n.starts_with("teacher.")).collect();
            assert!(taught.is_empty(), "{recipe_name} on {name} changed {taught:?}");
            assert!(changed.iter().any(|n| n == "conv1.weight"), "{recipe_name} on {name} trains");
        }
    }
}

#[test]
fn rbcn_11_the_second_pass_changes_normalisations_only() {
    for (refresh, by, trained) in
        [("train", "batch", true), ("stats", "batch", false), ("train", "running", true), ("stats", "running", false)]
    {
        let settings = [format!("rbcn.refresh={refresh}"), format!("rbcn.refresh_by={by}")];
        let setting = Setting::new(recipe("small-rbcn", &settings.each_ref().map(String::as_str)));
        for (name, device) in devices() {
            let mut steps = setting.steps(&device);
            train(&mut steps, 0..4);
            let before = everything(&mut steps);
            assert!(steps.is_refresh(4));
            train(&mut steps, 4..5);
            let changed = changed(&before, &everything(&mut steps));
            let norm = |n: &str| {
                let (scope, leaf) = n.rsplit_once('.').unwrap();
                let scope = scope.strip_prefix("optim.").unwrap_or(scope);
                let layer = scope.rsplit('.').find(|s| *s != "weight" && *s != "bias").unwrap();
                (layer.starts_with("bn") || scope.contains("downsample.1")) && leaf != "matrix"
            };
            let other: Vec<_> = changed.iter().filter(|n| !norm(n) && !n.starts_with("metrics.")).collect();
            assert!(other.is_empty(), "{refresh} on {name} changed {other:?}");
            assert!(changed.iter().any(|n| n == "layer1.0.bn1.running_mean"), "{refresh} on {name}");
            assert_eq!(changed.iter().any(|n| n == "layer1.0.bn1.weight"), trained, "{refresh} on {name}: {changed:?}");
        }
    }
}

#[test]
fn rbcn_12_13_what_is_shipped_says_the_same() {
    let changes = [&[][..], &["net.binarization.matrix=scalar"], &["net.binarization.matrix=full"]];
    for change in changes {
        let setting = Setting::new(recipe("small-rbcn", change));
        let mut steps = setting.steps(&Device::Cpu);
        train(&mut steps, 0..8);
        let task = setting.task();
        let shipped = inference_tensors(&task, &steps.runner.gather().unwrap()).unwrap();
        for (name, t) in &shipped {
            assert!(!name.contains("teacher") && !name.contains("discriminator") && !name.contains("optim"), "{name}");
            let bits = name.contains(".conv") && name.ends_with(".bits");
            assert_eq!(t.dtype() == DType::Bits, bits, "{name}");
            assert!(!(name.starts_with("layer") && name.contains(".conv") && name.ends_with(".weight")), "{name}");
        }
        assert_eq!(shipped.keys().filter(|n| n.ends_with(".matrix")).count(), 6);
        for (name, device) in devices() {
            assert_eq!(shipped_differs(&setting, &mut steps, &device), [0, 0], "{change:?} on {name}");
        }
        // C*: each matrix as its own mean.
        let collapsed = with_mean_matrices(&shipped);
        for (name, t) in &collapsed {
            let first = &shipped[name];
            if name.ends_with(".matrix") {
                let mean = first.to_f64().iter().sum::<f64>() / first.to_f64().len() as f64;
                assert!(t.to_f64().iter().all(|c| (c - mean).abs() < 1e-6 * mean.abs()), "{name}");
            } else {
                assert_eq!(t, first);
            }
        }
    }
}

#[test]
fn rbcn_14_the_counter() {
    use onebit::nn::{MatrixShape, NetKind, NetSpec, Shortcut, Stem};
    let count = |scale: Scale, matrix: Option<MatrixShape>| {
        let spec = NetSpec {
            stem: Some(Stem::Imagenet),
            shortcut: Some(Shortcut::FloatPooled),
            binarization: Binarization { scale, matrix, ..Default::default() },
            ..NetSpec::new(NetKind::Resnet18, true)
        };
        spec.count([224, 224, 3], 1000).unwrap()
    };
    // A shortcut that pools behind its convolution has four times the products; the published count takes one of stride 2.
    let pooled = count(Scale::None, None);
    assert_eq!(pooled.binary_macs, 1_676_279_808);
    assert_eq!(pooled.real_macs, 137_793_536 + 3 * 19_267_584);
    for (matrix, scales, mbit) in [(MatrixShape::Scalar, 16, "33.515"), (MatrixShape::Kernel, 144, "33.519")] {
        let c = count(Scale::Matrix, Some(matrix));
        assert_eq!((c.scales, c.real_weights + c.norm), (scales, 704_040));
        assert_eq!(format!("{:.3}", c.bits() as f64 / 1e6), mbit);
    }
    let channel = count(Scale::Channel, None);
    assert_eq!(
        format!("{:.3} {:.3}", channel.bits() as f64 / 1e6, channel.float_bits() as f64 / 1e6),
        "33.638 374.064"
    );
}

#[test]
fn rbcn_15_without_its_terms_it_is_birealnet_bit_for_bit() {
    let settings = ["net.activation=prelu", "net.shortcut=float-pooled", "net.binarization.weight_ste=approx-sign"];
    let bireal = recipe("small-bireal", &[&settings[..], &["net.binarization.scale=layer"]].concat());
    let rbcn = recipe("small-rbcn-bireal", &[]);
    let bireal = Recipe { optimiser: rbcn.optimiser, lr: rbcn.lr, ..bireal };
    assert_eq!(bireal.net, rbcn.net);
    let trained = |recipe: &Recipe, device: &Device| {
        let mut steps = Setting::new(recipe.clone()).steps(device);
        // All but what is logged, of which RBCN has more.
        let of_network = |steps: &mut Steps| {
            let mut all = everything(steps);
            all.retain(|name, _| !name.starts_with(TRANSIENT));
            all
        };
        let start = of_network(&mut steps);
        train(&mut steps, 0..6);
        (start, of_network(&mut steps))
    };
    for (name, device) in devices() {
        let (start, plain) = trained(&bireal, &device);
        let moved = changed(&start, &plain);
        for layer in ["conv1", "layer1.0.conv1", "layer3.0.conv2", "fc"] {
            assert!(moved.contains(&format!("{layer}.weight")), "{layer} stayed as it was on {name}: {moved:?}");
        }
        let (_, without) = trained(&rbcn, &device);
        assert_eq!(plain.keys().collect::<Vec<_>>(), without.keys().collect::<Vec<_>>(), "{name}");
        assert_eq!(changed(&plain, &without), [""; 0], "{name}");
    }
    // Each term by itself does make a difference.
    let terms: [(&str, &[&str], &[&str]); 4] = [
        ("small-rbcn-bireal", &[], &["rbcn.refresh=train"]),
        ("small-rbcn-r", &["rbcn.matrix_lr=0"], &["rbcn.lambda_kernel=0.01"]),
        ("small-rbcn-r", &["rbcn.lambda_kernel=0"], &["rbcn.matrix_lr=0.1"]),
        ("small-rbcn-mse", &["rbcn.matrix_lr=0", "rbcn.refresh=none"], &["rbcn.lambda_features=1"]),
    ];
    let off = ["rbcn.lambda_kernel=0", "rbcn.matrix_lr=0", "rbcn.lambda_features=0"];
    for (name, others, term) in terms {
        let conv = |changes: &[&str]| {
            let trained = trained(&recipe(name, &[&off[..], others, changes].concat()), &Device::Cpu).1;
            trained["layer1.0.conv1.weight"].words().to_vec()
        };
        assert!(conv(term) != conv(&[]), "{name}: {term:?} changes nothing");
    }
}

#[test]
fn rbcn_matrices_start_at_the_mean_magnitude() {
    for (shape, extents) in [("scalar", [1, 1, 1, 1]), ("kernel", [1, 3, 3, 1]), ("full", [1, 3, 3, 4])] {
        let setting = Setting::new(recipe("small-rbcn-r", &[&format!("net.binarization.matrix={shape}")]));
        for (name, device) in devices() {
            let mut steps = setting.steps(&device);
            let w = steps.runner.store().read("layer1.0.conv1.weight").unwrap();
            let c = steps.runner.store().read("layer1.0.conv1.matrix").unwrap();
            assert_eq!(c.shape()[..], extents, "{shape}");
            let all = c.shape().elements();
            let mut expected = vec![0.0; all];
            for (i, w) in w.f32s().iter().enumerate() {
                let at = match shape {
                    "scalar" => 0,
                    "kernel" => i / 4 % 9,
                    _ => i % 36,
                };
                expected[at] += w.abs() as f64 * all as f64 / 144.0;
            }
            assert!(distance(c.to_f64(), &expected) < 1e-5, "{shape} on {name}");
        }
    }
}
