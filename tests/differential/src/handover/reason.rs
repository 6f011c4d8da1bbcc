//! Why a write at a change of holders may be.

use std::collections::BTreeMap;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// A named reason for a write that should not be else.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Reason { $($(#[$doc])* $variant,)* }

        impl Reason {
            #[cfg(test)]
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in `docs/differences.md`, which explains each.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

reasons! {
    /// A placeholder that lacks its owner is replaced: one create, one delete.
    UnownedPlaceholder = "unowned-placeholder";
    /// What kube-controller-manager has left of mirrored slices as is forgiven to it, quaymaster puts right.
    WrongMirror = "wrong-mirror";
    /// kube-controller-manager asks for a mirrored slice that is there; what it has left so, quaymaster puts right.
    MirrorRecycling = "mirror-recycling";
    /// kube-controller-manager is refused Endpoints of which all addresses of a subset were cut off; quaymaster writes what
    /// is left of them.
    RefusedTruncation = "refused-truncation";
    /// What kube-controller-manager writes at every look, it writes any number of times.
    EachLook = "each-look";
    /// kube-controller-manager may not know its nodes as it starts, and takes hints off, and puts them back later. Hints that
    /// no look of it leaves as they are, quaymaster puts where its own stay.
    AutoHints = "auto-hints";
    /// kube-controller-manager writes a mirrored slice as it is, or in another order.
    NothingChanged = "nothing-changed";
    /// kube-controller-manager mirrors now this and now that.
    ApplicationProtocol = "application-protocol";
    /// Older kube-controller-managers write Endpoints again that say the same in other subsets.
    Repacked = "repacked";
}

/// How often each applied.
pub(crate) type Reasons = BTreeMap<Reason, usize>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_explains_each_reason_and_no_other() {
        let text = include_str!("../../../../docs/differences.md");
        let (_, table) = text.split_once("| Write | Why | What bounds it |").unwrap();
        let rows = table.lines().skip(2).map_while(|line| line.strip_prefix("| `"));
        let names: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
        let all: Vec<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names, all);
    }
}
