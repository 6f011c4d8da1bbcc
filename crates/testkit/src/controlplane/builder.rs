//! What a test may choose before its control plane starts.

use std::env;

use super::{ControlPlane, ControlPlaneError};
use crate::assets::Minor;

/// Names the minor for tests that do not choose one, so that one suite runs on several versions.
const MINOR_VARIABLE: &str = "QUAYMASTER_TEST_MINOR";

/// The controllers of KCM without which nothing dies with its owner or its namespace.
const ALWAYS: [&str; 2] = ["garbage-collector-controller", "namespace-controller"];

/// The settings of a control plane; [`start`](Self::start) starts it.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    pub(super) minor: Option<String>,
    pub(super) service_cidrs: Vec<String>,
    pub(super) node_port_range: Option<String>,
    pub(super) feature_gates: Vec<(String, bool)>,
    pub(super) audit_log: bool,
    pub(super) rbac: bool,
    pub(super) apiserver_args: Vec<String>,
    /// Controllers of the KCM that starts with the apiserver; `None` for no KCM.
    pub(super) kcm: Option<Vec<String>>,
    pub(super) kcm_args: Vec<String>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            minor: env::var(MINOR_VARIABLE).ok().filter(|minor| !minor.is_empty()),
            service_cidrs: vec!["10.0.0.0/16".to_owned()],
            node_port_range: None,
            feature_gates: Vec::new(),
            audit_log: false,
            rbac: false,
            apiserver_args: Vec::new(),
            kcm: Some(strings(ALWAYS)),
            kcm_args: Vec::new(),
        }
    }
}

impl Builder {
    /// The Kubernetes minor, such as `1.33`. Without it: `QUAYMASTER_TEST_MINOR`, else whatever
    /// [`Assets::find`](crate::assets::Assets::find) gives.
    pub fn minor(mut self, minor: impl Into<String>) -> Self {
        self.minor = Some(minor.into());
        self
    }

    /// The ranges of Service addresses, one or one of each family; the first is the primary. Default: `10.0.0.0/16`.
    pub fn service_cidrs<S: Into<String>>(mut self, cidrs: impl IntoIterator<Item = S>) -> Self {
        self.service_cidrs = strings(cidrs);
        self
    }

    /// The range of node ports, such as `30000-30010`. Default: the apiserver's.
    pub fn node_port_range(mut self, range: impl Into<String>) -> Self {
        self.node_port_range = Some(range.into());
        self
    }

    /// Feature gates, given to kube-apiserver and to each KCM.
    pub fn feature_gates<S: Into<String>>(mut self, gates: impl IntoIterator<Item = (S, bool)>) -> Self {
        self.feature_gates
            .extend(gates.into_iter().map(|(gate, on)| (gate.into(), on)));
        self
    }

    /// Whether requests are recorded for [`ControlPlane::audit`]. Default: not.
    pub fn audit_log(mut self, on: bool) -> Self {
        self.audit_log = on;
        self
    }

    /// Whether RBAC decides who may do what, as [`ControlPlane::kubeconfig_for`] needs. Default: not, so that everybody
    /// may do everything; an apiserver takes a second or more to create the roles that RBAC begins with.
    pub fn rbac(mut self, on: bool) -> Self {
        self.rbac = on;
        self
    }

    /// Further arguments of kube-apiserver; they come last, so they override those of the kit.
    pub fn extra_apiserver_args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.apiserver_args.extend(strings(args));
        self
    }

    /// One more controller for the KCM that starts with the apiserver, such as `deployment-controller`.
    pub fn kcm(mut self, controller: impl Into<String>) -> Self {
        self.kcm
            .get_or_insert_with(|| strings(ALWAYS))
            .push(controller.into());
        self
    }

    /// The controllers of the KCM that starts with the apiserver, beside garbage collector and namespace controller.
    pub fn kcm_controllers<S: Into<String>>(mut self, controllers: impl IntoIterator<Item = S>) -> Self {
        let mut all = strings(ALWAYS);
        all.extend(strings(controllers));
        self.kcm = Some(all);
        self
    }

    /// Further arguments of the KCM that starts with the apiserver.
    pub fn extra_kcm_args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.kcm_args.extend(strings(args));
        self
    }

    /// No KCM: for programs of `KUBEBUILDER_ASSETS`, which lack it. Nothing then dies with its owner, and
    /// namespaces stay `Terminating`.
    pub fn no_kcm(mut self) -> Self {
        self.kcm = None;
        self
    }

    /// Starts etcd and kube-apiserver, waits until the apiserver is ready, and starts KCM.
    ///
    /// # Errors
    /// Where a program is missing or a server ends or hangs; the text holds the end of its log.
    pub async fn start(self) -> Result<ControlPlane, ControlPlaneError> {
        ControlPlane::start(self).await
    }

    pub(super) fn parsed_minor(&self) -> Result<Option<Minor>, ControlPlaneError> {
        self.minor
            .as_ref()
            .map(|text| text.parse().map_err(|_| ControlPlaneError::Minor(text.clone())))
            .transpose()
    }

    /// The flag for feature gates, if any were given.
    pub(super) fn feature_gates_flag(&self) -> Option<String> {
        let gates: Vec<String> = self
            .feature_gates
            .iter()
            .map(|(gate, on)| format!("{gate}={on}"))
            .collect();
        (!gates.is_empty()).then(|| format!("--feature-gates={}", gates.join(",")))
    }
}

pub(super) fn strings<S: Into<String>>(items: impl IntoIterator<Item = S>) -> Vec<String> {
    items.into_iter().map(Into::into).collect()
}
