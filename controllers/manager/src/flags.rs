//! The flags.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::StyledStr;
use clap::builder::styling::{AnsiColor, Styles};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Parser};

use crate::controllers::{
    ClusterIpFlags, EndpointSliceFlags, EndpointsFlags, ExternalNameFlags, MirroringFlags, NodePortFlags,
};
use crate::logging::{Format, Level};
use crate::{controllers, duration, logging};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold());

/// Keeps EndpointSlices and Endpoints for every Service, and ServiceCIDRs, in place of kube-controller-manager's controllers.
///
/// Start kube-controller-manager beside it with
/// --controllers=*,-endpoints-controller,-endpointslice-controller,-endpointslice-mirroring-controller,-service-cidr-controller:
/// two writers of the same objects overwrite each other.
#[derive(Debug, Parser)]
#[command(
    name = "quaymaster",
    version,
    styles = STYLES,
    max_term_width = 110,
    after_help = "Exit codes: 0 ended by a signal; 1 could not start or go on; 2 wrong flags or settings."
)]
pub(crate) struct Flags {
    #[command(flatten, next_help_heading = "Cluster")]
    pub(crate) cluster: ClusterFlags,
    #[command(flatten, next_help_heading = "Leader election")]
    pub(crate) election: ElectionFlags,
    #[command(flatten, next_help_heading = "Controllers")]
    pub(crate) controllers: ControllerFlags,
    #[command(flatten, next_help_heading = "Endpoints controller")]
    pub(crate) endpoints: EndpointsFlags,
    #[command(flatten, next_help_heading = "EndpointSlice controller")]
    pub(crate) endpointslice: EndpointSliceFlags,
    #[command(flatten, next_help_heading = "EndpointSlice mirroring controller")]
    pub(crate) mirroring: MirroringFlags,
    #[command(flatten, next_help_heading = "ExternalName controller")]
    pub(crate) externalname: ExternalNameFlags,
    #[command(flatten, next_help_heading = "ClusterIP controller")]
    pub(crate) clusterip: ClusterIpFlags,
    #[command(flatten, next_help_heading = "Node port controller")]
    pub(crate) nodeport: NodePortFlags,
    #[command(flatten, next_help_heading = "Webhook")]
    pub(crate) webhook: WebhookFlags,
    #[command(flatten, next_help_heading = "Health and metrics")]
    pub(crate) admin: AdminFlags,
    #[command(flatten, next_help_heading = "Logs")]
    pub(crate) logging: LoggingFlags,
}

/// Flags of kube-controller-manager that are often given and not here, and what stands in their place. One that ends with
/// a dash means all that begin so; the first that fits counts.
const FOREIGN: [(&str, &str); 15] = [
    (
        "--leader-elect-resource-lock",
        "leave this out: it is a Lease, as everywhere by now",
    ),
    (
        "--kube-api-content-type",
        "leave this out: quaymaster and the apiserver speak JSON",
    ),
    (
        "--kube-api-",
        "leave this out: the number of writes in flight follows the apiserver's latency and its 429 answers",
    ),
    (
        "--min-resync-period",
        "leave this out: nothing is read again and again, what differs is found when it changes",
    ),
    (
        "--secure-port",
        "health and metrics are served over plain HTTP: give --port, and --bind-address for whom",
    ),
    (
        "--master",
        "the apiserver's address and credentials come from --kubeconfig",
    ),
    (
        "--authentication-",
        "leave this out: who asks for health and metrics is not asked who it is; --bind-address bounds who can",
    ),
    (
        "--authorization-",
        "leave this out: who asks for health and metrics is not asked who it is; --bind-address bounds who can",
    ),
    (
        "--profiling",
        "leave this out: there are no profiles to be asked for",
    ),
    ("--v", "give --log-level=debug or --log-level=trace"),
    ("-v", "give --log-level=debug or --log-level=trace"),
    (
        "--vmodule",
        "give --log-level with modules, such as --log-level=info,quaymaster=debug",
    ),
    (
        "--context",
        "the kubeconfig's current-context counts: set it with kubectl config use-context, in a copy of the file",
    ),
    (
        "--use-service-account-credentials",
        "leave this out: all is done as the one user of --kubeconfig, or the Pod's service account",
    ),
    ("--service-account-", "leave this out: quaymaster makes no tokens"),
];

/// Whether this is the flag, or one of the flags, of an entry of [`FOREIGN`].
fn is_meant(entry: &str, flag: &str) -> bool {
    flag == entry || (entry.ends_with('-') && flag.starts_with(entry))
}

impl Flags {
    /// The flags of this process. Ends it where they are wrong, or after `--help` and `--version`.
    pub(crate) fn of_process() -> Self {
        Self::read(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    fn read(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(arguments).map_err(|error| {
            let variable = std::env::var(LOG_VARIABLE).ok();
            with_hint(error, variable.as_deref())
        })
    }
}

/// The variable that stands for `--log-level`.
const LOG_VARIABLE: &str = "QUAYMASTER_LOG";

/// Of flags that came from kube-controller-manager's command line it is said what to do without them, and of a wrong
/// `--log-level` that nobody gave, where it comes from.
fn with_hint(mut error: clap::Error, log_variable: Option<&str>) -> clap::Error {
    let hint = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) if flag.starts_with("--log-level") => {
            match error.get(ContextKind::InvalidValue) {
                Some(ContextValue::String(value)) if log_variable == Some(value) => {
                    Some(StyledStr::from(format!("this value comes from ${LOG_VARIABLE}")))
                }
                _ => None,
            }
        }
        Some(ContextValue::String(flag)) if error.kind() == ErrorKind::UnknownArgument => FOREIGN
            .iter()
            .find(|(entry, _)| is_meant(entry, flag))
            .map(|(_, hint)| StyledStr::from(*hint)),
        _ => None,
    };
    if let Some(hint) = hint {
        // The nearest of our own flags would be another thing altogether.
        error.remove(ContextKind::SuggestedArg);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint]));
    }
    error
}

