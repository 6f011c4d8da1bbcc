//! EndpointSlices.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use quaymaster_oracle::Exceptions;
use quaymaster_oracle::generate::Kind;
use quaymaster_oracle::slices::{self, Setting, fair};

use super::{Difference, Kept, Look};
use crate::snapshot::{Snapshot, service_path};
use crate::world::World;

/// As one of what is kept.
pub(super) const KEPT: Kept = Kept {
    kind: Kind::EndpointSlice,
    resource: "endpointslices",
    compare,
};

fn compare(look: &Look<'_>, world: &World, exceptions: &mut Exceptions) -> Vec<Difference> {
    let nodes: Vec<Node> = look.left.objects.nodes();
    let mut services = BTreeMap::<String, [Vec<EndpointSlice>; 2]>::new();
    for (side, snapshot) in [look.left, look.right].into_iter().enumerate() {
        for slice in slices_of(snapshot, world) {
            services.entry(service_path(slice)).or_default()[side].push(slice.clone());
        }
    }
    let compared = services.iter().flat_map(|(path, [left, right])| {
        let setting = Setting {
            service: look.left.service(path),
            nodes: Some(&nodes),
            fresh: look.fresh,
            upstream: [true, false],
            families: [look.left, look.right].map(|side| side.families(path)),
        };
        fair(&setting, [left, right], exceptions)
    });
    compared.map(Difference::from).collect()
}

fn slices_of<'a>(snapshot: &'a Snapshot, world: &World) -> impl Iterator<Item = &'a EndpointSlice> {
    snapshot.objects.all().filter(|slice: &&EndpointSlice| {
        let namespace = slice.metadata.namespace.as_deref();
        namespace.is_some_and(|namespace| world.has(namespace))
    })
}

impl From<slices::Difference> for Difference {
    fn from(difference: slices::Difference) -> Self {
        Self {
            owner: difference.service().to_owned(),
            what: difference.to_string(),
        }
    }
}
