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
            Self::NeverRests { limit } => write!(f, "the other side still writes after {limit:?}"),
        }
    }
}

impl Error for SubjectFailure {}

/// Whether it is the subject's own doing: it ended, was never ready, or never came to rest. Whatever else goes wrong, such as
/// a control plane that does not start or a request that fails, says nothing of it.
pub(crate) fn is_of_subject(failure: &anyhow::Error) -> bool {
    failure.chain().any(|cause| {
        let never_ready = matches!(
            cause.downcast_ref(),
            Some(ProcessError::Exited { .. } | ProcessError::TimedOut { .. })
        );
        never_ready || cause.is::<SubjectFailure>()
    })
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
        let never_rests = SubjectFailure::NeverRests {
            limit: Duration::ZERO,
        };
        for own in [
            ended.into(),
            exited.into(),
            never_ready.into(),
            Err::<(), _>(never_rests).context("settling").unwrap_err(),
        ] {
            assert!(is_of_subject(&own), "{own:#}");
        }
        let not_started = ProcessError::Start {
            program: "quaymaster".into(),
            source: io::Error::other("no such file"),
        };
        for other in [
            not_started.into(),
            anyhow!("quaymaster ended by itself, says somebody else").context("starting a control plane"),
            io::Error::from(io::ErrorKind::ConnectionRefused).into(),
        ] {
            assert!(!is_of_subject(&other), "{other:#}");
        }
    }
}
