//! Labels of a slice (`k8s.io/endpointslice/utils.go`, `setEndpointSliceLabels`).

use quaymaster_model::{LabelSet, ServiceRecord, Text, names};

/// The labels that a slice of this Service is to have: the Service's own without the reserved ones, and the reserved
/// ones as they are for this Service.
pub fn wanted(service: &ServiceRecord) -> LabelSet {
    let own = service
        .labels
        .iter()
        .filter(|(key, _)| !is_reserved(key))
        .map(|(k, v)| (k.clone(), v.clone()));
    let headless = service
        .without_cluster_ip()
        .then(|| (Text::new(names::LABEL_HEADLESS), Text::new("")));
    let fixed = [
        (Text::new(names::LABEL_SERVICE_NAME), service.key.name.clone()),
        (
            Text::new(names::LABEL_MANAGED_BY),
            Text::new(names::MANAGER_ENDPOINTSLICE),
        ),
    ];
    LabelSet::new(own.chain(headless).chain(fixed))
}

/// Whether a slice must be rewritten for its labels. Reserved labels are not compared: a wrong headless label is put
/// right when the slice is rewritten for another reason, as upstream does it, so that a change of controller writes
/// nothing.
pub fn differ(slice: &LabelSet, service: &LabelSet) -> bool {
    fn own(labels: &LabelSet) -> impl Iterator<Item = (&Text, &Text)> {
        labels.iter().filter(|(key, _)| !is_reserved(key))
    }
    !own(slice).eq(own(service))
}

/// Whether two label sets agree where a missing label equals an empty one, as upstream compares placeholders.
pub fn equal_or_empty(a: &LabelSet, b: &LabelSet) -> bool {
    let covers = |a: &LabelSet, b: &LabelSet| {
        a.iter()
            .all(|(key, value)| b.get(key).map_or("", Text::as_str) == value.as_str())
    };
    covers(a, b) && covers(b, a)
}

fn is_reserved(key: &str) -> bool {
    names::RESERVED_SLICE_LABELS.contains(&key)
}
