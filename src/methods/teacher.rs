//! A trained network that another one learns from. In graphs its leaves are states below
//! `teacher.`: no optimiser sees them, checkpoints leave them out.

use super::projector::{Life, Projector};
use super::task::{ImageInfo, TEACHER};
use crate::error::{Error, Result};
use crate::graph::{Graph, Value};
use crate::hash::fnv1a;
use crate::nn::{Mode, NetSpec, Network};
use crate::tensor::HostTensor;
use std::collections::HashMap;

/// Scope of a teacher's leaves.
const SCOPE: &str = "teacher";

/// A trained network.
#[derive(Clone, Debug)]
pub struct Teacher {
    /// The run directory, or what stands for it.
    pub name: String,
    /// Its description.
    pub net: NetSpec,
    /// The head that it was trained with without labels, if it was.
    pub head: Option<Projector>,
    /// Its parameters and statistics, without the scope; none for an untrained one.
    pub tensors: HashMap<String, HostTensor>,
    /// Mean of each channel that its images were normalised with.
    pub mean: Vec<f32>,
    /// Standard deviation likewise.
    pub std: Vec<f32>,
}

impl Teacher {
    /// Appends the teacher's network.
    ///
    /// # Errors
    /// If its classes or its images are not those of the student.
    pub fn network(&self, g: &mut Graph, x: Value, images: &ImageInfo) -> Result<Network> {
        if let Some(fc) = self.tensors.get("fc.weight")
            && fc.shape()[0] != images.classes
        {
            return Err(Error::Config(format!(
                "the teacher {} tells {} classes apart, the images have {}",
                self.name,
                fc.shape()[0],
                images.classes
            )));
        }
        self.build(g, x, images, images.classes, Mode::Fixed)
    }

    /// Appends the teacher's network without its last layer, in [`Mode::Fixed`] or [`Mode::FixedBatch`].
    ///
    /// # Errors
    /// If its images are not those of the student.
    pub fn features(&self, g: &mut Graph, x: Value, images: &ImageInfo, mode: Mode) -> Result<Network> {
        self.build(g, x, images, 0, mode)
    }

    /// What its head makes of its features, of length 1.
    ///
    /// # Errors
    /// If its run has no such head.
    pub(super) fn point(&self, g: &mut Graph, head: &Projector, features: Value) -> Result<Value> {
        let y = g.scoped(SCOPE, |g| head.append(g, "head", features, Life::Stored))?;
        self.check(g)?;
        g.l2_normalize(y, 1e-12)
    }

    fn build(&self, g: &mut Graph, x: Value, images: &ImageInfo, classes: usize, mode: Mode) -> Result<Network> {
        let same = |a: &[f32], b: &[f32]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        let normalised_alike = same(&self.mean, &images.mean) && same(&self.std, &images.std);
        if !self.tensors.is_empty() && !normalised_alike {
            return Err(Error::Config(format!(
                "the teacher {} saw images normalised with mean {:?} and deviation {:?}, this run has {:?} and {:?}: set \
                 augment.normalize to the same in both",
                self.name, self.mean, self.std, images.mean, images.std
            )));
        }
        let net = g.scoped(SCOPE, |g| self.net.network(g, x, classes, mode, None))?;
        self.check(g)?;
        Ok(net)
    }

    /// Whatever the run holds must fit its leaves in a graph, or half of the teacher would stay random.
    ///
    /// # Errors
    /// Naming the first leaf that the run lacks or has in another shape.
    pub fn check(&self, g: &Graph) -> Result<()> {
        for v in g.states().into_iter().filter(|_| !self.tensors.is_empty()) {
            let Some(name) = g.name(v).strip_prefix(TEACHER) else { continue };
            let found = self.tensors.get(name).map(|t| t.shape().to_string());
            if found.as_deref() != Some(&g.shape(v).to_string()) {
                return Err(Error::Config(format!(
                    "the teacher {}: {name} should be {}, its checkpoint has {}",
                    self.name,
                    g.shape(v),
                    found.unwrap_or("none".into())
                )));
            }
        }
        Ok(())
    }

    /// Mean and deviation of each channel that its images were normalised with; nothing for an untrained one.
    pub fn normalization(&self) -> Option<(&[f32], &[f32])> {
        (!self.tensors.is_empty()).then_some((&self.mean, &self.std))
    }

    /// Content of the leaves that [`Teacher::network`] makes.
    pub fn given(&self) -> HashMap<String, HostTensor> {
        self.tensors.iter().map(|(name, t)| (format!("{TEACHER}{name}"), t.clone())).collect()
    }

    /// A number that changes with the weights (FNV-1a), to notice that a run goes on with another teacher.
    pub fn hash(&self) -> String {
        let mut names: Vec<&String> = self.tensors.keys().collect();
        names.sort_unstable();
        let words = names.into_iter().flat_map(|n| self.tensors[n].words());
        format!("{:016x}", fnv1a(words.copied()))
    }
}
