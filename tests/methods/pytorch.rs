//! One training step of each method against PyTorch's (`tests/golden/methods.py` and `unlabelled.py`), on every device: everything that it
//! leaves behind, which is parameters, momenta (after a first step gradient + decay * weight), statistics, bits and losses.

use crate::devices::devices;
use onebit::graph::Graph;
use onebit::methods::Teacher;
use onebit::methods::{AUGMENT, IMAGES, ImageInfo, LABELS, Progress, Task, scalars};
use onebit::ops::image::columns;
use onebit::recipe::Recipe;
use onebit::tensor::HostTensor;
use onebit::train::programs::{Programs, Runner};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::BTreeMap;
use std::path::Path;

const BATCH: usize = 4;

type Tensors = BTreeMap<String, HostTensor>;

/// Share of the largest number of a tensor by which each of its numbers may differ. Half a unit in the last place is
/// 6e-8; forward and backward through nine layers are some twenty sums over up to 256 terms, each of which loses a few.
const BOUND: f64 = 2e-5;

const SIMAN: &str = "
    activation = 'prelu'
    stem_activation = 'relu'
    skip = 'double'
    shortcut = 'option-a'
    head_norm = true
    [net.binarization]
    activation_ste = 'approx-sign'
    standardise = true
    weights = 'magnitude'
    scale = 'learned'
";

/// Either step of BiPer's.
fn biper(weights: &str) -> String {
    format!(
        "skip = 'double'
        shortcut = 'pooled-option-a'
        activation = 'hardtanh'
        binarization = {{ activation_ste = 'approx-sign', divide_by_deviation = true, weights = '{weights}', scale = 'learned' }}
        [biper]
        tau = 0.05"
    )
}

const RBCN: &str = "
    activation = 'prelu'
    skip = 'double'
    shortcut = 'float-pooled'
    [net.binarization]
    activation_ste = 'approx-sign'
    weight_ste = 'approx-sign'
    scale = 'matrix'
    [teacher]
    run = 'none'
    [rbcn]
    lambda_kernel = 0.1
    lambda_features = 0.5
    matrix_lr = 0.5
";

const FLOAT: &str = "
    binary = false
    skip = 'single'
    shortcut = 'float'
    [augment]
    flip = { p = 0.5 }
";

const BURN: &str = "
    skip = 'double'
    shortcut = 'pooled-float'
    activation = 'rprelu'
    binarization = { activation_ste = 'clipped', rsign = true, weight_ste = 'identity', scale = 'channel' }
    [augment]
    flip = { p = 0.5 }
    [teacher]
    run = 'none'
    [burn]
    hidden = 7
    outputs = 6
    target_rate = 0.5
";

const SWAV: &str = "
    [swav]
    prototypes = 6
    dimension = 5
";

const MOCO: &str = "
    [moco]
    temperature = 0.2
    queue = 8
    momentum = 0.75
    hidden = 7
    groups = 2
";

/// A recipe; `top` are its first lines, `net` is the rest of the table `[net]` and what follows it.
fn recipe(top: &str, net: &str) -> Recipe {
    let text = format!(
        "{top}
        epochs = 10
        batch = {BATCH}
        lr = 0.1
        schedule = {{ kind = 'constant' }}
        [optimiser]
        kind = 'sgd'
        momentum = 0.9
        weight_decay = 0.05
        binary_weight_decay = 0.01
        other_weight_decay = 0.02
        [net]
        kind = 'resnet8'
        widths = [4, 4, 8, 8]
        {}
        {net}",
        if net.contains("binary = ") { "" } else { "binary = true" }
    );
    Recipe::parse(&text, Path::new("the test's recipe")).unwrap()
}

/// Files that PyTorch wrote.
const LABELLED: &[u8] = include_bytes!("../golden/methods.safetensors");
const UNLABELLED: &[u8] = include_bytes!("../golden/unlabelled.safetensors");

/// Tensors of a file below a folder.
fn golden(file: &[u8], folder: &str) -> Tensors {
    let file = SafeTensors::deserialize(file).unwrap();
    let read = |t: TensorView<'_>| match t.dtype() {
        Dtype::U8 => HostTensor::from_u8(t.shape(), t.data()),
        Dtype::U32 => HostTensor::from_u32(t.shape(), bytemuck::pod_collect_to_vec(t.data())),
        _ => HostTensor::from_f32(t.shape(), bytemuck::pod_collect_to_vec(t.data())),
    };
    file.iter().filter_map(|(name, t)| Some((name.strip_prefix(folder)?.to_string(), read(t)))).collect()
}

