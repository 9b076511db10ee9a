//! Layers one after the other. Fitting a layer and predicting with it are the same: points are assigned to centres, which
//! are some of the points that the model was fitted to.

use super::assigner::{Kind, LayerProgram};
use super::choice::{Choice, choice, share_of};
use super::codes::{Codes, packed};
use super::output::Output;
use super::spec::{MbnSpec, Sampling, Similarity};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::features::Rows;
use crate::ops::cluster::{MostShared, NEAR_TIE, NOT_SAMPLED};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// A multilayer bootstrap network, or as many layers of it as there are yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The settings, all numbers given.
    pub spec: MbnSpec,
    /// Decides everything that is drawn.
    pub seed: u64,
    /// The points that it was fitted to, and that its centres are drawn from.
    pub points: Rows,
    /// What each layer made of them.
    pub codes: Vec<Codes>,
    /// What each layer took.
    pub work: Vec<Work>,
    /// What is made of the last layer's codes.
    pub output: Option<Output>,
}

/// What a layer took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// Centres of a clustering.
    pub k: usize,
    /// Seconds, on the clock.
    pub seconds: f64,
    /// Seconds in which the device worked.
    pub device_seconds: f64,
    /// Operations of the formula: multiply-adds count two in layer 1, comparisons one in the layers above.
    pub operations: f64,
    /// Assignments that rounding could decide otherwise; none above layer 1.
    pub near_ties: u64,
}

/// Where fitting or predicting stands.
#[derive(Clone, Copy, Debug)]
pub struct FitProgress {
    /// The layer, from 0.
    pub layer: usize,
    /// Layers there will be.
    pub layers: usize,
    /// Centres of its clusterings.
    pub k: usize,
    /// Clusterings done.
    pub done: usize,
    /// Clusterings of a layer.
    pub clusterings: usize,
}

/// Who is told, and who may stop it.
pub struct Watch<'a> {
    /// Set from outside to end soon.
    pub stop: &'a AtomicBool,
    /// Is told of progress.
    pub told: &'a mut dyn FnMut(FitProgress),
}

/// The points that a layer assigns.
#[derive(Clone, Copy)]
enum Input<'a> {
    Points(&'a Rows),
    Codes(&'a Codes),
}

impl Input<'_> {
    fn n(&self) -> usize {
        match self {
            Input::Points(rows) => rows.n(),
            Input::Codes(codes) => codes.n(),
        }
    }

    fn words(&self, range: Range<usize>) -> Vec<u32> {
        match self {
            Input::Points(rows) => {
                bytemuck::cast_slice(&rows.data()[range.start * rows.d()..range.end * rows.d()]).to_vec()
            }
            Input::Codes(codes) => packed(range.map(|i| codes.row(i))),
        }
    }
}

impl Model {
    /// A model without layers.
    ///
    /// # Errors
    /// If the settings do not go with the points, or all points are equal.
    pub fn new(spec: &MbnSpec, seed: u64, points: Rows, classes: usize) -> Result<Model> {
        let spec = spec.resolved(points.n(), classes)?;
        if points.n() < 2 || points.rows().all(|row| row == points.row(0)) {
            return Err(Error::Config(format!(
                "all {} points are equal: there is nothing to tell apart (are the images constant?)",
                points.n()
            )));
        }
        Ok(Model { spec, seed, points, codes: Vec::new(), work: Vec::new(), output: None })
    }

    /// Layers that are still to be fitted.
    pub fn missing(&self) -> usize {
        self.spec.layers.len() - self.codes.len()
    }

    /// What clustering `clustering` of layer `layer` has drawn.
    pub fn choice(&self, layer: usize, clustering: usize) -> Choice {
        let (places, below) = match layer {
            0 => (self.points.d(), 0),
            l => (self.spec.clusterings, self.spec.layers[l - 1]),
        };
        let n = (self.points.n(), self.spec.layers[layer]);
        let sampled = (self.spec.share, self.spec.sampling);
        choice(self.seed, [layer, clustering], n, (places, below), sampled)
    }

    /// Variables or clusterings below that a clustering of a layer looks at.
    fn seen(&self, layer: usize) -> usize {
        match (layer, self.spec.sampling) {
            (0, _) => share_of(self.points.d(), self.spec.share),
            (_, Sampling::Blocks) => share_of(self.spec.clusterings, self.spec.share),
            (_, Sampling::Dimensions) => self.spec.clusterings,
        }
    }

    /// Bytes that fitting and predicting keep: points and codes here, buffers on the device.
    pub fn planned_bytes(&self, device: &Device) -> Result<usize> {
        let codes = 2 * self.points.n() * self.spec.clusterings * self.spec.layers.len();
        let buffers = [0, 1].into_iter().filter(|l| *l < self.spec.layers.len());
        let buffers = buffers.map(|l| Ok(self.program(device, l, self.points.n())?.bytes()));
        let largest = buffers.collect::<Result<Vec<_>>>()?.into_iter().max().unwrap_or(0);
        Ok(4 * self.points.data().len() + codes + largest)
    }

