//! Custom resources in a control plane.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};

use crate::wait::{TimedOut, wait_until};

/// How long kube-apiserver may take until it serves a kind: it builds its paths and schemas in the background.
const SERVED_LIMIT: Duration = Duration::from_secs(30);

/// Why custom resources are not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DefinitionError {
    /// kube-apiserver refused a definition, as for a rule that is wrong or may cost too much.
    #[error("{name} was refused")]
    Refused {
        /// The name of the definition.
        name: String,
        /// The answer.
        source: Box<kube::Error>,
    },
    /// A kind was not served in time.
    #[error(transparent)]
    Unserved(#[from] TimedOut),
}

/// Installs custom resources, or brings them up to date, and waits until objects of each can be made and listed.
///
/// Tests that share a control plane may all call it. Where several apiservers serve one etcd, the others may be a moment
/// behind that of the client.
///
/// # Errors
/// Where a definition is refused, or its kind is not served within half a minute.
pub async fn install(
    client: &Client,
    definitions: impl IntoIterator<Item = CustomResourceDefinition>,
) -> Result<(), DefinitionError> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let definitions: Vec<_> = definitions.into_iter().collect();
    for definition in &definitions {
        let name = definition.name_any();
        let apply = PatchParams::apply("quaymaster-testkit").force();
        api.patch(&name, &apply, &Patch::Apply(definition))
            .await
            .map_err(|source| DefinitionError::Refused {
                name,
                source: Box::new(source),
            })?;
    }
    for definition in &definitions {
        let name = definition.name_any();
        wait_until(SERVED_LIMIT, &format!("{name} is established"), async || {
            established(&api, &name).await
        })
        .await?;
        for version in definition.spec.versions.iter().filter(|version| version.served) {
            let served = served(client, definition, &version.name);
            wait_until(SERVED_LIMIT, &format!("{name} is served"), async || {
                served.list(&ListParams::default().limit(1)).await
            })
            .await?;
        }
    }
    Ok(())
}

/// Whether names are accepted and the kind is established, or the conditions as they are.
async fn established(api: &Api<CustomResourceDefinition>, name: &str) -> Result<(), String> {
    let found = api.get(name).await.map_err(|error| error.to_string())?;
    let conditions = found
        .status
        .and_then(|status| status.conditions)
        .unwrap_or_default();
    if conditions
        .iter()
        .any(|condition| condition.type_ == "Established" && condition.status == "True")
    {
        return Ok(());
    }
    let seen = conditions.iter().map(|condition| {
        format!(
            "{}={} {}",
            condition.type_,
            condition.status,
            condition.message.as_deref().unwrap_or_default()
        )
    });
    Err(seen.collect::<Vec<_>>().join(", "))
}

/// Objects of a definition, of all namespaces.
fn served(client: &Client, definition: &CustomResourceDefinition, version: &str) -> Api<DynamicObject> {
    let spec = &definition.spec;
    let kind = GroupVersionKind::gvk(&spec.group, version, &spec.names.kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, &spec.names.plural);
    Api::all_with(client.clone(), &resource)
}
