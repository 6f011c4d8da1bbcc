//! The command lines of etcd and kube-apiserver.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::authority::Authority;
use super::{Builder, ControlPlaneError};
use crate::ports;

/// Ports of one attempt to start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) etcd: u16,
    pub(super) etcd_peer: u16,
    pub(super) apiserver: u16,
}

impl Ports {
    pub(super) fn free() -> Result<Self, ControlPlaneError> {
        let free = || ports::free().map_err(ControlPlaneError::io("looking for a free port"));
        Ok(Self {
            etcd: free()?,
            etcd_peer: free()?,
            apiserver: free()?,
        })
    }

    pub(super) fn server(self) -> String {
        format!("https://127.0.0.1:{}", self.apiserver)
    }
}

/// Lets the heap grow to five times what lives before it is collected, unless the user says otherwise: a third of the
/// CPU that an apiserver takes to start was garbage collection, and tests start many. kube-controller-manager keeps its
/// own default, since it is measured.
fn collect_less(command: &mut Command) {
    if std::env::var_os("GOGC").is_none() {
        command.env("GOGC", "400");
    }
}

pub(super) fn etcd(program: &Path, data: &Path, ports: Ports) -> Command {
    let client = format!("http://127.0.0.1:{}", ports.etcd);
    let peer = format!("http://127.0.0.1:{}", ports.etcd_peer);
    let mut command = Command::new(program);
    command
        .arg("--name=test")
        .arg(format!("--data-dir={}", data.display()))
        .arg(format!("--listen-client-urls={client}"))
        .arg(format!("--advertise-client-urls={client}"))
        .arg(format!("--listen-peer-urls={peer}"))
        .arg(format!("--initial-advertise-peer-urls={peer}"))
        .arg(format!("--initial-cluster=test={peer}"))
        .arg("--unsafe-no-fsync")
        // It elects itself after an election timeout; its own of a second is for networks.
        .arg("--heartbeat-interval=20")
        .arg("--election-timeout=200")
        .arg("--log-level=warn");
    // Variables of the user's own etcd would be taken as flags.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ETCD_") {
            command.env_remove(name);
        }
    }
    collect_less(&mut command);
    command
}

pub(super) fn apiserver(
    program: &Path,
    settings: &Builder,
    authority: &Authority,
    ports: Ports,
    audit_log: &Path,
) -> Command {
    let file = |name: &str| authority.file(name).display().to_string();
    let mut command = Command::new(program);
    collect_less(&mut command);
    command
        .arg(format!("--etcd-servers=http://127.0.0.1:{}", ports.etcd))
        .arg("--bind-address=127.0.0.1")
        // Given, so that a machine without a default route works too.
        .arg("--advertise-address=127.0.0.1")
        // A loopback address cannot be an endpoint of the Service `kubernetes`.
        .arg("--endpoint-reconciler-type=none")
        .arg(format!("--secure-port={}", ports.apiserver))
        .arg(format!("--tls-cert-file={}", file("apiserver.crt")))
        .arg(format!("--tls-private-key-file={}", file("apiserver.key")))
        .arg(format!("--client-ca-file={}", file("ca.crt")))
        .arg(format!("--token-auth-file={}", file("tokens.csv")))
        .arg(if settings.rbac {
            "--authorization-mode=RBAC"
        } else {
            "--authorization-mode=AlwaysAllow"
        })
        .arg("--service-account-issuer=https://kubernetes.default.svc")
        .arg(format!(
            "--service-account-key-file={}",
            file("service-account.pub")
        ))
        .arg(format!(
            "--service-account-signing-key-file={}",
            file("service-account.key")
        ))
        // It wants a `default` ServiceAccount in each namespace, which a controller of KCM would make.
        .arg("--disable-admission-plugins=ServiceAccount")
        .arg(format!(
            "--service-cluster-ip-range={}",
            settings.service_cidrs.join(",")
        ));
    if let Some(range) = &settings.node_port_range {
        command.arg(format!("--service-node-port-range={range}"));
    }
    command.args(settings.feature_gates_flag());
    if settings.audit_log {
        command
            .arg(format!("--audit-policy-file={}", file("audit-policy.json")))
            .arg(format!("--audit-log-path={}", audit_log.display()))
            // Else the file would be rotated away under the reader at 100 MB.
            .arg(format!("--audit-log-maxsize={AUDIT_LOG_MEGABYTES}"));
    }
    command.args(&settings.apiserver_args);
    command
}

/// More than any test writes.
const AUDIT_LOG_MEGABYTES: u32 = 100_000;

/// Every request is recorded; writes of what the controllers under test keep, with their bodies.
const AUDIT_POLICY: &str = r#"{
  "apiVersion": "audit.k8s.io/v1",
  "kind": "Policy",
  "omitStages": ["RequestReceived"],
  "rules": [
    {
      "level": "RequestResponse",
      "verbs": ["create", "update", "patch", "delete", "deletecollection"],
      "resources": [
        {"group": "", "resources": ["services", "services/status", "endpoints"]},
        {"group": "discovery.k8s.io", "resources": ["endpointslices"]},
        {"group": "networking.k8s.io", "resources": ["ipaddresses", "servicecidrs", "servicecidrs/status"]}
      ]
    },
    {"level": "Metadata"}
  ]
}
"#;

pub(super) fn write_audit_policy(authority: &Authority) -> Result<(), ControlPlaneError> {
    fs::write(authority.file("audit-policy.json"), AUDIT_POLICY)
        .map_err(ControlPlaneError::io("writing the audit policy"))
}
