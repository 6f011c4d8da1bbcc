//! What the end of a test's process says about the test.

use std::process::ExitStatus;
use std::time::Duration;

use super::events;
use super::verdict::Verdict;

/// How the shims begin what they print when they cannot go on.
const SHIM_SAYS: &str = "quaymaster shim: ";

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It said how all its tests ended; what it would have done then was not waited for.
    Said,
    /// By itself, before that.
    Exited(ExitStatus),
    /// It was ended after this time.
    Late(Duration),
}

/// How a test ended and, where it failed, why: by what it printed, and by how its process ended.
pub(crate) fn judge(output: &str, test: &str, end: End) -> (Verdict, String) {
    let said = events::verdict(output, test);
    match (said, end) {
        (Some(Verdict::Failed), _) => {
            let parts = events::failed_parts(output, test);
            (Verdict::Failed, parts.join(", "))
        }
        (Some(verdict), End::Said) => (verdict, String::new()),
        // There is no such test.
        (None, End::Said) => (Verdict::Failed, "it did not run".to_owned()),
        (_, End::Late(limit)) => (Verdict::Failed, format!("still running after {limit:?}")),
        // Its controllers could not run, or it took too long.
        (_, End::Exited(status)) => {
            let shim = output.lines().find_map(|line| line.strip_prefix(SHIM_SAYS));
            let end = || {
                output
                    .lines()
                    .find(|line| line.starts_with("panic: ") || is_fatal(line))
            };
            let reason = shim.or_else(end).unwrap_or("see the log");
            (Verdict::Failed, format!("{status}: {reason}"))
        }
    }
}

/// Whether this is a line of Kubernetes' log after which its process ends: `F1130 03:15:25.042844 ...`.
fn is_fatal(line: &str) -> bool {
    let Some((day, _)) = line.strip_prefix('F').and_then(|rest| rest.split_once(' ')) else {
        return false;
    };
    day.len() == 4 && day.bytes().all(|letter| letter.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    const PASSED: &str = "\u{16}--- PASS: TestA (0.10s)\n";

    fn exit(code: i32) -> End {
        End::Exited(ExitStatus::from_raw(code << 8))
    }

    #[test]
    fn a_test_has_passed_when_it_and_its_program_say_so() {
        assert_eq!(
            judge(PASSED, "TestA", End::Said),
            (Verdict::Passed, String::new())
        );
        for end in [exit(0), exit(1), End::Late(Duration::from_secs(1))] {
            assert_eq!(judge(PASSED, "TestA", end).0, Verdict::Failed, "{end:?}");
        }
    }

    #[test]
    fn a_program_that_ran_nothing_has_not_passed() {
        assert_eq!(judge(PASSED, "TestB", End::Said).0, Verdict::Failed);
    }

    #[test]
    fn parts_that_failed_are_the_reason() {
        let output = "\u{16}    --- FAIL: TestA/one (0.1s)\n\u{16}    --- FAIL: TestA/two (0.1s)\n\u{16}--- FAIL: TestA (0.2s)\n";
        assert_eq!(
            judge(output, "TestA", End::Said),
            (Verdict::Failed, "one, two".to_owned())
        );
    }

    #[test]
    fn a_controller_that_does_not_run_is_the_reason() {
        let output = "\u{16}=== RUN   TestA\nquaymaster shim: it ended by itself\n";
        let (verdict, reason) = judge(output, "TestA", exit(70));
        assert_eq!(verdict, Verdict::Failed);
        assert!(reason.ends_with(": it ended by itself"), "{reason}");
    }

    #[test]
    fn what_an_apiserver_could_not_go_on_for_is_the_reason() {
        let output = "FAIL is no such line\nF1130 03:15:25.042844   28503 hooks.go:203] a hook failed\n";
        let (_, reason) = judge(output, "TestA", exit(255));
        assert!(reason.ends_with("a hook failed"), "{reason}");
    }
}