/// Numbers in [-1/8, 1/8) of 24 bits each, from position and length.
fn hashed(shape: &[usize]) -> HostTensor {
    let n: usize = shape.iter().product();
    let number = |i: usize| {
        let h = (i as u32).wrapping_add((n as u32).wrapping_mul(65536)).wrapping_mul(0x9e37_79b1);
        let h = (h ^ (h >> 15)).wrapping_mul(0x85eb_ca77);
        ((h >> 8) as f32 / 16_777_216.0 - 0.5) / 4.0
    };
    HostTensor::from_f32(shape.to_vec(), (0..n).map(number).collect())
}

/// What makes an image its own view, or mirrors it.
fn views() -> [HostTensor; 2] {
    [0.0, 1.0].map(|flip| {
        let mut row = [0.0; columns::COUNT];
        (row[columns::CROP_HEIGHT], row[columns::CROP_WIDTH], row[columns::FLIP]) = (8.0, 8.0, flip);
        HostTensor::from_f32([BATCH, columns::COUNT], row.repeat(BATCH))
    })
}

/// Parameters and states of a graph that are the run's own.
fn leaves(graph: &Graph) -> impl Iterator<Item = (&str, &[usize])> {
    let own = |name: &&str| !name.starts_with("teacher.");
    let all = graph.params().into_iter().chain(graph.states());
    all.map(|v| (graph.name(v), &graph.shape(v)[..])).filter(move |(name, _)| own(name))
}

/// Fails unless every leaf of the graphs is as PyTorch has it. `terms` are the sizes of what a small number is the sum of.
fn compare(label: &str, runner: &mut Runner, graphs: &[Graph], expected: &Tensors, terms: &Tensors) {
    let near = |name: &str, got: &[f64]| {
        let expected = expected.get(name).unwrap_or_else(|| panic!("{label}: PyTorch has no {name}"));
        let largest = |t: &HostTensor| t.to_f64().into_iter().fold(0.0, |m: f64, e| m.max(e.abs()));
        let bound = BOUND * largest(terms.get(name).unwrap_or(expected));
        let expected = expected.to_f64();
        assert_eq!(got.len(), expected.len(), "{label}: {name}");
        for (i, (g, e)) in got.iter().zip(&expected).enumerate() {
            assert!(
                (g - e).abs() <= bound,
                "{label}: {name}[{i}] is {g:e} instead of {e:e}, which may differ by {bound:e}"
            );
        }
    };
    for (name, shape) in graphs.iter().flat_map(leaves) {
        let got = runner.store().read(name).unwrap().to_f64();
        match shape {
            [_, columns] if name.contains("discriminator.") => {
                let row = |r: &[f64]| r.iter().sum();
                near(&format!("{name}.rows"), &got.chunks(*columns).map(row).collect::<Vec<f64>>());
                let column = |c: usize| got.iter().skip(c).step_by(*columns).sum();
                near(&format!("{name}.columns"), &(0..*columns).map(column).collect::<Vec<f64>>());
            }
            _ => near(name, &got),
        }
    }
}

