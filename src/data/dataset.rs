//! A set of images, and its parts.

use super::Stats;
use super::images::Images;
use super::index::{LeftOut, Manifest, Origin};
use super::stats::Sums;
use crate::error::{Error, Result};
use crate::memory;
use rayon::prelude::*;
use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Images with their labels, which come out at one size.
#[derive(Clone, PartialEq, Debug)]
pub struct Dataset {
    /// What people call it: "MNIST", "Fashion-MNIST (embedded)", or the name of the folder.
    pub name: String,
    /// The pixels: in memory, or as files that are decoded when they are asked for.
    pub images: Images,
    /// Height in pixels.
    pub h: usize,
    /// Width in pixels.
    pub w: usize,
    /// Channels: 1 (grey) or 3 (red, green, blue).
    pub c: usize,
    /// The class of each image, an index into `classes`; `None` for an unlabelled set.
    pub labels: Option<Vec<u32>>,
    /// Class names by label; empty if nothing is known of classes.
    pub classes: Vec<String>,
    /// Where each image came from; `None` for images that were made in memory.
    pub origins: Option<Vec<Origin>>,
}

impl Dataset {
    /// Number of images.
    pub fn len(&self) -> usize {
        match &self.images {
            Images::Decoded(pixels) => pixels.len().checked_div(self.image_bytes()).unwrap_or(0),
            Images::Encoded(files) => files.len(),
        }
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of one image: `h * w * c`.
    pub fn image_bytes(&self) -> usize {
        self.h * self.w * self.c
    }

    /// Whether random crops see whole originals, of the sizes that they have in their files, and not what is left of them
    /// once they are `h` x `w`.
    pub fn crops_originals(&self) -> bool {
        matches!(&self.images, Images::Encoded(files) if files.crops())
    }

    /// The pixels of image `i`, HWC.
    ///
    /// # Errors
    /// If its file cannot be read.
    ///
    /// # Panics
    /// If there are not that many images.
    pub fn image(&self, i: usize) -> Result<Cow<'_, [u8]>> {
        match &self.images {
            Images::Decoded(pixels) => Ok(pixels[i * self.image_bytes()..][..self.image_bytes()].into()),
            Images::Encoded(files) => Ok(files.covered(i, [self.h, self.w])?.into()),
        }
    }

    /// The pixels of all images, one after the other.
    ///
    /// # Errors
    /// If a file cannot be read, or they do not fit in memory.
    pub fn pixels(&self) -> Result<Cow<'_, [u8]>> {
        let Images::Encoded(files) = &self.images else { return Ok(self.decoded().into()) };
        let bytes = self.len() * self.image_bytes();
        memory::check(bytes as u64).map_err(|e| {
            Error::Config(format!(
                "{}: {} images of {}x{}x{} take {e}: give a smaller size with --set data.size=[H,W]",
                self.name,
                self.len(),
                self.h,
                self.w,
                self.c
            ))
        })?;
        let mut pixels = vec![0; bytes];
        pixels.par_chunks_exact_mut(self.image_bytes()).enumerate().try_for_each(|(i, out)| -> Result<()> {
            out.copy_from_slice(&files.covered(i, [self.h, self.w])?);
            Ok(())
        })?;
        Ok(pixels.into())
    }

    /// The pixels of a set that is decoded; nothing of one that is not.
    pub(super) fn decoded(&self) -> &[u8] {
        match &self.images {
            Images::Decoded(pixels) => pixels,
            Images::Encoded(_) => &[],
        }
    }

    /// The images at `indices`, in that order, as a set of their own.
    ///
    /// # Panics
    /// If an index is past the last image.
    pub fn select(&self, indices: &[u32]) -> Dataset {
        let images = match &self.images {
            Images::Encoded(files) => Images::Encoded(files.select(indices)),
            Images::Decoded(all) => {
                let bytes = self.image_bytes();
                let mut pixels = Vec::with_capacity(indices.len() * bytes);
                indices.iter().for_each(|&i| pixels.extend_from_slice(&all[i as usize * bytes..][..bytes]));
                pixels.into()
            }
        };
        let labels = self.labels.as_ref().map(|l| indices.iter().map(|&i| l[i as usize]).collect());
        let origins = self.origins.as_ref().map(|o| indices.iter().map(|&i| o[i as usize].clone()).collect());
        Dataset { images, labels, origins, name: self.name.clone(), classes: self.classes.clone(), ..*self }
    }

    /// The images of some classes, which are numbered anew in the order given.
    ///
    /// # Errors
    /// [`Error::Config`] if the set has no labels, or a number is no class or stands twice.
    pub fn of_classes(&self, wanted: &[usize]) -> Result<Dataset> {
        let fail = |m: String| Err(Error::Config(format!("{}: {m}", self.name)));
        let Some(labels) = &self.labels else {
            return fail("classes cannot be chosen from a set without labels".into());
        };
        for (i, class) in wanted.iter().enumerate() {
            if *class >= self.classes.len() || wanted[..i].contains(class) {
                return fail(format!(
                    "class {class} is chosen twice or is none: the classes are 0 to {}, each once",
                    self.classes.len() as i64 - 1
                ));
            }
        }
        let place = |label: u32| wanted.iter().position(|w| *w == label as usize);
        let indices: Vec<u32> = (0..self.len() as u32).filter(|i| place(labels[*i as usize]).is_some()).collect();
        let mut some = self.select(&indices);
        let relabelled = indices.iter().filter_map(|i| place(labels[*i as usize])).map(|p| p as u32);
        some.labels = Some(relabelled.collect());
        some.classes = wanted.iter().map(|c| self.classes[*c].clone()).collect();
        Ok(some)
    }

    /// Images of each class, by label; empty for an unlabelled set.
    pub fn class_counts(&self) -> Vec<usize> {
        let Some(labels) = &self.labels else { return Vec::new() };
        let mut counts = vec![0; self.classes.len()];
        labels.iter().for_each(|&l| counts[l as usize] += 1);
        counts
    }

    /// Mean and standard deviation of each channel over all pixels; of more than [`STATS_IMAGES`] images over so many, evenly
    /// taken. They are the same wherever the pixels are.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn stats(&self) -> Result<Stats> {
        let n = self.len().min(STATS_IMAGES);
        if let Images::Decoded(pixels) = &self.images
            && n == self.len()
        {
            return Ok(Stats::of(pixels, self.c));
        }
        let one = |i: usize| Ok(Sums::of(&self.image(i * self.len() / n)?, self.c));
        let sums = (0..n).into_par_iter().map(one).try_reduce(|| Sums::zero(self.c), |a, b| Ok(a.plus(b)));
        Ok(sums?.stats())
    }

    /// Checks that the parts of the set fit together; `path` is what the error names.
    ///
    /// # Errors
    /// If pixels do not make whole images, labels are not one an image, or a label has no class.
    pub fn check(&self, path: &Path) -> Result<()> {
        let (bytes, held) = (self.image_bytes(), self.decoded().len());
        if !(bytes == 0 && held == 0) && (bytes == 0 || !held.is_multiple_of(bytes)) {
            return Err(Error::data(
                path,
                format!("{held} bytes are not whole images of {}x{}x{}", self.h, self.w, self.c),
            ));
        }
        let Some(labels) = &self.labels else { return Ok(()) };
        if labels.len() != self.len() {
            return Err(Error::data(
                path,
                format!("{} images but {} labels: there must be one label an image", self.len(), labels.len()),
            ));
        }
        if let Some(i) = labels.iter().position(|&l| l as usize >= self.classes.len()) {
            return Err(Error::data(path, out_of_range(i, labels[i], self.classes.len())));
        }
        Ok(())
    }
}

