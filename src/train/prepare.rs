//! From a recipe, its images and a device to a run that trains: what every command that trains a network goes through.

use super::checkpoint::Checkpoint;
use super::fit::fit;
use super::job::{Job, Observer, Outcome};
use super::limits::fitting_programs_for;
use super::lock::RunLock;
use super::origin::{exists, fitted_lineage, lineage};
use super::own_images::changed;
use super::parts::Parts;
use super::programs::Programs;
use super::ranks::{Ranks, follow};
use super::run::RunDir;
use super::ships::Ships;
use super::start::{normalised_as, start_from};
use super::steps::{Steps, loader};
use super::way_on::with_way_on;
use crate::data::{Dataset, Manifest, Part, Split, Stats};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::exchange::{Exchange, One};
use crate::methods::{ImageInfo, LABELS, Targets, Task, Teacher, TeacherUse};
use crate::recipe::{Recipe, RunInfo};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What is to be trained, and on what.
pub struct Request {
    /// Name of the recipe.
    pub name: String,
    /// The recipe.
    pub recipe: Recipe,
    /// The images.
    pub data: Split,
    /// Mean and deviation of each channel that images are normalised with; else as the recipe, its teacher or its start has
    /// them.
    pub normalization: Option<(Vec<f32>, Vec<f32>)>,
    /// Where it runs.
    pub device: Device,
    /// The selector that takes the device again.
    pub select: String,
    /// What a fitted model made of the images, with the model's hash.
    pub targets: Option<(Targets, String)>,
    /// The ranks that train it together, if not this program alone. The recipe has the batches of all ranks in a step
    /// ([`Recipe::accumulate`]).
    pub exchange: Option<Arc<dyn Exchange>>,
}

/// A run whose programs are known.
pub struct Prepared {
    request: Request,
    images: ImageInfo,
    teacher: Option<Teacher>,
    manifest: Manifest,
    steps: usize,
    programs: Programs,
    eval_batch: usize,
}

/// Where a run keeps its results.
pub enum Place {
    /// In a new directory of that name, or of that with a number.
    New(PathBuf),
    /// In that of a run that goes on from its last checkpoint, with its lock.
    Resumed(RunDir, RunLock),
}

/// A run that has its directory, before the first step.
pub struct Started {
    prepared: Prepared,
    run: RunDir,
    lock: RunLock,
    resume: bool,
    info: RunInfo,
    inherited: Option<String>,
}

impl Request {
    /// Reads the teacher, and compiles the programs so that they fit the device.
    ///
    /// # Errors
    /// If recipe, images, teacher and device do not go together.
    pub fn prepare(self) -> Result<Prepared> {
        if let Some((mean, std)) = &self.normalization {
            let info = RunInfo { mean: mean.clone(), std: std.clone(), ..RunInfo::default() };
            info.check_normalization(Some(self.data.train.c))?;
        }
        let steps = loader(&self.recipe, &self.data)?.steps() / self.recipe.accumulate;
        self.recipe.schedule.check_length(self.recipe.epochs, steps as u64)?;
        if let (Some(patience), None) = (self.recipe.patience, Parts::of(&self.data, &self.recipe).val()) {
            return Err(Error::Config(format!(
                "patience = {patience}: it goes by validation images, and {} has none with labels: set a share of the training \
                 images apart (--set data.val=0.1), or leave patience out",
                self.recipe.data.path
            )));
        }
        let teacher = Teacher::of(&self.recipe)?;
        // Computed only if nobody says it: for that, images may have to be decoded.
        let mut images = match (&self.normalization, &self.recipe.augment.normalize) {
            (Some((mean, std)), _) => {
                ImageInfo::normalised(&self.data, &Stats { mean: mean.clone(), std: std.clone() })
            }
            (None, Some(stats)) => ImageInfo::normalised(&self.data, stats),
            (None, None) => ImageInfo::of(&self.data)?,
        };
        if self.normalization.is_none() {
            normalised_as(&self.recipe, teacher.as_ref(), &mut images)?;
        }
        let compiled = compile(&self, &images, teacher.as_ref());
        let (programs, eval_batch) = compiled.map_err(|e| self.with_notes(e, images.classes))?;
        if self.data.train.labels.is_none() && programs.programs().any(|p| p.graph.find(LABELS).is_some()) {
            return Err(Error::Config(format!(
                "{}: training goes by labels, and the training images have none, though others have ({}): put the images of each class \
                 into a folder of its own below train (or give them labels as the others have theirs), or take a recipe that needs none",
                self.recipe.data.path, self.data
            )));
        }
        let manifest = self.data.manifest();
        Ok(Prepared { request: self, images, teacher, manifest, steps, programs, eval_batch })
    }
}

