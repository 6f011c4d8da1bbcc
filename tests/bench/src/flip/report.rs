//! Prints what was measured.

use super::cluster::{Group, Layout};
use super::rounds::Phase;
use crate::stats::{least, median, percentile, sorted};

/// Bytes of a MiB.
const MIB: f64 = 1024.0 * 1024.0;

/// What one arm cost.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) groups: Vec<Vec<Phase>>,
    pub(crate) memory: quaymaster_testkit::procfs::Memory,
}

impl Measured {
    /// Median CPU of a flip in this group, in microseconds.
    pub(crate) fn cpu(&self, group: usize) -> f64 {
        median(self.groups[group].iter().map(|phase| phase.cpu))
    }

    /// Median over the rounds of what a flip in the largest Service cost against one in the smallest, in the same
    /// round.
    pub(crate) fn ratio(&self, large: usize, small: usize) -> f64 {
        let pairs = self.groups[large].iter().zip(&self.groups[small]);
        median(pairs.map(|(large, small)| large.cpu / small.cpu))
    }

    fn latency(&self, group: usize, percent: f64) -> f64 {
        let all = self.groups[group]
            .iter()
            .flat_map(|phase| phase.latencies.iter().copied());
        percentile(&sorted(all), percent)
    }

    fn writes(&self, group: usize) -> [f64; 2] {
        let phases = || self.groups[group].iter();
        [
            median(phases().map(|phase| phase.slices)),
            median(phases().map(|phase| phase.endpoints)),
        ]
    }

    /// The most writes of a kind for each change, over all groups.
    pub(crate) fn most_writes(&self) -> f64 {
        let all = (0..self.groups.len()).flat_map(|group| self.writes(group));
        all.fold(0.0, f64::max)
    }
}

/// What the Services of a group are.
fn described(group: &Group, layout: &Layout) -> String {
    let custom = layout.services[group.services.start].custom;
    let what = if custom { "addresses by hand" } else { "Pods" };
    format!("{} {what}", group.size)
}

/// One line for each group.
pub(crate) fn table(measured: &Measured, layout: &Layout) {
    println!("\n{}", measured.name);
    println!(
        "  {:>20} {:>6} {:>14} {:>14} {:>9} {:>9} {:>11} {:>14} {:>13}",
        "Service of",
        "flips",
        "CPU/flip min",
        "median",
        "p50",
        "p99",
        "slices/flip",
        "Endpoints/flip",
        "driver CPU"
    );
    for (at, group) in layout.groups.iter().enumerate() {
        let phases = &measured.groups[at];
        let [slices, endpoints] = measured.writes(at);
        println!(
            "  {:>20} {:>6} {:>11.0} us {:>11.0} us {:>6.1} ms {:>6.1} ms {slices:>11.2} {endpoints:>14.2} {:>10.0} us",
            described(group, layout),
            phases.iter().map(|phase| phase.latencies.len()).sum::<usize>(),
            least(phases.iter().map(|phase| phase.cpu)),
            measured.cpu(at),
            measured.latency(at, 50.0),
            measured.latency(at, 99.0),
            median(phases.iter().map(|phase| phase.driver)),
        );
    }
    let idle = median(measured.groups.iter().flatten().map(|phase| phase.idle));
    #[expect(clippy::cast_precision_loss, reason = "bytes to be shown")]
    let (rss, peak, each) = (
        measured.memory.rss as f64 / MIB,
        measured.memory.peak_rss as f64 / MIB,
        measured.memory.rss as f64 / layout.pods().max(1) as f64,
    );
    println!("  idle CPU (subtracted): {:.2} ms/s", idle / 1e3);
    println!("  RSS {rss:.1} MiB, {each:.0} bytes for each Pod; peak RSS {peak:.1} MiB");
}

/// How both arms compare.
pub(crate) fn compare(ours: &Measured, kcm: &Measured, layout: &Layout) {
    println!("\n{} / {}", kcm.name, ours.name);
    for (at, group) in layout.groups.iter().enumerate() {
        println!(
            "  Service of {:>20}: CPU {:>7.1}x, p50 {:>6.1}x, p99 {:>6.1}x",
            described(group, layout),
            kcm.cpu(at) / ours.cpu(at),
            kcm.latency(at, 50.0) / ours.latency(at, 50.0),
            kcm.latency(at, 99.0) / ours.latency(at, 99.0),
        );
    }
    #[expect(clippy::cast_precision_loss, reason = "bytes to be compared")]
    let memory = (
        kcm.memory.rss as f64 / ours.memory.rss as f64,
        kcm.memory.peak_rss as f64 / ours.memory.peak_rss as f64,
    );
    println!("  RSS {:.1}x, peak RSS {:.1}x", memory.0, memory.1);
}
