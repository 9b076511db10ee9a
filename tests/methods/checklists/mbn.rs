//! Multilayer bootstrap networks (checklist of the specification, section 7, in its order). The digits are the 1,797
//! images of 8x8 pixels of the UCI set "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998, CC BY 4.0).

use super::{devices, run};
use onebit::console::stop::NEVER;
use onebit::data::{Dataset, OpenOptions, Split};
use onebit::device::Device;
use onebit::experiments::compression::ModelTeacher;
use onebit::experiments::mbn::predicted;
use onebit::features::{KMeans, Rows, clustering_accuracy, normalized_mutual_information};
use onebit::graph::{Graph, Meta};
use onebit::mbn::{Codes, MbnSpec, Model, Output, Sampling, Similarity, Watch, choice, layer_sizes};
use onebit::methods::{ImageInfo, Task};
use onebit::ops::cluster::{NEAR_TIE, Ties};
use onebit::recipe::Recipe;
use onebit::rng::Philox;
use onebit::tensor::{DType, HostTensor};
use onebit::train::programs::Programs;
use onebit::train::steps::Steps;
use std::sync::Arc;
use std::sync::OnceLock;

fn digits() -> &'static Dataset {
    static DIGITS: OnceLock<Dataset> = OnceLock::new();
    DIGITS.get_or_init(|| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/digits");
        let split = Dataset::open(path, &OpenOptions { test_share: 0.0, ..OpenOptions::default() }).unwrap();
        assert_eq!((split.train.len(), split.test.len()), (1797, 0));
        split.train.as_ref().clone()
    })
}

/// Pixels from 0 to 1.
fn points(set: &Dataset) -> Rows {
    Rows::new(set.pixels().unwrap().iter().map(|b| *b as f32 / 16.0).collect(), set.image_bytes()).unwrap()
}

fn grown(device: &Device, spec: &MbnSpec, seed: u64, points: Rows) -> Model {
    let mut model = Model::new(spec, seed, points, 10).unwrap();
    while model.missing() > 0 {
        assert!(model.grow(device, &mut Watch { stop: &NEVER, told: &mut |_| {} }).unwrap());
    }
    model
}

fn codes_of(model: &Model, points: &Rows, device: &Device) -> Vec<Codes> {
    model.codes_of(points, device, &mut Watch { stop: &NEVER, told: &mut |_| {} }).unwrap().unwrap().0
}

fn output(model: &Model) -> Output {
    let k = *model.spec.layers.last().unwrap();
    Output::fit(&model.spec, model.codes.last().unwrap(), k, model.seed).unwrap()
}

/// A model of 300 digits that is quick to fit.
fn small() -> (MbnSpec, Rows) {
    let spec = MbnSpec { clusterings: 12, first: 150, ..MbnSpec::default() };
    (spec, points(&digits().select(&(0..300).collect::<Vec<_>>())))
}

#[test]
fn mbn_01_every_row_has_one_number_for_each_clustering() {
    let (spec, points) = small();
    let model = grown(&Device::Cpu, &spec, 0, points);
    assert_eq!((&model.spec.layers[..], model.codes.len()), (&[150, 75, 37, 18, 15][..], 5));
    for (codes, k) in model.codes.iter().zip(&model.spec.layers) {
        assert_eq!((codes.n(), codes.v()), (300, 12));
        assert!(codes.data().iter().all(|c| (*c as usize) < *k));
        // Clusterings differ in what they draw: no two columns are one.
        let column = |v: usize| codes.rows().map(|row| row[v]).collect::<Vec<u16>>();
        assert!((1..12).all(|v| column(v) != column(0)), "layer of {k}");
    }
}

#[test]
fn mbn_02_a_centre_belongs_to_itself() {
    let (spec, points) = small();
    for share in [1.0, 0.5] {
        let model = grown(&Device::Cpu, &MbnSpec { share, ..spec.clone() }, 3, points.clone());
        for v in 0..12 {
            let drawn = model.choice(0, v);
            let seen = |i: usize| drawn.places.iter().map(|p| points.row(i)[*p as usize]).collect::<Vec<_>>();
            for (j, centre) in drawn.centres.iter().enumerate() {
                let own = model.codes[0].row(*centre as usize)[v] as usize;
                let to = drawn.centres[own] as usize;
                assert!(own == j || seen(to) == seen(*centre as usize), "share {share}, clustering {v}, centre {j}");
            }
        }
    }
}

