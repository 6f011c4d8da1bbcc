//! The Kubernetes minors the suite runs on.

use std::env;

/// Names the minors to run on, separated by commas.
const VARIABLE: &str = "QUAYMASTER_TEST_MINORS";

/// The oldest and the newest supported minor: what lies between differs from one of them in nothing that is tested
/// here.
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

    /// Whether the developer left it in. A name that is none fails, so that a typing error does not pass as a success.
    pub(crate) fn is_wanted(self) -> bool {
        let Ok(list) = env::var(VARIABLE) else { return true };
        let known = [Self::V1_33.text(), Self::V1_37.text()];
        let wanted: Vec<&str> = list
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .collect();
        if let Some(unknown) = wanted.iter().find(|word| !known.contains(word)) {
            panic!("{VARIABLE} names {unknown:?}; known are {}", known.join(", "));
        }
        wanted.is_empty() || wanted.contains(&self.text())
    }
}
