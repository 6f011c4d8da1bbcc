//! One test in a process of its own, beside an etcd of its own.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use quaymaster_testkit::Etcd;
use quaymaster_testkit::assets::{Assets, Program, Suite};
use quaymaster_testkit::process;

use super::events;
use super::verdict::{Side, Verdict};

/// Where the packages are, from the root of upstream's source.
const PACKAGES: &str = "test/integration";

/// What a test may take, by Go's own limit, which shows where it hangs.
const TEST_LIMIT: &str = "15m";
/// What the process may take: afterwards it looks for ten minutes whether threads of Go are left.
const PROCESS_LIMIT: Duration = Duration::from_mins(30);
const POLL: Duration = Duration::from_millis(50);
/// How often a running test is told of: often enough for CI systems that end silent jobs.
const STILL_RUNNING: Duration = Duration::from_secs(60);

/// The file for what a test prints.
const LOG: &str = "test.log";
/// How the shims begin what they print when they cannot go on.
const SHIM_SAYS: &str = "quaymaster shim: ";

/// What tests are run with.
pub(crate) struct Rig {
    pub(crate) suite: Suite,
    pub(crate) assets: Assets,
    pub(crate) side: Side,
    /// The program in place of controllers; empty where none runs.
    program: PathBuf,
    arguments: Vec<&'static str>,
}

/// What came out of one test.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    pub(crate) took: Duration,
    /// How many parts it had, such as cases of a table.
    pub(crate) parts: usize,
    /// Why it failed, as far as the process tells.
    pub(crate) reason: String,
    /// Where its logs are kept, if they were to be.
    pub(crate) logs: Option<PathBuf>,
}

/// The path of a package from the root of upstream's source.
pub(crate) fn path(package: &str) -> String {
    format!("{PACKAGES}/{package}")
}

impl Rig {
    /// Quaymaster in place of the controllers.
    pub(crate) fn with_quaymaster(suite: Suite, assets: Assets, program: PathBuf) -> Self {
        Self {
            suite,
            assets,
            side: Side::Quaymaster,
            program,
            // Several run at once.
            arguments: vec!["--port=0"],
        }
    }

    /// kube-controller-manager in place of the controllers.
    pub(crate) fn with_baseline(suite: Suite, assets: Assets) -> Result<Self> {
        Ok(Self {
            suite,
            program: assets.program(Program::KubeControllerManager)?,
            assets,
            side: Side::Baseline,
            arguments: vec![
                "--leader-elect=false",
                "--secure-port=0",
                // As the tests set their own clients.
                "--kube-api-qps=1000",
                "--kube-api-burst=10000",
                "--v=2",
            ],
        })
    }

    /// Nothing in place of the controllers.
    pub(crate) fn with_none(suite: Suite, assets: Assets) -> Self {
        Self {
            suite,
            assets,
            side: Side::None,
            program: PathBuf::new(),
            arguments: Vec::new(),
        }
    }