#[test]
fn mbn_03_the_argmin_is_that_of_the_distances() {
    let (spec, points) = small();
    for (name, device) in devices() {
        let model = grown(&device, &MbnSpec { last: 15, layers: vec![150, 15], ..spec.clone() }, 1, points.clone());
        let mut other = 0;
        for v in 0..12 {
            let drawn = model.choice(0, v);
            for i in 0..points.n() {
                let distance = |j: usize| -> f64 {
                    let (x, c) = (points.row(i), points.row(drawn.centres[j] as usize));
                    drawn.places.iter().map(|p| (x[*p as usize] as f64 - c[*p as usize] as f64).powi(2)).sum()
                };
                let least = (0..150).map(distance).fold(f64::INFINITY, f64::min);
                // Sixteenths and their squares are exact, so that not even near-ties differ.
                other += (distance(model.codes[0].row(i)[v] as usize) != least) as u32;
            }
        }
        assert_eq!(other, 0, "{name}");
    }
}

/// Random codes of `n` points, `v` clusterings, letters below `k`.
fn random_codes(n: usize, v: usize, k: u32, seed: u64) -> Vec<u16> {
    let p = Philox::new(seed, 0);
    (0..n * v).map(|i| p.draws(i as u64, 0).below(k) as u16).collect()
}

fn halves(shape: &[usize], letters: &[u16]) -> HostTensor {
    let values: Vec<f64> = letters.iter().map(|l| *l as i16 as f64).collect();
    HostTensor::from_f64(shape, DType::I16, &values)
}

#[test]
fn mbn_04_shared_places_are_the_inner_product_and_with_blocks_the_distance() {
    let (n, v, k, m) = (60, 9, 20, 5);
    let codes = random_codes(n, v, 4, 1);
    let columns = [0u32, 2, 3, 5, 8];
    let centres: Vec<u16> = (0..k).flat_map(|j| columns.map(|c| codes[(7 * j % n) * v + c as usize])).collect();
    let onehot = |code: &[u16]| -> Vec<f64> {
        code.iter().flat_map(|c| (0..4).map(move |l| (*c as usize == l) as u8 as f64)).collect()
    };
    let inner = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for (name, device) in devices() {
        let assigned = |euclidean: bool| {
            let mut g = Graph::new();
            let x = g.input("x", Meta::new([n, v], DType::I16)).unwrap();
            let c = g.input("c", Meta::new([1, m], DType::U32)).unwrap();
            let t = g.input("t", Meta::new([1, k, m], DType::I16)).unwrap();
            let op = onebit::ops::cluster::MostShared { ties: Ties::Lowest, euclidean };
            let y = g.most_shared(op, x, c, t).unwrap();
            g.output("y", y);
            let leaves = [
                ("x", halves(&[n, v], &codes)),
                ("c", HostTensor::from_u32([1, m], columns.to_vec())),
                ("t", halves(&[1, k, m], &centres)),
            ];
            run(&device, &g, &leaves, &[]).remove("y").unwrap().words().to_vec()
        };
        let (shared, distance) = (assigned(false), assigned(true));
        assert_eq!(shared, distance, "{name}: blocks have all centres of one length");
        for i in 0..n {
            let x = onehot(&columns.map(|c| codes[i * v + c as usize]));
            let products: Vec<f64> = (0..k).map(|j| inner(&x, &onehot(&centres[j * m..][..m]))).collect();
            let largest = products.iter().copied().fold(0.0, f64::max);
            let first = products.iter().position(|p| *p == largest).unwrap();
            assert_eq!(shared[i] as usize, first, "{name}: point {i}");
        }
    }
}

#[test]
fn mbn_05_permuted_points_have_permuted_codes() {
    let (spec, points) = small();
    let model = grown(&Device::Cpu, &spec, 2, points.clone());
    let order = Philox::new(9, 0).permutation(0, points.n() as u32);
    for (name, device) in devices() {
        let straight = codes_of(&model, &points, &device);
        let turned = codes_of(&model, &points.select(&order), &device);
        assert!(straight.len() == 5 && turned.len() == 5, "{name}");
        for (a, b) in straight.iter().zip(&turned) {
            assert!(order.iter().enumerate().all(|(to, from)| b.row(to) == a.row(*from as usize)), "{name}");
        }
    }
}

