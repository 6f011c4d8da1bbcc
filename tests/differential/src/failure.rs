//! Whose doing it is that a run breaks off.

use std::error::Error;
use std::fmt;
use std::process::ExitStatus;
use std::time::Duration;

use quaymaster_testkit::process::ProcessError;

/// What the subject did wrong, so that nothing more can be compared.
#[derive(Debug)]
pub(crate) enum SubjectFailure {
    /// It was to run on.
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// The log's last lines.
        tail: String,
    },
    /// It was to become ready.
    NeverReady(ProcessError),
    /// It was to do what there was to do.
    DoesNothing {
        /// Its controllers that did not.
        controllers: String,
        /// For how long it was waited for.
        limit: Duration,
    },
    /// It was to be done some time.
    NeverRests {
        /// For how long it was waited for.
        limit: Duration,
    },
}

impl fmt::Display for SubjectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended { status, tail } => {
                write!(
                    f,
                    "quaymaster ended by itself with {status}; its log ends with\n{tail}"
                )
            }
            Self::NeverReady(error) => error.fmt(f),
            Self::DoesNothing { controllers, limit } => {
                write!(
                    f,
                    "{controllers} of quaymaster did nothing within {limit:?} of what there was to do"
                )
            }
            Self::NeverRests { limit } => write!(f, "the other side still writes after {limit:?}"),
        }
    }
}

impl Error for SubjectFailure {}

/// Why the subject did not start: its own doing where it ended or was never ready.
pub(crate) fn not_started(error: ProcessError) -> anyhow::Error {
    match error {
        ProcessError::Exited { .. } | ProcessError::TimedOut { .. } => {
            SubjectFailure::NeverReady(error).into()
        }
        other => other.into(),
    }
}

/// Whether it is the subject's own doing: it ended, was never ready, did nothing, or never came to rest. Whatever else goes
/// wrong, such as a control plane that does not start or a request that fails, says nothing of it.
pub(crate) fn is_of_subject(failure: &anyhow::Error) -> bool {
    failure.chain().any(<dyn Error>::is::<SubjectFailure>)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::os::unix::process::ExitStatusExt as _;

    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn what_the_subject_does_is_told_from_what_the_harness_cannot_do() {
        let ended = SubjectFailure::Ended {
            status: ExitStatus::from_raw(256),
            tail: "panicked".to_owned(),
        };
        let exited = ProcessError::Exited {
            what: "/readyz".to_owned(),
            status: "exit code 1".to_owned(),
            tail: String::new(),
        };
        let never_ready = ProcessError::TimedOut {
            what: "/readyz".to_owned(),
            limit: Duration::ZERO,
            last: "no answer".to_owned(),
            tail: String::new(),
        };
        let kcm_never_ready = ProcessError::TimedOut {
            what: "kube-controller-manager's /readyz".to_owned(),
            limit: Duration::ZERO,
            last: "no answer".to_owned(),
            tail: String::new(),
        };
        let never_rests = SubjectFailure::NeverRests {
            limit: Duration::ZERO,
        };
        for own in [
            ended.into(),
            not_started(exited),
            not_started(never_ready),
            Err::<(), _>(never_rests).context("settling").unwrap_err(),
        ] {
            assert!(is_of_subject(&own), "{own:#}");
        }
        let no_program = ProcessError::Start {
            program: "quaymaster".into(),
            source: io::Error::other("no such file"),
        };
        for other in [
            not_started(no_program),
            kcm_never_ready.into(),
            anyhow!("quaymaster ended by itself, says somebody else").context("starting a control plane"),
            io::Error::from(io::ErrorKind::ConnectionRefused).into(),
        ] {
            assert!(!is_of_subject(&other), "{other:#}");
        }
    }
}
