//! Changes by others to objects that controllers keep. They are no part of the cluster: the caller applies them to the
//! objects as they are then.

mod cidrs;
mod endpoints;
mod slices;

pub use cidrs::{CidrEdit, CidrEditKind};
pub use endpoints::{EndpointsEdit, EndpointsEditKind, EndpointsWrite};
pub use slices::{SliceEdit, SliceEditKind};

use super::Generator;
use super::step::Step;

impl Generator {
    /// An edit of an object of any kind.
    pub(super) fn edit(&mut self) -> Option<Step> {
        match self.rng.below(10) {
            0..5 => self.edit_slice(),
            5..7 => self.edit_mirrored_slice(),
            _ => self.edit_endpoints(),
        }
    }
}