#[test]
fn mbn_06_shifts_and_scales_of_the_input_change_nothing() {
    let (spec, points) = small();
    let model = grown(&Device::Cpu, &spec, 2, points.clone());
    let d = points.d();
    // Powers of two and whole numbers, so that rounding takes no part.
    let shifted = points.data().iter().enumerate().map(|(i, x)| 4.0 * (x + (i % d % 5) as f32)).collect();
    let other = grown(&Device::Cpu, &spec, 2, Rows::new(shifted, d).unwrap());
    assert_eq!(model.codes, other.codes);
}

#[test]
fn mbn_07_codes_are_equal_on_every_device() {
    // Pixels over 255, which are no exact numbers: near-ties are possible.
    let set = digits().select(&(0..500).collect::<Vec<_>>());
    let points = Rows::new(set.pixels().unwrap().iter().map(|b| *b as f32 / 255.0).collect(), 64).unwrap();
    let spec = MbnSpec { clusterings: 10, first: 250, ..MbnSpec::default() };
    let reference = grown(&Device::Cpu, &spec, 5, points.clone());
    for (name, device) in devices().into_iter().skip(1) {
        let model = grown(&device, &spec, 5, points.clone());
        let pairs = model.codes[0].data().iter().zip(reference.codes[0].data());
        let differ = pairs.filter(|(a, b)| a != b).count() as u64;
        assert!(differ <= reference.work[0].near_ties, "{name}: {differ} differ");
        // Integer layers from the same layer below.
        let mut above = Model { codes: reference.codes[..1].to_vec(), ..reference.clone() };
        while above.missing() > 0 {
            above.grow(&device, &mut Watch { stop: &NEVER, told: &mut |_| {} }).unwrap();
        }
        assert!(above.codes == reference.codes, "{name}");
    }
    // And another run on the same device is the same.
    assert_eq!(grown(&Device::Cpu, &spec, 5, points).codes, reference.codes);
}

#[test]
fn mbn_08_prediction_on_the_points_of_the_fit_gives_their_codes() {
    let (spec, points) = small();
    for (name, device) in devices() {
        for sampling in [Sampling::Blocks, Sampling::Dimensions] {
            let model = grown(&device, &MbnSpec { sampling, ..spec.clone() }, 4, points.clone());
            assert!(codes_of(&model, &points, &device) == model.codes, "{name}");
            // Of some of them too: nothing depends on who else is asked for.
            let some = codes_of(&model, &points.select(&[7, 250, 3]), &device);
            assert!(some.len() == 5 && model.codes.len() == 5, "{name}");
            for (few, all) in some.iter().zip(&model.codes) {
                assert!([7, 250, 3].iter().enumerate().all(|(i, p)| few.row(i) == all.row(*p)), "{name}");
            }
        }
    }
}

#[test]
fn mbn_09_layer_sizes() {
    assert_eq!(layer_sizes(898, 0.5, 15).unwrap(), [898, 449, 224, 112, 56, 28, 15]);
    for (first, decay, last) in [(898, 0.8, 15), (15, 0.5, 15), (10_000, 0.5, 15), (20, 0.9, 19)] {
        let layers = layer_sizes(first, decay, last).unwrap();
        assert!(layers.is_sorted_by(|a, b| a > b) && layers[0] == first && layers[layers.len() - 1] == last);
    }
    assert!(layer_sizes(10, 0.5, 15).is_err() && layer_sizes(10, 1.0, 5).is_err());
    let (spec, points) = small();
    let refused = |spec: MbnSpec| Model::new(&spec, 0, points.clone(), 10).unwrap_err().to_string();
    assert!(refused(MbnSpec { first: 301, ..spec.clone() }).contains("drawn from 300 points"));
    assert!(refused(MbnSpec { layers: vec![100, 10], ..spec.clone() }).contains("10 centres for 10 clusters"));
    assert!(refused(MbnSpec { layers: vec![100, 100], ..spec.clone() }).contains("must get smaller"));
    assert!(refused(MbnSpec { clusterings: 0, ..spec.clone() }).contains("mbn.clusterings = 0"));
    let constant = Model::new(&spec, 0, Rows::new(vec![0.5; 640], 2).unwrap(), 10).unwrap_err().to_string();
    assert!(constant.contains("all 320 points are equal"), "{constant}");
}

