//! Kinds of objects that controllers keep: what is compared of each. A further kind is a file beside these, and an entry in
//! [`KEPT`].

mod slices;

use std::fmt;

use quaymaster_oracle::Exceptions;
use quaymaster_oracle::generate::Kind;

use crate::snapshot::Snapshot;
use crate::world::World;

/// A kind of objects that controllers keep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    /// The kind.
    pub(crate) kind: Kind,
    /// Its plural in paths and in the audit log.
    pub(crate) resource: &'static str,
    /// What differs between both sides in one cluster; exceptions are counted and left out.
    pub(crate) compare: fn(&Look<'_>, &World, &mut Exceptions) -> Vec<Difference>,
}

/// All of them.
pub(crate) const KEPT: &[Kept] = &[slices::KEPT];

/// Both sides at one time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look<'a> {
    pub(crate) left: &'a Snapshot,
    pub(crate) right: &'a Snapshot,
    /// Whether both started over the same finished cluster, so that what hangs on history is compared, too.
    pub(crate) fresh: bool,
}

/// One difference, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Path of the Service that it belongs to.
    pub(crate) owner: String,
    what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// Whether controllers keep objects of this kind.
pub(crate) fn is_kept(kind: Kind) -> bool {
    KEPT.iter().any(|kept| kept.kind == kind)
}

/// What differs in one cluster.
pub(crate) fn compare(look: &Look<'_>, world: &World, exceptions: &mut Exceptions) -> Vec<Difference> {
    KEPT.iter()
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
        let names: Vec<&str> = rows
            .filter(|row| !row.contains("` at a hand-back |"))
            .filter_map(|row| row.split('`').next())
            .collect();
        let all: Vec<&str> = Exception::ALL.iter().map(|exception| exception.name()).collect();
        assert_eq!(names, all);
    }
}
