//! A base network with a mask put on.

use super::file::MaskFile;
use super::made::base_hash;
use crate::device::{Device, Store};
use crate::error::{Error, Result};
use crate::graph::{Graph, Init, Meta};
use crate::methods::ImageInfo;
use crate::nn::{NetSpec, masked_weight};
use crate::tensor::{DType, HostTensor, Shape};
use std::collections::HashMap;

/// The tensors of a network with a mask put on: weights are what the adapted network made of them in evaluation, to the bit
/// on the same device, and the running statistics are the mask's.
///
/// # Errors
/// If the mask was learned on another base, or a tensor does not fit.
pub fn apply(
    net: &NetSpec,
    images: &ImageInfo,
    base: &HashMap<String, HostTensor>,
    mask: &MaskFile,
    device: &Device,
) -> Result<HashMap<String, HostTensor>> {
    let own = base_hash(net, images, base)?;
    if own != mask.base {
        return Err(Error::Config(format!(
            "the mask was learned on another network: its base has the hash {}, this one {own}; take the run that it started \
             from",
            mask.base
        )));
    }
    let mut g = Graph::new();
    for t in &mask.tensors {
        let found = base.get(&t.name).filter(|w| w.shape()[..] == t.shape[..]);
        found
            .ok_or_else(|| Error::Config(format!("the mask's {} {:?} has no match in the network", t.name, t.shape)))?;
        let weight = g.state(&t.name, Meta::f32(t.shape.clone()), Init::Zeros)?;
        let bits = g.state(&format!("{}.mask", t.name), Meta::new(t.shape.clone(), DType::Bits), Init::Zeros)?;
        let signs = g.signed(bits)?;
        let ones = g.relu(signs)?;
        let (out, _) = masked_weight(&mut g, weight, ones, false)?;
        g.output(t.name.clone(), out);
    }
    let mut store = Store::new(device.clone());
    let mut exe = store.load(g)?;
    for t in &mask.tensors {
        store.write(&t.name, &base[&t.name])?;
        let values: Vec<f64> = t.iter().map(|on| on as u8 as f64).collect();
        store.write(
            &format!("{}.mask", t.name),
            &HostTensor::from_f64(Shape::from(&t.shape[..]), DType::Bits, &values),
        )?;
    }
    exe.run(&[])?;
    let mut tensors = base.clone();
    for t in &mask.tensors {
        tensors.insert(t.name.clone(), exe.read(&t.name)?);
    }
    for s in &mask.statistics {
        let fits = tensors.get(&s.name).is_some_and(|t| t.shape()[..] == [s.values.len()]);
        if !fits {
            return Err(Error::Config(format!(
                "the mask's {} [{}] has no match in the network",
                s.name,
                s.values.len()
            )));
        }
        tensors.insert(s.name.clone(), HostTensor::from_f32([s.values.len()], s.values.clone()));
    }
    Ok(tensors)
}
