//! Events whose names follow from what they say: the same said again, also by another process, is refused as known.

use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use kube::runtime::events::{EventType, Reporter};
use quaymaster_model::digest::fnv128a;

use super::{Notice, bounded};

/// Most bytes of an object's name in that of its Event: 253 are allowed in all, and a dot and a digest follow.
const MAX_NAME: usize = 253 - 33;

/// The namespace of Events about objects without one, as kube's recorder has it.
const NO_NAMESPACE: &str = "default";

pub(super) fn event(notice: &Notice, reporter: &Reporter) -> Event {
    let Notice {
        regarding,
        type_,
        reason,
        action,
        note,
    } = notice;
    let type_ = match type_ {
        EventType::Normal => "Normal",
        EventType::Warning => "Warning",
    };
    let controller = &reporter.controller;
    let instance = reporter.instance.as_ref().unwrap_or(controller);
    Event {
        metadata: ObjectMeta {
            name: Some(name(notice, controller)),
            namespace: Some(
                regarding
                    .namespace
                    .clone()
                    .unwrap_or_else(|| NO_NAMESPACE.to_owned()),
            ),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(Timestamp::now())),
        reporting_controller: Some(controller.clone()),
        reporting_instance: Some(instance.clone()),
        action: Some(action.clone()),
        reason: Some(reason.clone()),
        regarding: Some(regarding.clone()),
        note: Some(bounded(note.clone())),
        type_: Some(type_.to_owned()),
        ..Event::default()
    }
}

/// The object's name and a digest of who says what about which object. Its version is left out: what is said may hold
/// through many.
fn name(notice: &Notice, controller: &str) -> String {
    let regarding = &notice.regarding;
    let parts = [
        Some(controller),
        regarding.kind.as_deref(),
        regarding.uid.as_deref(),
        Some(&notice.reason),
        Some(&notice.action),
        Some(&notice.note),
    ];
    let said: Vec<&str> = parts.into_iter().map(Option::unwrap_or_default).collect();
    let digest = fnv128a(said.join("\n").as_bytes());
    let object = regarding.name.as_deref().unwrap_or(controller);
    let mut end = object.len().min(MAX_NAME);
    // Names of objects are ASCII, and each part of a name between dots ends with a letter or digit.
    while !object.is_char_boundary(end) || !object[..end].ends_with(|c: char| c.is_ascii_alphanumeric()) {
        let Some(shorter) = end.checked_sub(1) else { break };
        end = shorter;
    }
    let object = object.get(..end).filter(|object| !object.is_empty());
    format!("{}.{digest:032x}", object.unwrap_or("event"))
}

/// Done as well where it is there already.
pub(super) async fn create(client: &kube::Client, event: &Event) -> Result<(), kube::Error> {
    let namespace = event.metadata.namespace.as_deref().unwrap_or(NO_NAMESPACE);
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    match events.create(&PostParams::default(), event).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        result => result.map(drop),
    }
}
