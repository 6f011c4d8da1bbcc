//! JSON of the apiserver as the watch wants it read.

use quaymaster_model::{ObjectKey, Uid};
use quaymaster_watch::{DecodeError, Decoder, Event, Page, Status, Unreadable};
use quaymaster_wire::json::{self, Change, Frame, Json, Record};

/// Names a deleted object.
#[derive(Debug, Clone)]
pub(crate) struct Gone {
    /// Namespace and name.
    pub(crate) key: ObjectKey,
    /// UID, where it is known: a deletion must not hit a later object of the same name.
    pub(crate) uid: Option<Uid>,
}

/// A record that can say which object it is of.
pub(crate) trait Identified: Record {
    /// Which object this is.
    fn gone(&self) -> Gone;
}

/// Reads one kind for a watch.
#[derive(Debug)]
pub(crate) struct WatchDecoder<R>(pub(crate) Json<R>);

fn unreadable(object: json::Unreadable) -> Unreadable<Gone> {
    let mut reason = object.error.to_string();
    if let Some(source) = std::error::Error::source(&object.error) {
        reason = format!("{reason}: {source}");
    }
    Unreadable {
        key: object.key.map(|key| Gone { key, uid: None }),
        version: object.version,
        reason,
    }
}

impl<R: Identified + Send> Decoder for WatchDecoder<R> {
    type Record = R;
    type Key = Gone;

    fn page(&mut self, body: &[u8]) -> Result<Page<R, Gone>, DecodeError> {
        let page = self.0.page(body).map_err(|error| DecodeError {
            reason: error.to_string(),
        })?;
        Ok(Page {
            items: page.records,
            unreadable: page.unreadable.into_iter().map(unreadable).collect(),
            continue_token: page.next.map(String::from),
            version: Some(page.version),
        })
    }

    fn event(&mut self, frame: &[u8]) -> Result<Event<R, Gone>, Unreadable<Gone>> {
        let frame = self.0.frame(frame).map_err(|error| {
            unreadable(json::Unreadable {
                key: None,
                version: None,
                error,
            })
        })?;
        match frame {
            Frame::Object {
                change: Change::Deleted,
                record,
                version,
            } => Ok(Event::Delete {
                key: record.gone(),
                version: Some(version),
            }),
            Frame::Object {
                change: Change::Added | Change::Modified,
                record,
                version,
            } => Ok(Event::Apply {
                record,
                version: Some(version),
            }),
            // Nothing of a deleted object need be read but its name.
            Frame::Unreadable {
                change: Change::Deleted,
                object:
                    json::Unreadable {
                        key: Some(key),
                        version,
                        ..
                    },
            } => Ok(Event::Delete {
                key: Gone { key, uid: None },
                version,
            }),
            Frame::Unreadable { object, .. } => Err(unreadable(object)),
            Frame::Bookmark {
                version,
                initial_events_end,
            } => Ok(Event::Bookmark {
                version: Some(version),
                initial_events_end,
            }),
            Frame::Error(status) => Ok(Event::Error(Status {
                code: status.code,
                reason: status.reason.into(),
                message: status.message.into(),
                retry_after: status
                    .retry_after_seconds
                    .map(|seconds| std::time::Duration::from_secs(seconds.into())),
                version_too_large: status
                    .causes
                    .iter()
                    .any(|cause| &**cause == "ResourceVersionTooLarge"),
            })),
            Frame::Unknown(kind) => Err(Unreadable {
                key: None,
                version: None,
                reason: format!("unknown type of event {kind:?}"),
            }),
        }
    }
}
