//! Files of weights that were made elsewhere, tested and shipped without a run.

use crate::golden::golden;
use crate::program::Place;
use crate::runs::{copy, goes, run, said};
use std::fs;
use std::path::Path;

/// Two networks of five classes, and pictures of as many and of three.
fn place() -> Place {
    place_with(&["cifar-resnet20.th", "adabin-resnet20.th"])
}

/// Weights, files or folders, and pictures of five classes and of three.
fn place_with(weights: &[&str]) -> Place {
    let place = Place::new();
    for name in weights {
        let from = golden("foreign").join(name);
        match from.is_dir() {
            true => copy(&from, &place.path(name)),
            false => drop(fs::copy(from, place.path(name)).unwrap()),
        }
    }
    let field = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/field/classes-by-position");
    copy(&field, &place.path("."));
    for class in ["ant", "bee", "cow", "dog", "emu"] {
        for part in ["train", "test"] {
            copy(&place.path("col3/test/ant"), &place.path(&format!("five/{part}/{class}")));
        }
    }
    place
}

#[test]
fn files_of_weights_are_tested_and_shipped() {
    let place = place();
    for name in ["cifar-resnet20", "adabin-resnet20"] {
        let o = goes(&place, &format!("eval {name}.th --data five --device cpu"));
        // All five classes have the same pictures.
        assert!(o.out.contains(&format!("{name}.th, on cpu")) && o.out.contains("top-1 20.00 %"), "{}", o.out);
        assert!(o.err.contains("ImageNet's mean"), "{}", o.err);
        // Other networks have its names and shapes too.
        assert_eq!(o.err.contains("a binary network of the rule"), name.contains("adabin"), "{}", o.err);
        let o = goes(&place, &format!("export {name}.th --data five -o {name}.1bit"));
        assert!(o.out.contains("top-1 20.00 %") && o.out.contains("name the same first output for"), "{}", o.out);
        let o = goes(&place, &format!("predict {name}.1bit five/test/ant"));
        assert!(["ant", "bee", "cow", "dog", "emu"].iter().any(|class| o.out.contains(class)), "{}", o.out);
    }
    let o = goes(&place, "inspect adabin-resnet20.1bit");
    assert!(o.out.contains("binary set conv") && o.out.contains("16,704 weights of one bit"), "{}", o.out);
    let left: Vec<_> = fs::read_dir(place.path(".")).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name != "eval.json" && name != "confusion.svg"), "{left:?}");
}

#[test]
fn what_a_file_does_not_say_can_be_said() {
    let place = place();
    let eval = "eval cifar-resnet20.th --data five --device cpu";
    let own = goes(&place, &format!("{eval} --set augment.normalize={{mean=[0.5,0.5,0.5],std=[0.2,0.2,0.2]}}"));
    let taken = goes(&place, eval);
    assert!(own.out != taken.out && !own.err.contains("ImageNet"), "{}", own.err);
    // A 7x7 first layer is one for large images.
    let weights = golden("foreign/resnet18.safetensors");
    fs::copy(weights, place.path("large.safetensors")).unwrap();
    let eval = "eval large.safetensors --data five --device cpu";
    let large = goes(&place, eval);
    assert!(large.err.contains("256 pixels") && large.out.contains("256x256x3"), "{}", said(&large));
    let sizes = "--set data.size=[64,64] --set augment.random_resized_crop.size=[64,64]";
    let small = goes(&place, &format!("{eval} {sizes}"));
    assert!(!small.err.contains("256 pixels") && small.out.contains("64x64x3"), "{}", said(&small));
    // What a network lacks of a start, and a start of a network, is said.
    let train = "train cifar10-resnet20-float --data five --set batch=5 --epochs 1 --device cpu --out r \
                 --set net.widths=[4,4,8,16]";
    let o = goes(&place, &format!("{train} --from adabin-resnet20.th"));
    assert!(o.out.contains("is left out: act1.negative") && o.out.contains("bn_head.bias"), "{}", o.out);
    run(&place, "eval r --set augment.normalize={}").fails_with(&["--set augment.normalize", "a run has its settings"]);
}

