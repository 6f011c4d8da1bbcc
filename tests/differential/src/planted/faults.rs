//! The errors themselves, as edits of quaymaster's sources.

mod endpoints;
mod mirroring;
mod service_cidr;
mod slices;

use crate::controllers::Controller;

/// The variable that switches one of them on, by name, in a quaymaster that was built with all of them.
pub const VARIABLE: &str = "QUAYMASTER_PLANTED_FAULT";

/// Added to the crate below those that the edits are in.
pub const SWITCH: Edit = Edit {
    file: "crates/model/src/lib.rs",
    from: "pub mod digest;\n",
    to: r#"pub mod digest;
/// Whether a fault is switched on.
pub fn planted(fault: &str) -> bool {
    static CHOSEN: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var("QUAYMASTER_PLANTED_FAULT").unwrap_or_default()) == fault
}
"#,
};

/// An error that somebody could make.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub what: &'static str,
    /// The controllers that are enough to show it.
    pub(crate) controllers: &'static [Controller],
    /// Whether it shows only as the controllers change places.
    pub(crate) handover: bool,
    /// Where it is.
    pub edits: &'static [Edit],
}

impl Fault {
    /// kube-controller-manager's names of the controllers that are enough to show it.
    pub fn controllers(&self) -> impl Iterator<Item = &'static str> {
        self.controllers.iter().map(|controller| controller.name())
    }
}

/// A piece of source, which stands there exactly once, and what it becomes.
#[derive(Clone, Copy, Debug)]
pub struct Edit {
    /// Path from the root of the work tree.
    pub file: &'static str,
    /// The piece.
    pub from: &'static str,
    /// What replaces it.
    pub to: &'static str,
}

/// All of them, in the order in which their edits are made.
pub fn faults() -> impl Iterator<Item = &'static Fault> {
    let all = [
        slices::FAULTS,
        endpoints::FAULTS,
        mirroring::FAULTS,
        service_cidr::FAULTS,
    ];
    all.into_iter().flatten()
}
