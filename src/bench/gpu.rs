//! The ceilings of a wgpu device, by the kernels of `shaders/bench`.

use super::ceilings::{Ceilings, Spread};
use super::clock::{least, once, rounds};
use crate::cache::note;
use crate::error::Result;
use crate::gpu::{GpuBuffer, GpuDevice};
use crate::launch::fold_groups;
use crate::program::Kernel;
use crate::shader::assemble::assemble;
use crate::shader::sources::Sources;
use wgpu::wgt::{CooperativeMatrixProperties, CooperativeScalarType};

/// Times that a kernel's loop repeats its body in the text.
const UNROLLED: usize = 4;
/// Sums an invocation of each form. More hide the latency of an operation, fewer leave registers for more
/// invocations.
const SUMS: [u32; 2] = [8, 16];

/// Whether a copy takes four words at a time.
const WIDE: [u32; 2] = [1, 0];

/// A kernel of `shaders/bench` in one of its forms.
fn kernel(shader: &'static str, defines: &[(&'static str, u32)]) -> Result<Kernel> {
    let (source, files) = assemble(&Sources::default(), shader, defines)?.finish();
    Ok(Kernel { name: shader.to_string(), source, files: files.into(), constants: vec![] })
}

/// Forms of a kernel, with the sums of each.
fn forms(shader: &'static str) -> Result<Vec<(usize, Kernel)>> {
    let fused: &[u32] = if shader == "bench/popcount" { &[0] } else { &[0, 1] };
    let pairs = SUMS.iter().flat_map(|s| fused.iter().map(move |f| (*s, *f)));
    pairs.map(|(s, f)| Ok((s as usize, kernel(shader, &[("SUMS", s), ("FUSED", f)])?))).collect()
}

/// The form of `bench/matrix` for matrices of `size`, whose factors and sums are f16 or f32.
fn matrix(size: u32, half_factors: bool, half_sums: bool) -> Result<Kernel> {
    let half = half_factors || half_sums;
    let defines = [("HALF", half), ("HALF_AB", half_factors), ("HALF_C", half_sums)].map(|(n, v)| (n, v as u32));
    kernel("bench/matrix", &[&[("SIZE", size)], &defines[..]].concat())
}

/// Every kernel that ceilings are measured with, in every form, for checking their texts where the device at hand
/// cannot run them.
pub fn kernels() -> Result<Vec<Kernel>> {
    let mut all = vec![kernel("bench/nothing", &[])?];
    for wide in WIDE {
        all.push(kernel("bench/copy", &[("WIDE", wide)])?);
    }
    for shader in ["bench/fma", "bench/popcount", "bench/half"] {
        all.extend(forms(shader)?.into_iter().map(|(_, k)| k));
    }
    for (size, half_factors, half_sums) in [(8, false, false), (16, true, false), (16, true, true), (8, true, false)] {
        all.push(matrix(size, half_factors, half_sums)?);
    }
    Ok(all)
}

/// Measures them.
pub(super) fn measure(d: &GpuDevice, seconds: f64) -> Result<Ceilings> {
    let bench = Bench::new(d, seconds)?;
    let (dispatch_us, submit_us) = bench.overheads()?;
    let f32_gops = bench.arithmetic("bench/fma", 2.0)?;
    let bit_gops = bench.arithmetic("bench/popcount", 64.0)?;
    let copy_gbs = bench.copy()?;
    let mut ceilings = Ceilings {
        f32_gops,
        sums_gops: None,
        bit_gops,
        copy_gbs,
        dispatch_us: Some(dispatch_us),
        submit_us: Some(submit_us),
        f16_gops: None,
        matrix_gops: None,
        spread: Spread::default(),
    };
    // What no training uses yet: a driver that fails there says nothing about the rest.
    let told = |what: &str, e: crate::error::Error| note(format!("{what} is left out of the ceilings: {e}"));
    match d.with_extras() {
        Ok(None) => {}
        Ok(Some(d)) => {
            let bench = Bench::new(&d, seconds)?;
            if d.features().contains(wgpu::Features::SHADER_F16) {
                ceilings.f16_gops = bench.arithmetic("bench/half", 4.0).map_err(|e| told("f16", e)).ok();
            }
            ceilings.matrix_gops = bench.matrices().unwrap_or_else(|e| {
                told("the rate of the matrix units", e);
                None
            });
        }
        Err(e) => told("f16", e),
    }
    Ok(ceilings)
}

struct Bench<'a> {
    device: &'a GpuDevice,
    seconds: f64,
    /// Workgroups that fill it: several for each core of a large GPU, few for a CPU that plays one.
    groups: usize,
    /// Seconds of a run: of a GPU long enough for its clock to rise, of a CPU that plays one short enough to find a
    /// moment in which all cores are free.
    worth: f64,
    /// Rounds, and two numbers that the kernels read.
    plan: GpuBuffer,
    result: GpuBuffer,
}

impl<'a> Bench<'a> {
    fn new(device: &'a GpuDevice, seconds: f64) -> Result<Self> {
        let (groups, worth) = if device.target().software { (256, 0.01) } else { (8192, 0.05) };
        let plan = device.allocate(4, "the plan of a ceiling")?;
        let result = device.allocate(64 * groups, "the result of a ceiling")?;
        Ok(Bench { device, seconds, groups, worth, plan, result })
    }

