//! The process as the kernel sees it, under the names every Prometheus client uses.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

/// Clock ticks a second in `/proc`: `USER_HZ`, which Linux fixes at 100 on all architectures Rust's standard library
/// runs on (but Alpha, where it is 1024).
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads `/proc/self` when asked. What cannot be read is left out.
#[derive(Clone, Copy, Debug)]
pub struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        for (name, help, kind, value) in read() {
            let Some(value) = value else { continue };
            let metric = encoder.encode_descriptor(name, help, None, kind)?;
            ConstGauge::new(value).encode(metric)?;
        }
        Ok(())
    }
}

type Sample = (&'static str, &'static str, MetricType, Option<f64>);

fn read() -> [Sample; 7] {
    let file = |path| fs::read_to_string(path).unwrap_or_default();
    let (status, stat) = (file("/proc/self/status"), file("/proc/self/stat"));
    let (kernel, limits) = (file("/proc/stat"), file("/proc/self/limits"));
    // One of them is the directory being read.
    let fds = fs::read_dir("/proc/self/fd")
        .ok()
        .and_then(|entries| u32::try_from(entries.count()).ok());
    [
        (
            "process_cpu_seconds_total",
            "Seconds of CPU time, user and system",
            MetricType::Counter,
            ticks(&stat, &[UTIME, STIME]),
        ),
        (
            "process_resident_memory_bytes",
            "Resident memory",
            MetricType::Gauge,
            kilobytes(&status, "VmRSS:"),
        ),
        (
            "process_virtual_memory_bytes",
            "Virtual memory",
            MetricType::Gauge,
            kilobytes(&status, "VmSize:"),
        ),
        (
            "process_start_time_seconds",
            "When the process started, since the epoch",
            MetricType::Gauge,
            boot_time(&kernel)
                .zip(ticks(&stat, &[STARTTIME]))
                .map(|(boot, start)| boot + start),
        ),
        (
            "process_open_fds",
            "Open file descriptors",
            MetricType::Gauge,
            fds.map(|n| f64::from(n.saturating_sub(1))),
        ),
        (
            "process_max_fds",
            "Most file descriptors that may be open",
            MetricType::Gauge,
            max_fds(&limits),
        ),
        (
            "process_threads",
            "Threads",
            MetricType::Gauge,
            field(&status, "Threads:"),
        ),
    ]
}

/// Fields of `/proc/self/stat`, counted after the command's closing parenthesis (proc(5): 14, 15 and 22, less 3).
const UTIME: usize = 11;
const STIME: usize = 12;
const STARTTIME: usize = 19;

/// Sum of fields of `/proc/self/stat`, in seconds. The command stands in parentheses and may contain anything, so
/// counting begins after the last one.
fn ticks(stat: &str, wanted: &[usize]) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let mut sum = 0.0;
    for index in wanted {
        sum += fields.get(*index)?.parse::<f64>().ok()?;
    }
    Some(sum / TICKS_PER_SECOND)
}

fn field(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn kilobytes(status: &str, name: &str) -> Option<f64> {
    field(status, name).map(|kb| kb * 1024.0)
}

fn boot_time(kernel: &str) -> Option<f64> {
    field(kernel, "btime ")
}

/// The soft limit; none if unlimited.
fn max_fds(limits: &str) -> Option<f64> {
    field(limits, "Max open files")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 3 0 987654 1 2";
        assert_eq!(ticks(stat, &[UTIME, STIME]), Some(2.0));
        assert_eq!(ticks(stat, &[STARTTIME]), Some(9876.54));
    }

    #[test]
    fn what_is_missing_is_left_out() {
        assert_eq!(ticks("", &[UTIME]), None);
        assert_eq!(ticks("1 (a) S 1", &[UTIME]), None);
        assert_eq!(kilobytes("VmPeak: 3 kB\n", "VmRSS:"), None);
        assert_eq!(
            max_fds("Max open files            unlimited            unlimited            files"),
            None
        );
    }

    #[test]
    fn the_figures_of_this_process_are_plausible() {
        let started = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs_f64();
        let figures = read();
        let value = |name| figures.iter().find(|f| f.0 == name).unwrap().3.unwrap();
        assert!((1e6..1e10).contains(&value("process_resident_memory_bytes")));
        assert!(value("process_virtual_memory_bytes") >= value("process_resident_memory_bytes"));
        assert!((3.0..1e5).contains(&value("process_open_fds")));
        assert!(value("process_max_fds") >= value("process_open_fds"));
        assert!(value("process_threads") >= 1.0);
        let age = started - value("process_start_time_seconds");
        assert!((-2.0..600.0).contains(&age), "started {age} s ago");
    }
}
