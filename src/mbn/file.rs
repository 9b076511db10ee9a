//! A model on disk, a safetensors file: `points` (bytes where they are pixels, else f32) `[n, d]`, `codes.1`, `codes.2`, …
//! (u16 `[n, V]`), and what is made of the last ones, `output.…`. What clusterings have drawn follows from the seed.

use super::codes::Codes;
use super::model::{Model, Work};
use super::output::Output;
use super::spec::MbnSpec;
use crate::error::{Error, Result};
use crate::features::{KMeans, OneHotPca, Rows};
use crate::tensor_file::{open, write};
use bytemuck::{AnyBitPattern, NoUninit};
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The version of this layout.
const VERSION: u32 = 1;

/// The metadata.
#[derive(Serialize, Deserialize)]
struct About {
    mbn: u32,
    seed: u64,
    spec: MbnSpec,
    work: Vec<Work>,
    inertia: f64,
    iterations: [u32; 2],
}

struct Stored<'a> {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: &'a [u8],
}

fn stored<'a, T: NoUninit>(name: impl Into<String>, dtype: Dtype, shape: &[usize], data: &'a [T]) -> Stored<'a> {
    Stored { name: name.into(), dtype, shape: shape.to_vec(), bytes: bytemuck::cast_slice(data) }
}

/// A number in 0..1 as the byte that a pixel had, if it is one.
fn pixel(x: f32) -> Option<u8> {
    let byte = (x * 255.0).round();
    ((0.0..=255.0).contains(&byte) && byte / 255.0 == x).then_some(byte as u8)
}

impl Model {
    /// Writes the file, whole or not at all; an earlier one of that name stays until then.
    pub fn save(&self, path: &Path) -> Result<()> {
        let fail = |e: &dyn std::fmt::Display| Error::data(path, format!("the model cannot be written: {e}"));
        let (n, d) = (self.points.n(), self.points.d());
        let pixels: Option<Vec<u8>> = self.points.data().iter().map(|x| pixel(*x)).collect();
        let mut all = vec![match &pixels {
            Some(bytes) => stored("points", Dtype::U8, &[n, d], bytes),
            None => stored("points", Dtype::F32, &[n, d], self.points.data()),
        }];
        for (i, codes) in self.codes.iter().enumerate() {
            all.push(stored(format!("codes.{}", i + 1), Dtype::U16, &[n, codes.v()], codes.data()));
        }
        if let Some(Output { pca, coordinates, clusters, centres }) = &self.output {
            let (places, q) = (pca.mean.len(), pca.q());
            all.push(stored("output.mean", Dtype::F64, &[places], &pca.mean));
            all.push(stored("output.components", Dtype::F64, &[places, q], &pca.components));
            all.push(stored("output.variance", Dtype::F64, &[q], &pca.variance));
            all.push(stored("output.coordinates", Dtype::F32, &[n, q], coordinates.data()));
            all.push(stored("output.clusters", Dtype::U32, &[n], clusters));
            all.push(stored("output.centres", Dtype::F64, &[centres.centres.len() / q, q], &centres.centres));
        }
        let output = self.output.as_ref();
        let about = About {
            mbn: VERSION,
            seed: self.seed,
            spec: self.spec.clone(),
            work: self.work.clone(),
            inertia: output.map_or(0.0, |o| o.centres.inertia),
            iterations: output.map_or([0; 2], |o| [o.pca.iterations, o.centres.iterations]),
        };
        let views = all
            .iter()
            .map(|t| Ok((t.name.as_str(), TensorView::new(t.dtype, t.shape.clone(), t.bytes).map_err(|e| fail(&e))?)))
            .collect::<Result<Vec<_>>>()?;
        write(path, views, &about)
    }

