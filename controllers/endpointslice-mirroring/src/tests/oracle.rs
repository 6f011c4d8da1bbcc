//! What Endpoints become, against a computation that shares no code with it, over the Endpoints of generated clusters.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Endpoints;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use quaymaster_model::{
    EndpointsRecord, Interner, IpFamily, KubernetesVersion, LabelSet, OwnerRef, PortSet, SliceRecord, Text,
    UpstreamRules,
};
use quaymaster_oracle::generate::{Size, generate};
use quaymaster_oracle::mirroring;
use quaymaster_wire::json::{Json, Record};
use serde::Serialize;
use serde_json::json;

use crate::desired::Desired;
use crate::wanted::Wanted;

/// What a slice says, its endpoints in words, sorted.
#[derive(Debug, PartialEq)]
struct Said {
    address_type: String,
    ports: PortSet,
    endpoints: Vec<String>,
    labels: LabelSet,
    annotations: Vec<(Text, Text)>,
    owners: Vec<OwnerRef>,
}

fn read<R: Record + 'static>(object: &impl Serialize) -> R {
    let json = Json::<R>::new(Arc::new(Interner::new()));
    json.object(json!(object).to_string().as_bytes()).unwrap()
}

fn sorted<T: std::fmt::Debug>(endpoints: &[T]) -> Vec<String> {
    let mut endpoints: Vec<String> = endpoints.iter().map(|endpoint| format!("{endpoint:?}")).collect();
    endpoints.sort();
    endpoints
}

fn ours(desired: &Desired, endpoints: &EndpointsRecord) -> Vec<Said> {
    let wanted = Wanted::of(endpoints);
    let filled = desired.groups.iter().filter(|group| !group.endpoints.is_empty());
    filled
        .map(|group| Said {
            address_type: group.family.address_type().to_string(),
            ports: group.ports.clone(),
            endpoints: sorted(&group.endpoints),
            labels: wanted.labels.clone(),
            annotations: wanted.annotations.clone(),
            owners: wanted.owners(None),
        })
        .collect()
}

/// As the apiserver would give it.
fn theirs(mut slice: EndpointSlice) -> Said {
    let metadata = &mut slice.metadata;
    metadata.name = Some("web-1".to_owned());
    metadata.uid = Some("slice-uid".to_owned());
    metadata.resource_version = Some("1".to_owned());
    let slice: SliceRecord = read(&slice);
    Said {
        address_type: slice.address_type.to_string(),
        ports: PortSet::clone(&slice.ports),
        endpoints: sorted(&slice.endpoints),
        labels: LabelSet::clone(&slice.labels),
        annotations: slice.annotations.clone(),
        owners: slice.owners.to_vec(),
    }
}

/// How many Endpoints were compared, by what makes them worth it.
#[derive(Debug, Default)]
struct Met {
    slices: usize,
    both_families: usize,
    skipped: usize,
    overfull: usize,
}

impl Met {
    fn compare(&mut self, endpoints: &Endpoints, most: usize, minor: u32) -> Result<(), String> {
        let config = mirroring::Config {
            max_endpoints_per_subset: most,
            minor,
        };
        let right = mirroring::desired(endpoints, config);
        let order = UpstreamRules::of(KubernetesVersion { minor }).port_order;
        let record: EndpointsRecord = read(endpoints);
        let found = Desired::of(record.subsets.as_deref().unwrap_or_default(), most, order);
        // Of a group that is too large upstream takes any: here those over it are left out, and counted.
        let over = right
            .groups
            .values()
            .map(|group| group.endpoints.len().saturating_sub(most));
        let skipped = right.skipped + over.sum::<usize>();
        if (found.invalid, found.skipped) != (right.invalid, skipped) {
            return Err(format!(
                "invalid and skipped: {:?}, not {:?}",
                (found.invalid, found.skipped),
                (right.invalid, skipped)
            ));
        }
        let mut said = ours(&found, &record);
        let mut wanted: Vec<Said> = right
            .as_slices(endpoints, config)
            .into_iter()
            .map(theirs)
            .collect();
        for slices in [&mut said, &mut wanted] {
            slices.sort_by(|a, b| (&a.ports, &a.address_type).cmp(&(&b.ports, &b.address_type)));
            if right.overfull {
                for slice in slices.iter_mut().filter(|slice| slice.endpoints.len() == most) {
                    slice.endpoints.clear();
                }
            }
        }
        if said != wanted {
            return Err(format!("{said:#?}\nin place of\n{wanted:#?}"));
        }
        self.slices += said.len();
        let families = [IpFamily::V4, IpFamily::V6].map(|family| family.address_type().to_string());
        let has = |family: &String| said.iter().any(|slice| slice.address_type == *family);
        self.both_families += usize::from(families.iter().all(has));
        self.skipped += usize::from(skipped > 0);
        self.overfull += usize::from(right.overfull);
        Ok(())
    }
}

#[test]
fn what_endpoints_become_is_what_a_computation_from_scratch_makes_of_them() {
    let given = std::env::var("QUAYMASTER_TEST_SEEDS").ok();
    let seeds = given.and_then(|seeds| seeds.parse().ok()).unwrap_or(60);
    let mut met = Met::default();
    for seed in 0..seeds {
        let minor = if seed % 2 == 0 { 37 } else { 33 };
        let scenario = generate(seed, Size::Small);
        let mut cluster = scenario.cluster;
        for (at, step) in scenario.steps.iter().enumerate() {
            for change in cluster.apply(step) {
                let quaymaster_oracle::generate::Object::Endpoints(endpoints) = change.object else {
                    continue;
                };
                for most in [2, 1000] {
                    if let Err(difference) = met.compare(&endpoints, most, minor) {
                        panic!("seed {seed}, step {at}, at most {most}: {difference}\nof {endpoints:#?}");
                    }
                }
            }
        }
    }
    let Met {
        slices,
        both_families,
        skipped,
        overfull,
    } = met;
    assert!(
        slices > 500 && both_families > 50 && skipped > 50 && overfull > 0,
        "{met:?}"
    );
}