#[test]
fn mbn_10_components_of_the_code_are_those_of_the_dense_matrix() {
    use onebit::features::{OneHotPca, Pca};
    let (spec, points) = small();
    let model = grown(&Device::Cpu, &spec, 0, points);
    let (codes, k, v, q) = (&model.codes[4], 15, 12, 5);
    let dense =
        codes.rows().flat_map(|row| row.iter().flat_map(|c| (0..k).map(move |j| (*c as usize == j) as u8 as f32)));
    let dense = Pca::fit(&Rows::new(dense.collect(), v * k).unwrap(), q).unwrap();
    let implicit = OneHotPca::fit(codes.data(), v, k, q, 0).unwrap();
    for j in 0..q {
        let cosine: f64 = (0..v * k).map(|i| implicit.components[i * q + j] * dense.components[j * v * k + i]).sum();
        // An angle below 1e-4.
        assert!(cosine.abs() > 1e-4f64.cos(), "component {j}: {cosine}");
    }
    assert!(implicit.variance.is_sorted_by(|a, b| a >= b) && implicit.variance[0] > 0.0);
}

#[test]
fn mbn_11_similarity_within_classes_grows_with_the_layers() {
    let set = digits().select(&(0..600).collect::<Vec<_>>());
    let labels = set.labels.clone().unwrap();
    let model = grown(&Device::Cpu, &MbnSpec { clusterings: 60, first: 300, ..MbnSpec::default() }, 0, points(&set));
    let mut ratios = Vec::new();
    for codes in &model.codes {
        let (mut within, mut between) = ((0.0, 0), (0.0, 0));
        for i in 0..600 {
            assert_eq!(codes.similarity(i, i), 1.0);
            for j in (i + 1..600).step_by(7) {
                let sum = if labels[i] == labels[j] { &mut within } else { &mut between };
                *sum = (sum.0 + codes.similarity(i, j), sum.1 + 1);
            }
        }
        let (within, between) = (within.0 / within.1 as f64, between.0 / between.1 as f64);
        assert!(within > between);
        ratios.push((within, between));
    }
    // Both grow as regions do; what grows with the layers is how far they are apart.
    let apart: Vec<f64> = ratios.iter().map(|(w, b)| w - b).collect();
    assert!(apart.is_sorted(), "{ratios:?}");
}

#[test]
fn mbn_12_accuracy_and_information() {
    let classes = [0, 1, 2, 2, 1, 0, 0, 0];
    let renamed: Vec<u32> = classes.iter().map(|c| [2, 0, 1][*c as usize]).collect();
    assert_eq!(clustering_accuracy(&renamed, &classes), 1.0);
    assert_eq!(normalized_mutual_information(&renamed, &classes), 1.0);
    assert_eq!(clustering_accuracy(&[0; 8], &classes), 0.5);
    assert_eq!(normalized_mutual_information(&[0; 8], &classes), 0.0);
    let some = [0, 0, 1, 2, 1, 2, 0, 0];
    let turned: Vec<u32> = some.iter().map(|c| (c + 1) % 3).collect();
    assert_eq!(clustering_accuracy(&some, &classes), clustering_accuracy(&turned, &classes));
}

/// Accuracy on all digits under settings, and of how many seeds.
fn accuracy(spec: &MbnSpec, seeds: std::ops::Range<u64>) -> f64 {
    let labels = digits().labels.as_ref().unwrap();
    let one = |seed: u64| {
        let model = grown(&Device::Cpu, spec, seed, points(digits()));
        clustering_accuracy(&output(&model).clusters, labels)
    };
    let n = seeds.clone().count() as f64;
    seeds.map(one).sum::<f64>() / n
}