#[test]
fn what_cannot_be_tested_of_a_file_says_why() {
    let place = place();
    let weights = "cifar-resnet20.th";
    run(&place, &format!("eval {weights}")).fails_with(&[weights, "--data PATH"]);
    run(&place, &format!("eval {weights} --data col3 --device cpu")).fails_with(&[weights, "5 classes", "have 3"]);
    run(&place, &format!("eval {weights} --data five --checkpoint best")).fails_with(&[weights, "--checkpoint"]);
    run(&place, &format!("export {weights} --data five")).fails_with(&[weights, "-o FILE"]);
    run(&place, &format!("embed {weights} --data five")).fails_with(&[weights, "--out DIR"]);
    goes(&place, &format!("embed {weights} --data five --out features --device cpu"));
    assert!(place.path("features/features.npy").is_file());
    run(&place, "eval none.th --data five").fails_with(&["none.th"]);
    fs::write(place.path("text.th"), "no weights").unwrap();
    run(&place, "eval text.th --data five").fails_with(&["text.th", "the file is text"]);
}

/// What a folder of Hugging Face is taken for, wherever a file of weights is.
#[test]
fn folders_of_weights_are_taken_where_files_are() {
    let place = place_with(&["hf-resnet18", "hf-resnet50"]);
    let sizes = "--set data.size=[64,64] --set augment.random_resized_crop.size=[64,64]";
    let o = goes(&place, &format!("eval hf-resnet18 --data five --device cpu {sizes}"));
    assert!(o.out.contains("hf-resnet18, on cpu") && o.out.contains("top-1 20.00 %"), "{}", o.out);
    // Its classes have names, in another order than the folders; and its preprocessor a normalisation.
    assert!(
        o.err.contains("as the configuration beside the weights says") && !o.err.contains("in their order"),
        "{}",
        o.err
    );
    let o = goes(&place, &format!("eval hf-resnet50/model.safetensors.index.json --data five --device cpu {sizes}"));
    assert!(o.err.contains("ImageNet's mean") && o.err.contains("in their order"), "{}", o.err);
    let o = goes(&place, &format!("export hf-resnet18 --data five -o hf.1bit {sizes}"));
    assert!(o.out.contains("name the same first output for"), "{}", o.out);
    goes(&place, "predict hf.1bit five/test/ant");
    goes(&place, "embed hf-resnet50 --data five --out features --device cpu");
    let o = goes(&place, "net hf-resnet50 --images 64x64x3");
    assert!(o.out.contains("layer4"), "{}", o.out);
    let train = "train small-reactnet-step1 --data five --set batch=5 --epochs 1 --device cpu";
    goes(&place, &format!("{train} --set teacher.run=hf-resnet18 --out taught"));
    run(&place, "eval five --data five").fails_with(&["five", "no config.toml", "model.safetensors"]);
    fs::create_dir(place.path("none")).unwrap();
    fs::write(place.path("none/config.json"), "{}").unwrap();
    run(&place, "eval none --data five").fails_with(&["none", "has a config.json, and none of model.safetensors"]);
    fs::write(place.path("page.pth"), "<!DOCTYPE html>").unwrap();
    run(&place, "eval page.pth --data five").fails_with(&["page.pth", "web page", "the download went wrong"]);
}

/// A recipe of ReActNet-A as it is trained without a teacher.
const REACTNET: &str = r#"
method = "supervised"
epochs = 1
batch = 3
lr = 1e-3
net = { kind = "reactnet-a", binary = true, activation = "rprelu", binarization = { rsign = true, scale = "channel" } }
optimiser = { kind = "adam" }
schedule = { kind = "cosine" }
"#;