/// Images that tell the mean and the deviation of a larger set. All of MNIST and CIFAR, and half a minute of decoding where
/// they are in files.
pub const STATS_IMAGES: usize = 1 << 16;

/// The sentence about a label that no class answers to.
pub(super) fn out_of_range(image: usize, label: u32, classes: usize) -> String {
    format!(
        "the label of image {image} is {label}, out of the range 0..={} of {classes} classes: the file is damaged or \
         of another data set",
        classes.saturating_sub(1)
    )
}

impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} images, {}x{}x{}, ", self.name, self.len(), self.h, self.w, self.c)?;
        match &self.labels {
            Some(_) => write!(f, "{} classes", self.classes.len()),
            None => f.write_str("unlabelled"),
        }
    }
}

/// The parts of a set: same image size, same classes.
#[derive(Clone, PartialEq, Debug)]
pub struct Split {
    /// What is learned from. Empty if the path held a test part only.
    pub train: Arc<Dataset>,
    /// What is chosen by; nothing is trained on it. Empty if there is none. Where a set has no test part, `test` is the same
    /// `Arc`.
    pub val: Arc<Dataset>,
    /// What is tested on. Empty if the share that was asked for comes to no image.
    pub test: Arc<Dataset>,
    /// What a reader should know of where the parts come from: batches that are missing, files left out, a split that
    /// was drawn.
    pub notes: Vec<String>,
    /// Whether parts were drawn by the program, and are not the set's own.
    pub drawn: bool,
    /// What is there and not in the set.
    pub left_out: LeftOut,
    /// Images that could not be read and were left out because the options say so: path and reason of each.
    pub skipped: Vec<(String, String)>,
}

impl Split {
    /// A set of two parts.
    pub fn new(train: impl Into<Arc<Dataset>>, test: impl Into<Arc<Dataset>>) -> Split {
        let train = train.into();
        let (val, test) = (train.select(&[]).into(), test.into());
        let (notes, left_out, skipped) = (Vec::new(), LeftOut::default(), Vec::new());
        Split { train, val, test, notes, drawn: false, left_out, skipped }
    }

    /// Name, class, part, size and checksum of every image.
    pub fn manifest(&self) -> Manifest {
        Manifest::of(self)
    }

    /// Name of the set.
    pub fn name(&self) -> &str {
        &self.train.name
    }