    /// Reads a model, of as many layers as it has.
    ///
    /// # Errors
    /// If the file is cut, is no model, or its parts do not fit together.
    pub fn load(path: &Path) -> Result<Model> {
        let bytes = std::fs::read(path).map_err(Error::io(path, "read the model"))?;
        let fail = |m: String| Error::data(path, m);
        let parsed = |(about, file): (String, _)| Some((serde_json::from_str::<About>(&about).ok()?, file));
        let (about, file) = open(path, &bytes)?.and_then(parsed).ok_or_else(|| {
            fail("this is not a multilayer bootstrap network: give the run directory of one (onebit train mbn)".into())
        })?;
        if about.mbn != VERSION {
            return Err(fail(format!("the model has version {}, this program reads {VERSION}", about.mbn)));
        }
        about.spec.validate().map_err(|e| fail(format!("the model's settings are damaged: {e}")))?;
        let of = |name: &str| file.tensor(name).map_err(|_| fail(format!("the model is damaged: it has no {name}")));
        let points = of("points")?;
        let &[n, d] = points.shape() else { return Err(fail("the model is damaged: its points are no rows".into())) };
        let data = match points.dtype() {
            Dtype::U8 => points.data().iter().map(|b| *b as f32 / 255.0).collect(),
            _ => numbers::<f32>(&points, Dtype::F32, &[n, d]).ok_or_else(|| fail("its points are damaged".into()))?,
        };
        let spec = about.spec;
        let v = spec.clusterings;
        let mut codes = Vec::new();
        for (i, k) in spec.layers.iter().enumerate() {
            let name = format!("codes.{}", i + 1);
            let Ok(view) = file.tensor(&name) else { break };
            let data = numbers::<u16>(&view, Dtype::U16, &[n, v]).filter(|d| d.iter().all(|c| (*c as usize) < *k));
            codes.extend(data.and_then(|data| Codes::new(data, v)));
            if codes.len() != i + 1 {
                return Err(fail(format!("the model is damaged: {name} is no code of {v} numbers below {k}")));
            }
        }
        let output = match file.tensor("output.mean") {
            Err(_) => None,
            Ok(mean) => {
                let k = *spec.layers.last().ok_or_else(|| fail("the model is damaged: it has no layers".into()))?;
                let all = |name: &str, extents: &[usize]| -> Result<Vec<f64>> {
                    let view = of(name)?;
                    numbers(&view, Dtype::F64, extents).ok_or_else(|| fail(format!("the model is damaged: {name}")))
                };
                let q = of("output.variance")?.shape().iter().product();
                let mean = numbers(&mean, Dtype::F64, &[v, k]).ok_or_else(|| fail("output.mean is damaged".into()))?;
                let [iterations, lloyd] = about.iterations;
                let pca = OneHotPca {
                    v,
                    k,
                    mean,
                    components: all("output.components", &[v, k, q])?,
                    variance: all("output.variance", &[q])?,
                    iterations,
                };
                let coordinates = numbers(&of("output.coordinates")?, Dtype::F32, &[n, q]);
                let clusters = numbers(&of("output.clusters")?, Dtype::U32, &[n]);
                let (Some(coordinates), Some(clusters)) = (coordinates, clusters) else {
                    return Err(fail("the model is damaged: its coordinates are not one a point".into()));
                };
                let centres = all("output.centres", &[spec.clusters, q])?;
                let centres = KMeans { d: q, centres, inertia: about.inertia, iterations: lloyd };
                Some(Output { pca, coordinates: Rows::new(coordinates, q)?, clusters, centres })
            }
        };
        Ok(Model { spec, seed: about.seed, points: Rows::new(data, d)?, codes, work: about.work, output })
    }
}

/// The numbers of a tensor, if it is of that type and has as many as `extents` say.
fn numbers<T: AnyBitPattern + NoUninit>(view: &TensorView<'_>, dtype: Dtype, extents: &[usize]) -> Option<Vec<T>> {
    // The settings come from the file too: their product need not fit a number.
    let bytes = extents.iter().try_fold(size_of::<T>(), |n, d| n.checked_mul(*d));
    let fits = view.dtype() == dtype && bytes == Some(view.data().len());
    fits.then(|| bytemuck::pod_collect_to_vec(view.data()))
}
