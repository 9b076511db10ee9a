//! Commands that are one of several programs which `mpirun` started.

use crate::exchange::{self, Exchange, Launched};
use anyhow::{Result, anyhow};
use std::io::Write;
use std::sync::Arc;

/// Joins the other ranks, if there are any; their devices share this machine's cores.
///
/// # Errors
/// If they cannot be found, or are of another version or asked for something else.
pub fn join() -> Result<Option<Arc<dyn Exchange>>> {
    let Some(exchange) = exchange::start()? else { return Ok(None) };
    let agreed = agree(&*exchange);
    if let Err(e) = agreed {
        fail(&*exchange, &e);
    }
    Ok(Some(exchange))
}

fn agree(exchange: &dyn Exchange) -> Result<()> {
    exchange.agree("version of onebit", env!("CARGO_PKG_VERSION"), "install the same on all machines")?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    exchange.agree("command", &format!("`{}`", arguments.join(" ")), "start all ranks by one command")?;
    share_cores(exchange)
}

/// Ends all ranks with what went wrong in this one.
pub fn fail(exchange: &dyn Exchange, e: &anyhow::Error) -> ! {
    let host = exchange.host();
    let of = if host.is_empty() { String::new() } else { format!(" (on {host})") };
    // In one piece, as others may write too; where nobody reads it, all end all the same.
    let line = format!("error: rank {}{of}: {e:#}\n", exchange.rank());
    let _ = std::io::stderr().write_all(line.as_bytes());
    exchange.end_all(super::COULD_NOT)
}

/// Refuses a command that `mpirun` would start several times over.
///
/// # Errors
/// If it was started so.
pub fn alone(command: &str) -> Result<()> {
    match Launched::found()? {
        None => Ok(()),
        Some(Launched { ranks, .. }) => Err(anyhow!(
            "mpirun started {ranks} ranks, and `onebit {command}` is for one program: start it without mpirun (`onebit train` is for several)"
        )),
    }
}

/// Gives each rank its part of the cores that it may run on: those that are bound to the same ones share them. What
/// RAYON_NUM_THREADS says stands.
fn share_cores(exchange: &dyn Exchange) -> Result<()> {
    let (hosts, masks) = (exchange.gather_text(&exchange.host())?, exchange.gather(&cores())?);
    if std::env::var_os("RAYON_NUM_THREADS").is_some() {
        return Ok(());
    }
    let own = exchange.rank();
    let shares = |r: &usize| {
        let meet = masks[*r].is_empty() || masks[*r].iter().zip(&masks[own]).any(|(a, b)| a & b != 0);
        hosts[*r] == hosts[own] && meet
    };
    let sharing = (0..exchange.ranks()).filter(shares).count().max(1);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() / sharing).max(1);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .map_err(|e| anyhow!("the threads of this rank cannot be started: {e}"))
}

/// The cores that this program may run on, a bit each; nothing where the system does not tell.
fn cores() -> Vec<u32> {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: a set of cores is plain bits, for which zeros are none; the system writes no more than its size.
        let set = unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            match libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) {
                0 => set,
                _ => return Vec::new(),
            }
        };
        // SAFETY: `CPU_ISSET` looks at a bit of the set, and all that are asked for are in it.
        let is = |core: usize| unsafe { libc::CPU_ISSET(core, &set) };
        let word = |w: usize| (0..32).filter(|b| is(32 * w + b)).fold(0, |word, b| word | 1 << b);
        (0..8 * size_of::<libc::cpu_set_t>() / 32).map(word).collect()
    }
    #[cfg(not(target_os = "linux"))]
    Vec::new()
}
