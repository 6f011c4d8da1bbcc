//! An apiserver that is upgraded in place while this process runs.

use std::time::Duration;

use quaymaster_model::{KubernetesVersion, UpstreamRules};
use quaymaster_runtime::version::{ServerVersion, discover_version};

/// How often the apiserver is asked for its version.
const EVERY: Duration = Duration::from_mins(1);

/// Longest wait for one answer.
const ATTEMPT: Duration = Duration::from_secs(5);

/// So many answers in a row must agree: while one apiserver after another is upgraded behind one address, each answer
/// may come from another one.
const AGREEING: u32 = 3;

/// Ends when the apiserver has become a Kubernetes for which rules other than these hold. They are chosen once, at the
/// start: what is decided must not change under what is held.
pub(super) async fn noticed(client: &kube::Client, server: &str, rules: UpstreamRules) -> ServerVersion {
    let ask = async || match discover_version(client, server, ATTEMPT).await {
        Ok(version) => Some(version),
        Err(error) => {
            // Those who need it tell of it: the watches.
            tracing::debug!(error = %error.line(), "cannot ask the apiserver for its version");
            None
        }
    };
    other_rules(ask, rules).await
}

async fn other_rules(ask: impl AsyncFn() -> Option<ServerVersion>, rules: UpstreamRules) -> ServerVersion {
    let mut agreeing = 0;
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(version) = ask().await else {
            continue;
        };
        let minor = version.minor;
        if UpstreamRules::of(KubernetesVersion { minor }) == rules {
            agreeing = 0;
            continue;
        }
        agreeing += 1;
        if agreeing == AGREEING {
            return version;
        }
    }
}

#[cfg(test)]
mod tests;
