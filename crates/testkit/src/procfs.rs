//! What `/proc` says of a process: whether it lives, its memory, its CPU time.

use std::io;
use std::time::Duration;

/// Memory of a process in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Resident now (`VmRSS`).
    pub rss: u64,
    /// The highest `rss` since the process began (`VmHWM`).
    pub peak_rss: u64,
}

/// Whether the process runs; a zombie counts as dead.
pub fn is_running(pid: u32) -> bool {
    stat_fields(pid).is_ok_and(|fields| !matches!(fields.first().map(String::as_str), Some("Z" | "X")))
}

/// Memory of the process, from `/proc/PID/status`.
pub fn memory(pid: u32) -> io::Result<Memory> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kibibytes = |name: &str| {
        status
            .lines()
            .find_map(|line| {
                line.strip_prefix(name)?
                    .strip_prefix(':')?
                    .trim()
                    .strip_suffix("kB")?
                    .trim()
                    .parse::<u64>()
                    .ok()
            })
            .ok_or_else(|| malformed(pid, name))
    };
    Ok(Memory {
        rss: kibibytes("VmRSS")? * 1024,
        peak_rss: kibibytes("VmHWM")? * 1024,
    })
}

/// CPU time of all threads of the process so far, user and system together.
///
/// The kernel counts in ticks of (nearly always) 10 ms, so differences below that are noise.
pub fn cpu_time(pid: u32) -> io::Result<Duration> {
    // proc_pid_stat(5): utime and stime are fields 14 and 15; the list here begins with field 3, the state.
    let fields = stat_fields(pid)?;
    let ticks = |field: usize| {
        fields
            .get(field - 3)
            .and_then(|text| text.parse::<u64>().ok())
            .ok_or_else(|| malformed(pid, "stat"))
    };
    let milliseconds = (ticks(14)? + ticks(15)?) * 1000 / rustix::param::clock_ticks_per_second();
    Ok(Duration::from_millis(milliseconds))
}

/// The fields of `/proc/PID/stat` after the program's name, which may hold spaces and parentheses itself.
fn stat_fields(pid: u32) -> io::Result<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = stat.rsplit_once(") ").ok_or_else(|| malformed(pid, "stat"))?;
    Ok(rest.split_whitespace().map(str::to_owned).collect())
}

fn malformed(pid: u32, what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("/proc/{pid}: {what} not understood"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_runs_and_holds_memory() {
        let pid = std::process::id();
        let memory = memory(pid).unwrap();
        assert!(is_running(pid));
        assert!(memory.rss > 0 && memory.peak_rss >= memory.rss, "{memory:?}");
    }

    #[test]
    fn cpu_time_grows_with_work() {
        let pid = std::process::id();
        let before = cpu_time(pid).unwrap();
        let begun = std::time::Instant::now();
        while cpu_time(pid).unwrap() <= before {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "no CPU time counted in 30 s of work"
            );
        }
    }
}