    /// Billions of operations a second of the best form of a kernel; `operations` an invocation, sum and step.
    fn arithmetic(&self, shader: &'static str, operations: f64) -> Result<f64> {
        let mut best: Option<(f64, f64, u32, Kernel)> = None;
        for (sums, kernel) in forms(shader)? {
            let run = self.device.kernel(&kernel, &[&self.plan, &self.result])?;
            let call = |n| self.rounds(n, || run.submit([self.groups as u32, 1, 1], 1));
            let n = rounds(self.worth, call)?;
            let amount = 1e-9 * operations * (UNROLLED * sums * 64 * self.groups) as f64 * n as f64;
            let rate = amount / once(|| call(n))?;
            if best.as_ref().is_none_or(|b| rate > b.0) {
                best = Some((rate, amount, n, kernel));
            }
        }
        let (first, amount, n, kernel) = best.expect("a kernel has a form");
        let run = self.device.kernel(&kernel, &[&self.plan, &self.result])?;
        let time = least(self.seconds, || self.rounds(n, || run.submit([self.groups as u32, 1, 1], 1)))?;
        Ok((amount / time).max(first))
    }

    /// Writes the plan, submits, waits.
    fn rounds(&self, rounds: u32, submit: impl Fn() -> Result<()>) -> Result<()> {
        self.device.write(&self.plan, &[rounds, 0.999f32.to_bits(), 0.001f32.to_bits(), 0])?;
        submit()?;
        self.device.wait()
    }

    fn copy(&self) -> Result<f64> {
        // Larger than the caches of large GPUs; a CPU's are smaller, and its memory slower.
        let wanted = if self.device.target().software { 64 << 20 } else { 256 << 20 };
        let bytes = wanted.min(self.device.target().max_binding_bytes as usize) / 256 * 256;
        let from = self.device.allocate(bytes / 4, "the source of a copy")?;
        let to = self.device.allocate(bytes / 4, "the target of a copy")?;
        let mut best = 0.0;
        for wide in WIDE {
            let run = self.device.kernel(&kernel("bench/copy", &[("WIDE", wide)])?, &[&from, &to])?;
            let groups = fold_groups(bytes / if wide == 1 { 16 } else { 4 } / 64);
            let call = |n: u32| {
                run.submit(groups, n as usize)?;
                self.device.wait()
            };
            let n = rounds(self.worth, call)?;
            best = f64::max(best, 2e-9 * bytes as f64 * n as f64 / least(self.seconds / 2.0, || call(n))?);
        }
        Ok(best)
    }

    /// Microseconds of one more dispatch in a pass, and of one more submission.
    fn overheads(&self) -> Result<(f64, f64)> {
        let run = self.device.kernel(&kernel("bench/nothing", &[])?, &[&self.plan, &self.result])?;
        let call = |submits: u32, dispatches: usize| {
            for _ in 0..submits {
                run.submit([1, 1, 1], dispatches)?;
            }
            self.device.wait()
        };
        const FEW: usize = 10;
        const MANY: usize = 1010;
        let few = least(self.seconds / 4.0, || call(1, FEW))?;
        let many = least(self.seconds / 4.0, || call(1, MANY))?;
        let one = least(self.seconds / 4.0, || call(1, 1))?;
        let n = 51;
        let submits = least(self.seconds / 4.0, || call(n, 1))?;
        Ok((1e6 * (many - few) / (MANY - FEW) as f64, 1e6 * (submits - one) / (n - 1) as f64))
    }

    /// The best rate of the matrix units; `None` if wgpu reaches none that these kernels can use.
    fn matrices(&self) -> Result<Option<f64>> {
        let features = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX | wgpu::Features::SUBGROUP;
        if !self.device.features().contains(features) {
            return Ok(None);
        }
        let mut forms: Vec<_> = self.device.matrices().iter().filter_map(usable).collect();
        forms.sort_unstable();
        forms.dedup();
        let mut best: Option<f64> = None;
        for (size, half_factors, half_sums) in forms {
            if half_factors && !self.device.features().contains(wgpu::Features::SHADER_F16) {
                continue;
            }
            let kernel = matrix(size, half_factors, half_sums)?;
            let sums = self.device.allocate(4 * (size * size) as usize * self.groups, "the sums of a ceiling")?;
            let factors = self.device.allocate(2 * (size * size) as usize, "the factors of a ceiling")?;
            let subgroups = self.device.allocate(self.groups, "the subgroups of a ceiling")?;
            let run = self.device.kernel(&kernel, &[&self.plan, &sums, &factors, &subgroups])?;
            let call = |n| self.rounds(n, || run.submit([self.groups as u32, 1, 1], 1));
            let n = rounds(self.worth, call)?;
            let time = least(self.seconds, || call(n))?;
            let subgroups: u32 = self.device.read_words(&subgroups, self.groups)?.iter().sum();
            let product = 2.0 * (size as f64).powi(3);
            let rate = 1e-9 * product * (4 * UNROLLED) as f64 * n as f64 * subgroups as f64 / time;
            best = Some(best.map_or(rate, |b| b.max(rate)));
        }
        Ok(best)
    }
}

/// Size, and whether factors and sums are f16, if `bench/matrix` has a form for it.
fn usable(p: &CooperativeMatrixProperties) -> Option<(u32, bool, bool)> {
    use CooperativeScalarType::{F16, F32};
    let square = p.m_size == p.n_size && p.n_size == p.k_size && [8, 16].contains(&p.m_size);
    let half = |t| match t {
        F16 => Some(true),
        F32 => Some(false),
        _ => None,
    };
    let (factors, sums) = (half(p.ab_type)?, half(p.cr_type)?);
    (square && (factors || !sums)).then_some((p.m_size, factors, sums))
}