impl Request {
    /// Only the method knows whether it needs labels, and only the images know why they have none.
    fn with_notes(&self, e: Error, classes: usize) -> Error {
        match e {
            Error::Config(message) if classes < 2 && !self.data.notes.is_empty() => {
                Error::Config(format!("{message} ({})", self.data.notes.join("; ")))
            }
            other => other,
        }
    }
}

fn compile(request: &Request, images: &ImageInfo, teacher: Option<&Teacher>) -> Result<(Programs, usize)> {
    let targets = request.targets.as_ref().map(|(targets, _)| targets);
    let mut recipe = request.recipe.clone();
    // Labels are not always classes: where coordinates are learned they are numbers of images.
    if !recipe.loss.is_default() {
        recipe.loss = recipe.loss.of_images(&request.data.train.class_counts())?;
    }
    let task = Task { recipe: &recipe, images, teacher, targets };
    fitting_programs_for(&task, &request.device, request.exchange.as_deref().unwrap_or(&One))
}

impl Prepared {
    /// The recipe.
    pub fn recipe(&self) -> &Recipe {
        &self.request.recipe
    }

    /// The programs.
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.request.device
    }

    /// How many ranks train it.
    pub fn ranks(&self) -> usize {
        self.request.exchange.as_ref().map_or(1, |exchange| exchange.ranks())
    }

    /// Steps of an epoch's first pass.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Name of the recipe.
    pub fn name(&self) -> &str {
        &self.request.name
    }

    /// The images.
    pub fn data(&self) -> &Split {
        &self.request.data
    }

    /// Compiles for another device: the same one, with kernels that were found to be faster.
    pub fn on(self, device: Device) -> Result<Prepared> {
        let request = Request { device, ..self.request };
        let (programs, eval_batch) = compile(&request, &self.images, self.teacher.as_ref())?;
        Ok(Prepared { request, programs, eval_batch, ..self })
    }

    /// Fails in all ranks if one has something else to train than rank 0: other images, another kind of device. All ranks ask.
    ///
    /// # Errors
    /// One that names the rank and both values.
    pub fn agree(&self) -> Result<()> {
        let Some(exchange) = &self.request.exchange else { return Ok(()) };
        let manifest = format!("{} images of the list {}", self.request.data.train.len(), self.manifest.fingerprint());
        exchange.agree("data set", &manifest, "give all ranks the same images, under the same path")?;
        let numbers = format!("mean {:?}, std {:?}", self.images.mean, self.images.std);
        exchange.agree("normalisation", &numbers, "give all ranks the same images")?;
        // The number of threads changes no result.
        let device = self.request.device.describe();
        let device = match self.request.device {
            Device::Cpu => device.split_once("), ").map_or(device.clone(), |(_, isa)| format!("the CPU, {isa}")),
            Device::Gpu(_) => device,
        };
        let remedy = "all ranks must compute alike: choose devices of one kind with one driver (--device; ONEBIT_ISA for processors)";
        exchange.agree("device", &device, remedy)?;
        let remedy = "give one that fits all ranks (--set eval.batch=N)";
        exchange.agree("size of test batches", &self.eval_batch.to_string(), remedy)
    }

    /// Trains as one of the ranks that rank 0 leads, until it says that this is all.
    ///
    /// # Errors
    /// What goes wrong.
    pub fn follow(self) -> Result<()> {
        let parts = self.parts();
        let Prepared { request, programs, eval_batch, .. } = self;
        let Request { recipe, data, device, exchange, .. } = request;
        let exchange = exchange.ok_or_else(|| Error::Config("one rank has nobody to follow".into()))?;
        let mut steps = Steps::new(recipe, &data, programs, &device)?;
        steps.join(Ranks::new(exchange, &data, &parts, eval_batch));
        follow(steps)
    }

    fn teacher_hash(&self) -> Option<String> {
        self.teacher.as_ref().map(Teacher::hash).or(self.request.targets.as_ref().map(|(_, hash)| hash.clone()))
    }

    /// Checks that a run which goes on still has the teacher that it began with.
    ///
    /// # Errors
    /// If it has another one.
    pub fn check_teacher(&self, run: &RunDir, info: &RunInfo) -> Result<()> {
        if info.teacher == self.teacher_hash() {
            return Ok(());
        }
        Err(Error::Config(format!(
            "{}: the run began with another teacher than {} is now (its weights differ): put that one back, or start a new \
             run",
            run.path().display(),
            self.recipe().teacher.as_ref().map_or("none", |t| t.run.as_str())
        )))
    }

    /// Checks that a run which goes on still has the images that it began with.
    ///
    /// # Errors
    /// If it has others; what changed is told.
    pub fn check_data(&self, run: &RunDir, info: &RunInfo) -> Result<()> {
        let fail = |what: String| Err(Error::data(&self.request.recipe.data.path, what));
        if info.data.is_none() {
            if self.request.data.drawn {
                return fail(format!(
                    "the run {} is older than the list of images that runs keep, and its test images were drawn in another \
                     way: some of them would be trained on now; start a new run",
                    run.path().display()
                ));
            }
            return Ok(());
        }
        if info.data.as_deref() == Some(self.manifest.fingerprint()) {
            return Ok(());
        }
        let what = changed(run, info, &self.manifest, &Part::ALL, true)?;
        fail(format!(
            "these are not the images that the run {} began with: {}; put them back as they were, or start a new run",
            run.path().display(),
            what.as_deref().unwrap_or("their order or the classes differ")
        ))
    }

    /// What is validated and tested on.
    pub fn parts(&self) -> Parts {
        Parts::of(&self.request.data, &self.request.recipe)
    }

    /// What the run's record says of where it ran.
    pub fn info(&self) -> RunInfo {
        let parts = self.parts();
        let images = |set: Option<&Arc<Dataset>>| Some(set.map_or(0, |s| s.len()));
        RunInfo {
            recipe: self.request.name.clone(),
            device: self.request.device.name(),
            select: self.request.select.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            mean: self.images.mean.clone(),
            std: self.images.std.clone(),
            teacher: self.teacher_hash(),
            teacher_of: None,
            start_of: None,
            data: Some(self.manifest.fingerprint().into()),
            // What a fitted model tells apart is no class that an image has.
            classes: if self.request.targets.is_some() { Vec::new() } else { self.request.data.train.classes.clone() },
            train_images: Some(self.request.data.train.len()),
            val_images: images(parts.val()),
            test_images: images(parts.test()),
            lengthened: Vec::new(),
            lengthened_at: Vec::new(),
        }
    }

    /// With what the networks are that it learns and starts from.
    fn with_lineage(&self, info: RunInfo) -> Result<RunInfo> {
        let recipe = &self.request.recipe;
        let teacher = recipe.teacher.as_ref().map(|t| Path::new(&t.run));
        let teacher_of = match (recipe.method().teacher(recipe), teacher) {
            (TeacherUse::Network, Some(run)) => Some(lineage(run)?),
            (TeacherUse::Targets, Some(run)) => Some(fitted_lineage(run)?),
            _ => None,
        };
        let start = Some(&recipe.start_from).filter(|start| !start.is_empty());
        Ok(RunInfo { teacher_of, start_of: start.map(|start| lineage(Path::new(start))).transpose()?, ..info })
    }

    /// Takes over the network that the recipe starts from, and makes the directory. One that cannot start leaves none
    /// behind.
    ///
    /// # Errors
    /// If there is no such network, or the directory cannot be made.
    pub fn start(mut self, place: Place) -> Result<Started> {
        // A run that goes on has all that it inherited in its checkpoint: where it came from may be gone.
        let base = Path::new(&self.request.recipe.start_from);
        let inherited = match &place {
            Place::Resumed(run, _) if run.last().is_file() && !exists(base) => None,
            _ => start_from(&self.request.recipe, &self.request.data.train.classes, &mut self.programs)?,
        };
        let (run, lock, resume) = match place {
            Place::New(wanted) => {
                let run = RunDir::create(&wanted, &self.request.recipe, self.with_lineage(self.info())?)?;
                let lock = RunLock::take(&run)?;
                if let Err(e) = run.list_images(&self.manifest, &self.request.data.skipped) {
                    // The first error is the one worth telling.
                    let _ = std::fs::remove_dir_all(run.path());
                    return Err(e);
                }
                (run, lock, false)
            }
            Place::Resumed(run, lock) => {
                // It may have been stopped before the list was written.
                if !run.images().exists() {
                    run.list_images(&self.manifest, &self.request.data.skipped)?;
                }
                (run, lock, true)
            }
        };
        let (.., info) = RunDir::open(run.path())?;
        Ok(Started { prepared: self, run, lock, resume, info, inherited })
    }
}