#[test]
fn mbn_13_digits() {
    let labels = digits().labels.as_ref().unwrap();
    let spec = MbnSpec { clusterings: 100, first: 898, ..MbnSpec::default() };
    let full = accuracy(&spec, 0..4);
    let pixels = points(digits());
    let kmeans = KMeans::fit(&pixels, 10, 10, 0).unwrap();
    let kmeans = clustering_accuracy(&kmeans.assign(&pixels).unwrap(), labels);
    println!("V = 100: {full:.3}, k-means {kmeans:.3}");
    assert!((0.87..=0.94).contains(&full), "{full}");
    assert!(full > kmeans + 0.1, "{full} {kmeans}");
    // Ten clusterings share nothing in layer 2, so that any centre will do.
    let lowest = MbnSpec { clusterings: 10, sampling: Sampling::Dimensions, ties: Ties::Lowest, ..spec.clone() };
    let few = accuracy(&lowest, 0..1);
    assert!(few < 0.3, "{few}");
    let euclidean = MbnSpec { sampling: Sampling::Dimensions, similarity: Similarity::Euclidean, ..spec };
    let collapsed = accuracy(&euclidean, 0..1);
    assert!(collapsed < 0.3, "{collapsed}");
}

/// A student of a model of about 1,400 digits, trained on its clusters; what it says of the others, what the model does, and all
/// weights; and how many times as many steps (multiply-adds, comparisons) the model takes for a prediction as the student.
fn compressed(labels_turned: u32) -> (Vec<u32>, Vec<u32>, std::collections::BTreeMap<String, HostTensor>, f64) {
    let folder = tempfile::tempdir().unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/digits");
    let split = Dataset::open(path, &OpenOptions { test_share: 397.0 / 1797.0, ..OpenOptions::default() }).unwrap();
    let turned = |set: &Dataset| {
        let labels = set.labels.as_ref().unwrap().iter().map(|c| (c + labels_turned) % 10).collect();
        Arc::new(Dataset { labels: Some(labels), ..set.clone() })
    };
    let data = Split::new(turned(&split.train), turned(&split.test));
    let held_out = data.test.len();
    let run = folder.path().join("mbn");
    std::fs::create_dir_all(run.join("checkpoints")).unwrap();
    let text = "method = \"mbn\"\n[mbn]\nclusterings = 100\nfirst = 700\nclusters = 10\n";
    let info =
        "[run]\nrecipe = \"small-mbn\"\ndevice = \"cpu\"\nselect = \"cpu\"\nversion = \"0\"\nmean = []\nstd = []\n";
    std::fs::write(run.join("config.toml"), format!("{text}{info}")).unwrap();
    let spec = MbnSpec { clusterings: 100, first: 700, ..MbnSpec::default() };
    let train = Rows::new(data.train.pixels().unwrap().iter().map(|b| *b as f32 / 255.0).collect(), 64).unwrap();
    let n = train.n() as f64;
    let mut model = grown(&Device::Cpu, &spec, 0, train);
    model.output = Some(output(&model));
    // The first layer multiplies and adds, the others compare.
    let steps_of_model = model.work.iter().enumerate().map(|(l, w)| w.operations / if l == 0 { 2.0 } else { 1.0 } / n);
    let steps_of_model: f64 = steps_of_model.sum();
    model.save(&run.join("checkpoints/last.safetensors")).unwrap();
    assert_eq!(Model::load(&run.join("checkpoints/last.safetensors")).unwrap(), model);

    let settings = [format!("teacher.run={}", run.display()), "epochs=30".into(), "batch=100".into()];
    let recipe = Recipe::find("small-mbn-compress").unwrap().1.with(&settings).unwrap();
    let mut watch = Watch { stop: &NEVER, told: &mut |_| {} };
    let (teacher, with_clusters) = ModelTeacher::of(&recipe, &data, &Device::Cpu, &mut watch).unwrap().unwrap();
    let images = ImageInfo::of(&with_clusters).unwrap();
    let task = Task { recipe: &recipe, images: &images, teacher: None, targets: Some(&teacher.targets) };
    let plan = Programs::compile(recipe.method().build(&task, 100, held_out).unwrap(), &Device::Cpu).unwrap();
    let mut steps = Steps::new(recipe.clone(), &with_clusters, plan, &Device::Cpu).unwrap();
    let all = 30 * steps.per_epoch() as u64;
    super::method::train(&mut steps, 0..all);
    let pixels = HostTensor::from_u8([held_out, 64], &data.test.pixels().unwrap());
    let logits = steps.runner.logits(&pixels).unwrap();
    let best = |row: &[f32]| (0..10).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap() as u32;
    let said = logits.f32s().chunks(10).map(best).collect();
    let student = recipe.network().count(images.extents, images.classes).unwrap();
    let ratio = steps_of_model / student.macs() as f64;
    (said, with_clusters.test.labels.clone().unwrap(), super::method::everything(&mut steps), ratio)
}

