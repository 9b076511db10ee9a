//! A run with its network.

use crate::console::text::grouped;
use crate::data::{Dataset, Part, Split, Stats, trained_on};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::experiments::{Which, default_part, part_of};
use crate::methods::{EvaluatedBy, ImageInfo, Task};
use crate::recipe::{DataSpec, EMBEDDED, Recipe, RunInfo};
use crate::train::checkpoint::Checkpoint;
use crate::train::choose::{choose, first_of};
use crate::train::classes::{by_name, missing, only_known};
use crate::train::origin::{self, AsRun};
use crate::train::own_images::check;
use crate::train::programs::Runner;
use crate::train::protocol::feature_programs;
use crate::train::run::RunDir;
use crate::tune::remembered;
use std::path::{Path, PathBuf};

/// A run with a checkpoint, and images to test it on.
pub struct TrainedRun {
    /// The directory.
    pub run: RunDir,
    /// What it was trained by.
    pub recipe: Recipe,
    /// Where it ran.
    pub info: RunInfo,
    /// The checkpoint's file.
    pub path: PathBuf,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The images; `test` is the part that is asked for, whichever it is.
    pub data: Split,
    /// Which part that is; `None` for all images of a set that has no parts.
    pub part: Option<Part>,
    /// What the network must know of them: normalised as in training.
    pub images: ImageInfo,
    /// What is to be said of the images.
    pub notes: Vec<String>,
}

/// Where the weights are from: a directory, its settings, where it ran, the checkpoint's file and the checkpoint.
type Source = (RunDir, Recipe, RunInfo, PathBuf, Checkpoint);

/// Which run, which of its checkpoints, and which images.
#[derive(Clone, Copy)]
pub struct Opening<'a> {
    /// The run directory, or a file of weights made elsewhere.
    pub run: &'a Path,
    /// Unless given, the checkpoint that stands for the run.
    pub which: Option<Which>,
    /// In place of the run's own images.
    pub data: Option<&'a Path>,
    /// Unless given, what [`default_part`] says.
    pub part: Option<Part>,
    /// Whether it is the network's own classes that are compared with labels, and not features.
    pub by_class: bool,
    /// Whether other images that have no parts are taken as a whole, because nothing was trained on them.
    pub whole: bool,
    /// Settings of a file of weights; a run has its own.
    pub settings: &'a [String],
    /// What of the run's own images must be as it was when the run began.
    pub own: Own,
}

/// What of a run's own images must be as it was when it began, so that a number passes for the run's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// The part that is looked at; where neighbours in the training images are asked, these too.
    Part,
    /// That part and the training images.
    AndTraining,
    /// Nothing: the run was trained on some images of a set, which whoever opens it has drawn.
    Drawn,
}

impl TrainedRun {
    /// One of its checkpoints, unless given that which stands for the run; `data` in place of the run's own images, if given.
    ///
    /// # Errors
    /// If there is no such run or checkpoint, there are no images of the part, they have not the channels of the run's, or are of
    /// other classes.
    pub fn open(run: &Path, which: impl Into<Option<Which>>, data: Option<&Path>) -> Result<TrainedRun> {
        let (by_class, whole, settings, own) = (false, false, &[][..], Own::AndTraining);
        Opening { run, which: which.into(), data, part: None, by_class, whole, settings, own }.open()
    }
}

