//! Claims: which of several replicas gives a value that all of them may give.

use std::pin::Pin;

use k8s_openapi::api::networking::v1::IPAddress;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::core::ObjectMeta;
use kube::{Api, Client};
use quaymaster_api::{AllocationClaim, AllocationClaimSpec, Claimed};
use quaymaster_ipam::{PENDING, Value};
use quaymaster_model::names;
use quaymaster_runtime::permit::AnyReplica;

/// Who a value is claimed for.
#[derive(Clone, Debug)]
pub struct Claimant {
    /// The namespace of the Service.
    pub namespace: String,
    /// Its name; empty where the apiserver makes it up.
    pub name: String,
    /// The UID of the request.
    pub request: String,
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The value is this replica's to give.
    Won,
    /// Another one claimed it.
    Lost,
    /// The apiserver could not be asked.
    Failed(String),
}

/// Where claims are made. Boxed, so that tests pretend one.
pub trait Claims: Send + Sync {
    /// Claims a value.
    fn claim(&self, value: Value, claimant: &Claimant) -> Pin<Box<dyn Future<Output = Outcome> + Send>>;

    /// Deletes the IPAddress of ours that keeps an address from being given, since it is to be given now. `Won` where there is none.
    fn free(&self, address: Value) -> Pin<Box<dyn Future<Output = Outcome> + Send>>;

    /// Gives back a value that was won and is not used.
    fn give_back(&self, value: Value) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// Claims by objects of the apiserver: of two that create one of the same name one is refused.
///
/// They are made by every replica, leader or not.
pub struct ByObjects {
    api: Api<AllocationClaim>,
    addresses: Api<IPAddress>,
    replica: String,
    _permit: AnyReplica,
}

impl ByObjects {
    /// Claims for this replica.
    pub fn new(client: Client, replica: String, permit: AnyReplica) -> Self {
        Self {
            addresses: Api::all(client.clone()),
            api: Api::all(client),
            replica,
            _permit: permit,
        }
    }
}

impl Claims for ByObjects {
    fn claim(&self, value: Value, claimant: &Claimant) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
        let claim = AllocationClaim {
            metadata: ObjectMeta {
                name: name(value),
                ..ObjectMeta::default()
            },
            spec: AllocationClaimSpec {
                namespace: claimant.namespace.clone(),
                name: Some(claimant.name.clone()).filter(|name| !name.is_empty()),
                generate_name: None,
                request_uid: claimant.request.clone(),
                replica: self.replica.clone(),
                seconds_to_live: u32::try_from(PENDING.as_secs()).unwrap_or(u32::MAX),
            },
        };
        let api = self.api.clone();
        Box::pin(async move {
            let made = async {
                match api.create(&PostParams::default(), &claim).await {
                    Ok(_) => Ok(true),
                    Err(kube::Error::Api(status)) if status.code == 409 => {
                        let there = api
                            .get_opt(claim.metadata.name.as_deref().unwrap_or_default())
                            .await?;
                        Ok(there.is_some_and(|there| is_ours(&there.spec, &claim.spec)))
                    }
                    Err(error) => Err(error),
                }
            };
            match made.await {
                Ok(true) => Outcome::Won,
                Ok(false) => Outcome::Lost,
                Err(error) => Outcome::Failed(error.to_string()),
            }
        })
    }

    fn free(&self, address: Value) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
        let api = self.addresses.clone();
        let name = address.to_string();
        Box::pin(async move {
            match delete_hold(&api, &name).await {
                Ok(()) => Outcome::Won,
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Outcome::Won,
                Err(error) => Outcome::Failed(error.to_string()),
            }
        })
    }

    fn give_back(&self, value: Value) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let api = self.api.clone();
        Box::pin(async move {
            if let Some(name) = name(value)
                && let Err(error) = api.delete(&name, &DeleteParams::default()).await
            {
                // It ends by itself.
                tracing::debug!(claim = name, %error, "a claim could not be given back");
            }
        })
    }
}

/// Whether a claim that is there was made by this replica for the same Service: by a request of before that failed, or by this one,
/// whose answer was lost.
fn is_ours(there: &AllocationClaimSpec, wanted: &AllocationClaimSpec) -> bool {
    let same_service = match &wanted.name {
        Some(_) => there.name == wanted.name,
        None => there.request_uid == wanted.request_uid,
    };
    same_service && there.replica == wanted.replica && there.namespace == wanted.namespace
}

/// Deletes an IPAddress if it is one of ours. What is known of it may be behind: one of the allocator's protects a Service.
async fn delete_hold(api: &Api<IPAddress>, name: &str) -> kube::Result<()> {
    let Some(found) = api.get_opt(name).await? else {
        return Ok(());
    };
    let by = found
        .metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(names::LABEL_IPADDRESS_MANAGED_BY));
    if by.is_none_or(|by| by != names::MANAGER_HOLD) {
        return Ok(());
    }
    let parameters = DeleteParams {
        preconditions: Some(Preconditions {
            uid: found.metadata.uid,
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    api.delete(name, &parameters).await.map(drop)
}

fn name(value: Value) -> Option<String> {
    let claimed = match (value.address(), value.node_port()) {
        (Some(address), _) => Claimed::Address(address),
        (None, Some(port)) => Claimed::NodePort(port),
        (None, None) => return None,
    };
    Some(claimed.to_string())
}