/// Another number of classes: the last layer starts anew, and that is said, whoever named the tensors.
#[test]
fn a_start_of_other_classes_gets_a_new_last_layer() {
    let files = [
        "siman-resnet20.pth.tar",
        "siman-resnet18.pth.tar",
        "siman-vgg.pth.tar",
        "recu-vgg.pth",
        "irnet-vgg.th",
        "reactnet-a.pth.tar",
        "s2bnn-a.pth.tar",
        "hf-resnet18",
        "lightning.ckpt",
    ];
    let place = place_with(&files);
    fs::write(place.path("reactnet.toml"), REACTNET).unwrap();
    // On smaller images its last stage halves no map, and has no shortcut of its own.
    let large = "[4,4,4,8,8] --set net.stem=imagenet --set data.size=[64,64]";
    for (file, recipe, widths) in [
        (files[0], "cifar10-resnet20-siman", "[4,4,8,16]"),
        (files[1], "cifar10-resnet18-siman", "[4,4,8,8,16]"),
        (files[2], "cifar10-vggsmall-siman", "[4,4,8,8,16,16]"),
        (files[3], "cifar10-vggsmall-recu", "[4,4,8,8,16,16]"),
        (files[4], "cifar10-vggsmall-irnet", "[4,4,8,8,16,16]"),
        (files[5], "reactnet.toml", "[4,8,16,16,32]"),
        (files[6], "reactnet.toml", "[4,8,16,16,32]"),
        (files[7], "cifar10-resnet18-float", large),
        (files[8], "cifar10-resnet20-siman", "[4,4,8,16]"),
    ] {
        let train = format!(
            "train {recipe} --data col3 --set batch=3 --epochs 1 --device cpu --set schedule.warmup=0 --set net.widths={widths}"
        );
        let o = goes(&place, &format!("{train} --from {file} --out run-{file}"));
        let without = file.starts_with("s2bnn");
        assert_eq!(o.out.contains("tells other classes apart (5"), !without, "{file}: {}", o.out);
        assert_eq!(o.out.contains("that layer starts anew"), !without, "{file}: {}", o.out);
        // Of all else nothing is missing, and nothing but a projection is left.
        assert_eq!(o.out.contains("is left out: head.0.bias"), without, "{file}: {}", o.out);
        assert_eq!(
            o.out.contains("what it lacks starts as the recipe says: fc.weight, fc.bias"),
            without,
            "{file}: {}",
            o.out
        );
        assert_eq!(o.out.contains("what it lacks"), without, "{file}: {}", o.out);
    }
}

#[test]
fn what_releases_left_ships() {
    let files =
        ["siman-resnet18.pth.tar", "siman-vgg.pth.tar", "irnet-vgg.th", "reactnet-a.pth.tar", "irnet-imagenet18.pth"];
    let place = place_with(&[&files[..], &["burn-a.pth", "s2bnn-a.pth.tar"]].concat());
    let sizes = "--set data.size=[64,64] --set augment.random_resized_crop.size=[64,64]";
    for name in files {
        let sizes = if name.contains("net18.pth") || name.contains("-a.") { sizes } else { "--set data.size=[16,16]" };
        let o = goes(&place, &format!("export {name} --data five -o {name}.1bit {sizes}"));
        assert!(o.out.contains("name the same first output for 30 of 30"), "{name}: {}", o.out);
    }
    // Of a VGG the last layer says how large images are.
    let o = goes(&place, "eval siman-vgg.pth.tar --data five --device cpu");
    assert!(o.err.contains("brought to 16x16") && o.err.contains("of the rule Magnitude"), "{}", o.err);
    // Without labels there are features, and no classes.
    for name in ["burn-a.pth", "s2bnn-a.pth.tar"] {
        run(&place, &format!("eval {name} --data five")).fails_with(&[name, "ends in features"]);
        let o = goes(&place, &format!("embed {name} --data five --out features --device cpu"));
        assert!(o.out.contains("32 numbers each"), "{name}: {}", o.out);
    }
}
