//! Which device a run takes.

use crate::device::{Device, Store};
use crate::error::{Error, Result};
use crate::gpu::{AdapterReport, GpuDevice, GpuOptions, adapters};
use crate::graph::{Graph, Meta};
use crate::tensor::HostTensor;
use std::time::Instant;

/// A device and why it was taken.
pub struct Choice {
    /// The device, opened.
    pub device: Device,
    /// The selector that takes it again.
    pub select: String,
    /// Why, for people.
    pub why: String,
}

/// Takes a device by `auto`, `cpu`, a backend (`vulkan`, `metal`, `dx12`, `gl`), the number of an adapter, or part of an
/// adapter's name.
///
/// # Errors
/// If there is no such device, it cannot be opened, or several are named.
pub fn choose(select: &str) -> Result<Choice> {
    choose_with(select, GpuOptions::default())
}

/// As [`choose`], for one of several programs on a machine, by its number among them: of a list `0,1` the device in its turn, of
/// `auto` one of the GPUs that are as good as the first. The selector stays the whole one.
///
/// # Errors
/// If there is no such device, or it cannot be opened.
pub fn choose_in_turn(select: &str, number: usize) -> Result<Choice> {
    let listed = listed(select);
    let choice = choose_number(listed[number % listed.len()], number, GpuOptions::default())?;
    Ok(Choice { select: select.trim().to_string(), ..choice })
}

/// The first of a list of devices, which a run of several ranks was trained on; of anything else all of it.
pub fn first_of(select: &str) -> &str {
    listed(select)[0]
}

/// The devices of a list such as `0,1`. Names of adapters may have commas too.
fn listed(select: &str) -> Vec<&str> {
    let all: Vec<&str> = select.split(',').map(str::trim).collect();
    let is_short = |part: &&str| {
        let known = ["auto", "cpu", "vulkan", "metal", "dx12", "gl", "opengl", "gles"];
        part.parse::<usize>().is_ok() || known.iter().any(|word| part.eq_ignore_ascii_case(word))
    };
    if all.iter().all(is_short) { all } else { vec![select.trim()] }
}

/// As [`choose`], opened in another way.
pub fn choose_with(select: &str, options: GpuOptions) -> Result<Choice> {
    match listed(select)[..] {
        [one] => choose_number(one, 0, options),
        ref several => Err(Error::Device(format!(
            "`{select}` names {} devices, and this is one program: name one of them, or train on all by  mpirun -n {} onebit train",
            several.len(),
            several.len()
        ))),
    }
}

fn choose_number(select: &str, number: usize, options: GpuOptions) -> Result<Choice> {
    if select.eq_ignore_ascii_case("cpu") {
        return Ok(Choice { device: Device::Cpu, select: "cpu".into(), why: "asked for".into() });
    }
    let all = adapters();
    if select.eq_ignore_ascii_case("auto") {
        return automatic(&all, number, options);
    }
    let index = find(select, &all.iter().map(Described::from).collect::<Vec<_>>())?;
    let device = Device::Gpu(GpuDevice::open(&all[index], options)?);
    Ok(Choice { device, select: select.to_string(), why: "asked for".into() })
}

/// What a selector looks at.
struct Described {
    name: String,
    backend: String,
    usable: bool,
    software: bool,
}

impl From<&AdapterReport> for Described {
    fn from(a: &AdapterReport) -> Self {
        let (name, backend) = (a.info.name.clone(), format!("{:?}", a.info.backend).to_lowercase());
        Described { name, backend, usable: a.usable.is_ok(), software: a.is_software() }
    }
}

/// Position of the adapter that a selector means.
fn find(select: &str, all: &[Described]) -> Result<usize> {
    let wanted = select.to_lowercase();
    if let Ok(index) = wanted.parse::<usize>() {
        return if index < all.len() { Ok(index) } else { Err(unknown(select, all)) };
    }
    let backend = match wanted.as_str() {
        "vulkan" | "metal" | "dx12" | "gl" => Some(wanted.as_str()),
        "opengl" | "gles" => Some("gl"),
        _ => None,
    };
    let fits = |a: &&(usize, &Described)| match backend {
        Some(b) => a.1.backend == b,
        None => a.1.name.to_lowercase().contains(&wanted),
    };
    let found: Vec<(usize, &Described)> = all.iter().enumerate().collect();
    // One that works before one that does not, a real GPU before a CPU that plays one, then wgpu's order.
    let best = found.iter().filter(fits).min_by_key(|(i, a)| (!a.usable, a.software, *i));
    best.filter(|_| !wanted.is_empty()).map(|(i, _)| *i).ok_or_else(|| unknown(select, all))
}

fn unknown(select: &str, all: &[Described]) -> Error {
    let mut choices = vec!["auto".to_string(), "cpu".to_string()];
    choices.extend(all.iter().enumerate().map(|(i, a)| format!("{i} ({}, {})", a.name, a.backend)));
    Error::Device(format!("there is no device `{select}`; there are: {}", choices.join(", ")))
}

/// How many times as fast a software adapter must be to be taken: it works on the same cores, and what else these do may look like
/// a slow CPU.
const CLEARLY: f64 = 2.0;