impl Started {
    /// What is trained.
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// The directory.
    pub fn run(&self) -> &RunDir {
        &self.run
    }

    /// What it started from, as a sentence.
    pub fn inherited(&self) -> Option<&str> {
        self.inherited.as_deref()
    }

    /// Trains until the last epoch is done or `stop` is set.
    ///
    /// # Errors
    /// What goes wrong. If it is the device, it says how the run goes on.
    pub fn fit(self, stop: &AtomicBool, observer: &mut dyn Observer) -> Result<Outcome> {
        let Prepared { request, images, programs, eval_batch, manifest, .. } = self.prepared;
        let fingerprint = manifest.fingerprint().to_string();
        let Request { name, recipe, data, device, targets, exchange, .. } = request;
        let trained = recipe.clone();
        let (begun, resumed, lock) = (self.run.clone(), self.resume, self.lock);
        let job = Job {
            name,
            recipe,
            data,
            device,
            eval_batch,
            fingerprint,
            run: self.run,
            resume: self.resume,
            info: self.info,
            exchange,
            stop,
        };
        let mut outcome = fit(job, programs, observer);
        if let Ok(Outcome::Finished(summary)) = &mut outcome {
            let targets = targets.as_ref().map(|(targets, _)| targets);
            let task = Task { recipe: &trained, images: &images, teacher: None, targets };
            // What cannot ship has no size to tell.
            summary.ships = Ships::of(&task, &Checkpoint::load(&begun.last())?.tensors).ok();
            begun.write_summary(summary)?;
        }
        drop(lock);
        let nothing_done = || Checkpoint::load(&begun.last()).map_or(true, |c| c.position.steps == 0);
        if matches!(outcome, Err(Error::Limit(_) | Error::Io { .. })) && !resumed && nothing_done() {
            // There was no memory, or no room on the disk, for a run that had only begun: it leaves nothing behind. The first error is the one worth
            // telling.
            let _ = std::fs::remove_dir_all(begun.path());
            return outcome;
        }
        outcome.map_err(|e| with_way_on(e, &begun))
    }
}