#[test]
fn mbn_14_labels_reach_no_student_and_15_it_agrees_with_its_teacher() {
    let (said, meant, weights, ratio) = compressed(0);
    let same = said.iter().zip(&meant).filter(|(a, b)| a == b).count() as f64 / said.len() as f64;
    println!("agreement on held-out digits {same:.3}");
    assert!(same >= 0.95, "{same}");
    let (_, _, other, _) = compressed(3);
    assert!(weights.keys().eq(other.keys()) && super::method::changed(&weights, &other).is_empty());
    // How many times faster it is in seconds is measured by `onebit eval`.
    println!("the model takes {ratio:.1} times as many steps");
    assert!(ratio > 50.0, "{ratio}");
}

#[test]
fn mbn_16_operations() {
    let meta = [Meta::f32([10_000, 784]), Meta::new([100, 392], DType::U32), Meta::f32([100, 4000, 393])];
    let (operations, _) = onebit::graph::Op::operations(&onebit::ops::cluster::Nearest, &meta, &[]);
    assert_eq!(operations, 3.136e12);
    let (spec, points) = small();
    let model = grown(&Device::Cpu, &spec, 0, points);
    assert_eq!(model.work[0].operations, 2.0 * 300.0 * 150.0 * 32.0 * 12.0);
    assert_eq!(model.work[1].operations, 300.0 * 75.0 * 6.0 * 12.0);
}

#[test]
fn points_past_a_block_and_features_that_are_no_numbers() {
    // More points than one run of the kernel takes: 300 centres of 500 numbers leave 66,666 points a block.
    let p = Philox::new(1, 0);
    let data: Vec<f32> = (0..70_000 * 2).map(|i| p.uniform(0, i as u64)).collect();
    let many = Rows::new(data, 2).unwrap();
    let spec = MbnSpec { clusterings: 2, layers: vec![4000, 16], share: 1.0, ..MbnSpec::default() };
    let model = grown(&Device::Cpu, &spec, 0, many.clone());
    let drawn = model.choice(0, 0);
    for i in [0, 1, 34_999, 69_999] {
        let distance = |j: &u32| -> f32 { (0..2).map(|q| (many.row(i)[q] - many.row(*j as usize)[q]).powi(2)).sum() };
        let own = distance(&drawn.centres[model.codes[0].row(i)[0] as usize]);
        let least = drawn.centres.iter().map(distance).fold(f32::INFINITY, f32::min);
        assert!(own <= least + 1e-6, "point {i}");
    }
    let message = Rows::new(vec![0.0, f32::NAN], 1).unwrap_err().to_string();
    assert!(message.contains("number 0 of row 1 is NaN"), "{message}");
    let wrong = model.codes_of(
        &Rows::new(vec![0.0; 6], 3).unwrap(),
        &Device::Cpu,
        &mut Watch { stop: &NEVER, told: &mut |_| {} },
    );
    assert!(wrong.unwrap_err().to_string().contains("these points have 3 numbers"));
    assert!(predicted(&model, &many, &Device::Cpu, &mut Watch { stop: &NEVER, told: &mut |_| {} }).is_err());
}

#[test]
fn choices_are_a_share_without_repetition() {
    let drawn = choice(1, [2, 3], (100, 40), (30, 10), (0.5, Sampling::Blocks));
    assert_eq!((drawn.places.len(), drawn.centres.len()), (15, 40));
    assert!(drawn.places.is_sorted_by(|a, b| a < b));
    let mut centres = drawn.centres.clone();
    centres.sort_unstable();
    centres.dedup();
    assert_eq!(centres.len(), 40);
    let single = choice(1, [2, 3], (100, 40), (30, 10), (0.5, Sampling::Dimensions));
    assert_eq!(single.dimensions.unwrap().iter().filter(|d| **d).count(), 150);
    assert_ne!(drawn, choice(1, [2, 4], (100, 40), (30, 10), (0.5, Sampling::Blocks)));
    assert_eq!(NEAR_TIE, 0x8000_0000);
}
