//! What the core asks of a controller.

mod slices;

use std::time::{Duration, Instant};

use bytes::Bytes;
use quaymaster_model::{ObjectKey, ResourceVersion, Timestamp, Uid};
use quaymaster_queue::Priority;
use quaymaster_runtime::api::{Verb, WriteError, preconditions};
use quaymaster_runtime::events::Notice;
use quaymaster_runtime::pool::Payload;
use quaymaster_world::{Delta, Kind, World};

pub use crate::kinds::Object;

/// A controller with held state for each key: it marks what a change touches at once, and decides later.
///
/// No method may block, wait or read a clock: all of them run on the core task.
pub trait Controller: Send {
    /// Name in logs, metrics and flags: the controller's folder.
    fn name(&self) -> &'static str;

    /// The kinds it reads. It is told nothing and asked for nothing before all of them were read once, and is told of
    /// no other kind.
    fn reads(&self) -> &'static [Kind];

    /// All kinds that it reads have been read: builds its state from the world.
    fn start(&mut self, world: &World, dirty: &mut Dirty);

    /// An object of a kind that it reads changed; the world already is as after it.
    fn on(&mut self, world: &World, delta: &Delta<'_>, dirty: &mut Dirty);

    /// A term of writing begins: [`Self::plan`] is asked again. What was decided in an earlier term and not handed out as a
    /// request must be decided anew, since another process may have written since. Told only after [`Self::start`].
    fn term_began(&mut self, world: &World, dirty: &mut Dirty);

    /// The next requests for a key at the time `now`, at most `limit`, which is at least 1. They are sent at once.
    fn plan(&mut self, world: &World, key: &ObjectKey, limit: usize, now: Moment) -> Planned;

    /// A request is answered; the world already knows what was stored.
    fn answered(&mut self, world: &World, answer: &Answer<'_>) -> Verdict;

    /// Brings gauges up to date. Called once a second, on the core task.
    fn measure(&mut self, world: &World);

    /// Who may be at work if what this controller writes is changed again and again, and what to do about it: the end of
    /// a warning for operators.
    fn rival(&self) -> &'static str;
}

/// The present, by both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// By the clock that only goes forward: for all that is measured here.
    pub at: Instant,
    /// By the wall clock, which may be wrong and may jump: only to be compared with times that objects carry.
    pub wall: Timestamp,
}

/// Collects what is to be looked at.
#[derive(Debug, Default)]
pub struct Dirty {
    pub(crate) marked: Vec<Mark>,
    pub(crate) forgotten: Vec<ObjectKey>,
}

#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) key: ObjectKey,
    pub(crate) priority: Priority,
    pub(crate) delay: Duration,
    pub(crate) repair: bool,
}

impl Dirty {
    /// The key is to be planned after `delay`; of several delays the first one given counts.
    pub fn mark(&mut self, key: ObjectKey, priority: Priority, delay: Duration) {
        self.marked.push(Mark {
            key,
            priority,
            delay,
            repair: false,
        });
    }

    /// Somebody else changed what is kept for this key. It is put right at once the first time; whoever changes it again
    /// and again is answered more and more slowly, since it may be us who do not know something yet: that the Service is
    /// gone and the garbage collector deletes what we create, for instance.
    pub fn repair(&mut self, key: ObjectKey, delay: Duration) {
        self.marked.push(Mark {
            key,
            priority: Priority::Low,
            delay,
            repair: true,
        });
    }

    /// The keys marked so far, in order.
    pub fn marked(&self) -> impl Iterator<Item = &ObjectKey> {
        self.marked.iter().map(|mark| &mark.key)
    }

    /// Those of them that were marked because somebody else changed what is kept for them, in order.
    pub fn repaired(&self) -> impl Iterator<Item = &ObjectKey> {
        let repairs = self.marked.iter().filter(|mark| mark.repair);
        repairs.map(|mark| &mark.key)
    }

    /// The key does not exist any more.
    pub fn forget(&mut self, key: ObjectKey) {
        self.forgotten.push(key);
    }
}

/// What a controller wants done for a key.
#[derive(Debug, Default)]
pub struct Planned {
    /// Calls to the apiserver.
    pub requests: Vec<Request>,
    /// Events to be recorded.
    pub notices: Vec<Notice>,
    /// Events about states that last: each is recorded unless the same was, by this process or an earlier one, and is
    /// still there.
    pub standing: Vec<Notice>,
    /// There is more to write than was asked for; the key is asked again when there is room.
    pub truncated: bool,
    /// The key is to be planned again at this time, or soon after, although nothing may have changed until then: something
    /// matures, or a grace period ends. Whoever still wants it says so in each plan. A time that is not in the future
    /// counts as in a second.
    pub look_again: Option<Instant>,
}

