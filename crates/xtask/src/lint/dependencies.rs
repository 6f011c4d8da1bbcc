//! Which crate may use which.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use quaymaster_testkit::process;
use serde_json::Value;

use crate::workspace;

/// Crates that decide: they take time as an argument and reach no client.
pub(super) const PURE: [&str; 12] = [
    "allocator",
    "api",
    "election",
    "ipam",
    "membership",
    "model",
    "oracle",
    "queue",
    "slices",
    "subsets",
    "wire",
    "world",
];

/// What no pure crate may reach, not even through others.
const IMPURE: [&str; 6] = [
    "tokio",
    "kube",
    "kube-client",
    "kube-runtime",
    "hyper",
    "quaymaster-runtime",
];

/// Which crate of the workspace may use which in what it ships; what tests use is free. Each crate outside of `tests/`
/// has a line; those in `tests/` may use all.
///
/// What decides must not learn of what waits, what is shared must not learn of who shares it, and the oracle must not
/// borrow from what it is compared with: so a new edge is a decision, to be seen in review, with the picture in
/// docs/architecture.md.
const ALLOWED: [(&str, &[&str]); 28] = [
    ("allocator", &[]),
    ("api", &[]),
    ("election", &[]),
    ("ipam", &["allocator", "api", "model"]),
    ("model", &[]),
    ("membership", &["model"]),
    ("wire", &["model", "subsets"]),
    ("queue", &[]),
    ("slices", &["membership", "model"]),
    ("subsets", &["model"]),
    ("world", &["api", "membership", "model"]),
    ("watch", &["model", "wire"]),
    ("runtime", &["election", "model", "queue", "wire"]),
    ("webhook", &["runtime"]),
    (
        "engine",
        &["api", "model", "queue", "runtime", "watch", "wire", "world"],
    ),
    (
        "endpoints",
        &[
            "engine",
            "membership",
            "model",
            "queue",
            "runtime",
            "subsets",
            "wire",
            "world",
        ],
    ),
    (
        "endpointslice",
        &[
            "engine",
            "membership",
            "model",
            "queue",
            "runtime",
            "slices",
            "world",
        ],
    ),
    ("claim", &["api", "engine", "ipam", "model", "queue", "world"]),
    (
        "admission",
        &["allocator", "api", "ipam", "model", "runtime", "webhook"],
    ),
    (
        "clusterip",
        &[
            "allocator",
            "api",
            "engine",
            "ipam",
            "model",
            "queue",
            "runtime",
            "world",
        ],
    ),
    (
        "nodeport",
        &[
            "allocator",
            "api",
            "engine",
            "ipam",
            "model",
            "queue",
            "runtime",
            "world",
        ],
    ),
    ("externalname", &["engine", "model", "queue", "runtime", "world"]),
    ("service-cidr", &["engine", "model", "queue", "runtime", "world"]),
    (
        "endpointslice-mirroring",
        &[
            "engine", "model", "queue", "runtime", "slices", "subsets", "world",
        ],
    ),
    (
        "manager",
        &[
            "admission",
            "claim",
            "clusterip",
            "election",
            "endpoints",
            "endpointslice",
            "endpointslice-mirroring",
            "engine",
            "externalname",
            "ipam",
            "model",
            "nodeport",
            "runtime",
            "service-cidr",
            "slices",
            "watch",
            "webhook",
        ],
    ),
    ("oracle", &[]),
    ("testkit", &[]),
    ("xtask", &["api", "differential", "testkit"]),
];

/// Where a new edge is to be entered.
const TABLE: &str = "ALLOWED in crates/xtask/src/lint/dependencies.rs";

/// A package of the workspace, or one that it uses.
#[derive(Debug, Default)]
struct Package {
    /// The folder below the root, such as `controllers/endpointslice`; empty for packages from elsewhere.
    folder: String,
    /// Names of what it uses in what it ships.
    normal: BTreeSet<String>,
}

