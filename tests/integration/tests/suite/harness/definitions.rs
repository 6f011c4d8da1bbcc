//! Our custom resources in a control plane.

use kube::Client;
use quaymaster_testkit::definitions;

/// Installs all of them, and waits until they are served. Tests that share a control plane may all call it.
pub(crate) async fn install_definitions(client: &Client) {
    if let Err(error) = definitions::install(client, quaymaster_api::definitions()).await {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        panic!("{error}: {}", source.unwrap_or_default());
    }
}
