//! An own kind of run, one without training steps: the class whose mean image is nearest. `onebit train` and `onebit eval` take
//! its recipes and runs as they take all others; the program is `onebit` with that experiment in it:
//!
//!     cargo run --release --example own_experiment -- train nearest.toml

use onebit::data::{Dataset, Images, OpenOptions, Split};
use onebit::error::{Error, Result};
use onebit::experiments::{
    self, Described, EXPERIMENTS, Ending, EvalOptions, Experiment, ExportOptions, FeatureOptions, Start, TrainOptions,
};
use onebit::recipe::Text;
use onebit::tensor::HostTensor;
use onebit::tensor_file;
use onebit::train::run::RunDir;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// The experiment.
pub struct NearestMean;

/// Its recipe.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipe {
    /// One sentence.
    description: String,
    /// Always "nearest-mean".
    method: String,
    /// Where the images are; `embedded` for those that come with the program.
    data: String,
}

const MEANS: &str = "means";

fn read(text: &Text) -> Result<Recipe> {
    toml::from_str(&text.text).map_err(|e| Error::Config(format!("{}: {e}", text.origin.display())))
}

fn images(path: &Path) -> Result<Split> {
    match path == Path::new("embedded") {
        true => Ok(Dataset::embedded()),
        false => Dataset::open(path, &OpenOptions::default()),
    }
}

/// Pixels and classes of a part, which has to lie in memory.
fn labelled(part: &Dataset) -> Result<impl Iterator<Item = (&[u8], usize)>> {
    let (Images::Decoded(pixels), Some(labels)) = (&part.images, &part.labels) else {
        return Err(Error::Config(format!(
            "{}: a nearest mean wants images with labels that fit into memory",
            part.name
        )));
    };
    Ok(pixels.chunks_exact(part.image_bytes()).zip(labels.iter().map(|l| *l as usize)))
}

fn distance(mean: &[f32], image: &[u8]) -> f32 {
    mean.iter().zip(image).map(|(m, v)| (m - *v as f32).powi(2)).sum()
}

impl NearestMean {
    /// Share of the test images whose class is that of the nearest mean.
    fn test(&self, run: &Path, data: Option<&Path>) -> Result<f64> {
        let recipe = read(&Text::find(&run.display().to_string())?)?;
        let split = images(data.unwrap_or(Path::new(&recipe.data)))?;
        let (_, mut tensors) = tensor_file::load::<Recipe>(&run.join("means.safetensors"))?;
        let means = tensors.remove(MEANS).ok_or_else(|| Error::data(run, "it holds no means"))?;
        let each = split.test.image_bytes();
        if means.shape()[1..] != [each] {
            return Err(Error::Config(format!(
                "{}: its means are of other images than those of {each} bytes",
                run.display()
            )));
        }
        let nearest = |image: &[u8]| {
            let all = means.f32s().chunks_exact(each).map(|mean| distance(mean, image)).enumerate();
            all.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(class, _)| class)
        };
        let right = labelled(&split.test)?.filter(|(image, class)| nearest(image) == Some(*class)).count();
        Ok(right as f64 / split.test.len() as f64)
    }
}

impl Experiment for NearestMean {
    fn name(&self) -> &'static str {
        "nearest-mean"
    }

    fn describe(&self, text: &Text) -> Result<Described> {
        let recipe = read(text)?;
        let json = serde_json::to_string(&recipe).map_err(|e| Error::Config(e.to_string()))?;
        let toml = toml::to_string(&recipe).map_err(|e| Error::Config(e.to_string()))?;
        Ok(Described {
            description: recipe.description,
            layers: toml.clone(),
            toml,
            json,
            of_run: text.origin.ends_with("config.toml"),
        })
    }

    fn train(&self, start: Start, options: &TrainOptions) -> Result<Ending> {
        let Start::New(text) = start else {
            return Err(Error::Config("there is nothing to go on with: a nearest mean is fitted at once".into()));
        };
        if let Some(setting) = options.settings.first() {
            return Err(Error::Config(format!("--set {setting}: a nearest mean has nothing to set")));
        }
        let recipe = read(&text)?;
        let data = options.data.as_deref().unwrap_or(Path::new(&recipe.data));
        let train = images(data)?.train;
        let (classes, each) = (train.classes.len(), train.image_bytes());
        let (mut sums, mut counts) = (vec![0f32; classes * each], vec![0f32; classes]);
        for (image, class) in labelled(&train)? {
            counts[class] += 1.0;
            sums[class * each..][..each].iter_mut().zip(image).for_each(|(sum, v)| *sum += *v as f32);
        }
        for (mean, count) in sums.chunks_exact_mut(each).zip(counts) {
            mean.iter_mut().for_each(|sum| *sum /= count.max(1.0));
        }
        let run = RunDir::create_with(&options.out(&text.name), &text.text)?;
        let means = HashMap::from([(MEANS.to_string(), HostTensor::from_f32([classes, each], sums))]);
        tensor_file::save(&run.path().join("means.safetensors"), &means, &recipe)?;
        println!("{:.1} % of the test images", 100.0 * self.test(run.path(), Some(data))?);
        Ok(Ending::Done)
    }

    fn eval(&self, options: &EvalOptions) -> Result<Ending> {
        println!("{:.1} %", 100.0 * self.test(&options.run, options.data.as_deref())?);
        Ok(Ending::Done)
    }

    fn features(&self, _: &FeatureOptions) -> Result<()> {
        Err(Error::Config("a nearest mean has no features".into()))
    }

    fn export(&self, _: &ExportOptions) -> Result<()> {
        Err(Error::Config("a nearest mean ships as its means.safetensors".into()))
    }
}

const RECIPE: &str = r#"
description = "The class whose mean image is nearest"
method = "nearest-mean"
data = "embedded"
"#;

/// What the tests run: a recipe of it is fitted by the same call that `onebit train` makes, and its run is tested.
pub fn check() -> Result<()> {
    let folder = tempfile::tempdir().map_err(Error::io("the folder for temporary files", "make"))?;
    let (recipe, run) = (folder.path().join("nearest.toml"), folder.path().join("run"));
    std::fs::write(&recipe, RECIPE).map_err(Error::io(&recipe, "write"))?;
    let (recipe, out) = (Some(recipe.display().to_string()), Some(run.clone()));
    assert_eq!(experiments::train(&TrainOptions { recipe, out, ..Default::default() })?, Ending::Done);
    assert_eq!(EXPERIMENTS.of_run(&run)?.name(), "nearest-mean");
    let accuracy = NearestMean.test(&run, None)?;
    assert!(accuracy > 0.5, "{accuracy}: guessing gives 10 %");
    Ok(())
}

/// `onebit`, with the experiment in it.
pub fn main() -> std::process::ExitCode {
    EXPERIMENTS.add(&NearestMean).expect("there is no other of that name");
    if std::env::args().len() > 1 {
        return onebit::cli::main();
    }
    check().expect("it is fitted and tested");
    std::process::ExitCode::SUCCESS
}