/// A call to the apiserver: a write, or a read that confirms what a write will rest on (the last look before a deletion).
/// Both count against the limit of writes in flight, and both need the permit.
#[derive(Debug)]
pub struct Request {
    /// What is to be done.
    pub verb: Verb,
    /// The kind of the object.
    pub kind: Kind,
    /// The object.
    pub object: ObjectKey,
    /// What of it.
    pub part: Part,
    /// UID of an object that is updated or deleted.
    pub uid: Option<Uid>,
    /// Of [`Verb::Apply`]: who is to own the fields.
    pub manager: Option<&'static str>,
    /// The object's JSON, for a patch what is to change in it, for a delete its options, for a read nothing.
    pub body: Payload,
    /// Given back with the answer.
    pub write: u64,
}

/// What of an object a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The object; of a kind with the subresource `status`, all but that.
    Object,
    /// The subresource `status`: whatever else the body says is ignored, and a permission of its own is needed.
    Status,
}

impl Request {
    /// Creates an object. Refused where one of its name exists.
    pub fn create(kind: Kind, object: ObjectKey, body: Payload, write: u64) -> Self {
        Self {
            verb: Verb::Create,
            kind,
            object,
            part: Part::Object,
            uid: None,
            manager: None,
            body,
            write,
        }
    }

    /// Replaces an object. The body is to name this UID and the resourceVersion that it was made from: only then the
    /// update is refused where the object changed or was replaced meanwhile.
    pub fn update(kind: Kind, object: ObjectKey, uid: Uid, body: Payload, write: u64) -> Self {
        Self {
            verb: Verb::Update,
            uid: Some(uid),
            ..Self::create(kind, object, body, write)
        }
    }

    /// Changes some fields of an object, by a strategic merge patch: an entry of a list such as `metadata.finalizers` is
    /// added or taken out without a word about the others. It is to name the UID (`metadata.uid`), so that a later object
    /// of the name is not meant.
    pub fn patch(kind: Kind, object: ObjectKey, part: Part, uid: Uid, body: Payload, write: u64) -> Self {
        Self {
            verb: Verb::Patch,
            part,
            uid: Some(uid),
            ..Self::create(kind, object, body, write)
        }
    }

    /// Sets fields of an object as their `manager`, whoever had them before (server-side apply). An object that is not
    /// there would be created, but for a status. `body` has `apiVersion`, `kind`, `metadata.name`, the fields, and
    /// `metadata.uid`, so that a later object of the name is not meant.
    pub fn apply(
        kind: Kind,
        object: ObjectKey,
        part: Part,
        manager: &'static str,
        body: Payload,
        write: u64,
    ) -> Self {
        Self {
            verb: Verb::Apply,
            part,
            manager: Some(manager),
            ..Self::create(kind, object, body, write)
        }
    }

    /// As [`Request::update`], of the status.
    pub fn update_status(kind: Kind, object: ObjectKey, uid: Uid, body: Payload, write: u64) -> Self {
        Self {
            part: Part::Status,
            ..Self::update(kind, object, uid, body, write)
        }
    }

    /// Deletes this object and no later one of its name; with a version, only in that state.
    pub fn delete(
        kind: Kind,
        object: ObjectKey,
        uid: Uid,
        version: Option<&ResourceVersion>,
        write: u64,
    ) -> Self {
        let version = version.map(ToString::to_string);
        let options = preconditions(&uid.to_string(), version.as_deref());
        Self {
            verb: Verb::Delete,
            uid: Some(uid),
            ..Self::create(kind, object, Payload::Ready(options), write)
        }
    }

    /// Asks for an object as it is stored now, past all caches. The answer is the controller's alone: the world goes on
    /// to take the kind from its watch.
    pub fn get(kind: Kind, object: ObjectKey, write: u64) -> Self {
        Self {
            verb: Verb::Get,
            ..Self::create(kind, object, Payload::Ready(Bytes::new()), write)
        }
    }
}

/// The answer to a request.
#[derive(Debug)]
pub struct Answer<'a> {
    /// The key that it was planned for.
    pub key: &'a ObjectKey,
    /// The object.
    pub object: &'a ObjectKey,
    /// From the request.
    pub verb: Verb,
    /// From the request.
    pub write: u64,
    /// What became of it.
    pub result: Result<Stored, &'a WriteError>,
}

/// What the apiserver has stored.
#[derive(Debug, Clone)]
pub enum Stored {
    /// The object as it was returned: what this write stored, or this read found. The watch may have been faster, and the
    /// world then knows of later changes, even that the object is gone again. It is not told here, since only what the
    /// write itself stored shows whether the apiserver took what was sent.
    Object(Object),
    /// There was no such object (any more) to delete or to read.
    Gone,
    /// The object is on its way out: a finalizer holds it back.
    Going,
}

/// What is to be done with a key after an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Nothing more.
    Done,
    /// There may be more to write.
    Again,
    /// The apiserver took it and stored something other than what was sent. That is no failure: the controller counts the
    /// object as written and does not send the same again, or it would fight over it without a pause.
    Altered {
        /// There may be more to write.
        more: bool,
        /// The warning for the owner of the object: which one, what about it, and the likely cause. It is logged and
        /// recorded, for each key at most once a minute.
        notice: Notice,
    },
    /// To be tried again after a pause that grows with each failure in a row.
    Retry {
        /// The event to be recorded, for failures that the owner of the object should see.
        notice: Option<Notice>,
    },
}

#[cfg(test)]
mod tests;
