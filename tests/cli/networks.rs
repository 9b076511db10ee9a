//! Networks that are a TOML file and nothing else: those of papers, narrower and on small pictures, and the one that the guide
//! shows. Each trains, is verified node by node, stops and goes on, and ships; what ships gives what the runtime gives.

use crate::program::{Place, wait_for};
use crate::python::python;
use image::RgbImage;
use onebit::deploy::{Runtime, file};
use onebit::rng::Philox;
use onebit::web::ask_in_browser;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

/// A recipe that comes along, or the guide's; its kind as the list that it stands for; what makes it small.
struct Network {
    name: &'static str,
    recipe: &'static str,
    settings: &'static [&'static str],
}

const GUIDES: &str = "mine.toml";

/// In full width they differ from these by numbers alone.
const NETWORKS: [Network; 9] = [
    of("quicknet-small", "imagenet-quicknet-small", &["net.vars={w1=8,w2=8,w3=32,w4=64,n1=4,n2=4,n3=4,n4=4}"]),
    of("quicknet", "imagenet-quicknet", &["net.vars={w1=8,w2=16,w3=32,w4=64,n1=4,n2=4,n3=4,n4=4}"]),
    of("quicknet-large", "imagenet-quicknet-large", &["net.vars={w1=8,w2=16,w3=32,w4=64,n1=6,n2=8,n3=12,n4=6}"]),
    of("binarydensenet28", "imagenet-binarydensenet28", &["net.vars={stem=16,growth=16}"]),
    of("meliusnet22", "imagenet-meliusnet22", &["net.vars={growth=16,w2=40,w3=56,w4=64}"]),
    of(
        "real-to-binary",
        "imagenet-real-to-binary",
        &["net.vars={w=8}", "real_to_binary.outputs=0", "start_from=", "schedule.warmup=0"],
    ),
    of("vgg-small", "cifar10-vggsmall-siman", &["schedule.warmup=0"]),
    of("resnet20-option-a", "cifar10-resnet20-siman", &["schedule.warmup=0"]),
    of("guide", GUIDES, &["data.train_images=12", "data.test_images=8"]),
];

const fn of(name: &'static str, recipe: &'static str, settings: &'static [&'static str]) -> Network {
    Network { name, recipe, settings }
}

/// Channels of the widest layer of a kind that is listed.
const WIDEST: usize = 32;

/// Rows and columns of the pictures, and how many there are to train on and to test on, of each class.
const SIDE: u32 = 32;
const CLASSES: [&str; 2] = ["cat", "dog"];
const PARTS: [(&str, u64); 2] = [("train", 6), ("test", 4)];

/// Every picture another one, each class with a colour of its own.
fn picture(class: usize, part: usize, i: u64) -> RgbImage {
    let p = Philox::new(7, 2 * class as u64 + part as u64);
    RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let word = p.word(i, (y * SIDE + x) as u64).to_le_bytes();
        image::Rgb(std::array::from_fn(|c| if c == class { word[c] } else { word[c] / 2 }))
    })
}

fn pictures(place: &Place) {
    for (class, name) in CLASSES.iter().enumerate() {
        for (part, (folder, n)) in PARTS.iter().enumerate() {
            let folder = place.path("set").join(folder).join(name);
            fs::create_dir_all(&folder).unwrap();
            (0..*n).for_each(|i| picture(class, part, i).save(folder.join(format!("{i}.png"))).unwrap());
        }
    }
}

/// What ships of a network, and what the runtime makes of the images that it is tested on.
struct Shipped {
    name: &'static str,
    folder: PathBuf,
    images: Vec<Vec<u8>>,
    outputs: Vec<Vec<f32>>,
}

/// The recipe in the guide that is a whole one.
fn of_guide() -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide/own_network.md")).unwrap();
    let (_, rest) = text.split_once(&format!("```toml file {GUIDES}\n")).expect("the guide shows a recipe");
    let (recipe, _) = rest.split_once("```").expect("which ends");
    assert!(recipe.starts_with("method = ") && recipe.lines().count() <= 15, "{recipe}");
    recipe.to_string()
}

