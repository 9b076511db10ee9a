//! Whether this program was started as one of several, and how it finds the others.

use super::Exchange;
use crate::error::{Error, Result};
use std::sync::Arc;

/// How a launcher started this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launched {
    /// How many there are of it.
    pub ranks: usize,
    /// Which of them this one is.
    pub rank: usize,
}

/// What launchers set: how many ranks there are, and which one this is. Open MPI, and the process managers of MPICH and of
/// those that descend from it.
const VARIABLES: [(&str, &str); 2] = [("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"), ("PMI_SIZE", "PMI_RANK")];

impl Launched {
    /// As the environment tells it; `None` of a program that is alone.
    pub fn found() -> Option<Launched> {
        Launched::of(|name| std::env::var(name).ok())
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Option<Launched> {
        let number = |name: &str| variable(name)?.trim().parse::<usize>().ok();
        let found = VARIABLES.iter().find_map(|(ranks, rank)| Some((number(ranks)?, number(rank).unwrap_or(0))));
        found.filter(|(ranks, _)| *ranks > 1).map(|(ranks, rank)| Launched { ranks, rank })
    }
}

/// This program as one of several that a launcher (`mpirun`) started; `None` if it is alone. To be called once, before
/// threads are started.
///
/// # Errors
/// If it is one of several and was built without MPI, or MPI does not allow threads.
pub fn start() -> Result<Option<Arc<dyn Exchange>>> {
    match Launched::found() {
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
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("OMPI_COMM_WORLD_SIZE", "1"), ("OMPI_COMM_WORLD_RANK", "0")]), None);
        let open = of(&[("OMPI_COMM_WORLD_SIZE", "4"), ("OMPI_COMM_WORLD_RANK", "3")]);
        assert_eq!(open, Some(Launched { ranks: 4, rank: 3 }));
        assert_eq!(of(&[("PMI_SIZE", "2"), ("PMI_RANK", "1")]), Some(Launched { ranks: 2, rank: 1 }));
        assert_eq!(of(&[("PMI_SIZE", "many")]), None);
    }
}
