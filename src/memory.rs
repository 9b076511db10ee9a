//! How much memory there is for this program, so that what does not fit is refused before it is asked for.

use std::fmt;
use std::fs;

/// Bytes that can still be had: what the system says is available, or what is left of the limits that it set this program
/// (a control group's, or one of its address space), whichever is less. `None` where the system does not tell.
pub fn available() -> Option<u64> {
    let limits = [system(), control_group(), address_space()];
    limits.into_iter().flatten().min()
}

/// Bytes of memory that the machine has. `None` where the system does not tell.
pub fn installed() -> Option<u64> {
    kib_of(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")
}

/// What is needed, and the memory there is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TooMuch {
    /// Bytes that are needed.
    pub needed: u64,
    /// Bytes that there are.
    pub available: u64,
}

impl fmt::Display for TooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of memory, and there are {}", mib(self.needed), mib(self.available))
    }
}

/// Bytes for people.
pub fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1 << 20) as f64)
}

/// Whether `needed` bytes can be had.
///
/// # Errors
/// If they are more than there are.
pub fn check(needed: u64) -> Result<(), TooMuch> {
    // What is asked for all the time is not worth a look at the system.
    if needed < 16 << 20 {
        return Ok(());
    }
    match available() {
        Some(available) if needed > available => Err(TooMuch { needed, available }),
        _ => Ok(()),
    }
}

/// `MemAvailable`: an estimate by the kernel of what programs can take without swapping.
fn system() -> Option<u64> {
    kib_of(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")
}

/// What is left of the least limit of this program's control group and those above it (version 2, else version 1). Pages
/// of files that the kernel can drop count as free.
fn control_group() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let left = |folder: &str, limit: &str, used: &str, droppable: &str| {
        let number = |file: &str| fs::read_to_string(format!("{folder}/{file}")).ok()?.trim().parse::<u64>().ok();
        let (limit, used) = (number(limit)?, number(used)?);
        let stat = fs::read_to_string(format!("{folder}/memory.stat")).unwrap_or_default();
        let file = stat.lines().find_map(|l| l.strip_prefix(droppable)?.trim().parse::<u64>().ok());
        Some(limit.saturating_sub(used.saturating_sub(file.unwrap_or(0))))
    };
    let mut least = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(kinds), Some(group)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let (root, files) = if kinds.is_empty() {
            ("/sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file "))
        } else if kinds.split(',').any(|k| k == "memory") {
            let version_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ");
            ("/sys/fs/cgroup/memory", version_1)
        } else {
            continue;
        };
        // Inside of a container the group's own path may not be there, but its root is.
        let mut group = group.trim_end_matches('/');
        loop {
            let found = left(&format!("{root}{group}"), files.0, files.1, files.2);
            least = [least, found].into_iter().flatten().min();
            match group.rfind('/') {
                Some(at) => group = &group[..at],
                None => break,
            }
        }
    }
    least
}

/// Address space that the allocator of most Linux systems sets aside for each thread that asks it for memory, used or not: it
/// counts where the address space is limited.
pub fn set_aside(threads: usize) -> u64 {
    const ARENA: u64 = 64 << 20;
    address_space().map_or(0, |_| threads as u64 * ARENA)
}

/// What is left of a limit of the address space (`ulimit -v`).
fn address_space() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find(|l| l.starts_with("Max address space"))?;
    let limit: u64 = line["Max address space".len()..].split_whitespace().next()?.parse().ok()?;
    let used = kib_of(&fs::read_to_string("/proc/self/status").ok()?, "VmSize:")?;
    Some(limit.saturating_sub(used))
}

/// The number behind `key` in a text of such lines, in KiB there, as bytes.
fn kib_of(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix(key))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_where_they_stand() {
        let text = "MemTotal:       1000 kB\nMemAvailable:    512 kB\n";
        assert_eq!(kib_of(text, "MemAvailable:"), Some(512 * 1024));
        assert_eq!(kib_of(text, "MemFree:"), None);
        assert_eq!(kib_of("MemAvailable: none", "MemAvailable:"), None);
    }

    #[test]
    fn more_than_any_machine_has_is_refused() {
        assert_eq!(check(1 << 20), Ok(()));
        if let Some(available) = available() {
            assert!(available > 1 << 20, "{available}");
            let refused = check(u64::MAX).unwrap_err();
            assert_eq!(refused.needed, u64::MAX);
            assert!(refused.to_string().contains("MiB of memory, and there are"));
        }
    }
}
