//! Endpoints as short text.

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointSubset, Endpoints};
use kube::Api;
use quaymaster_testkit::eventually;

use super::{SOON, Test};

/// Each subset in one line, sorted: ports by name, addresses by Pod, such as `http:8080 dns:53/UDP = a b-unready`. An address
/// of nobody is shown by its IP. Without ports `-` stands for them.
pub(crate) fn describe_subsets(endpoints: &Endpoints) -> Vec<String> {
    let mut lines: Vec<String> = endpoints.subsets.iter().flatten().map(subset).collect();
    lines.sort();
    lines
}

fn subset(subset: &EndpointSubset) -> String {
    let mut ports: Vec<String> = subset
        .ports
        .iter()
        .flatten()
        .map(|port| {
            let protocol = match port.protocol.as_deref() {
                None | Some("TCP") => String::new(),
                Some(other) => format!("/{other}"),
            };
            format!(
                "{}:{}{protocol}",
                port.name.as_deref().unwrap_or_default(),
                port.port
            )
        })
        .collect();
    ports.sort();
    if ports.is_empty() {
        ports.push("-".to_owned());
    }
    let name = |address: &EndpointAddress, state: &str| {
        let target = address.target_ref.as_ref().and_then(|target| target.name.clone());
        format!("{}{state}", target.unwrap_or_else(|| address.ip.clone()))
    };
    let ready = subset.addresses.iter().flatten().map(|address| name(address, ""));
    let others = subset.not_ready_addresses.iter().flatten();
    let others = others.map(|address| name(address, "-unready"));
    let mut all: Vec<String> = ready.chain(others).collect();
    all.sort();
    format!("{} = {}", ports.join(" "), all.join(" "))
}

impl Test {
    pub(crate) fn endpoints(&self) -> Api<Endpoints> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Waits until the Service's Endpoints have these subsets, in any order, and gives them.
    pub(crate) async fn expect_subsets<const N: usize>(&self, service: &str, lines: [&str; N]) -> Endpoints {
        let mut wanted = lines.map(str::to_owned).to_vec();
        wanted.sort();
        eventually(
            SOON,
            &format!("Endpoints {service} to have {wanted:?}"),
            async || {
                let found = self.endpoints().get_opt(service).await.unwrap();
                let found = found.ok_or_else(|| "there are none".to_owned())?;
                let lines = describe_subsets(&found);
                if lines == wanted {
                    Ok(found)
                } else {
                    Err(format!("{lines:?}"))
                }
            },
        )
        .await
    }

    /// Waits until there are no Endpoints of this name.
    pub(crate) async fn expect_no_endpoints(&self, name: &str) {
        eventually(SOON, &format!("Endpoints {name} to be gone"), async || {
            self.endpoints().get_opt(name).await.unwrap().is_none()
        })
        .await;
    }
}