/// Runs one step of a recipe after `epoch` epochs, on every device, and one of its second pass if it has one.
fn step_equals_pytorch(file: &[u8], case: &str, recipe: &Recipe, epoch: u64) {
    let images = ImageInfo { extents: [8, 8, 3], classes: 5, mean: vec![0.5; 3], std: vec![0.25; 3], crops: false };
    let teacher = Teacher::for_a_look(recipe).unwrap().map(|(t, _)| t);
    let task = Task { recipe, images: &images, teacher: teacher.as_ref(), targets: None };
    let method = recipe.method();
    let progress = Progress::new(epoch, 1, recipe.epochs);
    let of_case = |folder: &str| golden(file, &format!("{case}/{folder}"));
    let pixels: Vec<u8> = of_case("images")[""].to_f64().into_iter().map(|p| p as u8).collect();

    for (name, device) in devices() {
        let mut graphs = method.build(&task, BATCH, BATCH).unwrap();
        let all: Vec<Graph> = graphs.parts().map(|(_, g)| g.clone()).collect();
        graphs.given = golden(file, "start/").into_iter().chain(of_case("start/")).collect();
        for v in all.iter().flat_map(|g| g.states().into_iter().map(move |v| (g.name(v), g.shape(v)))) {
            if let (name, shape) = v
                && name.starts_with("teacher.head.")
            {
                let mut t = hashed(shape);
                let more = name.ends_with("running_var") as u8 as f32;
                t.f32s_mut().iter_mut().for_each(|x| *x += more);
                graphs.given.insert(name.to_string(), t);
            }
        }
        for v in all.iter().flat_map(|g| g.params().into_iter().map(move |v| (g.name(v), g.shape(v)))) {
            match v {
                (name, shape) if name.starts_with("discriminator.") => {
                    graphs.given.insert(name.to_string(), hashed(shape));
                }
                (name, shape) if name.ends_with(".matrix") => {
                    assert!(!graphs.given.contains_key(name), "{name} {shape}")
                }
                (name, shape) => assert_eq!(graphs.given[name].shape(), shape, "{name}"),
            }
        }
        let mut runner = Runner::load(Programs::compile(graphs, &device).unwrap(), &device, 0).unwrap();
        runner.input(IMAGES, &HostTensor::from_u8([BATCH, 8 * 8 * 3], &pixels)).unwrap();
        for (i, view) in views().iter().enumerate() {
            runner.input(&format!("{AUGMENT}.{i}"), view).unwrap();
        }
        runner.input(LABELS, &golden(LABELLED, "labels")[""]).unwrap();
        let mut expected = golden(file, "start/");
        expected.extend(of_case("start/"));
        for (second, folder) in [(false, "after/"), (true, "refreshed/")] {
            let changed = of_case(folder);
            let parts = runner.parts_of(second);
            assert_eq!(parts.is_empty(), changed.is_empty(), "{case}, {folder}");
            for part in parts {
                let values = scalars(method, recipe, progress, &all[part]).unwrap();
                runner.run(part, &values).unwrap();
            }
            expected.extend(changed);
            compare(&format!("{case}, {folder} on {name}"), &mut runner, &all, &expected, &of_case("terms/"));
        }
    }
}

macro_rules! steps {
    ($file:expr; $($test:ident: $case:literal, $top:literal, epoch $epoch:literal, $net:expr;)*) => {
        $(#[test]
        fn $test() {
            step_equals_pytorch($file, $case, &recipe($top, &$net), $epoch);
        })*
    };
}

