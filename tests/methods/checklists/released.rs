//! Recipes that say "the released settings" have them: each setting here is read from the code of a release (repository, commit and
//! file), or from its README (R), and compared with the recipe.

use onebit::recipe::Recipe;
use toml::Value;

/// A recipe, where its settings are from, and what they are.
type Released = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const IMAGENET: (&str, &str) = ("augment.normalize.mean", "[0.485, 0.456, 0.406]");
const CROP: (&str, &str) = ("augment.pad_crop.padding", "4");
const FLIP: (&str, &str) = ("augment.flip.p", "0.5");
const SGD: (&str, &str) = ("optimiser.kind", "'sgd'");
const MOMENTUM: (&str, &str) = ("optimiser.momentum", "0.9");
const LINE: (&str, &str) = ("schedule.kind", "'linear-by-epoch'");
const BY_EPOCH: (&str, &str) = ("schedule.kind", "'cosine-by-epoch'");

/// Real-to-Binary's first two steps.
const REAL_TO_BINARY: [(&str, &str); 8] = [
    ("real_to_binary.attention", "30.0"),
    ("real_to_binary.outputs", "3.0"),
    ("epochs", "75"),
    ("lr", "1e-3"),
    ("optimiser.weight_decay", "2e-5"),
    ("schedule.milestones", "[40, 60, 70]"),
    ("schedule.gamma", "0.3"),
    ("schedule.warmup", "5"),
];

