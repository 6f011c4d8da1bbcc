//! Endpoints.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Endpoints, Pod, Service};
use kube::ResourceExt as _;
use quaymaster_oracle::endpoints::{Setting, fair};
use quaymaster_oracle::generate::Kind;
use quaymaster_oracle::{Exceptions, Rules};

use super::{Difference, Kept, Look};
use crate::controllers::Controller;
use crate::world::World;

/// As one of what is kept.
pub(super) const KEPT: Kept = Kept {
    kind: Kind::Endpoints,
    resource: "endpoints",
    controllers: &[Controller::Endpoints],
    compare,
};

fn compare(look: &Look<'_>, world: &World, exceptions: &mut Exceptions) -> Vec<Difference> {
    let sides = look.sides();
    let in_world = |endpoints: &&Endpoints| world.has(&endpoints.namespace().unwrap_or_default());
    let paths: BTreeSet<(String, String)> = sides
        .iter()
        .flat_map(|side| side.objects.all::<Endpoints>().filter(in_world))
        .map(|endpoints| (endpoints.namespace().unwrap_or_default(), endpoints.name_any()))
        // A Service that should have some may have none on either side, which is looked for below.
        .chain(kept_services(look, world))
        .collect();
    let mut found = Vec::new();
    let mut pods = BTreeMap::<&String, [Vec<Pod>; 2]>::new();
    for (namespace, name) in &paths {
        let pods = pods
            .entry(namespace)
            .or_insert_with(|| sides.map(|side| side.objects.pods_in(namespace)));
        let of_name = sides.map(|side| side.objects.get::<Endpoints>(namespace, name));
        let mut uids = of_name
            .iter()
            .flatten()
            .filter_map(|endpoints| endpoints.metadata.uid.as_ref());
        let setting = Setting {
            services: sides.map(|side| side.objects.get(namespace, name)),
            pods: pods.each_ref().map(Vec::as_slice),
            fresh: look.fresh,
            recreated: look.recreated.contains(&format!("{namespace}/{name}")),
            remade: look.upstream[0] && look.remade.contains(&format!("{namespace}/{name}")),
            kept_once: uids.any(|uid| look.kept_once.contains(uid)),
            rules: Rules { minor: look.minor },
        };
        let owner = format!("{namespace}/{name}");
        let missing = of_name == [None, None] && setting.services[0].is_some();
        let what = fair(&setting, of_name, exceptions);
        let what = what
            .into_iter()
            .chain(missing.then(|| "on neither side".to_owned()));
        found.extend(what.map(|what| Difference::of(&owner, "Endpoints", &what)));
    }
    found
}

/// Services that the controller keeps Endpoints of.
fn kept_services(look: &Look<'_>, world: &World) -> impl Iterator<Item = (String, String)> {
    let services = look.left.objects.all::<Service>();
    let kept = services.filter(|service| quaymaster_oracle::managed(service));
    let kept = kept.filter(|service| world.has(&service.namespace().unwrap_or_default()));
    kept.map(|service| (service.namespace().unwrap_or_default(), service.name_any()))
}
