//! The time of the change that caused a write (`trigger_time_tracker.go` in `k8s.io/endpointslice/util`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, Service};

use crate::rules::pods::ready_condition;

/// What the controller remembers of each Service between two syncs, by `namespace/name`.
#[derive(Clone, Debug, Default)]
pub struct TriggerTimes {
    services: BTreeMap<String, Remembered>,
}

#[derive(Clone, Debug, Default)]
struct Remembered {
    service: Option<Timestamp>,
    pods: BTreeMap<String, Timestamp>,
}

impl TriggerTimes {
    /// The trigger time of this sync; remembers the current times. `None` when nothing is newer than what was
    /// remembered. A Service not remembered gives its own creation time, whatever the Pods say.
    ///
    /// `pods` are all Pods the Service selects, eligible or not.
    pub fn compute(&mut self, service: &Service, pods: &[&Pod]) -> Option<Timestamp> {
        let created = service.metadata.creation_timestamp.as_ref().map(|time| time.0);
        let mut now = Remembered {
            service: created,
            pods: BTreeMap::new(),
        };
        for pod in pods {
            let changed = ready_condition(pod).and_then(|condition| condition.last_transition_time.as_ref());
            if let Some(time) = changed {
                now.pods
                    .insert(pod.metadata.name.clone().unwrap_or_default(), time.0);
            }
        }
        let Some(before) = self.services.insert(key(service), now.clone()) else {
            return created;
        };
        let newer_pods = now
            .pods
            .iter()
            .filter(|(name, time)| before.pods.get(*name) < Some(*time));
        let newer_service = created.filter(|time| before.service < Some(*time));
        newer_pods.map(|(_, time)| *time).chain(newer_service).min()
    }

    /// Forgets a deleted Service.
    pub fn forget(&mut self, namespace: &str, name: &str) {
        self.services.remove(&format!("{namespace}/{name}"));
    }
}

pub(crate) fn key(service: &Service) -> String {
    let metadata = &service.metadata;
    format!(
        "{}/{}",
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{pod, service, time};

    #[test]
    fn an_unknown_service_gives_its_creation_time_and_later_the_least_newer_pod_time() {
        let mut times = TriggerTimes::default();
        let mut svc = service("a");
        svc.metadata.creation_timestamp = Some(time(100));
        let at = |name: &str, second| {
            let mut pod = pod(name);
            let conditions = pod.status.as_mut().unwrap().conditions.as_mut().unwrap();
            conditions[0].last_transition_time = Some(time(second));
            pod
        };
        let (one, two) = (at("one", 5), at("two", 200));
        assert_eq!(times.compute(&svc, &[&one, &two]), Some(time(100).0));
        assert_eq!(times.compute(&svc, &[&one, &two]), None);
        let (one, two) = (at("one", 300), at("two", 250));
        assert_eq!(times.compute(&svc, &[&one, &two]), Some(time(250).0));
        assert_eq!(
            times.compute(&svc, &[]),
            None,
            "pods no longer selected are forgotten"
        );
        assert_eq!(times.compute(&svc, &[&one]), Some(time(300).0));
        svc.metadata.creation_timestamp = Some(time(290));
        assert_eq!(
            times.compute(&svc, &[&one]),
            Some(time(290).0),
            "created again under the same name"
        );
        times.forget("ns", "a");
        assert_eq!(times.compute(&svc, &[&one]), Some(time(290).0));
    }
}