const RELEASED: [Released; 25] = [
    (
        "cifar10-resnet20-irnet",
        "htqin/IR-Net f63a590, CIFAR-10: trainer.py, resnet.py, main.py",
        &[
            ("net.skip", "'double'"),
            ("net.stem_activation", "'hardtanh'"),
            ("net.activation", "'hardtanh'"),
            ("net.head_norm", "true"),
            ("net.shortcut", "'option-a'"),
            ("net.init", "'kaiming'"),
            ("net.binarization.activation_ste", "'ede'"),
            ("net.binarization.weights", "'standardised'"),
            ("net.binarization.scale", "'power-of-two'"),
            ("net.binarization.ede_start", "1e-3"),
            ("epochs", "400"),
            ("batch", "128"),
            ("lr", "0.1"),
            ("optimiser.weight_decay", "1e-4"),
            ("optimiser.binary_weight_decay", "1e-4"),
            ("optimiser.other_weight_decay", "1e-4"),
            IMAGENET,
            CROP,
            FLIP,
            SGD,
            MOMENTUM,
            BY_EPOCH,
        ],
    ),
    (
        "cifar10-vggsmall-irnet",
        "htqin/IR-Net f63a590, CIFAR-10: vgg.py, main.py",
        &[
            ("net.stem_activation", "'hardtanh'"),
            ("net.head_norm", "false"),
            ("net.init", "'fan-out'"),
            ("net.binarization.ede_start", "0.1"),
            ("epochs", "300"),
            ("batch", "128"),
            ("lr", "0.007"),
            ("optimiser.weight_decay", "1e-4"),
            ("optimiser.binary_weight_decay", "1e-4"),
            IMAGENET,
            SGD,
            MOMENTUM,
            BY_EPOCH,
        ],
    ),
    (
        "cifar10-resnet18-irnet",
        "htqin/IR-Net f63a590, CIFAR-10: resnet.py (the network; no trainer is released for it)",
        &[
            ("net.skip", "'single'"),
            ("net.activation", "'hardtanh'"),
            ("net.shortcut", "'float'"),
            ("net.head_norm", "true"),
            ("net.init", "'framework'"),
        ],
    ),
    (
        "imagenet-resnet18-bireal",
        "liuzechun/Bi-Real-net f58aa4d, pytorch_implementation/BiReal18_34",
        &[
            ("net.init", "'positive'"),
            ("net.skip", "'double'"),
            ("net.shortcut", "'pooled-float'"),
            ("net.binarization.activation_ste", "'approx-sign'"),
            ("net.binarization.weight_ste", "'clipped'"),
            ("net.binarization.scale", "'channel'"),
            ("net.binarization.scale_in_gradient", "false"),
            ("epochs", "256"),
            ("batch", "512"),
            ("lr", "1e-3"),
            ("optimiser.kind", "'adam'"),
            LINE,
            ("schedule.ahead", "1"),
        ],
    ),
    (
        "imagenet-reactnet-a-s2bnn-step1",
        "szq0214/S2-BNN 6eeda81, Distillation_only/step1",
        &[
            ("net.init", "'framework'"),
            ("net.binarization.weights", "'real'"),
            ("epochs", "200"),
            ("batch", "256"),
            ("lr", "3e-4"),
            ("optimiser.kind", "'adam'"),
            ("optimiser.weight_decay", "0.0"),
            LINE,
        ],
    ),
    (
        "imagenet-reactnet-a-moco-step1",
        "szq0214/S2-BNN 6eeda81, Contrastive_only/step1",
        &[
            ("moco.temperature", "0.2"),
            ("moco.queue", "65536"),
            ("moco.momentum", "0.999"),
            ("moco.dimension", "128"),
            ("moco.hidden", "1024"),
            ("augment.color_jitter.p", "0.6"),
            ("augment.gaussian_blur.p", "0.2"),
            ("epochs", "200"),
            ("batch", "256"),
            ("lr", "3e-4"),
            ("optimiser.kind", "'adam'"),
            ("optimiser.weight_decay", "1e-4"),
            LINE,
            IMAGENET,
        ],
    ),
    (
        "imagenet-reactnet-a-moco-kd-step1",
        "szq0214/S2-BNN 6eeda81, Contrastive+Distillation/step1",
        &[
            ("moco.temperature", "0.2"),
            ("moco.queue", "65536"),
            ("moco.momentum", "0.999"),
            ("moco.distillation", "1.0"),
            ("epochs", "200"),
            ("batch", "256"),
            ("lr", "3e-4"),
            ("optimiser.kind", "'adam'"),
            ("optimiser.weight_decay", "0.0"),
            LINE,
        ],
    ),
    (
        "imagenet-resnet50-moco",
        "facebookresearch/moco, main_moco.py and README (v2); groups are ours, for one device",
        &[
            ("moco.temperature", "0.2"),
            ("moco.queue", "65536"),
            ("moco.momentum", "0.999"),
            ("moco.dimension", "128"),
            ("moco.hidden", "2048"),
            ("augment.random_resized_crop.scale", "[0.2, 1.0]"),
            ("augment.color_jitter.p", "0.8"),
            ("augment.grayscale.p", "0.2"),
            ("augment.gaussian_blur.p", "0.5"),
            ("epochs", "200"),
            ("batch", "256"),
            ("lr", "0.03"),
            ("optimiser.weight_decay", "1e-4"),
            IMAGENET,
            FLIP,
            SGD,
            MOMENTUM,
            BY_EPOCH,
        ],
    ),
    (
        "cifar10-resnet18-moco",
        "facebookresearch/moco, colab notebook for CIFAR-10",
        &[
            ("moco.temperature", "0.1"),
            ("moco.queue", "4096"),
            ("moco.momentum", "0.99"),
            ("moco.dimension", "128"),
            ("moco.hidden", "0"),
            ("moco.groups", "8"),
            ("augment.color_jitter.p", "0.8"),
            ("augment.grayscale.p", "0.2"),
            ("epochs", "200"),
            ("batch", "512"),
            ("lr", "0.06"),
            ("optimiser.weight_decay", "5e-4"),
            FLIP,
            SGD,
            MOMENTUM,
        ],
    ),
    (
        "cifar10-resnet20-recu",
        "z-hXu/ReCU 9a73bed, cifar: main.py, models_cifar/resnet.py, modules/binarized_modules.py",
        &[
            ("net.skip", "'double'"),
            ("net.stem_activation", "'hardtanh'"),
            ("net.shortcut", "'pooled-option-a'"),
            ("net.head_norm", "true"),
            ("net.init", "'usual'"),
            ("net.binarization.activation_ste", "'approx-sign'"),
            ("net.binarization.divide_by_deviation", "true"),
            ("net.binarization.weights", "'rectified'"),
            ("net.binarization.rectified", "[0.85, 0.99]"),
            ("net.binarization.scale", "'learned'"),
            ("epochs", "600"),
            ("batch", "256"),
            ("lr", "0.1"),
            ("schedule.warmup", "5"),
            ("optimiser.weight_decay", "5e-4"),
            ("optimiser.binary_weight_decay", "5e-4"),
            ("optimiser.other_weight_decay", "5e-4"),
            IMAGENET,
            CROP,
            FLIP,
            SGD,
            MOMENTUM,
            BY_EPOCH,
        ],
    ),
    (
        "cifar10-resnet18-recu",
        "z-hXu/ReCU 9a73bed, cifar: models_cifar/resnet.py",
        &[
            ("net.skip", "'single'"),
            ("net.shortcut", "'pooled-option-a'"),
            ("net.head_norm", "true"),
            ("net.init", "'usual'"),
            ("epochs", "600"),
            ("batch", "256"),
            ("optimiser.weight_decay", "5e-4"),
        ],
    ),
    (
        "cifar10-vggsmall-recu",
        "z-hXu/ReCU 9a73bed, cifar: models_cifar/vgg.py",
        &[("net.init", "'fan-out'"), ("net.head_norm", "false"), ("epochs", "600"), ("batch", "256")],
    ),
    (
        "cifar10-resnet20-adabin",
        "huawei-noah/Efficient-Computing 225ddd2, BinaryNetworks/AdaBin/cifar10: main.py, nets/, utils/binarylib.py",
        &[
            ("net.skip", "'double'"),
            ("net.activation", "'maxout'"),
            ("net.stem_activation", "'maxout'"),
            ("net.shortcut", "'option-a'"),
            ("net.head_norm", "true"),
            ("net.init", "'kaiming'"),
            ("net.binarization.weights", "'adaptive'"),
            ("net.binarization.activation_ste", "'approx-sign'"),
            ("net.binarization.weight_ste", "'ede'"),
            ("net.binarization.ede_start", "1e-3"),
            ("epochs", "400"),
            ("batch", "128"),
            ("lr", "0.1"),
            ("optimiser.weight_decay", "1e-4"),
            ("optimiser.binary_weight_decay", "1e-4"),
            ("optimiser.other_weight_decay", "1e-4"),
            IMAGENET,
            CROP,
            FLIP,
            SGD,
            MOMENTUM,
            BY_EPOCH,
        ],
    ),
    (
        "cifar10-resnet18-adabin",
        "huawei-noah/Efficient-Computing 225ddd2, BinaryNetworks/AdaBin/cifar10: nets/",
        &[
            ("net.skip", "'double'"),
            ("net.stem_activation", "'maxout'"),
            ("net.shortcut", "'float'"),
            ("net.head_norm", "true"),
            ("net.init", "'framework'"),
            ("epochs", "400"),
        ],
    ),
    (
        "cifar10-resnet18-biper-step1",
        "edmav4/BiPer 0c07fdd, cifar10: main.py, run_stg1.sh (R)",
        &[
            ("net.binarization.weights", "'sine'"),
            ("net.binarization.frequency", "20.0"),
            ("biper.tau", "0.037"),
            ("epochs", "600"),
            ("batch", "256"),
            ("lr", "0.021"),
            ("schedule.warmup", "5"),
            ("optimiser.weight_decay", "1.6e-3"),
            ("optimiser.other_weight_decay", "1.6e-3"),
            BY_EPOCH,
        ],
    ),
    (
        "cifar10-resnet18-biper",
        "edmav4/BiPer 0c07fdd, cifar10: main_stage2.py, run_stg2.sh (R)",
        &[
            ("net.binarization.weights", "'square-wave'"),
            ("biper.tau", "0.0468"),
            ("epochs", "300"),
            ("lr", "0.0037"),
            ("optimiser.binary_weight_decay", "1.6e-4"),
            BY_EPOCH,
        ],
    ),
    (
        "cifar10-resnet20-siman",
        "lmbxmu/SiMaN, cifar: main.py, models, and its README (R)",
        &[
            ("net.skip", "'double'"),
            ("net.activation", "'prelu'"),
            ("net.head_norm", "true"),
            ("net.binarization.standardise", "true"),
            ("net.binarization.weights", "'magnitude'"),
            ("net.binarization.magnitude.coding", "'pm1'"),
            ("epochs", "400"),
            ("batch", "256"),
            ("eval.batch", "128"),
            ("lr", "0.1"),
            ("schedule.warmup", "5"),
            ("optimiser.weight_decay", "5e-4"),
            ("optimiser.binary_weight_decay", "0.0"),
            ("optimiser.other_weight_decay", "5e-4"),
            IMAGENET,
            SGD,
            MOMENTUM,
            BY_EPOCH,
        ],
    ),
    (
        "imagenet-reactnet-a",
        "liuzechun/ReActNet, mobilenet/2_step2: reactnet.py, run.sh, train.py",
        &[
            ("net.activation", "'rprelu'"),
            ("net.binarization.activation_ste", "'approx-sign'"),
            ("net.binarization.rsign", "true"),
            ("net.binarization.weight_ste", "'clipped'"),
            ("net.binarization.scale", "'channel'"),
            ("net.binarization.scale_in_gradient", "false"),
            ("epochs", "256"),
            ("batch", "256"),
            ("lr", "5e-4"),
            ("optimiser.kind", "'adam'"),
            IMAGENET,
            LINE,
            ("schedule.ahead", "1"),
        ],
    ),
    (
        "imagenet-resnet18-reactnet-step1",
        "liuzechun/ReActNet, resnet/1_step1",
        &[
            ("net.init", "'framework'"),
            ("net.skip", "'double'"),
            ("net.shortcut", "'pooled-float'"),
            ("net.activation", "'rprelu'"),
            ("net.binarization.weights", "'real'"),
            ("net.binarization.rsign", "true"),
            ("epochs", "256"),
            ("batch", "512"),
            ("lr", "1e-3"),
            ("optimiser.weight_decay", "1e-5"),
            LINE,
            ("schedule.ahead", "1"),
        ],
    ),
    (
        "imagenet-resnet18-reactnet",
        "liuzechun/ReActNet, resnet/2_step2",
        &[
            ("net.init", "'framework'"),
            ("net.skip", "'double'"),
            ("net.shortcut", "'pooled-float'"),
            ("net.activation", "'rprelu'"),
            ("net.binarization.activation_ste", "'approx-sign'"),
            ("net.binarization.rsign", "true"),
            ("net.binarization.scale", "'channel'"),
            ("net.binarization.scale_in_gradient", "false"),
            ("epochs", "256"),
            ("batch", "512"),
            ("lr", "1e-3"),
            LINE,
            ("schedule.ahead", "1"),
        ],
    ),
    (
        "imagenet-resnet18-float",
        "larq/zoo 511ce59, larq_zoo/training/multi_stage_experiments.py: TrainFPResnet18",
        &[
            ("epochs", "100"),
            ("batch", "512"),
            ("lr", "0.1"),
            ("net.shortcut", "'pooled-float'"),
            // Their penalty 1e-5 w² has twice the slope.
            ("optimiser.weight_decay", "2e-5"),
            SGD,
            ("schedule.kind", "'cosine'"),
            ("schedule.warmup", "5"),
        ],
    ),
    (
        "imagenet-real-to-binary-step1",
        "larq/zoo 511ce59, larq_zoo/training/multi_stage_experiments.py: TrainR2BBFP; learning_schedules.py",
        &[
            ("net.binarization.activations", "'tanh'"),
            ("net.binarization.weights", "'real'"),
            REAL_TO_BINARY[0],
            REAL_TO_BINARY[1],
            REAL_TO_BINARY[2],
            REAL_TO_BINARY[3],
            REAL_TO_BINARY[4],
            REAL_TO_BINARY[5],
            REAL_TO_BINARY[6],
            REAL_TO_BINARY[7],
        ],
    ),
    (
        "imagenet-real-to-binary-step2",
        "larq/zoo 511ce59, larq_zoo/training/multi_stage_experiments.py: TrainR2BBAN",
        &[
            ("net.binarization.activation_ste", "'clipped'"),
            ("net.binarization.weights", "'real'"),
            REAL_TO_BINARY[0],
            REAL_TO_BINARY[1],
            REAL_TO_BINARY[2],
            REAL_TO_BINARY[3],
            REAL_TO_BINARY[4],
            REAL_TO_BINARY[5],
            REAL_TO_BINARY[6],
            REAL_TO_BINARY[7],
        ],
    ),
    (
        "imagenet-real-to-binary",
        "larq/zoo 511ce59, larq_zoo/training/multi_stage_experiments.py: TrainR2BBNNAlternative",
        &[
            ("net.binarization.activation_ste", "'clipped'"),
            ("net.binarization.weight_ste", "'clipped'"),
            ("net.binarization.clip_weights", "true"),
            ("net.binarization.scale", "'none'"),
            ("real_to_binary.labels", "1.0"),
            ("real_to_binary.attention", "0.0"),
            ("real_to_binary.outputs", "0.8"),
            ("epochs", "75"),
            ("batch", "256"),
            ("lr", "2e-4"),
            ("optimiser.kind", "'adam'"),
            ("optimiser.weight_decay", "0.0"),
            ("schedule.kind", "'cosine'"),
            ("schedule.warmup", "10"),
        ],
    ),
    (
        "imagenet-resnet18-siman",
        "lmbxmu/SiMaN, imagenet: its README (R)",
        &[
            ("epochs", "150"),
            ("batch", "512"),
            ("lr", "0.1"),
            ("optimiser.weight_decay", "1e-4"),
            ("optimiser.binary_weight_decay", "0.0"),
        ],
    ),
];