/// A recipe whose kind is a list of layers, narrower.
fn listed(place: &Place, recipe: &str) -> String {
    let full = place.run(&["recipes", "show", recipe, "--full"]).ok().out;
    let width = |line: &str| line.strip_prefix("width = ").and_then(|n| n.parse::<usize>().ok());
    let share = full.lines().filter_map(width).max().expect("it has layers").div_ceil(WIDEST);
    let narrow = |line: &str| width(line).map_or(line.to_string(), |n| format!("width = {}", n / share));
    full.lines().map(|line| narrow(line) + "\n").collect()
}

impl Network {
    /// From the recipe to what ships.
    fn ship(&self, place: &Place) -> Shipped {
        let folder = place.path(self.name);
        let at = |name: &str| folder.join(name).display().to_string();
        fs::create_dir(&folder).unwrap();
        let own = self.recipe == GUIDES;
        let mut recipe = self.recipe.to_string();
        let text = match () {
            _ if own => Some(of_guide()),
            _ if recipe.starts_with("imagenet") => None,
            _ => Some(listed(place, &recipe)),
        };
        if let Some(text) = text {
            recipe = at(GUIDES);
            fs::write(&recipe, text).unwrap();
        }
        let mut args = vec!["--device", "cpu", "--set", "batch=6", "--set", "eval.batch=4"];
        self.settings.iter().for_each(|s| args.extend(["--set", *s]));
        if !own {
            args.extend(["--data", "set"]);
        }
        let size = format!("data.size=[{SIDE},{SIDE}]");
        if recipe.starts_with("imagenet") {
            args.extend(["--set", &size, "--set", "augment.random_resized_crop.size=[32,32]"]);
        }
        let run = |more: &[&str]| place.run(&[more, &args].concat()).ok().out;
        let verified = run(&["verify", "--recipe", &recipe, "--out", &at("wrong")]);
        assert!(verified.contains("passed: "), "{}: {verified}", self.name);

        let (whole, stopped) = (at("whole"), at("stopped"));
        let long = ["--epochs", "3", "--set", "checkpoint.every_steps=1"];
        run(&[&["train", &recipe, "--out", &whole], &long[..]].concat());
        let start = [&["train", &recipe, "--out", &stopped], &long[..], &args].concat();
        let mut child = place.command(&start).spawn().unwrap();
        wait_for(&place.checkpoint(&stopped), &mut child);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!Path::new(&stopped).join("summary.json").exists(), "{}: it had ended", self.name);
        place.run(&["train", "--resume", "--out", &stopped]).ok();
        assert!(place.weights(&whole) == place.weights(&stopped), "{}: the weights differ", self.name);

        for form in [&["-o", &at("m.1bit")][..], &["-o", &at("m.onnx")], &["--to", "web", "-o", &at("page")]] {
            let said = place.run(&[&["export", &whole], form].concat()).ok().out;
            assert!(said.contains("the same first output for 8 of 8 images"), "{}: {said}", self.name);
        }
        let mut runtime = Runtime::new(&file::load(Path::new(&at("m.1bit"))).unwrap(), 1).unwrap();
        let images: Vec<Vec<u8>> = match own {
            true => (0..8).map(|i| onebit::data::Dataset::embedded().test.image(i).unwrap().to_vec()).collect(),
            false => (0..8).map(|i| picture(i as usize / 4, 1, i % 4).into_raw()).collect(),
        };
        let outputs = images.iter().map(|image| runtime.run(image).unwrap().to_vec()).collect();
        Shipped { name: self.name, folder, images, outputs }
    }
}

