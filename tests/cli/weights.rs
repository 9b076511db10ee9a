//! Files of weights that were made elsewhere, tested and shipped without a run.

use crate::golden::golden;
use crate::program::Place;
use crate::runs::{copy, goes, run, said};
use std::fs;
use std::path::Path;

/// Two networks of five classes, and pictures of as many and of three.
fn place() -> Place {
    let place = Place::new();
    for name in ["cifar-resnet20.th", "adabin-resnet20.th"] {
        fs::copy(golden("foreign").join(name), place.path(name)).unwrap();
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
    run(&place, "eval text.th --data five").fails_with(&["text.th", "no format that is known"]);
}
