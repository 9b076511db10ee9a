//! Devices, and their check.

use super::error::detached;
use super::fork;
use super::json::object;
use super::work::attended;
use crate::gpu::adapters;
use crate::kernels::Isa;
use crate::train::choose::{Choice, choose};
use crate::verify::{Report, Request};
use pyo3::prelude::*;
use serde_json::json;
use std::sync::atomic::Ordering;

/// A device, chosen and opened once to see that it works.
///
/// `select` is "auto", "cpu", "vulkan", "metal", "dx12", "gl", the number of an adapter, or part of its name (`onebit.devices` lists
/// them). Raises `DeviceError` if there is no such device, or it fails.
#[pyclass(frozen, module = "onebit")]
pub struct Device {
    /// The selector that takes it again.
    #[pyo3(get)]
    select: String,
    /// Its name.
    #[pyo3(get)]
    name: String,
    /// Name and driver, or the instruction set.
    #[pyo3(get)]
    description: String,
    /// Why it was taken.
    #[pyo3(get)]
    why: String,
}

#[pymethods]
impl Device {
    #[new]
    #[pyo3(signature = (select="auto"))]
    fn new(py: Python<'_>, select: &str) -> PyResult<Device> {
        let select = select.to_string();
        detached(py, move || {
            fork::check()?;
            let Choice { device, select, why } = choose(&select)?;
            Ok(Device { select, name: device.name(), description: device.describe(), why })
        })
    }

    fn __repr__(&self) -> String {
        format!("<onebit.Device {:?}: {}>", self.select, self.description)
    }
}

/// What `onebit devices --json` prints.
#[pyfunction]
pub fn devices(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let all = detached(py, || {
        fork::check()?;
        let (isa, auto) = (Isa::chosen()?, choose("auto")?);
        let here: Vec<String> = Isa::all().iter().map(Isa::to_string).collect();
        Ok(json!({
            "cpu": { "threads": rayon::current_num_threads(), "isa": isa.to_string(), "isa_of_machine": here },
            "adapters": adapters().iter().enumerate().map(|(i, a)| a.json(i)).collect::<Vec<_>>(),
            "auto": { "device": auto.device.name(), "select": auto.select, "why": auto.why },
        }))
    })?;
    object(py, &all)
}

/// Checks the ops of a device: the report, as `onebit verify --json` writes it, and whether all is right.
#[pyfunction]
#[pyo3(signature = (told, select, filter, seed=None, quick=false))]
pub fn verify<'py>(
    py: Python<'py>,
    told: &Bound<'py, PyAny>,
    select: String,
    filter: String,
    seed: Option<u64>,
    quick: bool,
) -> PyResult<(Bound<'py, PyAny>, bool)> {
    let report = attended(py, told, move |stop| {
        let request = Request { filter, quick, ..Request::default() };
        let request = Request { seed: seed.unwrap_or(request.seed), ..request };
        let specs = request.cases()?;
        let device = choose(&select)?.device;
        let sets = [vec![(device.describe(), device)]];
        let devices = request.run(&sets, &specs, |_, _| !stop.load(Ordering::Relaxed));
        Ok(Report { version: env!("CARGO_PKG_VERSION").into(), seed: request.seed, devices })
    })?;
    Ok((object(py, &report)?, report.passed()))
}
