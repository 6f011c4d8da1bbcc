//! Kinds of objects that controllers keep: what is compared of each. A further kind is a file beside these, and an entry in
//! [`KEPT`].

mod cidrs;
mod endpoints;
pub(crate) mod slices;

use std::collections::BTreeSet;
use std::fmt;

use quaymaster_oracle::Exceptions;
use quaymaster_oracle::generate::{Kind, Object};

use crate::controllers::{Controller, Controllers};
use crate::snapshot::Snapshot;
use crate::world::World;

/// A kind of objects that controllers keep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    /// The kind.
    pub(crate) kind: Kind,
    /// Its plural in paths and in the audit log.
    pub(crate) resource: &'static str,
    /// Who keeps them.
    pub(crate) controllers: &'static [Controller],
    /// What differs between both sides in one cluster; exceptions are counted and left out.
    pub(crate) compare: fn(&Look<'_>, &World, &mut Exceptions) -> Vec<Difference>,
}

/// All of them.
pub(crate) const KEPT: &[Kept] = &[slices::KEPT, endpoints::KEPT, cidrs::KEPT];

/// As the audit log names them.
pub(crate) const SLICES: &str = slices::KEPT.resource;
pub(crate) const ENDPOINTS: &str = endpoints::KEPT.resource;
pub(crate) const CIDRS: &str = cidrs::KEPT.resource;

/// Those that any of these controllers keeps.
pub(crate) fn kept_by(controllers: &Controllers) -> impl Iterator<Item = &'static Kept> {
    KEPT.iter().filter(|kept| {
        kept.controllers
            .iter()
            .any(|controller| controllers.has(*controller))
    })
}

/// Whether controllers keep objects of this resource, or may have to.
pub(crate) fn is_kept_resource(resource: &str) -> bool {
    KEPT.iter().any(|kept| kept.resource == resource)
}

/// Whether controllers keep the object, or may have to.
pub(crate) fn is_kept(object: &Object) -> bool {
    KEPT.iter().any(|kept| kept.kind == object.kind())
}

/// Both sides at one time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look<'a> {
    pub(crate) left: &'a Snapshot,
    pub(crate) right: &'a Snapshot,
    /// Whether both started over the same finished cluster, so that what hangs on history is compared, too.
    pub(crate) fresh: bool,
    pub(crate) controllers: &'a Controllers,
    /// 37 for Kubernetes 1.37.
    pub(crate) minor: u32,
    /// Most endpoints that are mirrored of a subset.
    pub(crate) max_mirrored: usize,
    /// Which side is kube-controller-manager.
    pub(crate) upstream: [bool; 2],
    /// Paths of Services of which one was deleted and another made under its name.
    pub(crate) recreated: &'a BTreeSet<String>,
    /// Paths of Endpoints of the left side of which some were deleted and others made under their name.
    pub(crate) remade: &'a BTreeSet<String>,
    /// Uids of Endpoints that ever had the label of their controller, on either side.
    pub(crate) kept_once: &'a BTreeSet<String>,
    /// Paths of Services for which a slice was to be created on that side that was there already.
    pub(crate) refused: [&'a BTreeSet<String>; 2],
}

impl<'a> Look<'a> {
    pub(crate) fn sides(&self) -> [&'a Snapshot; 2] {
        [self.left, self.right]
    }
}

/// One difference, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Path of the Service that it belongs to, or name of the ServiceCIDR.
    pub(crate) owner: String,
    what: String,
}

impl Difference {
    fn of(owner: &str, kind: &str, what: &impl fmt::Display) -> Self {
        Self {
            owner: owner.to_owned(),
            what: format!("{kind} of {owner}: {what}"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// What differs in one cluster.
pub(crate) fn compare(look: &Look<'_>, world: &World, exceptions: &mut Exceptions) -> Vec<Difference> {
    kept_by(look.controllers)
        .flat_map(|kept| (kept.compare)(look, world, exceptions))
        .collect()
}

#[cfg(test)]
mod tests {
    use quaymaster_oracle::Exception;

    #[test]
    fn the_documentation_explains_each_exception_and_no_other() {
        let text = include_str!("../../../docs/differences.md");
        let (_, table) = text.split_once("| Name | What may differ |").unwrap();
        let rows = table.lines().skip(2).map_while(|line| line.strip_prefix("| `"));
        let names: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
        let all: Vec<&str> = Exception::ALL.iter().map(|exception| exception.name()).collect();
        assert_eq!(names, all);
    }
}
