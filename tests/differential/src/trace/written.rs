//! What a write of a slice must not do.

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use quaymaster_oracle::managed;
use quaymaster_oracle::names::{EDITS, HEADLESS, TRIGGER_TIME};

/// What is wrong with a controller's write of a slice, of the Service as it is now.
pub(super) fn faults(
    old: Option<&EndpointSlice>,
    new: &EndpointSlice,
    service: Option<&Service>,
) -> Vec<&'static str> {
    let mut faults = Vec::new();
    match old {
        Some(old) => {
            if content(old) == content(new) {
                faults.push("was written although nothing of it changed");
            }
            if in_place(old, new)
                && foreign(old).any(|annotation| !foreign(new).any(|kept| kept == annotation))
            {
                faults.push("was written in place without the annotations of others");
            }
        }
        // A Service that nobody looks after any more may just have been one.
        None if service.is_some_and(|service| {
            managed(service) && owns(service, new) && is_headless(service) != is_labelled(new)
        }) =>
        {
            faults.push("was created with a wrong headless label");
        }
        None => {}
    }
    faults
}

/// Whether the slice was not made into another one: it has the same ports and still one of its endpoints. One that loses all
/// of them may be recycled for the same ports, also for the same Pod at another address, which is another endpoint.
fn in_place(old: &EndpointSlice, new: &EndpointSlice) -> bool {
    fn endpoints(slice: &EndpointSlice) -> impl Iterator<Item = &Endpoint> {
        slice.endpoints.iter().flatten()
    }
    fn uid(endpoint: &Endpoint) -> Option<&String> {
        endpoint.target_ref.as_ref()?.uid.as_ref()
    }
    let same = |one: &Endpoint, other: &Endpoint| {
        let same_place = one.addresses == other.addresses && one.hostname == other.hostname;
        uid(one).is_some() && uid(one) == uid(other) && same_place
    };
    old.ports == new.ports && endpoints(old).any(|one| endpoints(new).any(|kept| same(one, kept)))
}

/// What of a slice a controller decides, but for the trigger time and the order of ports, endpoints and addresses, which are
/// no reason for a write.
pub(crate) fn content(slice: &EndpointSlice) -> EndpointSlice {
    let mut content = slice.clone();
    let metadata = &mut content.metadata;
    metadata.resource_version = None;
    metadata.generation = None;
    metadata.managed_fields = None;
    // kube-controller-manager puts it on mirrored slices that another one has named.
    metadata.generate_name = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(TRIGGER_TIME);
        // It may be the only one.
        if annotations.is_empty() {
            metadata.annotations = None;
        }
    }
    if let Some(ports) = &mut content.ports {
        ports.sort_by_cached_key(|port| format!("{port:?}"));
    }
    if let Some(endpoints) = &mut content.endpoints {
        for endpoint in endpoints.iter_mut() {
            endpoint.addresses.sort_unstable();
        }
        endpoints.sort_by_cached_key(|endpoint| format!("{endpoint:?}"));
    }
    content
}

fn foreign(slice: &EndpointSlice) -> impl Iterator<Item = (&String, &String)> {
    let annotations = slice.metadata.annotations.iter().flatten();
    annotations.filter(|(key, _)| key.starts_with(EDITS))
}

/// Whether the slice is of this Service, and not of an earlier one of its name.
pub(super) fn owns(service: &Service, slice: &EndpointSlice) -> bool {
    let owners = slice.metadata.owner_references.iter().flatten();
    let mut uids = owners.map(|owner| Some(&owner.uid));
    uids.any(|uid| uid == service.metadata.uid.as_ref())
}

fn is_headless(service: &Service) -> bool {
    let spec = service.spec.as_ref();
    let address = spec.and_then(|spec| spec.cluster_ip.as_deref());
    matches!(address, None | Some("" | "None"))
}

fn is_labelled(slice: &EndpointSlice) -> bool {
    let labels = slice.metadata.labels.as_ref();
    labels.is_some_and(|labels| labels.contains_key(HEADLESS))
}

#[cfg(test)]
mod tests;
