//! `cargo xtask demo`: a real control plane, quaymaster beside it, and Services whose slices change.

mod check;
mod cluster;
mod kubectl;
mod kubelet;
mod pools;
mod show;
mod steps;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use kube::Client;
use quaymaster_testkit::assets::{Minor, Places};
use quaymaster_testkit::process::{Launch, Quaymaster};
use quaymaster_testkit::{ControlPlane, node};

use crate::workspace;
use check::Memory;
use cluster::Snapshot;
use kubectl::Kubectl;
use show::Changes;
use steps::{Action, Step};

/// What kube-controller-manager does here, beside garbage collection and namespaces. None of those that quaymaster
/// replaces is among them, so every slice seen is quaymaster's.
const KCM: [&str; 3] = [
    "deployment-controller",
    "replicaset-controller",
    "replicationcontroller-controller",
];

/// Nodes and their zones.
const NODES: [(&str, &str); 3] = [("node-1", "zone-a"), ("node-2", "zone-b"), ("node-3", "zone-c")];

/// Longest wait for the slices of one step: Pods take about a second, slices milliseconds, a busy machine more.
const STEP_LIMIT: Duration = Duration::from_mins(1);
const READY_LIMIT: Duration = Duration::from_secs(30);
/// How often the API is asked what there is.
const POLL: Duration = Duration::from_millis(50);

/// Start a control plane and quaymaster, and show Services and their slices change
///
/// Builds what is missing. Pods become Ready by a stand-in for kubelet and scheduler; nothing runs in them. Each step
/// prints what a user would type and waits until the API shows the slices that should follow. Then everything stays
/// up for kubectl until Ctrl-C; nothing remains.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The Kubernetes minor, such as 1.33 [default: the newest]
    #[arg(long, value_name = "MINOR", value_parser = workspace::known_minor)]
    minor: Option<Minor>,
    /// End after the last step: exit code 0 only if every step showed what it should
    #[arg(long)]
    exit_when_done: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    workspace::control_plane(arguments.minor, &Places::from_env()?)?;
    let binary = workspace::build()?.quaymaster;
    println!("Starting etcd, kube-apiserver and kube-controller-manager ...");
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting threads")?
        .block_on(async {
            let mut builder = ControlPlane::builder().rbac(true).kcm_controllers(KCM);
            if let Some(minor) = arguments.minor {
                builder = builder.minor(minor.to_string());
            }
            let begun = Instant::now();
            let plane = builder.start().await.context("starting the control plane")?;
            let result = demo(&plane, &binary, begun, arguments.exit_when_done).await;
            if result.is_err() {
                plane.keep_logs();
            }
            result
        })
}

async fn demo(
    plane: &ControlPlane,
    binary: &std::path::Path,
    begun: Instant,
    exit_when_done: bool,
) -> Result<()> {
    let client = plane.client().await?;
    let kubectl = Kubectl::new(plane)?;
    println!(
        "Control plane: {} at {} ({:.1} s)",
        cluster::version(&client).await?,
        plane.server_url(),
        begun.elapsed().as_secs_f64()
    );
    println!(
        "  kube-controller-manager runs {}, the garbage collector and the namespace controller.",
        KCM.join(", ")
    );
    println!(
        "  Off: its controllers of EndpointSlices, Endpoints, mirroring and ServiceCIDRs, which quaymaster replaces."
    );
    println!("  So every EndpointSlice and every Endpoints object below was written by quaymaster.");
    for (name, zone) in NODES {
        node(name).zone(zone).cpu("4").ready().create(&client).await?;
    }
    let launch = Launch::new(binary, plane.logs().join("quaymaster.log")).connect(plane.kubeconfig())?;
    let (launch, webhook) = pools::flags(launch)?;
    pools::register(&client, webhook).await?;
    let mut quaymaster = launch.start_ready(READY_LIMIT).await?;
    println!(
        "quaymaster: process {}, {} and /metrics, log {}",
        quaymaster.pid(),
        quaymaster.url("/readyz"),
        quaymaster.log().display()
    );
    let kubelet = tokio::spawn(kubelet::run(client.clone()));

    let mut memory = Memory::default();
    let steps = steps::all();
    let count = steps.len() + pools::COUNT;
    for (at, step) in steps.iter().enumerate() {
        println!("\n[{}/{count}] {}", at + 1, step.title);
        play(step, &client, &kubectl, &mut memory, &mut quaymaster)
            .await
            .with_context(|| format!("step {} of {count} ({}) failed", at + 1, step.title))?;
    }
    pools::play(&client, &kubectl, webhook, (steps.len(), count)).await?;
    println!("\nAll {count} steps showed what they should.");
    let result = if exit_when_done {
        Ok(())
    } else {
        stay(plane, &client, &kubectl, &mut quaymaster).await
    };
    kubelet.abort();
    result
}

