//! Reading objects of all kinds.
//!
//! A kind of object has a line here and one in `quaymaster_oracle::generate`; what is compared of it stands in a file of its
//! own in `kept`, and what the apiserver needs to be asked for otherwise than by PUT and DELETE, in one in `apply`.

use std::sync::{Arc, Mutex};

use anyhow::Result;
use k8s_openapi::api::core::v1::{Endpoints, Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{IPAddress, ServiceCIDR};
use kube::api::ListParams;
use kube::{Api, Client};
use quaymaster_oracle::generate::{Cluster, Object};
use tokio::task::JoinHandle;

use crate::record::{Log, watch};

macro_rules! kinds {
    ($($kind:ident,)*) => {
        /// Begins to watch all kinds, from an empty cluster on.
        pub(crate) fn watch_all(client: &Client, log: &Arc<Mutex<Log>>) -> Vec<JoinHandle<()>> {
            vec![$(watch::<$kind>(client, log),)*]
        }

        /// All that there is.
        pub(crate) async fn list_all(client: &Client) -> Result<Cluster> {
            let params = ListParams::default();
            let mut objects: Vec<Object> = Vec::new();
            $(
                let list = Api::<$kind>::all(client.clone()).list(&params).await?;
                objects.extend(list.items.into_iter().map(Object::from));
            )*
            Ok(Cluster::of(objects, 0))
        }

        #[cfg(test)]
        const LISTED: &[quaymaster_oracle::generate::Kind] = &[$(quaymaster_oracle::generate::Kind::$kind,)*];
    };
}

kinds! {
    Node,
    ServiceCIDR,
    Service,
    IPAddress,
    Endpoints,
    EndpointSlice,
    Pod,
}

#[cfg(test)]
mod tests {
    use quaymaster_oracle::generate::Kind;

    use super::*;

    #[test]
    fn every_kind_of_a_scenario_is_watched_and_read() {
        assert_eq!(LISTED, Kind::ALL);
    }
}