/// How the cluster is reached.
#[derive(Debug, Args)]
pub(crate) struct ClusterFlags {
    /// The kubeconfig to use [default: $KUBECONFIG, else the Pod's service account, else ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Name of this replica in the user agent and in Events [default: $HOSTNAME, with the process id]
    #[arg(long, value_name = "NAME")]
    pub(crate) holder: Option<String>,
    /// Give up if the apiserver cannot be reached for this long at start; 0 waits for ever
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, allow_hyphen_values = true, default_value = "0")]
    pub(crate) start_timeout: Duration,
}

/// Which of several replicas writes.
#[derive(Debug, Args)]
#[expect(clippy::struct_field_names, reason = "fields are named as their flags")]
pub(crate) struct ElectionFlags {
    /// Elect one of several replicas, which alone writes; the others follow what happens and go on at once when it ends.
    /// Without it there must be one replica
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true"
    )]
    pub(crate) leader_elect: bool,
    /// For how long others wait after the last renewal before they take over; whole seconds
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, allow_hyphen_values = true, default_value = "3s")]
    pub(crate) leader_elect_lease_duration: Duration,
    /// For how long the leader goes on without a renewal; less than the lease duration
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, allow_hyphen_values = true, default_value = "2s")]
    pub(crate) leader_elect_renew_deadline: Duration,
    /// How often the leader renews, and others try
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, allow_hyphen_values = true, default_value = "500ms")]
    pub(crate) leader_elect_retry_period: Duration,
    /// Name of the Lease
    #[arg(long, value_name = "NAME", default_value = "quaymaster")]
    pub(crate) leader_elect_resource_name: String,
    /// Namespace of the Lease
    #[arg(long, value_name = "NAMESPACE", default_value = "kube-system")]
    pub(crate) leader_elect_resource_namespace: String,
}

/// Which controllers run.
#[derive(Debug, Args)]
pub(crate) struct ControllerFlags {
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        allow_hyphen_values = true,
        default_value = "*",
        help = format!("Controllers to run: * is all but clusterip and nodeport, foo runs foo, -foo does not. Known: {}", controllers::known())
    )]
    pub(crate) controllers: Vec<String>,
}

/// Where admission reviews are answered.
#[derive(Debug, Args)]
#[expect(clippy::struct_field_names, reason = "fields are named as their flags")]
pub(crate) struct WebhookFlags {
    /// Port that admission reviews of Services are answered on; 0 answers none, and the apiserver chooses addresses and ports
    #[arg(long, value_name = "PORT", allow_negative_numbers = true, default_value_t = 0)]
    pub(crate) webhook_port: u16,
    /// Address of the same
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) webhook_bind_address: std::net::IpAddr,
    /// File with the certificate that the webhook presents, and those that signed it; read again when it changes
    #[arg(long, value_name = "FILE", requires = "webhook_key_file")]
    pub(crate) webhook_cert_file: Option<PathBuf>,
    /// File with its key
    #[arg(long, value_name = "FILE", requires = "webhook_cert_file")]
    pub(crate) webhook_key_file: Option<PathBuf>,
    /// Secret with an authority and a certificate of our own, in place of files: made where there is none, and renewed in time
    #[arg(long, value_name = "NAMESPACE/NAME", conflicts_with_all = ["webhook_cert_file", "webhook_key_file"])]
    pub(crate) webhook_secret: Option<NamespacedName>,
    /// Service whose name that certificate is for [default: what the webhook's configuration names]
    #[arg(long, value_name = "NAMESPACE/NAME", requires = "webhook_secret")]
    pub(crate) webhook_service: Option<NamespacedName>,
    /// Webhook configuration (mutating) whose rules, conditions and authorities are kept, and policies beside it; empty keeps nothing
    #[arg(long, value_name = "NAME", default_value = "quaymaster")]
    pub(crate) webhook_configuration: String,
    /// Namespaces that do without the webhook and without exclusive pools, beside those of --webhook-secret and --webhook-service
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "kube-system"
    )]
    pub(crate) webhook_exempt_namespaces: Vec<String>,
}

/// An object in a namespace, as `NAMESPACE/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamespacedName {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl std::str::FromStr for NamespacedName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self {
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                })
            }
            _ => Err("give it as NAMESPACE/NAME"),
        }
    }
}

/// Where health and metrics are served.
#[derive(Debug, Args)]
pub(crate) struct AdminFlags {
    /// Address that /healthz, /livez, /readyz and /metrics are served on, over plain HTTP
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) bind_address: std::net::IpAddr,
    /// Port of the same; 0 switches it off
    #[arg(
        long,
        value_name = "PORT",
        allow_negative_numbers = true,
        default_value_t = 10270
    )]
    pub(crate) port: u16,
}

/// Logs.
#[derive(Debug, Args)]
pub(crate) struct LoggingFlags {
    /// Form of log lines
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) log_format: Format,
    /// Least level that is logged: error, warn, info, debug, trace or off; also by module, like info,quaymaster=debug
    #[arg(long, value_name = "LEVEL", value_parser = logging::level, default_value = "info", env = LOG_VARIABLE)]
    pub(crate) log_level: Level,
}

#[cfg(test)]
mod tests;