pub(super) fn check() -> Result<Vec<String>> {
    let mut command = workspace::cargo();
    command.args(["metadata", "--format-version", "1"]);
    let output = process::output(command, Stdio::inherit()).context("running cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed");
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).context("reading cargo metadata")?;
    Ok(findings(&packages(&metadata)))
}

fn packages(metadata: &Value) -> BTreeMap<String, Package> {
    let root = metadata["workspace_root"].as_str().unwrap_or_default();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let names: BTreeMap<String, String> = list(&metadata["packages"])
        .iter()
        .map(|package| (text(&package["id"]), text(&package["name"])))
        .collect();
    let mut packages: BTreeMap<String, Package> = BTreeMap::new();
    for package in list(&metadata["packages"]) {
        let folder = text(&package["manifest_path"])
            .strip_prefix(root)
            .and_then(|path| path.strip_suffix("/Cargo.toml"))
            .map(|path| path.trim_start_matches('/').to_owned());
        if package["source"].is_null() {
            packages.entry(text(&package["name"])).or_default().folder = folder.unwrap_or_default();
        }
    }
    for node in list(&metadata["resolve"]["nodes"]) {
        let Some(name) = names.get(&text(&node["id"])) else {
            continue;
        };
        // Two versions of one package count as one: what either uses is used.
        let package = packages.entry(name.clone()).or_default();
        for used in list(&node["deps"]) {
            let ships = list(&used["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
            if ships {
                package.normal.extend(names.get(&text(&used["pkg"])).cloned());
            }
        }
    }
    packages
}

fn findings(packages: &BTreeMap<String, Package>) -> Vec<String> {
    let mut findings = Vec::new();
    for pure in PURE {
        let name = format!("quaymaster-{pure}");
        for impure in reached(packages, &name)
            .iter()
            .filter(|name| IMPURE.contains(&name.as_str()))
        {
            findings.push(format!(
                "{name} decides and must not reach {impure}: see cargo tree -p {name} -e normal -i {impure}"
            ));
        }
    }
    let own: BTreeMap<&str, &Package> = packages
        .iter()
        .filter(|(_, package)| !package.folder.is_empty())
        .map(|(name, package)| (short(name), package))
        .collect();
    for (name, _) in ALLOWED.iter().filter(|(name, _)| !own.contains_key(name)) {
        findings.push(format!("{name} stands in {TABLE} and does not exist"));
    }
    for (name, package) in own
        .iter()
        .filter(|(_, package)| !package.folder.starts_with("tests/"))
    {
        let Some((_, allowed)) = ALLOWED.iter().find(|(of, _)| of == name) else {
            findings.push(format!("{name} needs a line in {TABLE}: what it may use"));
            continue;
        };
        let used: BTreeSet<&str> = package
            .normal
            .iter()
            .map(|used| short(used))
            .filter(|used| own.contains_key(used))
            .collect();
        for used in used.iter().filter(|used| !allowed.contains(used)) {
            findings.push(format!(
                "{name} must not use {used}: what both need goes down into a crate below them. If the direction itself \
                 is to change, say so in {TABLE} and in docs/architecture.md"
            ));
        }
        for unused in allowed.iter().filter(|allowed| !used.contains(*allowed)) {
            findings.push(format!(
                "{name} does not use {unused} any more: take it off its line in {TABLE}, or it may creep back"
            ));
        }
    }
    findings
}

/// What a package is called in the tables here.
fn short(name: &str) -> &str {
    name.strip_prefix("quaymaster-").unwrap_or(name)
}

/// All that a package uses in what it ships, directly and through others.
fn reached(packages: &BTreeMap<String, Package>, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut next = vec![from.to_owned()];
    while let Some(name) = next.pop() {
        for used in packages
            .get(&name)
            .into_iter()
            .flat_map(|package| &package.normal)
        {
            if reached.insert(used.clone()) {
                next.push(used.clone());
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Findings in a workspace as the table has it, with these crates, folders and edges as well.
    fn workspace_with(edges: &[(&str, &str, &str)]) -> Vec<String> {
        let full = |name: &str| format!("quaymaster-{name}");
        let mut packages: BTreeMap<String, Package> = BTreeMap::new();
        for (name, allowed) in ALLOWED {
            let package = Package {
                folder: format!("crates/{name}"),
                normal: allowed.iter().map(|used| full(used)).collect(),
            };
            packages.insert(full(name), package);
        }
        packages.insert(
            full("differential"),
            Package {
                folder: "tests/differential".to_owned(),
                normal: BTreeSet::new(),
            },
        );
        for (name, folder, used) in edges {
            let package = packages.entry((*name).to_owned()).or_default();
            package.folder = (*folder).to_owned();
            package.normal.insert((*used).to_owned());
            packages.entry((*used).to_owned()).or_default();
        }
        findings(&packages)
    }

    #[test]
    fn a_workspace_as_the_table_has_it_is_without_findings() {
        assert_eq!(workspace_with(&[]), [""; 0]);
    }

    #[test]
    fn a_pure_crate_that_reaches_tokio_through_another_is_found() {
        let found = workspace_with(&[
            ("quaymaster-membership", "crates/membership", "helper"),
            ("helper", "", "tokio"),
        ]);
        let reached = |name| format!("quaymaster-{name} decides and must not reach tokio");
        assert_eq!(found.len(), 3, "{found:?}");
        for (finding, name) in found.iter().zip(["membership", "slices", "world"]) {
            assert!(finding.starts_with(&reached(name)), "{finding}");
        }
    }

    #[test]
    fn an_edge_that_the_table_does_not_have_is_found_and_the_table_named() {
        for (name, used) in [
            ("quaymaster-engine", "quaymaster-endpointslice"),
            ("quaymaster-engine", "quaymaster-slices"),
            ("quaymaster-watch", "quaymaster-world"),
            ("quaymaster-oracle", "quaymaster-model"),
            ("quaymaster-manager", "quaymaster-testkit"),
            ("quaymaster-testkit", "quaymaster-differential"),
        ] {
            let folder = name.replace("quaymaster-", "crates/");
            let found = workspace_with(&[(name, &folder, used)]);
            let begin = format!("{} must not use {}:", short(name), short(used));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(
                found[0].starts_with(&begin) && found[0].contains(TABLE),
                "{found:?}"
            );
        }
    }

    #[test]
    fn a_crate_without_a_line_is_found_unless_it_is_a_test() {
        let found = workspace_with(&[
            (
                "quaymaster-mirroring",
                "controllers/mirroring",
                "quaymaster-model",
            ),
            ("quaymaster-bench", "tests/bench", "quaymaster-slices"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("mirroring needs a line"), "{found:?}");
    }

    #[test]
    fn an_edge_that_is_gone_does_not_stay_allowed() {
        let mut packages: BTreeMap<String, Package> = BTreeMap::new();
        let package = packages.entry("quaymaster-membership".to_owned()).or_default();
        package.folder = "crates/membership".to_owned();
        let found = findings(&packages);
        assert!(
            found
                .iter()
                .any(|finding| finding.starts_with("membership does not use model")),
            "{found:?}"
        );
        assert!(
            found
                .iter()
                .any(|finding| finding.starts_with("world stands in ALLOWED")),
            "{found:?}"
        );
    }

    #[test]
    fn the_table_keeps_controllers_apart_and_lets_nothing_that_ships_use_tests() {
        let allowed = |name: &str| ALLOWED.iter().find(|(of, _)| *of == name).unwrap().1;
        for (name, uses) in ALLOWED {
            for controller in ["endpointslice", "endpointslice-mirroring"] {
                assert!(
                    !uses.contains(&controller) || name == "manager",
                    "{name} uses {controller}"
                );
            }
            for helper in ["differential", "oracle", "testkit"] {
                assert!(!uses.contains(&helper) || name == "xtask", "{name} uses {helper}");
            }
        }
        assert_eq!(allowed("oracle"), [""; 0], "it shares nothing with what it tests");
    }
}