impl Opening<'_> {
    /// As [`TrainedRun::open`].
    ///
    /// # Errors
    /// Likewise.
    pub fn open(self) -> Result<TrainedRun> {
        let mut notes = Vec::new();
        let (outputs, (run, mut recipe, info, path, checkpoint)) = match origin::is_file(self.run) {
            true => self.of_file(&mut notes).map(|(outputs, of)| (Some(outputs), of))?,
            false => (None, self.of_run()?),
        };
        let own_classes = recipe.data.classes.clone();
        let by_neighbours = recipe.method().evaluated_by(&recipe) == EvaluatedBy::Neighbours;
        let by_class = self.by_class && !by_neighbours;
        let mut known = if by_class { &info.classes[..] } else { &[] };
        if let Some(data) = self.data {
            recipe.data.path = data.display().to_string();
            // What of them is held out is decided by a run that trains on them.
            recipe.data.hold_out = 0.0;
            if !known.is_empty() {
                // Numbers of classes are those of the run's own images.
                recipe.data.classes.clear();
            }
        }
        let (mut data, whole) = self.images(&mut recipe, &info, &run)?;
        // Names that came with weights are those of their own images, which others may call otherwise.
        if outputs.is_some() && !data.test.classes.iter().all(|class| known.contains(class)) {
            known = &[];
        }
        if whole {
            notes.push("the set has no parts: all of it is tested on".into());
        } else if let (Some(n), true) = (recipe.data.test_images, self.data.is_some())
            && data.test.len() == n
        {
            notes
                .push(format!("the run's data.test_images = {n} holds here too: {n} of the test images are tested on"));
        }
        // As the run lists them, before classes are numbered as its network has them.
        let opened = data.clone();
        if !known.is_empty() {
            if self.data.is_some() && !own_classes.is_empty() {
                let (some, left_out) = only_known(&data, known);
                // Where none is left, the lists of names tell why.
                let none = some.train.is_empty() && some.val.is_empty() && some.test.is_empty();
                data = if none { data } else { some };
                if left_out > 0 && !none {
                    notes
                        .push(format!("{left_out} images of other classes than the run's are left out (data.classes)"));
                }
            }
            data = by_name(&data, known, &recipe.data.path)?;
        }
        let part = (!whole).then(|| self.part.unwrap_or_else(|| default_part(&data, recipe.data.hold_out)));
        if let Some(part) = part {
            data.test = part_of(&data, part)?.clone();
        }
        if let (None, Some(part), true) = (self.data, part, self.own != Own::Drawn) {
            let with_training = self.own == Own::AndTraining || (self.by_class && by_neighbours);
            let parts = [Part::Train, part];
            let parts = if with_training && part != Part::Train { &parts[..] } else { &parts[1..] };
            check(&run, &recipe, &info, &opened, parts)?;
            if info.data.is_none() {
                notes.push(format!(
                    "{} keeps no fingerprint of its images: whether these are those that it began with is not known",
                    run.path().display()
                ));
            }
        }
        if let (Some(outputs), true) = (outputs, self.by_class) {
            self.check_outputs(outputs, &data.test)?;
            if known.is_empty() {
                notes.push("its classes are taken for the images' classes in their order".into());
            }
        }
        notes.extend(by_class.then(|| missing(&data.test)).flatten());
        let stats = Stats { mean: info.mean.clone(), std: info.std.clone() };
        let images = ImageInfo::normalised(&data, &stats);
        info.check_normalization(Some(images.extents[2])).map_err(|e| Error::data(run.config_path(), e.to_string()))?;
        Ok(TrainedRun { run, recipe, info, path, checkpoint, data, part, images, notes })
    }

    fn of_run(&self) -> Result<Source> {
        let (run, recipe, info) = RunDir::open(self.run)?;
        if let Some(setting) = self.settings.first() {
            return Err(Error::data(
                self.run,
                format!("--set {setting}: a run has its settings; only a file of weights wants some"),
            ));
        }
        let path = match self.which {
            None => run.chosen(&info)?,
            Some(Which::Last) => run.last(),
            Some(Which::Best) => run.best(),
        };
        let checkpoint = run.checkpoint(&path, &recipe, &info)?;
        Ok((run, recipe, info, path, checkpoint))
    }

    /// Weights made elsewhere, and how many outputs their network has.
    fn of_file(&self, notes: &mut Vec<String>) -> Result<(usize, Source)> {
        let fail = |what: &str| Err(Error::data(self.run, what));
        if self.which.is_some() {
            return fail("--checkpoint is for run directories: a file of weights is one");
        }
        if self.data.is_none() {
            return fail("a file of weights has no images of its own: name them with --data PATH");
        }
        let AsRun { recipe, info, checkpoint, classes, notes: said } = AsRun::open(self.run, self.settings)?;
        notes.extend(said);
        Ok((classes, (RunDir::at(self.run), recipe, info, self.run.to_path_buf(), checkpoint)))
    }

    /// That a network without names of classes has as many of them as the images.
    fn check_outputs(&self, outputs: usize, test: &Dataset) -> Result<()> {
        match test.classes.len() {
            _ if outputs == 0 => {
                let what =
                    "its network ends in features, and not in a linear layer of classes: there is nothing to test";
                Err(Error::data(self.run, what))
            }
            n if n == outputs => Ok(()),
            n => Err(Error::data(
                self.run,
                format!("its network tells {outputs} classes apart, and the images have {n}"),
            )),
        }
    }

    /// The images, and whether they are a set without parts that is taken as a whole, in place of the test part.
    fn images(&self, recipe: &mut Recipe, info: &RunInfo, run: &RunDir) -> Result<(Split, bool)> {
        let other = self.data.is_some();
        if self.whole && other && self.part.is_none() && recipe.data.path != EMBEDDED {
            let as_one = DataSpec { test: 0.0, val: 0.0, train_images: None, label_share: 1.0, ..recipe.data.clone() };
            let mut split = as_one.open()?;
            if let Some(channels) = other_channels(&as_one, &split, info) {
                split = DataSpec { channels: Some(channels), ..as_one }.open()?;
            }
            let list = run.images();
            let has_seen = || -> Result<bool> {
                let table = std::fs::read(&list).map_err(Error::io(&list, "read"))?;
                Ok(trained_on(&table, &list, &split.train)? > 0)
            };
            if split.drawn && !(list.exists() && has_seen()?) {
                split.notes.retain(|note| !note.contains("of its own: drawn by names"));
                let none = split.train.select(&[]);
                split = Split { test: split.train, train: none.clone().into(), val: none.into(), ..split };
                return Ok((split, true));
            }
        }
        let mut split = recipe.open_images()?;
        if other {
            // Grey becomes colour, or colour grey.
            if let Some(channels) = other_channels(&recipe.data, &split, info) {
                let was = split.test.c;
                recipe.data.channels = Some(channels);
                split = recipe.open_images()?;
                split.notes.push(format!(
                    "images of {was} channels are made into ones of {channels}, which the network takes"
                ));
            }
        }
        Ok((split, false))
    }
}