    /// Fits the next layer. False if it was stopped: then there is none.
    pub fn grow(&mut self, device: &Device, watch: &mut Watch<'_>) -> Result<bool> {
        let layer = self.codes.len();
        let input = match layer {
            0 => Input::Points(&self.points),
            l => Input::Codes(&self.codes[l - 1]),
        };
        let Some((codes, work)) = self.assign(device, layer, input, watch)? else { return Ok(false) };
        self.codes.push(codes);
        self.work.push(work);
        Ok(true)
    }

    /// What every layer makes of other points, and what it took; `None` if it was stopped.
    ///
    /// # Errors
    /// If they are not of the kind that the model was fitted to.
    pub fn codes_of(
        &self,
        points: &Rows,
        device: &Device,
        watch: &mut Watch<'_>,
    ) -> Result<Option<(Vec<Codes>, Vec<Work>)>> {
        if points.d() != self.points.d() {
            return Err(Error::Config(format!(
                "these points have {} numbers, those that the model was fitted to {}: give images of the same size, or \
                 features of the same network",
                points.d(),
                self.points.d()
            )));
        }
        let (mut all, mut took): (Vec<Codes>, Vec<Work>) = Default::default();
        for layer in 0..self.codes.len() {
            let input = all.last().map_or(Input::Points(points), Input::Codes);
            let Some((codes, work)) = self.assign(device, layer, input, watch)? else { return Ok(None) };
            all.push(codes);
            took.push(work);
        }
        Ok(Some((all, took)))
    }

    fn program(&self, device: &Device, layer: usize, n: usize) -> Result<LayerProgram> {
        let (kind, row) = match layer {
            0 => (Kind::Nearest, self.points.d()),
            _ => {
                let euclidean = self.spec.similarity == Similarity::Euclidean;
                (Kind::MostShared(MostShared { ties: self.spec.ties, euclidean }), self.spec.clusterings)
            }
        };
        let (k, clusterings) = (self.spec.layers[layer], self.spec.clusterings);
        LayerProgram::new(device, kind, n, row, self.seen(layer), k, clusterings)
    }

    fn assign(
        &self,
        device: &Device,
        layer: usize,
        input: Input<'_>,
        watch: &mut Watch<'_>,
    ) -> Result<Option<(Codes, Work)>> {
        let start = Instant::now();
        let (n, v, k) = (input.n(), self.spec.clusterings, self.spec.layers[layer]);
        let mut assigner = self.program(device, layer, n)?.load(device)?;
        let mut codes = Codes::zeros(n, v);
        let (mut near_ties, mut done) = (0, 0);
        let told = &mut *watch.told;
        let mut found = |clustering: usize, first: usize, numbers: &[u32]| {
            near_ties += numbers.iter().filter(|a| **a & NEAR_TIE != 0).count() as u64;
            codes.set(clustering, first, numbers.iter().map(|a| (a & !NEAR_TIE) as u16));
            done += numbers.len();
            let layers = self.spec.layers.len();
            told(FitProgress { layer, layers, k, done: done / n.max(1), clusterings: v });
        };
        let centres = |clustering: usize| self.centres(layer, clustering);
        let finished = assigner.run(n, v, &|range| input.words(range), &centres, watch.stop, &mut found)?;
        let each = if layer == 0 { 2.0 } else { 1.0 };
        let work = Work {
            k,
            seconds: start.elapsed().as_secs_f64(),
            device_seconds: assigner.spent.as_secs_f64(),
            operations: each * n as f64 * k as f64 * self.seen(layer) as f64 * v as f64,
            near_ties,
        };
        Ok(finished.then_some((codes, work)))
    }

    /// The places of a clustering, and the words of its centres.
    fn centres(&self, layer: usize, clustering: usize) -> (Vec<u32>, Vec<u32>) {
        let Choice { places, centres, dimensions } = self.choice(layer, clustering);
        let Some(below) = layer.checked_sub(1) else {
            let mut words = Vec::with_capacity(centres.len() * (places.len() + 1));
            for centre in centres {
                let row = self.points.row(centre as usize);
                words.extend(places.iter().map(|q| row[*q as usize].to_bits()));
                // In f64, then rounded once.
                let squares: f64 = places.iter().map(|q| (row[*q as usize] as f64).powi(2)).sum();
                words.push((squares as f32).to_bits());
            }
            return (places, words);
        };
        let letters = self.spec.layers[below];
        let looked_at = |place: u32, letter: u16| match &dimensions {
            Some(mask) if !mask[place as usize * letters + letter as usize] => NOT_SAMPLED,
            _ => letter,
        };
        let rows: Vec<Vec<u16>> = centres
            .iter()
            .map(|c| {
                let code = self.codes[below].row(*c as usize);
                places.iter().map(|q| looked_at(*q, code[*q as usize])).collect()
            })
            .collect();
        let words = packed(rows.iter().map(Vec::as_slice));
        (places, words)
    }
}
