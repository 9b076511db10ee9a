//! Instruction sets of processors: which of them a machine has, and the one that the kernels of this crate take.
//!
//! The best one, or that which the environment variable `ONEBIT_ISA` names, so that one machine can show what others do.
//! Every kernel that knows several takes an [`Isa`] as a parameter; only [`Isa::chosen`] asks the environment, and only once.

use crate::error::{Error, Result};
use pulp::{Arch, Simd, WithSimd};
use std::fmt::Display;
use std::sync::OnceLock;

/// Names the instruction set that kernels take: `portable`, `neon`, `avx2` or `avx512`.
pub const VARIABLE: &str = "ONEBIT_ISA";

/// The instruction sets that there are kernels for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Set {
    /// What every machine has: plain Rust, one number at a time.
    Portable,
    /// 64-bit ARM: four floats, or the bits of 16 bytes at once.
    Neon,
    /// AVX2 with FMA and the bit instructions that came with it (x86-64-v3): eight floats at once.
    Avx2,
    /// AVX-512 with F, BW, CD, DQ and VL (x86-64-v4): 16 floats at once.
    Avx512,
}

impl Set {
    /// All, those that do most at once first.
    pub const ALL: [Set; 4] = [Set::Avx512, Set::Avx2, Set::Neon, Set::Portable];

    /// The name that `ONEBIT_ISA` knows it by.
    pub fn name(self) -> &'static str {
        match self {
            Set::Portable => "portable",
            Set::Neon => "neon",
            Set::Avx2 => "avx2",
            Set::Avx512 => "avx512",
        }
    }

    /// How the kernels written with pulp are compiled for it, if this machine has it.
    fn arch(self) -> Option<Arch> {
        match self {
            Set::Portable => Some(Arch::Scalar),
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => pulp::x86::V3::try_new().map(Arch::V3),
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => pulp::x86::V4::try_new().map(Arch::V4),
            #[cfg(target_arch = "aarch64")]
            Set::Neon => pulp::aarch64::Neon::try_new().map(Arch::Neon),
            _ => None,
        }
    }
}

/// An instruction set that this machine has: there is no way to one that it lacks, so kernels need not ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Isa(Set);

impl Isa {
    /// The one of every machine.
    pub const PORTABLE: Isa = Isa(Set::Portable);

    /// Those of this machine, the best one first; [`Isa::PORTABLE`] is always the last.
    pub fn all() -> Vec<Isa> {
        Set::ALL.into_iter().filter(|s| s.arch().is_some()).map(Isa).collect()
    }

    /// The best one of this machine.
    pub fn best() -> Isa {
        Isa::all()[0]
    }

    /// The one of a name.
    ///
    /// # Errors
    /// If there is none of this name, or this machine lacks it.
    pub fn named(name: &str) -> Result<Isa> {
        let list = |sets: &[Set]| sets.iter().map(|s| s.name()).collect::<Vec<_>>().join(", ");
        let Some(set) = Set::ALL.into_iter().find(|s| s.name() == name) else {
            let known = list(&Set::ALL);
            return Err(Error::Config(format!("there is no instruction set called {name:?}; take one of {known}")));
        };
        let here: Vec<Set> = Isa::all().into_iter().map(Isa::set).collect();
        if !here.contains(&set) {
            let here = list(&here);
            return Err(Error::Config(format!("this machine has no {name}; take one of {here}")));
        }
        Ok(Isa(set))
    }

    /// The one that this process takes: what `ONEBIT_ISA` names, else the best one.
    ///
    /// # Errors
    /// As [`Isa::named`].
    pub fn chosen() -> Result<Isa> {
        static CHOSEN: OnceLock<std::result::Result<Isa, String>> = OnceLock::new();
        let chosen = CHOSEN.get_or_init(|| match std::env::var_os(VARIABLE) {
            Some(name) if !name.is_empty() => {
                Isa::named(&name.to_string_lossy()).map_err(|e| format!("{VARIABLE}: {e}"))
            }
            _ => Ok(Isa::best()),
        });
        chosen.clone().map_err(Error::Config)
    }

    /// Which it is.
    pub fn set(self) -> Set {
        self.0
    }

    /// How the kernels written with pulp are compiled for it.
    pub(crate) fn arch(self) -> Arch {
        self.0.arch().expect("no Isa is made that the machine lacks")
    }

    /// Runs a loop over numbers compiled for it. Products and sums are never contracted: all give the same bits. The closure
    /// wants `#[inline(always)]`, and to change something: what is called is not compiled anew ([`Loop`]).
    pub(crate) fn run(self, run: impl FnMut()) {
        self.arch().dispatch(Loop(run));
    }

    /// As [`Isa::arch`], for tables in the first-level cache. Vectors of 16 floats took 0.8 of the time of those of eight where
    /// that cache has 48 KiB (an Intel Xeon), and 1.3 times as long on an AMD EPYC, where rows of twice the bytes leave half as
    /// many tables.
    #[cfg(feature = "train")]
    pub(crate) fn arch_of_tables(self) -> Arch {
        static ROOM: OnceLock<bool> = OnceLock::new();
        let room = || first_cache().is_some_and(|bytes| bytes >= 48 * 1024);
        if *ROOM.get_or_init(room) { self.arch() } else { self.arch_of_eight() }
    }

    /// As [`Isa::arch`], for kernels that gain nothing by vectors of 16 floats: a machine that has them has those of eight.
    #[cfg(feature = "train")]
    pub(crate) fn arch_of_eight(self) -> Arch {
        match self.0 {
            Set::Avx512 => Set::Avx2.arch().expect("AVX-512 has what AVX2 has"),
            _ => self.arch(),
        }
    }
}

/// Bytes of a core's first cache of data, where the processor says it.
#[cfg(feature = "train")]
fn first_cache() -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    {
        use raw_cpuid::{CacheType, CpuId};
        let mut caches = CpuId::new().get_cache_parameters()?;
        let first = caches.find(|c| c.level() == 1 && c.cache_type() == CacheType::Data)?;
        Some(first.associativity() * first.physical_line_partitions() * first.coherency_line_size() * first.sets())
    }
    #[cfg(not(target_arch = "x86_64"))]
    None
}

/// Runs a loop over numbers compiled for the instruction set that this process takes, or as every machine can if it names
/// one that this machine lacks, which whoever opens a device says.
#[cfg(feature = "train")]
pub fn vectorised(run: impl FnMut()) {
    Isa::chosen().unwrap_or(Isa::PORTABLE).run(run);
}

/// A loop as pulp takes it. Called as what it is, a closure that changes something: as a `FnOnce` it would be called by way of
/// a function that the compiler makes, and which, where the loop is long, is compiled for every machine.
struct Loop<F>(F);

impl<F: FnMut()> WithSimd for Loop<F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) {
        (self.0)()
    }
}

impl Display for Isa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_what_it_lists_and_says_what_it_lacks() {
        let all = Isa::all();
        assert_eq!((all.first(), all.last()), (Some(&Isa::best()), Some(&Isa::PORTABLE)));
        for set in Set::ALL {
            match Isa::named(set.name()) {
                Ok(isa) => assert!(isa.set() == set && all.contains(&isa)),
                Err(e) => {
                    assert!(!all.iter().any(|i| i.set() == set));
                    assert!(e.to_string().starts_with(&format!("this machine has no {};", set.name())), "{e}");
                }
            }
        }
        let unknown = Isa::named("sse9").unwrap_err().to_string();
        assert!(unknown.contains("\"sse9\"") && unknown.contains("avx512, avx2, neon, portable"), "{unknown}");
    }
}