    /// Mean and standard deviation a channel to normalise with: the ones everybody uses if the set is a known one
    /// ([`Stats::known`]), else those of the training part (of the test part if there is no training part).
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn normalization(&self) -> Result<Stats> {
        let part = if self.train.is_empty() { &self.test } else { &self.train };
        match Stats::known(&part.name).filter(|s| s.mean.len() == part.c) {
            Some(known) => Ok(known),
            None => part.stats(),
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let d = if self.train.is_empty() { &self.test } else { &self.train };
        write!(f, "{}: {} train, ", d.name, self.train.len())?;
        if !self.val.is_empty() && !Arc::ptr_eq(&self.val, &self.test) {
            write!(f, "{} val, ", self.val.len())?;
        }
        write!(f, "{} test, {}x{}x{}, ", self.test.len(), d.h, d.w, d.c)?;
        let unlabelled = |part: &Dataset| !part.is_empty() && part.labels.is_none();
        let classes = self.train.classes.len().max(self.test.classes.len());
        match (unlabelled(&self.train), unlabelled(&self.test)) {
            (false, false) => write!(f, "{classes} classes")?,
            (true, false) if !self.test.is_empty() => write!(f, "{classes} classes, training part unlabelled")?,
            (false, true) if !self.train.is_empty() => write!(f, "{classes} classes, test part unlabelled")?,
            _ => f.write_str("unlabelled")?,
        }
        if !self.notes.is_empty() {
            write!(f, " ({})", self.notes.join("; "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn tiny(n: usize) -> Dataset {
        Dataset {
            name: "tiny".into(),
            images: (0..n * 6).map(|i| i as u8).collect::<Vec<u8>>().into(),
            h: 2,
            w: 1,
            c: 3,
            labels: Some((0..n as u32).map(|i| i % 2).collect()),
            classes: vec!["a".into(), "b".into()],
            origins: None,
        }
    }

    #[test]
    fn select_takes_images_and_labels_together() {
        let d = tiny(5).select(&[3, 0]);
        assert_eq!(d.len(), 2);
        assert_eq!(d.decoded(), [18, 19, 20, 21, 22, 23, 0, 1, 2, 3, 4, 5]);
        assert_eq!(d.labels, Some(vec![1, 0]));
        assert_eq!(d.class_counts(), [1, 1]);
        assert_eq!(d.to_string(), "tiny: 2 images, 2x1x3, 2 classes");
        let odd = tiny(5).of_classes(&[1]).unwrap();
        assert_eq!((odd.len(), odd.labels, odd.classes.len()), (2, Some(vec![0, 0]), 1));
        assert_eq!(tiny(5).of_classes(&[1, 0]).unwrap().labels, Some(vec![1, 0, 1, 0, 1]));
        assert!(tiny(5).of_classes(&[2]).unwrap_err().to_string().contains("class 2"));
    }

    #[test]
    fn check_names_what_does_not_fit() {
        let path = Path::new("some/file");
        tiny(4).check(path).unwrap();
        let mut d = tiny(4);
        d.labels.as_mut().unwrap()[2] = 7;
        let message = d.check(path).unwrap_err().to_string();
        assert!(message.contains("some/file") && message.contains("image 2 is 7") && message.contains("0..=1"));
        d.labels = Some(vec![0; 3]);
        assert!(d.check(path).unwrap_err().to_string().contains("4 images but 3 labels"));
        d.images = vec![0; 23].into();
        assert!(d.check(path).unwrap_err().to_string().contains("23 bytes"));
    }

    #[test]
    fn a_split_sums_itself_up() {
        let split = Split { notes: vec!["half is missing".into()], ..Split::new(tiny(4), tiny(1)) };
        assert_eq!(split.to_string(), "tiny: 4 train, 1 test, 2x1x3, 2 classes (half is missing)");
        let three = Split { val: Arc::new(tiny(2)), ..Split::new(tiny(4), tiny(1)) };
        assert_eq!(three.to_string(), "tiny: 4 train, 2 val, 1 test, 2x1x3, 2 classes");
        let only_val = Split { val: three.test.clone(), ..three };
        assert_eq!(only_val.to_string(), "tiny: 4 train, 1 test, 2x1x3, 2 classes");
        let unlabelled = Dataset { labels: None, classes: vec![], ..tiny(2) };
        let split = |train: &Dataset, test: &Dataset| Split::new(train.clone(), test.clone()).to_string();
        assert_eq!(split(&unlabelled, &tiny(1)), "tiny: 2 train, 1 test, 2x1x3, 2 classes, training part unlabelled");
        assert_eq!(split(&tiny(1), &unlabelled), "tiny: 1 train, 2 test, 2x1x3, 2 classes, test part unlabelled");
        assert_eq!(split(&unlabelled, &unlabelled.select(&[])), "tiny: 2 train, 0 test, 2x1x3, unlabelled");
        assert_eq!(split(&tiny(0), &tiny(1)), "tiny: 0 train, 1 test, 2x1x3, 2 classes");
    }
}