/// How many images, and of which part: of the whole set where it has none.
pub fn counted(part: Option<Part>, n: usize) -> String {
    let n = grouped(n as u64);
    part.map_or(format!("{n} images, all of the set"), |part| format!("{n} {} images", part.word()))
}

/// The channels that images must be brought to for a run's network, if they have others.
fn other_channels(spec: &DataSpec, split: &Split, info: &RunInfo) -> Option<usize> {
    let wanted = info.mean.len();
    (spec.path != EMBEDDED && split.test.c != wanted && matches!(wanted, 1 | 3)).then_some(wanted)
}

/// The device of that selector, else the one that a run ran on, with the kernels that were found to be the fastest there.
pub fn device_of(select: Option<&str>, info: &RunInfo) -> Result<Device> {
    Ok(match choose(select.unwrap_or(first_of(&info.select)))?.device {
        Device::Gpu(gpu) => Device::Gpu(remembered(&gpu, false)),
        cpu => cpu,
    })
}

/// What makes features, with a run's weights; and its batch.
pub fn extractor(run: &TrainedRun, device: &Device) -> Result<(Runner, usize)> {
    let task = Task { recipe: &run.recipe, images: &run.images, teacher: None, targets: None };
    let (programs, batch) = feature_programs(&task, device)?;
    let mut runner = Runner::load(programs, device, run.recipe.seed)?;
    runner.restore(&run.checkpoint, &run.path)?;
    Ok((runner, batch))
}
