//! The whole benchmark.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use kube::Client;
use quaymaster_testkit::{ControlPlane, procfs};

use super::arm::{self, Ours};
use super::cluster::Layout;
use super::observer::Observer;
use super::report::{self, Measured};
use super::rounds::{self, Plan};
use super::{expect, seed};
use crate::cpu;

/// The most that a flip in the large Service may cost against one in a small one.
const MOST: f64 = 6.0;
/// How long writing all slices may take.
const WRITE_LIMIT: Duration = Duration::from_mins(5);
/// What is started settles before it is measured.
const SETTLE: Duration = Duration::from_secs(3);

/// What is measured.
#[derive(Debug, Args)]
pub struct Options {
    /// The quaymaster binary, which `cargo xtask bench flip` gives. Without, only the other arguments are looked at
    #[arg(long, value_name = "FILE", hide = true)]
    quaymaster: Option<PathBuf>,
    /// Pods; a quarter of them in one Service
    #[arg(long, default_value_t = 20_000)]
    pods: usize,
    /// Services
    #[arg(long, default_value_t = 1_000)]
    services: usize,
    /// The Kubernetes minor, such as 1.33 [default: the newest]
    #[arg(long, value_name = "MINOR")]
    minor: Option<String>,
    /// Rounds; each takes the Services of every size in turn
    #[arg(long, default_value_t = 6)]
    rounds: usize,
    /// Flips of each size in each round
    #[arg(long, default_value_t = 50)]
    flips: usize,
    /// Then measure kube-controller-manager on the same cluster, with a third of the rounds
    #[arg(long)]
    kcm: bool,
    /// All four controllers on either side, and Endpoints kept by hand, which are mirrored, as a group of their own
    #[arg(long)]
    family: bool,
    /// Fail where a flip in the large Service costs more than 6 times one in a Service of 20, or more than one write of
    /// slices, or of Endpoints
    #[arg(long)]
    assert: bool,
}

impl Options {
    /// What is in the cluster.
    fn checked(&self) -> Result<Layout> {
        let layout = Layout::new(self.pods, self.services, self.family)
            .context("too few Pods for so many Services")?;
        if self.rounds == 0 || self.flips < 2 || self.flips % 2 == 1 {
            bail!("at least one round is needed, and an even number of flips");
        }
        Ok(layout)
    }
}

/// Runs it and prints the figures.
///
/// # Errors
/// A server or a controller failed, slices were wrong before or after the flips, or with `--assert` the ratio is too
/// high.
pub async fn run(options: &Options) -> Result<()> {
    let layout = options.checked()?;
    let Some(binary) = options.quaymaster.as_deref() else {
        return Ok(());
    };
    // What is started with it, garbage collector and namespace controller, would only take CPU: nothing is deleted.
    let mut builder = ControlPlane::builder().no_kcm();
    if let Some(minor) = &options.minor {
        builder = builder.minor(minor);
    }
    let plane = builder.start().await?;
    let result = measure(&plane, &layout, binary, options).await;
    if result.is_err() {
        plane.keep_logs();
    }
    result
}

async fn measure(plane: &ControlPlane, layout: &Layout, binary: &Path, options: &Options) -> Result<()> {
    let client = plane.client().await?;
    println!(
        "Kubernetes {}, {} Pods, {} Services in {} namespaces, {} processors",
        arm::version(&client).await?,
        layout.pods(),
        layout.services.len(),
        layout.namespaces.len(),
        std::thread::available_parallelism().map_or(0, usize::from)
    );
    let size = seed::seed(&client, layout).await?;
    println!("  a Pod is {size} bytes of JSON in the mean");

    let plan = Plan {
        rounds: options.rounds,
        flips: options.flips,
    };
    let ours = quaymaster(plane, &client, layout, binary, plan).await?;
    report::table(&ours, layout);
    let ratio = ours.ratio(2, 0);
    println!(
        "  CPU of a flip in the Service of {} Pods / of {}: {ratio:.2} (at most {MOST}); / of {}: {:.2}",
        layout.groups[2].size,
        layout.groups[0].size,
        layout.groups[1].size,
        ours.ratio(2, 1),
    );
    restart(plane, &client, layout, binary).await?;
    if options.kcm {
        let plan = Plan {
            rounds: options.rounds.div_ceil(3),
            ..plan
        };
        let kcm = kcm(plane, &client, layout, plan).await?;
        report::table(&kcm, layout);
        println!(
            "  CPU of a flip in the Service of {} Pods / of {}: {:.2}",
            layout.groups[2].size,
            layout.groups[0].size,
            kcm.ratio(2, 0)
        );
        report::compare(&ours, &kcm, layout);
    }
    // Also where it is no number.
    if options.assert && !ratio.lt(&MOST) {
        bail!("a flip in the large Service costs {ratio:.2} times one in a small Service, more than {MOST}");
    }
    let writes = ours.most_writes();
    if options.assert && !writes.le(&1.0) {
        bail!("a flip costs {writes:.2} writes of a kind, more than one");
    }
    Ok(())
}

