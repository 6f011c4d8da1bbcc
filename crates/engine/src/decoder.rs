//! What the apiserver tells, as the watch wants it read.

use quaymaster_model::{ObjectKey, Uid};
use quaymaster_watch::{DecodeError, Decoder, Event, Framing, Page, Unreadable};
use quaymaster_wire::{Change, Frame, Reader as _};

use crate::kinds::Known;

/// Names a deleted object.
#[derive(Debug, Clone)]
pub(crate) struct Gone {
    /// Namespace and name.
    pub(crate) key: ObjectKey,
    /// UID, where it is known: a deletion must not hit a later object of the same name.
    pub(crate) uid: Option<Uid>,
}

impl Gone {
    /// UID of what was deleted. Without one the deletion can only be of what is held; none if nothing is.
    pub(crate) fn uid_or(&self, held: impl FnOnce() -> Option<Uid>) -> Option<Uid> {
        self.uid.clone().or_else(held)
    }
}

/// Reads one kind for a watch, in its encoding.
pub(crate) struct WatchDecoder<R: Known>(pub(crate) R::Reader);

/// Most characters of a reason: readers quote the value that is wrong, which may be of any length.
const MAX_REASON: usize = 200;

/// An error with its sources, short enough for a line of log.
fn reason(error: &quaymaster_wire::DecodeError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    shortened(text)
}

fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MAX_REASON) {
        text.truncate(end);
        text.push('\u{2026}');
    }
    text
}

fn unreadable(object: quaymaster_wire::Unreadable) -> Unreadable<Gone> {
    Unreadable {
        key: object.key.map(|key| Gone { key, uid: None }),
        version: object.version,
        reason: reason(&object.error),
    }
}

impl<R: Known> Decoder for WatchDecoder<R> {
    type Record = R;
    type Key = Gone;

    fn accept(&self) -> &'static str {
        R::Reader::ACCEPT
    }

    fn framing(&self) -> Framing {
        R::Reader::FRAMING
    }

    fn page(&mut self, body: &[u8]) -> Result<Page<R, Gone>, DecodeError> {
        let page = self.0.page(body).map_err(|error| DecodeError {
            reason: reason(&error),
        })?;
        Ok(Page {
            items: page.records,
            unreadable: page.unreadable.into_iter().map(unreadable).collect(),
            continue_token: page.next.map(String::from),
            version: page.version,
        })
    }

    fn event(&mut self, frame: &[u8]) -> Result<Event<R, Gone>, Unreadable<Gone>> {
        let frame = self.0.frame(frame).map_err(|error| {
            unreadable(quaymaster_wire::Unreadable {
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
                version,
            }),
            Frame::Object {
                change: Change::Added | Change::Modified,
                record,
                version,
            } => Ok(Event::Apply { record, version }),
            // Nothing of a deleted object need be read but its name.
            Frame::Unreadable {
                change: Change::Deleted,
                object:
                    quaymaster_wire::Unreadable {
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
                version,
                initial_events_end,
            }),
            Frame::Error(status) => Ok(Event::Error(status)),
            Frame::Unknown(kind) => Err(Unreadable {
                key: None,
                version: None,
                reason: shortened(format!("unknown type of event {kind:?}")),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
