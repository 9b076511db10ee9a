//! Whether this program was started as one of several, and how it finds the others.

use super::Exchange;
use crate::error::{Error, Result};
use std::sync::Arc;

/// How a launcher started this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launched {
    /// How many there are of it.
    pub ranks: usize,
}

/// What launchers set: how many ranks there are. Open MPI, and the process managers of MPICH and of those that descend from it.
const VARIABLES: [&str; 2] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"];

impl Launched {
    /// As the environment tells it; `None` of a program that is alone.
    ///
    /// # Errors
    /// If it holds something else than a number: each of several programs that take themselves for alone would write over the others.
    pub fn found() -> Result<Option<Launched>> {
        Launched::of(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Launched>> {
        let Some((name, value)) = VARIABLES.iter().find_map(|name| Some((name, variable(name)?))) else {
            return Ok(None);
        };
        let ranks = value.trim().parse::<usize>().ok().filter(|n| *n > 0).ok_or_else(|| {
            Error::Config(format!(
                "the environment has {name} = {value:?}, which tells no number of ranks: start onebit by mpirun, or unset {name}"
            ))
        })?;
        Ok((ranks > 1).then_some(Launched { ranks }))
    }
}

/// This program as one of several that a launcher (`mpirun`) started; `None` if it is alone. To be called once, before
/// threads are started.
///
/// # Errors
/// If it is one of several and was built without MPI, or MPI does not allow threads.
pub fn start() -> Result<Option<Arc<dyn Exchange>>> {
    match Launched::found()? {
        None => Ok(None),
        Some(launched) => begin(launched).map(Some),
    }
}

#[cfg(feature = "mpi")]
fn begin(launched: Launched) -> Result<Arc<dyn Exchange>> {
    let exchange = super::mpi::Mpi::begin()?;
    match exchange.ranks() == launched.ranks {
        true => Ok(Arc::new(exchange)),
        // Each would train on its own, and write over the others.
        false => Err(Error::Config(format!(
            "mpirun started {} ranks, but the MPI that this program was built with finds {}: build it with the MPI that mpirun is of \
             (cargo build --release --features mpi; MPICC=mpicc.openmpi or mpicc.mpich chooses one)",
            launched.ranks,
            exchange.ranks()
        ))),
    }
}

#[cfg(not(feature = "mpi"))]
fn begin(launched: Launched) -> Result<Arc<dyn Exchange>> {
    Err(Error::Config(format!(
        "mpirun started {} ranks, and this program was built without MPI: build it with  cargo build --release --features mpi  (on \
         Debian that needs libopenmpi-dev, openmpi-bin and libclang-dev)",
        launched.ranks
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launchers_are_recognised() {
        let of = |set: &[(&str, &str)]| {
            Launched::of(|name| set.iter().find(|(n, _)| *n == name).map(|(_, v)| v.to_string()))
        };
        assert_eq!(of(&[]).unwrap(), None);
        assert_eq!(of(&[("OMPI_COMM_WORLD_SIZE", "1")]).unwrap(), None);
        assert_eq!(of(&[("OMPI_COMM_WORLD_SIZE", "4")]).unwrap(), Some(Launched { ranks: 4 }));
        assert_eq!(of(&[("PMI_SIZE", " 2 ")]).unwrap(), Some(Launched { ranks: 2 }));
        for wrong in ["many", "", "0", "-2"] {
            let m = of(&[("PMI_SIZE", wrong)]).unwrap_err().to_string();
            assert!(m.contains("PMI_SIZE") && m.contains(&format!("{wrong:?}")), "{m}");
        }
    }
}