/// Does what the step says and waits until the API shows what should follow.
async fn play(
    step: &Step,
    client: &Client,
    kubectl: &Kubectl,
    memory: &mut Memory,
    quaymaster: &mut Quaymaster,
) -> Result<()> {
    let mut changes = Changes::of(&Snapshot::read(client).await?);
    for action in &step.actions {
        match action {
            Action::Kubectl(arguments) => kubectl.run(arguments)?,
            Action::OfOnePod {
                selector,
                arguments,
                deletes,
            } => {
                let snapshot = Snapshot::read(client).await?;
                let pod = snapshot
                    .pods_of(selector)
                    .first()
                    .map(|pod| (pod.name.clone(), pod.address.clone()));
                let (name, address) = pod.with_context(|| format!("no Pod has the labels {selector:?}"))?;
                if *deletes {
                    memory.gone.extend(address);
                }
                let arguments: Vec<&str> = arguments
                    .iter()
                    .map(|argument| {
                        if *argument == steps::POD {
                            name.as_str()
                        } else {
                            *argument
                        }
                    })
                    .collect();
                kubectl.run(&arguments)?;
            }
            Action::Refused { arguments, reason } => kubectl.refused(arguments, reason)?,
        }
    }
    println!("  expected: {}", step.expected);
    let begun = Instant::now();
    loop {
        let snapshot = Snapshot::read(client).await?;
        for change in changes.since(&snapshot) {
            println!("  {:5.2} s  {change}", begun.elapsed().as_secs_f64());
        }
        let wrong = step
            .wants
            .iter()
            .find_map(|want| check::check(want, &snapshot, memory).err());
        // Also where the slices are right: the next step would wait for nobody.
        let ended = quaymaster.server().exited();
        if let Some(status) = ended {
            let wrong = wrong.unwrap_or_else(|| "nothing yet, but nobody keeps the slices".to_owned());
            let why = format!("quaymaster ended by itself with {status}");
            bail!(failure(&why, step, &snapshot, &wrong));
        }
        match wrong {
            None => {
                print!("{}", table(step, &snapshot));
                return Ok(());
            }
            Some(wrong) if begun.elapsed() > STEP_LIMIT => {
                let why = format!("its slices did not come within {STEP_LIMIT:?}");
                bail!(failure(&why, step, &snapshot, &wrong));
            }
            Some(_) => {}
        }
        tokio::time::sleep(POLL).await;
    }
}

/// All there is to say of a step that failed. It is printed last, after the ends of all logs, so it repeats what the step
/// has said before them.
fn failure(why: &str, step: &Step, snapshot: &Snapshot, wrong: &str) -> String {
    let (expected, seen) = (step.expected, table(step, snapshot));
    format!("{why}\n  expected: {expected}\n  seen:\n{seen}  wrong: {wrong}")
}

/// The slices of the Services that a step looks at.
fn table(step: &Step, snapshot: &Snapshot) -> String {
    show::table(snapshot, step.wants.iter().map(|want| want.service))
}

/// Shows what changes until Ctrl-C.
async fn stay(
    plane: &ControlPlane,
    client: &Client,
    kubectl: &Kubectl,
    quaymaster: &mut Quaymaster,
) -> Result<()> {
    println!("\nEverything stays up. In another terminal:\n");
    println!("  export KUBECONFIG={}", plane.kubeconfig().display());
    println!("  alias kubectl={}", kubectl.program().display());
    println!("  kubectl get services,pods,endpointslices -o wide");
    println!("  kubectl scale rc test-rc --replicas=250");
    println!(
        "  kubectl get serviceippools,nodeportpools -o wide; kubectl create service clusterip another -n blue --tcp=80"
    );
    println!(
        "  kubectl annotate pod POD {}=false --overwrite    # makes a Pod unready; =true ready again",
        kubelet::READY
    );
    println!("\nChanges are shown here. Ctrl-C ends all of it; nothing remains.\n");
    let begun = Instant::now();
    let mut changes = Changes::of(&Snapshot::read(client).await?);
    let end = tokio::signal::ctrl_c();
    tokio::pin!(end);
    loop {
        tokio::select! {
            signal = &mut end => {
                signal.context("waiting for Ctrl-C")?;
                println!("\nended");
                return Ok(());
            }
            () = tokio::time::sleep(POLL * 5) => {}
        }
        if let Some(status) = quaymaster.server().exited() {
            bail!(
                "quaymaster ended with {status}; its log ends with\n{}",
                quaymaster.server().log_tail(20)
            );
        }
        for change in changes.since(&Snapshot::read(client).await?) {
            println!("{:7.1} s  {change}", begun.elapsed().as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests;
