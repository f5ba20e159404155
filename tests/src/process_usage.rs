//! What a process costs, as the kernel counts it.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Resident memory and processor time of one process and of all its threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Resident set, in bytes.
    pub resident_bytes: u64,
    /// User and system time since its start.
    pub cpu: Duration,
}

/// Reads the usage of a process.
///
/// # Errors
/// The process is gone, or this system has no `/proc`.
pub fn usage(pid: u32) -> Result<Usage> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("the process is gone")?;
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    let kibibytes: u64 = resident.trim().trim_end_matches(" kB").parse()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    Ok(Usage {
        resident_bytes: kibibytes * 1024,
        cpu: ticks_of(&stat)
            .context("`stat` has another form than expected")?
            .mul_f64(1.0 / ticks_per_second()?),
    })
}

/// User and system ticks, each as one second; fields 14 and 15, counted behind the name, which may hold anything.
fn ticks_of(stat: &str) -> Option<Duration> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_secs(user + system))
}

fn ticks_per_second() -> Result<f64> {
    let output = Command::new("getconf")
        .arg("CLK_TCK")
        .output()
        .context("getconf is missing")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_stand_behind_a_name_with_anything_in_it() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0 20";
        assert_eq!(ticks_of(stat), Some(Duration::from_secs(42)));
        assert_eq!(ticks_of("no name"), None);
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(usage(std::process::id()).unwrap().resident_bytes > 100_000);
    }
}
