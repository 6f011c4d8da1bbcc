//! Flips, one after the other, in rounds that take the groups in turn.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use kube::Client;
use quaymaster_testkit::objects::set_ready;

use super::cluster::{Backed, Group, Layout, address};
use super::observer::Observer;
use super::seed;
use crate::cpu;

/// Answers, echoes and gauges still belong to the last flip, and so do Endpoints, which nobody waits for.
const SETTLE: Duration = Duration::from_secs(1);
/// Longest idle time measured after a phase; the rate is scaled where the phase was longer.
const LONGEST_IDLE: Duration = Duration::from_secs(5);
/// Steps through the Pods of a group by a number prime to every size, so that flips spread over slices and Services.
const STRIDE: usize = 37;

/// How many flips.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    /// Of each group in each round; even, since each Pod becomes ready again.
    pub(crate) flips: usize,
}

/// What one group cost in one round.
#[derive(Debug, Clone)]
pub(crate) struct Phase {
    /// Controller CPU for each flip in microseconds, idle CPU of equal time subtracted.
    pub(crate) cpu: f64,
    /// Idle CPU in microseconds for each second.
    pub(crate) idle: f64,
    /// CPU of this driver for each flip in microseconds.
    pub(crate) driver: f64,
    /// From sending the status patch to the slice seen on a watch, in milliseconds.
    pub(crate) latencies: Vec<f64>,
    /// Slices seen to change, for each flip.
    pub(crate) slices: f64,
    /// Endpoints seen to change by others than this driver, for each flip.
    pub(crate) endpoints: f64,
}

/// The phases of each group.
pub(crate) async fn run(
    client: &Client,
    layout: &Layout,
    observer: &mut Observer,
    pid: u32,
    plan: Plan,
) -> Result<Vec<Vec<Phase>>> {
    let mut phases = vec![Vec::new(); layout.groups.len()];
    for round in 0..=plan.rounds {
        // The first round warms up connections and caches and is not counted.
        let warm_up = round == 0;
        let flips = if warm_up { 2 } else { plan.flips };
        // A B C, then C B A: a machine that grows slower is no group's disadvantage.
        let mut order: Vec<usize> = (0..layout.groups.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for at in order {
            let group = &layout.groups[at];
            let first = round * plan.flips / 2;
            let phase = phase(client, layout, group, observer, pid, (first, flips)).await?;
            if !warm_up {
                phases[at].push(phase);
            }
        }
    }
    Ok(phases)
}

async fn phase(
    client: &Client,
    layout: &Layout,
    group: &Group,
    observer: &mut Observer,
    pid: u32,
    (first, flips): (usize, usize),
) -> Result<Phase> {
    let pods = layout.pods_of(group);
    let seen_before = observer.changes();
    let (before, driver_before) = (cpu::time(pid)?, cpu::time(std::process::id())?);
    let begun = Instant::now();
    let mut latencies = Vec::with_capacity(flips);
    for flip in 0..flips / 2 {
        let pod = pods[(first + flip) * STRIDE % pods.len()];
        // Both ways in turn, so that all Pods are ready in the end.
        for ready in [false, true] {
            latencies.push(once(client, observer, pod, ready).await?);
        }
    }
    tokio::time::sleep(SETTLE).await;
    let (after, driver_after) = (cpu::time(pid)?, cpu::time(std::process::id())?);
    let wall = begun.elapsed();
    let seen = observer.changes();

    let idle_begun = Instant::now();
    tokio::time::sleep(wall.min(LONGEST_IDLE)).await;
    let idle = cpu::time(pid)?.saturating_sub(after).as_secs_f64() / idle_begun.elapsed().as_secs_f64();
    let flips = latencies.len();
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let number = |value: u64| value as f64;
    let of_each = |value: f64| value / number(flips as u64);
    let custom = pods.first().is_some_and(|(backed, _)| backed.custom);
    Ok(Phase {
        cpu: of_each((after.saturating_sub(before).as_secs_f64() - idle * wall.as_secs_f64()) * 1e6),
        idle: idle * 1e6,
        driver: of_each(driver_after.saturating_sub(driver_before).as_secs_f64() * 1e6),
        latencies,
        slices: of_each(number(seen.slices - seen_before.slices)),
        endpoints: of_each(number(seen.endpoints - seen_before.endpoints)) - f64::from(u8::from(custom)),
    })
}

/// One flip; returns its latency in milliseconds.
async fn once(
    client: &Client,
    observer: &mut Observer,
    (backed, number): (&Backed, usize),
    ready: bool,
) -> Result<f64> {
    let name = backed.pod_name(number);
    let address = address(number);
    let sent = Instant::now();
    let patch = async {
        if backed.custom {
            let unready = (!ready).then_some(number);
            seed::endpoints(client, backed, unready).await
        } else {
            let patched = set_ready(client, &backed.namespace, &name, ready).await;
            patched.map(drop).with_context(|| format!("patching {name}"))
        }
    };
    // The slice may be seen before the answer to the patch.
    let (patched, seen) = tokio::join!(patch, observer.wait(&address, ready));
    patched?;
    Ok(seen?.saturating_duration_since(sent).as_secs_f64() * 1e3)
}
