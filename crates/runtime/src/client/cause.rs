//! What is behind an error.

use std::error::Error as StdError;
use std::io;

/// What an error wraps. `io::Error` hides the error it was made from: its source is already the next one.
fn wrapped<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

pub(crate) fn root_cause<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    std::iter::successors(Some(error), |error| wrapped(*error))
        .last()
        .unwrap_or(error)
}

pub(super) fn find_cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    std::iter::successors(Some(error), |error| wrapped(*error)).find_map(|error| error.downcast_ref())
}