    /// The tests of a package, as its program lists them.
    pub(crate) fn list(&self, package: &str) -> Result<Vec<String>> {
        let etcd = Etcd::start(&self.assets)?;
        let mut command = self.command(package, &etcd)?;
        command.args(["-test.list", "."]);
        let output = command
            .output()
            .with_context(|| format!("asking {package} for its tests"))?;
        let tests = events::listed(&String::from_utf8_lossy(&output.stdout));
        if !output.status.success() || tests.is_empty() {
            bail!(
                "{package} does not list its tests: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(tests)
    }

    /// Runs one test. Its logs are kept where this says so of its end. `tell` is called each minute.
    pub(crate) fn run(
        &self,
        package: &str,
        test: &str,
        keep: impl Fn(Verdict) -> bool,
        tell: impl Fn(Duration),
    ) -> Result<Outcome> {
        let etcd = Etcd::start(&self.assets)?;
        let log = etcd.logs().join(LOG);
        let output = File::create(&log).with_context(|| log.display().to_string())?;
        let mut command = self.command(package, &etcd)?;
        command
            .arg(format!("-test.run=^{test}$"))
            .args(["-test.v=test2json", "-test.timeout", TEST_LIMIT])
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let begun = Instant::now();
        let mut child = process::tied(command).with_context(|| format!("starting the tests of {package}"))?;
        let mut told = begun;
        let status = loop {
            if let Some(status) = child.try_wait().context("waiting for a test")? {
                break Some(status);
            }
            if begun.elapsed() >= PROCESS_LIMIT {
                child.kill().context("ending a test")?;
                child.wait().context("waiting for a test")?;
                break None;
            }
            if told.elapsed() >= STILL_RUNNING {
                told = Instant::now();
                tell(begun.elapsed());
            }
            std::thread::sleep(POLL);
        };
        let took = begun.elapsed();
        let output = fs::read(&log).with_context(|| log.display().to_string())?;
        let output = String::from_utf8_lossy(&output);
        let (verdict, reason) = judge(&output, test, status);
        Ok(Outcome {
            verdict,
            took,
            parts: events::parts(&output, test),
            reason,
            logs: keep(verdict).then(|| etcd.kept_logs()).transpose()?,
        })
    }

    /// A package's program, with all that it finds in its environment.
    fn command(&self, package: &str, etcd: &Etcd) -> Result<Command> {
        let temporary = etcd.folder().join("tmp");
        fs::create_dir_all(&temporary).with_context(|| temporary.display().to_string())?;
        let mut command = self.suite.command(&path(package));
        command
            .env("KUBE_INTEGRATION_ETCD_URL", etcd.url())
            .env("TMPDIR", temporary)
            .env("QUAYMASTER_SHIM_PROGRAM", &self.program)
            .env(
                "QUAYMASTER_SHIM_ARGUMENTS",
                serde_json::to_string(&self.arguments)?,
            )
            .env("QUAYMASTER_SHIM_LOGS", etcd.logs());
        Ok(command)
    }
}

/// How a test ended and, where it failed, why: by what it printed, and by how its process ended, `None` if not by itself.
fn judge(output: &str, test: &str, status: Option<ExitStatus>) -> (Verdict, String) {
    let Some(status) = status else {
        return (Verdict::Failed, format!("still running after {PROCESS_LIMIT:?}"));
    };
    let said = events::verdict(output, test);
    match said {
        Some(verdict) if verdict != Verdict::Failed && status.success() => (verdict, String::new()),
        Some(Verdict::Failed) => {
            let parts = events::failed_parts(output, test);
            (Verdict::Failed, parts.join(", "))
        }
        // Its controllers could not run, it took too long, or threads were left after it.
        _ => {
            let shim = output.lines().find_map(|line| line.strip_prefix(SHIM_SAYS));
            let end = || output.lines().find(|line| line.starts_with("panic: ") || is_fatal(line));
            let after = said.map_or(String::new(), |verdict| format!(" after it {verdict}"));
            let reason = shim.or_else(end).unwrap_or("see the log");
            (Verdict::Failed, format!("{status}{after}: {reason}"))
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

    fn exit(code: i32) -> Option<ExitStatus> {
        Some(ExitStatus::from_raw(code << 8))
    }

    #[test]
    fn a_test_has_passed_when_it_and_its_process_say_so() {
        let passed = "\u{16}--- PASS: TestA (0.10s)\nPASS\n";
        assert_eq!(judge(passed, "TestA", exit(0)), (Verdict::Passed, String::new()));
        let (verdict, reason) = judge(passed, "TestA", exit(1));
        assert_eq!(verdict, Verdict::Failed);
        assert!(reason.contains("after it passed"), "{reason}");
        assert_eq!(judge(passed, "TestA", None).0, Verdict::Failed);
    }

    #[test]
    fn a_process_that_ran_nothing_has_not_passed() {
        let nothing = "testing: warning: no tests to run\nPASS\n";
        assert_eq!(judge(nothing, "TestA", exit(0)).0, Verdict::Failed);
    }

    #[test]
    fn parts_that_failed_are_the_reason() {
        let output = "\u{16}    --- FAIL: TestA/one (0.1s)\n\u{16}    --- FAIL: TestA/two (0.1s)\n\u{16}--- FAIL: TestA (0.2s)\n";
        assert_eq!(
            judge(output, "TestA", exit(1)),
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
