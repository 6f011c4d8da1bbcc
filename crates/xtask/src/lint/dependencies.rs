//! Which crate may use which.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::workspace;

/// Crates that decide: they take time as an argument and reach no client.
const PURE: [&str; 7] = [
    "quaymaster-membership",
    "quaymaster-model",
    "quaymaster-oracle",
    "quaymaster-queue",
    "quaymaster-slices",
    "quaymaster-wire",
    "quaymaster-world",
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

/// Starts servers: for tests and for what contributors run.
const TESTKIT: &str = "quaymaster-testkit";

/// The binary, which alone puts controllers together.
const MANAGER: &str = "quaymaster-manager";

/// The second implementation, from which the first must not borrow.
const ORACLE: &str = "quaymaster-oracle";

/// A package of the workspace, or one that it uses.
#[derive(Debug, Default)]
struct Package {
    /// The folder below the root, such as `controllers/endpointslice`; empty for packages from elsewhere.
    folder: String,
    /// Names of what it uses in what it ships.
    normal: BTreeSet<String>,
}

pub(super) fn check() -> Result<Vec<String>> {
    let output = workspace::cargo()
        .args(["metadata", "--format-version", "1"])
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("running cargo metadata")?;
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
    let is_controller = |name: &String| {
        packages
            .get(name)
            .is_some_and(|package| package.folder.starts_with("controllers/"))
    };
    for name in PURE {
        if !packages.contains_key(name) {
            findings.push(format!("{name} is named as a pure crate and does not exist"));
        }
        for impure in reached(packages, name)
            .iter()
            .filter(|name| IMPURE.contains(&name.as_str()))
        {
            findings.push(format!(
                "{name} decides and must not reach {impure}: see cargo tree -p {name} -e normal -i {impure}"
            ));
        }
    }
    for (name, package) in packages.iter().filter(|(_, package)| !package.folder.is_empty()) {
        let folder = package.folder.as_str();
        for used in &package.normal {
            if is_controller(used) && name != MANAGER && !folder.starts_with("tests/") {
                findings.push(format!(
                    "{name} must not use the controller {used}: what both need goes down into a crate"
                ));
            }
            if used == TESTKIT && !folder.starts_with("tests/") && name != "xtask" {
                findings.push(format!("{name} uses {TESTKIT} for more than its tests"));
            }
            if used == ORACLE && !folder.starts_with("tests/") && name != "xtask" {
                findings.push(format!("{name} uses {ORACLE} for more than its tests"));
            }
        }
        let private = |used: &&String| packages.get(*used).is_some_and(|used| !used.folder.is_empty());
        if name == ORACLE {
            for used in package.normal.iter().filter(private) {
                findings.push(format!(
                    "{ORACLE} must not share code with what it tests, and uses {used}"
                ));
            }
        }
    }
    findings
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

    fn workspace_with(edges: &[(&str, &str, &str)]) -> Vec<String> {
        let mut packages: BTreeMap<String, Package> = BTreeMap::new();
        for name in PURE {
            packages.entry(name.to_owned()).or_default().folder = format!("crates/{name}");
        }
        for (name, folder, used) in edges {
            let package = packages.entry((*name).to_owned()).or_default();
            package.folder = (*folder).to_owned();
            package.normal.insert((*used).to_owned());
            packages.entry((*used).to_owned()).or_default();
        }
        findings(&packages)
    }

    #[test]
    fn a_pure_crate_that_reaches_tokio_through_another_is_found() {
        let found = workspace_with(&[
            ("quaymaster-world", "crates/world", "quaymaster-model"),
            ("quaymaster-model", "crates/model", "helper"),
            ("helper", "", "tokio"),
        ]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("quaymaster-model decides and must not reach tokio"));
        assert!(found[1].starts_with("quaymaster-world decides and must not reach tokio"));
    }

    #[test]
    fn only_the_manager_uses_controllers_and_only_tests_use_the_testkit() {
        let controller = (
            "quaymaster-endpoints",
            "controllers/endpoints",
            "quaymaster-model",
        );
        let found = workspace_with(&[
            controller,
            (
                "quaymaster-mirroring",
                "controllers/mirroring",
                "quaymaster-endpoints",
            ),
            (MANAGER, "controllers/manager", "quaymaster-endpoints"),
            ("quaymaster-engine", "crates/engine", TESTKIT),
            ("quaymaster-integration", "tests/integration", TESTKIT),
        ]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found
                .iter()
                .any(|finding| finding.starts_with("quaymaster-mirroring must not use"))
        );
        assert!(
            found
                .iter()
                .any(|finding| finding.starts_with("quaymaster-engine uses"))
        );
    }

    #[test]
    fn the_oracle_shares_nothing_with_what_it_tests() {
        let found = workspace_with(&[
            (ORACLE, "crates/oracle", "quaymaster-slices"),
            ("quaymaster-engine", "crates/engine", ORACLE),
        ]);
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
