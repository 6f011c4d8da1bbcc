//! What can happen in a simulation.

use proptest::prelude::*;

use super::{OBJECTS, WRITTEN};
use crate::Kind;

#[derive(Debug, Clone)]
pub(super) enum Op {
    /// Someone creates an object or updates it.
    Put(Kind, usize, u8),
    /// Someone deletes an object.
    Delete(Kind, usize),
    /// Someone deletes an object and creates it again.
    Recreate(Kind, usize, u8),
    /// The watch or the list of a kind tells this many things more.
    Tell(Kind, u8),
    /// The watch of a kind tells the last event again.
    Repeat(Kind),
    /// The watch or the list of a kind breaks; a list of some versions ago starts.
    Relist(Kind, u64),
    /// We write an object; the answer is under way.
    OwnPut(Kind, usize, u8),
    /// We delete an object; the answer is under way.
    OwnDelete(Kind, usize),
    /// One of the answers arrives.
    Answer(usize),
    /// A kind is not served any more, and is again, with none of its objects.
    Vanish(Kind),
    /// The server's store is set back by some versions; all watches break and list anew.
    Restore(u64),
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let kind = || prop::sample::select(Kind::ALL.to_vec());
    let written = || prop::sample::select(WRITTEN.to_vec());
    let object = || 0..OBJECTS;
    prop_oneof![
        6 => (kind(), object(), 0..12u8).prop_map(|(kind, object, variant)| Op::Put(kind, object, variant)),
        2 => (kind(), object()).prop_map(|(kind, object)| Op::Delete(kind, object)),
        2 => (kind(), object(), 0..12u8).prop_map(|(kind, object, variant)| Op::Recreate(kind, object, variant)),
        8 => (kind(), 1..6u8).prop_map(|(kind, count)| Op::Tell(kind, count)),
        2 => kind().prop_map(Op::Repeat),
        2 => (kind(), 0..12u64).prop_map(|(kind, lag)| Op::Relist(kind, lag)),
        4 => (written(), object(), 0..12u8).prop_map(|(kind, object, variant)| Op::OwnPut(kind, object, variant)),
        2 => (written(), object()).prop_map(|(kind, object)| Op::OwnDelete(kind, object)),
        5 => (0..8usize).prop_map(Op::Answer),
        1 => kind().prop_map(Op::Vanish),
    ]
}

pub(super) fn op_or_restore() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => op(),
        1 => (0..30u64).prop_map(Op::Restore),
    ]
}
