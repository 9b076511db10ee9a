//! How long a kernel takes, and what share of the device's ceiling that is.

use super::ceilings::Ceilings;
use super::clock::{least, once};
use super::kernels::Bench;
use crate::device::{Device, Executable, Store};
use crate::error::Result;
use crate::program::{Amount, Operands, Program};
use crate::tensor::HostTensor;
use serde::{Deserialize, Serialize};

/// Which ceiling a rate is a share of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Roof {
    /// Multiply-adds of f32.
    F32,
    /// Sums of floats that bits choose, looked up.
    Sums,
    /// Products of bits.
    Bits,
    /// Copying memory.
    Copy,
}

impl Roof {
    /// That of a work on a device: memory's where nobody counts operations.
    pub fn of(amount: &Amount, c: &Ceilings) -> Roof {
        match amount.operands {
            _ if amount.operations == 0.0 => Roof::Copy,
            Operands::Bits => Roof::Bits,
            Operands::FloatsAndBits if c.sums_gops.is_some() => Roof::Sums,
            _ => Roof::F32,
        }
    }

    /// Name for people.
    pub fn name(self) -> &'static str {
        match self {
            Roof::F32 => "f32",
            Roof::Sums => "sums",
            Roof::Bits => "bits",
            Roof::Copy => "copy",
        }
    }

    /// Unit of its rates.
    pub fn unit(self) -> &'static str {
        if self == Roof::Copy { "GB/s" } else { "Gop/s" }
    }

    /// Its height, in billions of operations or bytes a second.
    pub fn height(self, c: &Ceilings) -> f64 {
        match self {
            Roof::F32 => c.f32_gops,
            Roof::Sums => c.sums_gops.unwrap_or(c.f32_gops),
            Roof::Bits => c.bit_gops,
            Roof::Copy => c.copy_gbs,
        }
    }
}

/// A kernel's time and what follows from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Op and shape.
    pub name: String,
    /// Least milliseconds of a run.
    pub ms: f64,
    /// Operations of the formula, a multiply-add being two; 0 where nobody counts them.
    pub operations: f64,
    /// Bytes of every tensor that must be read or written, each once a pass.
    pub bytes: f64,
    /// The ceiling that it is compared with.
    pub roof: Roof,
    /// Billions of operations a second or, under [`Roof::Copy`], of bytes.
    pub rate: f64,
    /// The rate as a share of the ceiling. Over 1 where a kernel needs fewer operations than the formula has.
    pub share: f64,
}

impl Measured {
    /// Operations a byte; `None` where nobody counts operations.
    pub fn intensity(&self) -> Option<f64> {
        (self.operations > 0.0).then(|| self.operations / self.bytes)
    }
}

/// Work of a whole program.
pub fn amount(program: &Program) -> Amount {
    (0..program.steps.len()).map(|i| program.amount(i)).fold(Amount::default(), |a, b| Amount {
        operations: a.operations + b.operations,
        operands: if b.operations > a.operations { b.operands } else { a.operands },
        bytes: a.bytes + b.bytes,
    })
}

/// Runs between two waits for a GPU take at least this long, so that the wait is lost in them.
const BETWEEN_WAITS: f64 = 0.01;

/// Measures a program for about `seconds`.
///
/// # Errors
/// If the device fails, or is too small.
pub fn measure(device: &Device, bench: &Bench, ceilings: &Ceilings, seconds: f64) -> Result<Measured> {
    let mut store = Store::new(device.clone());
    let mut exe = store.load(bench.graph.clone())?;
    fill(&mut store, &exe)?;
    let mut run = |times: usize| {
        for _ in 0..times {
            exe.run(&[])?;
        }
        device.wait()
    };
    run(1)?;
    let times = match device {
        Device::Cpu => 1,
        Device::Gpu(_) => (BETWEEN_WAITS / once(|| run(1))?.max(1e-6)).ceil().clamp(1.0, 200.0) as usize,
    };
    let time = least(seconds, || run(times))? / times as f64;
    let amount = amount(exe.program());
    let roof = Roof::of(&amount, ceilings);
    let done = if roof == Roof::Copy { amount.bytes } else { amount.operations };
    let rate = 1e-9 * done / time;
    let share = rate / roof.height(ceilings);
    let (operations, bytes) = (amount.operations, amount.bytes);
    Ok(Measured { name: bench.name.clone(), ms: 1e3 * time, operations, bytes, roof, rate, share })
}

/// Of its ceiling a kernel reaches this share or more, or the estimate below is too low.
const LOW_SHARE: f64 = 0.2;
/// Runs of a program at least: one to warm up, and those of [`least`].
const RUNS: f64 = 4.0;

/// Seconds that [`measure`] of all of these may take.
///
/// # Errors
/// If a program does not compile for the device.
pub fn expected(device: &Device, benches: &[Bench], ceilings: &Ceilings, seconds: f64) -> Result<f64> {
    let each = |bench: &Bench| {
        let amount = amount(&Program::compile(bench.graph.clone(), device.backend())?);
        let roof = Roof::of(&amount, ceilings);
        let done = if roof == Roof::Copy { amount.bytes } else { amount.operations };
        Ok(seconds.max(1e-9 * RUNS * done / (LOW_SHARE * roof.height(ceilings))))
    };
    benches.iter().map(each).sum()
}

/// Fills what a program reads with small numbers of both signs; as bits, a mixed pattern.
fn fill(store: &mut Store, exe: &Executable) -> Result<()> {
    for info in exe.program().graph.values() {
        if store.meta(&info.name).is_none() {
            continue;
        }
        let words = 0..info.meta.words() as u32;
        let words = words.map(|i| (i.wrapping_mul(0x9E37_79B9) & 0x807f_ffff) | 0x3f00_0000).collect();
        store.write(&info.name, &HostTensor::from_words(info.meta.shape.clone(), info.meta.dtype, words))?;
    }
    Ok(())
}
