//! How a test ended, and who kept the objects that it looks at.

use std::fmt;

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    Failed,
    /// By its own decision.
    Skipped,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        })
    }
}

/// What runs in place of the controllers that a test starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Quaymaster,
    /// kube-controller-manager: what upstream itself gives here.
    Baseline,
    /// Nothing: shows which tests notice.
    None,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quaymaster => "quaymaster",
            Self::Baseline => "kube-controller-manager",
            Self::None => "no controller",
        })
    }
}
