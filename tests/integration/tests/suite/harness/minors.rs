//! The Kubernetes minors the suite runs on.

/// The oldest and the newest supported minor: what lies between differs from one of them in nothing that is tested
/// here. The tests of each are in modules named after it, so that a name chooses: `on_1_37`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Minor {
    V1_33,
    V1_37,
}

impl Minor {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::V1_33 => "1.33",
            Self::V1_37 => "1.37",
        }
    }
}
