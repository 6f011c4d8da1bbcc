//! EndpointSlices: those of Services with a selector and of nobody, and those that mirror Endpoints.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Endpoints, Node, Pod};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt as _;
use quaymaster_oracle::generate::Kind;
use quaymaster_oracle::names::{MIRRORING_CONTROLLER, SLICE_MANAGED_BY};
use quaymaster_oracle::slices::GroupKey;
use quaymaster_oracle::{Exceptions, Rules, mirroring, slices, tell, tell_owner};

use super::{Difference, Kept, Look};
use crate::controllers::Controller;
use crate::snapshot::{Snapshot, service_path};
use crate::world::World;

/// As one of what is kept.
pub(super) const KEPT: Kept = Kept {
    kind: Kind::EndpointSlice,
    resource: "endpointslices",
    controllers: &[Controller::EndpointSlice, Controller::Mirroring],
    compare,
};

/// The slices of both sides, of one Service.
type Sides = [Vec<EndpointSlice>; 2];

fn compare(look: &Look<'_>, world: &World, exceptions: &mut Exceptions) -> Vec<Difference> {
    let nodes: Vec<Node> = look.left.objects.nodes();
    let (mut own, mut mirrored) = (BTreeMap::<String, Sides>::new(), BTreeMap::<String, Sides>::new());
    for (side, snapshot) in look.sides().into_iter().enumerate() {
        for slice in slices_of(snapshot, |namespace| world.has(namespace)) {
            let mirrors = look.controllers.has(Controller::Mirroring) && is_mirrored(&slice);
            let services = if mirrors { &mut mirrored } else { &mut own };
            services.entry(service_path(&slice)).or_default()[side].push(slice);
        }
    }
    let mut found = Vec::new();
    for (path, [left, right]) in &own {
        let may_be_empty = [(look.left, left), (look.right, right)]
            .map(|(side, slices)| empty_groups(side, path, slices, &nodes, look.minor));
        let setting = slices::Setting {
            service: look.left.service(path),
            nodes: Some(&nodes),
            fresh: look.fresh,
            upstream: look.upstream,
            families: look.sides().map(|side| side.families(path)),
            may_be_empty: may_be_empty.each_ref(),
        };
        let what = slices::fair(&setting, [left, right], exceptions);
        found.extend(what.iter().map(|what| Difference::of(path, "slices", what)));
    }
    if look.controllers.has(Controller::Mirroring) {
        // Endpoints that should be mirrored may have no slice on either side.
        let named: BTreeSet<String> = mirrored
            .keys()
            .cloned()
            .chain(paths_of_endpoints(look, world))
            .collect();
        for path in &named {
            let slices = mirrored.remove(path).unwrap_or_default();
            found.extend(compare_mirrored(look, path, &slices, exceptions));
        }
    }
    found
}

/// Groups of a Service that has an empty slice in which such a one stays.
fn empty_groups(
    side: &Snapshot,
    path: &str,
    slices: &[EndpointSlice],
    nodes: &[Node],
    minor: u32,
) -> BTreeSet<GroupKey> {
    let empty = |slice: &EndpointSlice| slice.endpoints.as_ref().is_none_or(Vec::is_empty);
    let Some(service) = side.service(path).filter(|_| slices.iter().any(empty)) else {
        return BTreeSet::new();
    };
    let pods = side.objects.all::<Pod>();
    let pods: Vec<&Pod> = pods
        .filter(|pod| pod.metadata.namespace == service.metadata.namespace)
        .collect();
    slices::desired(service, &pods, nodes, Rules { minor }).empty_groups(path)
}

fn compare_mirrored(
    look: &Look<'_>,
    path: &str,
    [left, right]: &Sides,
    exceptions: &mut Exceptions,
) -> Vec<Difference> {
    let endpoints = look.sides().map(|side| side.told_endpoints(path));
    let setting = mirroring::Setting {
        endpoints: endpoints.each_ref().map(Option::as_ref),
        service: look.left.service(path),
        config: mirroring::Config {
            max_endpoints_per_subset: look.max_mirrored,
            minor: look.minor,
        },
        upstream: look.upstream,
        refused: look.refused.map(|refused| refused.contains(path)),
    };
    let what = mirroring::fair(&setting, [left, right], exceptions);
    what.iter()
        .map(|what| Difference::of(path, "mirrored slices", what))
        .collect()
}

pub(crate) fn is_mirrored(slice: &EndpointSlice) -> bool {
    let labels = slice.metadata.labels.as_ref();
    labels
        .and_then(|labels| labels.get(SLICE_MANAGED_BY))
        .map(String::as_str)
        == Some(MIRRORING_CONTROLLER)
}

fn paths_of_endpoints(look: &Look<'_>, world: &World) -> Vec<String> {
    let endpoints = look.left.objects.all::<Endpoints>();
    let in_world = endpoints.filter(|endpoints| world.has(&endpoints.namespace().unwrap_or_default()));
    in_world
        .map(|endpoints| {
            format!(
                "{}/{}",
                endpoints.namespace().unwrap_or_default(),
                endpoints.name_any()
            )
        })
        .collect()
}

/// Paths of Endpoints whose mirrored slices kube-controller-manager has left otherwise than they should be, as is forgiven to
/// it; `refused` are those for which it asked for a slice that was there already.
pub(crate) fn wrong_mirrors(
    snapshot: &Snapshot,
    config: mirroring::Config,
    refused: &BTreeSet<String>,
) -> BTreeSet<String> {
    let mut mirrored = BTreeMap::<String, Vec<EndpointSlice>>::new();
    for slice in slices_of(snapshot, |_| true).into_iter().filter(is_mirrored) {
        mirrored.entry(service_path(&slice)).or_default().push(slice);
    }
    let wrong = mirrored.into_iter().filter(|(path, slices)| {
        let endpoints = snapshot.told_endpoints(path);
        let setting = mirroring::Setting {
            endpoints: [endpoints.as_ref(); 2],
            service: snapshot.service(path),
            config,
            upstream: [true; 2],
            refused: [refused.contains(path); 2],
        };
        mirroring::is_forgiven(&setting, 0, slices)
    });
    wrong.map(|(path, _)| path).collect()
}

/// The slices of some namespaces, with owners and targets told by whether they are there.
fn slices_of(snapshot: &Snapshot, of: impl Fn(&str) -> bool) -> Vec<EndpointSlice> {
    let all = snapshot
        .objects
        .all()
        .filter(|slice: &&EndpointSlice| of(&slice.namespace().unwrap_or_default()));
    all.cloned()
        .map(|mut slice| {
            let namespace = slice.namespace().unwrap_or_default();
            for owner in slice.metadata.owner_references.iter_mut().flatten() {
                let uid = if owner.kind.as_str() == "Endpoints" {
                    let endpoints = snapshot.objects.get::<Endpoints>(&namespace, &owner.name);
                    endpoints.and_then(|endpoints| endpoints.metadata.uid.as_ref())
                } else {
                    let service = snapshot.service(&format!("{namespace}/{}", owner.name));
                    service.and_then(|service| service.metadata.uid.as_ref())
                };
                tell_owner(owner, uid);
            }
            let targets = slice.endpoints.iter_mut().flatten();
            for target in targets.filter_map(|endpoint| endpoint.target_ref.as_mut()) {
                let name = target.name.as_deref().unwrap_or_default();
                tell(target, snapshot.objects.get(&namespace, name));
            }
            slice
        })
        .collect()
}