steps! { LABELLED;
    sign_step_equals_pytorch: "sign", "method = 'supervised'", epoch 3, "
        skip = 'single'
        shortcut = 'float'
        activation = 'hardtanh'
        binarization = { activation_ste = 'clipped', weight_ste = 'clipped', clip_weights = true, scale = 'none' }";
    xnor_step_equals_pytorch: "xnor", "method = 'supervised'", epoch 3, "
        skip = 'single'
        shortcut = 'float'
        activation = 'hardtanh'
        binarization = { activation_ste = 'clipped-open', weights = 'xnor', scale = 'channel' }";
    bireal_step_equals_pytorch: "bireal", "method = 'supervised'\n label_smoothing = 0.1", epoch 3, "
        skip = 'double'
        shortcut = 'pooled-float'
        binarization = { activation_ste = 'approx-sign', weight_ste = 'clipped', scale = 'channel' }";
    irnet_step_equals_pytorch: "irnet", "method = 'supervised'", epoch 3, "
        skip = 'double'
        shortcut = 'option-a'
        activation = 'hardtanh'
        binarization = { activation_ste = 'ede', weights = 'standardised', weight_ste = 'ede', scale = 'power-of-two' }";
    recu_step_equals_pytorch: "recu", "method = 'supervised'", epoch 3, "
        skip = 'double'
        shortcut = 'pooled-option-a'
        activation = 'hardtanh'
        binarization = { activation_ste = 'approx-sign', divide_by_deviation = true, weights = 'rectified', scale = 'learned' }";
    biper_first_step_equals_pytorch: "biper-step1", "method = 'biper'", epoch 3, biper("sine");
    biper_step_equals_pytorch: "biper", "method = 'biper'", epoch 3, biper("square-wave");
    adabin_step_equals_pytorch: "adabin", "method = 'supervised'", epoch 3, "
        skip = 'double'
        shortcut = 'option-a'
        activation = 'maxout'
        binarization = { activation_ste = 'approx-sign', weights = 'adaptive', weight_ste = 'ede', scale = 'none' }";
    reactnet_step_equals_pytorch: "reactnet", "method = 'reactnet'", epoch 3, "
        skip = 'double'
        shortcut = 'pooled-float'
        activation = 'rprelu'
        binarization = { activation_ste = 'approx-sign', rsign = true, weight_ste = 'clipped', scale = 'channel' }
        [teacher]
        run = 'none'";
    real_to_binary_first_step_equals_pytorch: "real-to-binary-step1", "method = 'real-to-binary'", epoch 3, "
        skip = 'double'
        shortcut = 'pooled-float'
        activation = 'prelu'
        binarization = { activations = 'tanh', weights = 'real', scale = 'none' }
        [real_to_binary]
        labels = 0.5
        attention = 2.0
        outputs = 0.8
        temperature = 2.0
        points = 3
        [teacher]
        run = 'none'";
    real_to_binary_step_equals_pytorch: "real-to-binary", "method = 'real-to-binary'", epoch 3, "
        skip = 'double'
        shortcut = 'pooled-float'
        activation = 'prelu'
        binarization = { activation_ste = 'clipped', weight_ste = 'clipped', clip_weights = true, scale = 'none' }
        [real_to_binary]
        points = 6
        [teacher]
        run = 'none'";
    siman_pm1_step_equals_pytorch: "siman-pm1", "method = 'siman'", epoch 3,
        format!("{SIMAN} magnitude = {{ coding = 'pm1', clamp = true }}");
    siman_zero_one_step_equals_pytorch: "siman-zero-one", "method = 'siman'", epoch 3,
        format!("{SIMAN} magnitude = {{ coding = 'zero-one', clamp = true }}");
    rbcn_step_equals_pytorch: "rbcn", "method = 'rbcn'", epoch 0,
        format!("{RBCN} discriminator_lr = 1e-3");
    rbcn_mse_step_equals_pytorch: "rbcn-mse", "method = 'rbcn'", epoch 0,
        format!("{RBCN} features = 'mse'\n refresh = 'none'");
    rbcn_distill_step_equals_pytorch: "rbcn-distill", "method = 'rbcn'", epoch 0,
        format!("{RBCN} features = 'none'\n distill = 0.7\n refresh = 'none'");
}

steps! { UNLABELLED;
    swav_step_equals_pytorch: "swav", "method = 'swav'", epoch 3,
        format!("{FLOAT} {SWAV} hidden = 7\n queue = 4");
    smn_step_equals_pytorch: "smn", "method = 'smn'\n start_from = 'none'", epoch 3,
        format!("{FLOAT} [smn]\n score_lr = 3.0 {SWAV} hidden = 0");
    burn_m0_step_equals_pytorch: "burn-m0", "method = 'burn'", epoch 3,
        format!("{BURN} target = 'fixed-ssl'\n similarity = 'none'");
    burn_m1_step_equals_pytorch: "burn-m1", "method = 'burn'", epoch 3,
        format!("{BURN} target = 'fixed-random'\n similarity = 'logits'");
    burn_m2_step_equals_pytorch: "burn-m2", "method = 'burn'", epoch 3,
        format!("{BURN} target = 'joint-literal'\n similarity = 'features'");
    burn_m3_step_equals_pytorch: "burn-m3", "method = 'burn'", epoch 3,
        format!("{BURN} target = 'joint-swav'\n similarity = 'features' {SWAV} hidden = 7");
    burn_m4_step_equals_pytorch: "burn-m4", "method = 'burn'", epoch 3,
        format!("{BURN} target = 'joint-anneal'\n information = 0.7\n similarity = 'none'");
    moco_step_equals_pytorch: "moco", "method = 'moco'", epoch 3,
        format!("{FLOAT} {MOCO} dimension = 5");
    moco_with_distillation_step_equals_pytorch: "moco-kd", "method = 'moco'", epoch 3,
        format!("{} {MOCO} dimension = 128\n symmetric = true\n distillation = 0.5", BURN.split("[burn]").next().unwrap());
}