/// The value under a path.
fn at<'a>(table: &'a toml::Table, path: &str) -> Option<&'a Value> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let value = table.get(first)?;
    match rest {
        None => Some(value),
        Some(rest) => at(value.as_table()?, rest),
    }
}

/// Equal, numbers as f32 has them, whole or not.
fn same(a: &Value, b: &Value) -> bool {
    let number = |v: &Value| v.as_float().or(v.as_integer().map(|n| n as f64)).map(|x| x as f32);
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        _ => match (number(a), number(b)) {
            (Some(a), Some(b)) => a == b,
            _ => a == b,
        },
    }
}

#[test]
fn recipes_have_the_settings_of_their_releases() {
    for (name, source, settings) in RELEASED {
        let recipe = Recipe::find(name).unwrap().1;
        let written: toml::Table = recipe.to_toml().unwrap().parse().unwrap();
        for (key, released) in settings {
            let released = format!("x = {released}").parse::<toml::Table>().unwrap()["x"].clone();
            let ours = at(&written, key).unwrap_or_else(|| panic!("{name} says nothing of {key}"));
            assert!(same(ours, &released), "{name}: {key} is {ours}, and {released} in {source}");
        }
    }
}

/// A recipe whose description speaks of released settings stands in the table, or is told apart here.
#[test]
fn what_is_called_released_has_a_source() {
    // ReActNet's and the other SiMaN networks: their settings are those of a recipe in the table, or of the binary layers' checklist.
    let elsewhere = ["siman", "reactnet", "minireact", "quicknet"];
    for (name, text) in onebit::recipe::built_in() {
        let described = text.lines().find(|l| l.starts_with("description")).unwrap_or("");
        let listed =
            RELEASED.iter().any(|(listed, ..)| *listed == name) || elsewhere.iter().any(|part| name.contains(part));
        assert!(listed || !described.contains("released settings"), "{name}: {described}");
    }
}
