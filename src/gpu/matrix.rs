//! The matrix units of an adapter that kernels may use: those that show in a trial that they are exact where kernels count
//! on it. wgpu's cooperative matrices are experimental, and Vulkan lets f16 lose its smallest numbers.

use super::device::GpuDevice;
use crate::error::Result;
use crate::launch::MatrixUnit;
use crate::program::Kernel;
use crate::shader::assemble::assemble;
use crate::shader::sources::Sources;
use wgpu::wgt::{CooperativeMatrixProperties, CooperativeScalarType};

/// Invocations that a workgroup may have on any device.
const MOST_INVOCATIONS: usize = 256;

impl GpuDevice {
    /// The units that kernels take, if there are any.
    pub(super) fn find_matrix_unit(&self) -> Option<MatrixUnit> {
        if !self.features().contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX | wgpu::Features::SUBGROUP) {
            return None;
        }
        let half = self.features().contains(wgpu::Features::SHADER_F16);
        let metal = self.info().backend == wgpu::Backend::Metal;
        let subgroup = self.info().subgroup_max_size as usize;
        let mut units: Vec<MatrixUnit> = self.matrices().iter().filter_map(|p| unit(p, subgroup)).collect();
        units.retain(|u| half || !u.half);
        // Metal's add in one precision at one rate, others have f16 for speed; of these the largest.
        units.sort_by_key(|u| (u.half == metal, std::cmp::Reverse(u.size)));
        units.dedup();
        units.into_iter().find(|u| self.is_exact(*u).unwrap_or(false))
    }

    /// Whether a unit gives what the formula does where that is a number that f32 has.
    fn is_exact(&self, unit: MatrixUnit) -> Result<bool> {
        let n = unit.size;
        let (a, b) = content(n);
        let numbers: Vec<f64> = a.iter().chain(&b).copied().collect();
        let words: Vec<u32> = match unit.half {
            true => numbers.chunks(2).map(|p| f16_bits(p[0]) | f16_bits(p[1]) << 16).collect(),
            false => numbers.iter().map(|x| (*x as f32).to_bits()).collect(),
        };
        let factors = self.allocate(words.len(), "the factors of a trial")?;
        self.write(&factors, &words)?;
        let result = self.allocate(n * n, "the result of a trial")?;
        self.kernel(&trial_kernel(unit)?, &[&factors, &result])?.submit([1, 1, 1], 1)?;
        self.wait()?;
        let made = self.read_words(&result, n * n)?;
        let expected = |i: usize, j: usize| 1.5 * (0..n).map(|k| a[k * n + i] * b[k * n + j]).sum::<f64>();
        Ok((0..n * n).all(|at| f32::from_bits(made[at]) as f64 == expected(at / n, at % n)))
    }
}

fn f16_bits(x: f64) -> u32 {
    half::f16::from_f64(x).to_bits() as u32
}

/// Matrices by k. Their products and sums are multiples of 2^-14 below 2^8, 2/3 of what f32 has exactly. The first factors of A
/// are below the normal numbers of f16; the second ones, and those of B, have all of its bits.
fn content(n: usize) -> (Vec<f64>, Vec<f64>) {
    let tiny = f64::from(2).powi(-14);
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for k in 0..n {
        for i in 0..n {
            let x = i as f64;
            let (of_a, of_b) = match k {
                0 => ((2.0 * x + 1.0) * tiny / 1024.0, 1024.0 * (x + 1.0)),
                1 => (2047.0 - x, (2047.0 - 3.0 * x) * tiny),
                _ => (if (i + k).is_multiple_of(2) { 1.0 } else { -1.0 }, (x + k as f64) * tiny),
            };
            a.push(of_a);
            b.push(of_b);
        }
    }
    (a, b)
}

/// What is tried of a unit.
fn trial_kernel(unit: MatrixUnit) -> Result<Kernel> {
    let threads = unit.subgroup.min(MOST_INVOCATIONS);
    let defines = [("SIZE", unit.size), ("HALF", unit.half as usize), ("THREADS", threads)];
    let shader = "linalg/matrix_trial";
    let (source, files) = assemble(&Sources::default(), shader, &defines.map(|(n, v)| (n, v as u32)))?.finish();
    Ok(Kernel { name: shader.to_string(), source, files: files.into(), constants: vec![] })
}

/// The trials of all kinds of units, for checking their texts where the device at hand has none.
///
/// # Errors
/// If a shader does not assemble.
pub fn trial_kernels() -> Result<Vec<Kernel>> {
    let kinds = [(8, false), (8, true), (16, true)];
    kinds.into_iter().map(|(size, half)| trial_kernel(MatrixUnit { size, half, subgroup: 32 })).collect()
}

/// What kernels can use of an adapter's matrices.
fn unit(p: &CooperativeMatrixProperties, subgroup: usize) -> Option<MatrixUnit> {
    let half = match p.ab_type {
        CooperativeScalarType::F16 => true,
        CooperativeScalarType::F32 => false,
        _ => return None,
    };
    let square = p.m_size == p.n_size && p.n_size == p.k_size;
    // 16 x 16 of f32 has no adapter.
    let known = [(8, false), (8, true), (16, true)].contains(&(p.m_size, half));
    let fits = square && known && p.cr_type == CooperativeScalarType::F32;
    fits.then_some(MatrixUnit { size: p.m_size as usize, half, subgroup })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trial_is_of_exact_numbers() {
        for n in [8, 16] {
            let (a, b) = content(n);
            assert!(a.iter().chain(&b).all(|x| half::f16::from_f64(*x).to_f64() == *x), "{n}");
            for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
                // Whatever the order, and also where units cut off what lies below a sum's largest number.
                let magnitudes = (0..n).map(|k| (a[k * n + i] * b[k * n + j]).abs()).sum::<f64>();
                let units = 1.5 * magnitudes * f64::from(2).powi(15);
                assert!(units < f64::from(1 << 24), "{units}");
            }
        }
    }
}