/// A real GPU if there is one; else the CPU, unless a software adapter is clearly faster.
fn automatic(all: &[AdapterReport], number: usize, options: GpuOptions) -> Result<Choice> {
    let mut failures = Vec::new();
    let mut open = |i: usize| match GpuDevice::open(&all[i], options) {
        Ok(d) => Some(Device::Gpu(d)),
        Err(e) => {
            failures.push(e.to_string());
            None
        }
    };
    let mut real: Vec<usize> = (0..all.len()).filter(|&i| all[i].usable.is_ok() && !all[i].is_software()).collect();
    let worth = |i: usize| (all[i].info.device_type != wgpu::DeviceType::DiscreteGpu, backend_rank(&all[i]));
    real.sort_by_key(|&i| (worth(i), i));
    let alike = real.iter().filter(|i| worth(**i) == worth(real[0])).count();
    if alike > 0 {
        real[..alike].rotate_left(number % alike);
    }
    for i in real {
        if let Some(device) = open(i) {
            return Ok(Choice { device, select: i.to_string(), why: "a real GPU goes first".into() });
        }
    }
    let cpu = |why: String| Choice { device: Device::Cpu, select: "cpu".into(), why };
    let mut software: Vec<usize> = (0..all.len()).filter(|&i| all[i].usable.is_ok() && all[i].is_software()).collect();
    software.sort_by_key(|&i| (backend_rank(&all[i]), i));
    let opened = software.into_iter().find_map(|i| open(i).map(|d| (i, d)));
    let Some((i, device)) = opened else {
        let failed = if failures.is_empty() { String::new() } else { format!(" ({})", failures.join("; ")) };
        return Ok(cpu(format!("no adapter that works was found{failed}")));
    };
    let (on_cpu, on_gpu) = match (probe(&Device::Cpu), probe(&device)) {
        (Ok(c), Ok(g)) => (c, g),
        (Ok(_), Err(e)) => return Ok(cpu(format!("there is only a software adapter, and it failed: {e}"))),
        (Err(e), _) => return Err(e),
    };
    let times = format!(
        "there is no GPU, and a matrix product takes {:.1} ms on the CPU and {:.1} ms on the software adapter {}",
        1e3 * on_cpu,
        1e3 * on_gpu,
        all[i].info.name
    );
    Ok(if CLEARLY * on_gpu < on_cpu { Choice { device, select: i.to_string(), why: times } } else { cpu(times) })
}

/// Vulkan, Metal and DX12 before GL.
fn backend_rank(a: &AdapterReport) -> u32 {
    (a.info.backend == wgpu::Backend::Gl) as u32
}

/// Seconds for a matrix product of 256x256 by 256x256, the best of 20 after one to warm up: some find the cores free.
fn probe(device: &Device) -> Result<f64> {
    const N: usize = 256;
    let mut g = Graph::new();
    let a = g.input("a", Meta::f32([N, N]))?;
    let b = g.input("b", Meta::f32([N, N]))?;
    let y = g.matmul(a, b, false, false)?;
    let y = g.mean_all(y)?;
    g.output("y", y);
    let mut store = Store::new(device.clone());
    let mut exe = store.load(g)?;
    let ones = HostTensor::from_f32([N, N], vec![1.0; N * N]);
    store.write("a", &ones)?;
    store.write("b", &ones)?;
    let mut best = f64::INFINITY;
    for i in 0..21 {
        let start = Instant::now();
        exe.run(&[])?;
        exe.read("y")?;
        if i > 0 {
            best = best.min(start.elapsed().as_secs_f64());
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Vec<Described> {
        let a = |name: &str, backend: &str, usable, software| Described {
            name: name.into(),
            backend: backend.into(),
            usable,
            software,
        };
        vec![
            a("llvmpipe (LLVM 19)", "vulkan", true, true),
            a("Some GPU 4000", "vulkan", true, false),
            a("Some GPU 4000", "gl", false, false),
            a("llvmpipe", "gl", true, true),
        ]
    }

    #[test]
    fn selectors_find_what_they_mean() {
        let all = machine();
        for (select, index) in [("vulkan", 1), ("gl", 3), ("OpenGL", 3), ("2", 2), ("llvm", 0), ("gpu 4", 1)] {
            assert_eq!(find(select, &all).unwrap(), index, "{select}");
        }
        for select in ["metal", "dx12", "7", "radeon", ""] {
            let m = find(select, &all).unwrap_err().to_string();
            assert!(m.contains(&format!("`{select}`")) && m.contains("1 (Some GPU 4000, vulkan)") && m.contains("cpu"));
        }
    }

    #[test]
    fn several_devices_are_for_several_ranks() {
        assert_eq!(listed("0, 1,cpu"), ["0", "1", "cpu"]);
        assert_eq!((first_of("1,0"), first_of("vulkan")), ("1", "vulkan"));
        // A name with a comma.
        assert_eq!(listed("llvmpipe (LLVM 15.0.6, 256 bits)").len(), 1);
        let m = choose("0,1").err().unwrap().to_string();
        assert!(m.contains("`0,1` names 2 devices") && m.contains("mpirun -n 2"), "{m}");
        assert!(matches!(choose_in_turn("auto,cpu", 3).unwrap().device, Device::Cpu));
    }

    #[test]
    fn auto_takes_something_that_computes() {
        let choice = choose("auto").unwrap();
        assert!(probe(&choice.device).unwrap() > 0.0);
        assert!(!choice.why.is_empty());
    }
}
