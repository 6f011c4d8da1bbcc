//! The second part: two teams whose Services get their addresses and node ports out of two pools.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Service;
use kube::api::PostParams;
use kube::{Api, Client};
use quaymaster_testkit::ports;
use quaymaster_testkit::process::Launch;
use serde_json::json;

use super::POLL;
use super::kubectl::Kubectl;

/// How many steps there are here.
pub(crate) const COUNT: usize = 4;

/// Longest wait for what a step needs.
const LIMIT: Duration = Duration::from_mins(1);

/// The name of the webhook's configuration, which quaymaster fills in.
const CONFIGURATION: &str = "quaymaster";

/// A team, the network of its pool without the last number, and its node ports.
const TEAMS: [(&str, [u8; 3], (i32, i32)); 2] = [
    ("blue", [10, 0, 8], (30_100, 30_199)),
    ("red", [10, 0, 9], (30_200, 30_299)),
];

/// What quaymaster needs to give addresses and node ports, with a certificate of its own.
pub(crate) fn flags(launch: Launch) -> Result<(Launch, SocketAddr)> {
    let address = SocketAddr::new(
        Ipv4Addr::LOCALHOST.into(),
        ports::free().context("finding a free port")?,
    );
    let launch = launch.args([
        "--controllers=*,clusterip,nodeport".to_owned(),
        format!("--webhook-port={}", address.port()),
        format!("--webhook-bind-address={}", address.ip()),
        "--webhook-secret=kube-system/quaymaster-webhook".to_owned(),
    ]);
    Ok((launch, address))
}

/// Plays all steps, numbered after those before.
pub(crate) async fn play(
    client: &Client,
    kubectl: &Kubectl,
    webhook: SocketAddr,
    (before, count): (usize, usize),
) -> Result<()> {
    let title = |nth: usize, title: &str| println!("\n[{}/{count}] {title}", before + nth);
    title(
        1,
        "pools: the kinds, and quaymaster as a webhook of the apiserver",
    );
    kubectl.run(&["apply", "-f", "charts/quaymaster/crds"])?;
    println!(
        "  registered is https://{webhook}/allocate; its rules, conditions and authority are filled in by quaymaster"
    );
    until("the webhook's configuration", async || filled_in(client).await).await?;

    title(
        2,
        "two teams, each with a pool of addresses and one of node ports",
    );
    kubectl.run(&["apply", "-f", "crates/xtask/manifests/teams.yaml"])?;
    for kind in ["serviceippool", "nodeportpool"] {
        for (team, ..) in TEAMS {
            let pool = format!("{kind}/{team}");
            kubectl.run(&["wait", &pool, "--for=condition=Ready", "--timeout=60s"])?;
        }
    }

    title(3, "both apply the same Services");
    for (team, ..) in TEAMS {
        kubectl.run(&[
            "apply",
            "-n",
            team,
            "-f",
            "crates/xtask/manifests/team-services.yaml",
        ])?;
    }
    println!(
        "  expected: addresses of 10.0.8.0/24 and a node port from 30100 on for blue, 10.0.9.0/30 and from 30200 on for red"
    );
    for (team, network, node_ports) in TEAMS {
        check(client, team, network, node_ports).await?;
        kubectl.run(&["get", "services", "-n", team])?;
    }

    title(4, "the pool of red has two addresses, and both are in use");
    kubectl.refused(
        &[
            "create",
            "service",
            "clusterip",
            "one-more",
            "-n",
            "red",
            "--tcp=80",
        ],
        "ServiceIPPool red has none of 2 left",
    )?;
    kubectl.run(&["get", "serviceippools,nodeportpools"])
}

/// Makes quaymaster known to the apiserver, as a chart or its owner does, before it starts: by that it knows which certificate it
/// needs.
pub(crate) async fn register(client: &Client, webhook: SocketAddr) -> Result<()> {
    let configuration: MutatingWebhookConfiguration = serde_json::from_value(json!({
        "metadata": { "name": CONFIGURATION },
        "webhooks": [{
            "name": "services.quaymaster.io",
            "clientConfig": { "url": format!("https://{webhook}/allocate") },
            "failurePolicy": "Fail",
            "sideEffects": "NoneOnDryRun",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 10,
        }],
    }))?;
    let api: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    api.create(&PostParams::default(), &configuration)
        .await
        .context("registering the webhook")?;
    Ok(())
}

/// Whether the apiserver can call it, and knows for what.
async fn filled_in(client: &Client) -> Result<Option<String>> {
    let api: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let webhooks = api.get(CONFIGURATION).await?.webhooks.unwrap_or_default();
    let missing = webhooks.iter().any(|one| {
        one.client_config.ca_bundle.is_none() || one.rules.is_none() || one.match_conditions.is_none()
    });
    Ok(missing.then(|| "quaymaster has not filled it in".to_owned()))
}

/// Each Service of a team has an address of its pool, and of node ports one of its pool.
async fn check(client: &Client, team: &str, network: [u8; 3], (first, last): (i32, i32)) -> Result<()> {
    let api: Api<Service> = Api::namespaced(client.clone(), team);
    for name in ["shop", "shop-outside"] {
        let spec = api.get(name).await?.spec.unwrap_or_default();
        let ip = spec.cluster_ip.unwrap_or_default();
        let within = matches!(ip.parse(), Ok(IpAddr::V4(ip)) if ip.octets()[..3] == network);
        if !within {
            bail!("Service {team}/{name} has the address {ip}, which is not of the pool {team}");
        }
        let ports = spec.ports.unwrap_or_default();
        let node_ports: Vec<i32> = ports.iter().filter_map(|port| port.node_port).collect();
        if let Some(port) = node_ports.iter().find(|port| !(first..=last).contains(*port)) {
            bail!("Service {team}/{name} has the node port {port}, which is not of the pool {team}");
        }
        if node_ports.is_empty() == (name == "shop-outside") {
            bail!("Service {team}/{name} has the node ports {node_ports:?}");
        }
    }
    Ok(())
}

async fn until(what: &str, wrong: impl AsyncFn() -> Result<Option<String>>) -> Result<()> {
    let begun = Instant::now();
    loop {
        let Some(wrong) = wrong().await? else {
            return Ok(());
        };
        if begun.elapsed() > LIMIT {
            bail!("{what} did not come right within {LIMIT:?}: {wrong}");
        }
        tokio::time::sleep(POLL).await;
    }
}