impl Shipped {
    /// The numbers of another form of it must be those of the runtime, to the rounding of floats.
    fn equals(&self, form: &str, got: &[f32]) {
        let own = self.outputs.concat();
        assert_eq!(got.len(), own.len(), "{} of {form}", self.name);
        let largest = own.iter().fold(0f32, |m, x| m.max(x.abs()));
        let most = own.iter().zip(got).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
        println!("{} by {form}: {most:e} apart, {largest:e} the largest", self.name);
        assert!(most <= 1e-4 * largest, "{} by {form}: {most:e} apart, {largest:e} the largest", self.name);
    }
}

/// Every page's model, one after the other in one browser, by the page's own code.
fn pages(place: &Place, all: &[Shipped]) -> Vec<Vec<f32>> {
    let at = place.path("all");
    fs::create_dir(&at).unwrap();
    fs::copy(all[0].folder.join("page/run.js"), at.join("run.js")).unwrap();
    for (i, shipped) in all.iter().enumerate() {
        fs::copy(shipped.folder.join("page/model.js"), at.join(format!("model{i}.js"))).unwrap();
    }
    let images: Vec<&Vec<Vec<u8>>> = all.iter().map(|s| &s.images).collect();
    let script = format!(
        "(async () => {{
            const all = [];
            for (const [i, images] of {}.entries()) {{
                const script = document.createElement('script');
                script.src = `model${{i}}.js`;
                document.body.append(script);
                await new Promise((done, failed) => Object.assign(script, {{ onload: done, onerror: failed }}));
                const runner = await onebit.Runner.open(onebit.model);
                const outputs = [];
                for (const image of images) outputs.push(...await runner.run(Uint8Array.from(image)));
                all.push(outputs);
            }}
            await fetch('answer', {{ method: 'POST', body: JSON.stringify(all) }});
        }})().catch((e) => fetch('failed', {{ method: 'POST', body: JSON.stringify({{ message: e.message }}) }}));",
        serde_json::to_string(&images).unwrap()
    );
    fs::write(at.join("test.js"), script).unwrap();
    let scripts = ["run.js", "test.js"].map(|s| format!("<script src=\"{s}\"></script>")).concat();
    fs::write(at.join("test.html"), format!("<!doctype html><meta charset=\"utf-8\"><body>{scripts}</body>")).unwrap();
    serde_json::from_value(ask_in_browser(&at, "test.html", Duration::from_secs(600)).unwrap()).unwrap()
}

/// What onnxruntime makes of the same images.
fn onnxruntime(place: &Place, all: &[Shipped]) -> Vec<Vec<f32>> {
    let at = place.path("onnx");
    fs::create_dir(&at).unwrap();
    for shipped in all {
        fs::copy(shipped.folder.join("m.onnx"), at.join(format!("{}.onnx", shipped.name))).unwrap();
        fs::write(at.join(format!("{}.images", shipped.name)), shipped.images.concat()).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run_onnx.py");
    let o = Command::new(python("onnxruntime")).arg(script).arg(&at).output().unwrap();
    assert!(o.status.success(), "{}", String::from_utf8_lossy(&o.stderr));
    let read = |s: &Shipped| fs::read(at.join(format!("{}.outputs", s.name))).unwrap();
    let floats = |bytes: Vec<u8>| bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    all.iter().map(|s| floats(read(s))).collect()
}

#[test]
fn networks_of_toml_alone_go_all_the_way() {
    let place = Place::new();
    pictures(&place);
    // A network leaves a core idle where it is narrow: they take turns.
    let (left, done) = (Mutex::new(NETWORKS.iter()), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap().next();
                    let Some(network) = next else { return };
                    let shipped = network.ship(&place);
                    done.lock().unwrap().push(shipped);
                }
            });
        }
    });
    let all = done.into_inner().unwrap();
    assert_eq!(all.len(), NETWORKS.len());
    for (form, outputs) in [("onnxruntime", onnxruntime(&place, &all)), ("the page", pages(&place, &all))] {
        assert_eq!(outputs.len(), all.len());
        all.iter().zip(outputs).for_each(|(shipped, outputs)| shipped.equals(form, &outputs));
    }
}
