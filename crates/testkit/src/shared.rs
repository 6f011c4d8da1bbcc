//! One control plane for all tests of a binary.

use std::ops::Deref;
use std::sync::OnceLock;

use crate::controlplane::{Builder, ControlPlane, ControlPlaneError};

/// A control plane that starts when first asked for and serves every test of the process.
///
/// Each test makes its own namespace in it. It is never dropped: the kernel ends its servers with the process, and
/// its folder goes then too.
#[derive(Debug)]
pub struct SharedControlPlane {
    configure: fn(Builder) -> Builder,
    plane: OnceLock<Result<ControlPlane, String>>,
}

impl SharedControlPlane {
    /// For a `static`: the settings are made when the control plane is first asked for.
    pub const fn new(configure: fn(Builder) -> Builder) -> Self {
        Self {
            configure,
            plane: OnceLock::new(),
        }
    }

    /// The control plane, started by the first caller while the others wait.
    ///
    /// # Errors
    /// [`ControlPlaneError::Shared`] with the reason, the same for each caller: a failed start is not tried again.
    pub async fn get(&'static self) -> Result<Lease, ControlPlaneError> {
        let start = || self.plane.get_or_init(|| self.start());
        match tokio::task::spawn_blocking(start)
            .await
            .map_err(|_| ControlPlaneError::Task)?
        {
            Ok(plane) => Ok(Lease { plane }),
            Err(reason) => Err(ControlPlaneError::Shared(reason.clone())),
        }
    }

    /// Starts on a runtime of its own: the first test's may end long before the last test.
    fn start(&self) -> Result<ControlPlane, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("making a runtime failed: {error}"))?;
        runtime
            .block_on((self.configure)(ControlPlane::builder()).start())
            .map_err(|error| chain(&error))
    }
}

/// One test's use of a shared control plane.
///
/// Dropped while the test panics, it copies the logs so far and names their folder, as [`ControlPlane`] does.
#[derive(Debug)]
pub struct Lease {
    plane: &'static ControlPlane,
}

impl Lease {
    /// The control plane for as long as the process lives.
    pub fn plane(&self) -> &'static ControlPlane {
        self.plane
    }
}

impl Deref for Lease {
    type Target = ControlPlane;

    fn deref(&self) -> &ControlPlane {
        self.plane
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.plane.keep_logs();
        }
    }
}

/// The control plane with default settings and the audit log, shared by this binary's tests.
///
/// # Errors
/// As [`SharedControlPlane::get`].
pub async fn shared() -> Result<Lease, ControlPlaneError> {
    static DEFAULT: SharedControlPlane = SharedControlPlane::new(|builder| builder.audit_log(true));
    DEFAULT.get().await
}

/// An error with its causes in one text, since it is told to several callers.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