async fn quaymaster(
    plane: &ControlPlane,
    client: &Client,
    layout: &Layout,
    binary: &Path,
    plan: Plan,
) -> Result<Measured> {
    let begun = Instant::now();
    let mut ours = Ours::start(plane, binary, controllers(layout), "quaymaster.log").await?;
    expect::wait(client, layout, WRITE_LIMIT).await?;
    let pid = ours.process.pid();
    println!(
        "\ncold start: ready after {:.2} s, all slices right after {:.1} s, {:.0} writes, {:.0} ms CPU, peak RSS {:.1} MiB",
        ours.ready_after.as_secs_f64(),
        begun.elapsed().as_secs_f64(),
        ours.writes().await?,
        cpu::time(pid)?.as_secs_f64() * 1e3,
        mebibytes(procfs::memory(pid)?.peak_rss),
    );
    tokio::time::sleep(SETTLE).await;
    let mut observer = Observer::start(client).await?;
    let writes = ours.writes().await?;
    let groups = rounds::run(client, layout, &mut observer, pid, plan).await?;
    let counted = ours.writes().await? - writes;
    // A figure of a controller that does not keep slices right says nothing.
    expect::wait(client, layout, WRITE_LIMIT).await?;
    // The round that warms up has two flips of each size.
    println!(
        "  {counted:.0} writes of slices by the metric for {} flips",
        groups.len() * (plan.rounds * plan.flips + 2)
    );
    let memory = procfs::memory(pid)?;
    if let Some(status) = ours.process.server().exited() {
        bail!("quaymaster ended: {status}");
    }
    ours.stop().await?;
    Ok(Measured {
        name: "quaymaster",
        groups,
        memory,
    })
}

/// Starts over slices that are right already: the common start, and the peak of memory without writes.
async fn restart(plane: &ControlPlane, client: &Client, layout: &Layout, binary: &Path) -> Result<()> {
    let ours = Ours::start(plane, binary, controllers(layout), "quaymaster-restarted.log").await?;
    tokio::time::sleep(SETTLE).await;
    let pid = ours.process.pid();
    let memory = procfs::memory(pid)?;
    println!(
        "\nrestart: ready after {:.2} s, {:.0} writes, {:.0} ms CPU, RSS {:.1} MiB, peak RSS {:.1} MiB",
        ours.ready_after.as_secs_f64(),
        ours.writes().await?,
        cpu::time(pid)?.as_secs_f64() * 1e3,
        mebibytes(memory.rss),
        mebibytes(memory.peak_rss),
    );
    expect::wait(client, layout, WRITE_LIMIT).await?;
    ours.stop().await
}

async fn kcm(plane: &ControlPlane, client: &Client, layout: &Layout, plan: Plan) -> Result<Measured> {
    let kcm = arm::kcm(plane, controllers(layout)).await?;
    let mut observer = Observer::start(client).await?;
    // It has no word for "all is read and nothing is to be done"; a quiet second says so.
    let mut spent = Duration::ZERO;
    for _ in 0..WRITE_LIMIT.as_secs() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = cpu::time(kcm.pid())?;
        if now.saturating_sub(spent) < Duration::from_millis(50) {
            break;
        }
        spent = now;
    }
    println!(
        "\nkube-controller-manager over what is right: quiet after {:.1} s CPU, changed: {:?}",
        spent.as_secs_f64(),
        observer.changes()
    );
    let groups = rounds::run(client, layout, &mut observer, kcm.pid(), plan).await?;
    expect::wait(client, layout, WRITE_LIMIT).await?;
    let memory = procfs::memory(kcm.pid())?;
    kcm.stop().await?;
    Ok(Measured {
        name: "kube-controller-manager",
        groups,
        memory,
    })
}

const fn controllers(layout: &Layout) -> &'static [&'static str] {
    if layout.family { arm::FAMILY } else { arm::SLICES }
}

#[expect(clippy::cast_precision_loss, reason = "bytes to be shown")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn check(arguments: &[&str]) -> Result<Options> {
        let line = ["flip"].iter().chain(arguments);
        Ok(Line::try_parse_from(line)?.options)
    }

    #[tokio::test]
    async fn arguments_are_looked_at_without_a_binary_or_servers() {
        for wrong in [["--pods", "1"], ["--flips", "3"], ["--rounds", "0"]] {
            let options = check(&wrong).unwrap();
            assert!(run(&options).await.is_err(), "{wrong:?}");
        }
        run(&check(&["--kcm"]).unwrap()).await.unwrap();
        assert!(check(&["--nope"]).is_err());
    }
}
