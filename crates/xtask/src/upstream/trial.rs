//! One test in a process of its own, beside an etcd of its own.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use quaymaster_testkit::Etcd;
use quaymaster_testkit::assets::{Assets, Program, Suite};
use quaymaster_testkit::process;

use super::events;
use super::judge::{End, judge};
use super::verdict::{Side, Verdict};

/// Where the packages are, from the root of upstream's source.
const PACKAGES: &str = "test/integration";

/// What a test may take, by Go's own limit, which shows where it hangs.
const TEST_LIMIT: &str = "15m";
/// What its process may take, should even that not end it.
const PROCESS_LIMIT: Duration = Duration::from_mins(20);
const POLL: Duration = Duration::from_millis(50);
/// How often a running test is told of: often enough for CI systems that end silent jobs.
const STILL_RUNNING: Duration = Duration::from_mins(1);

/// The file for what a test prints.
const LOG: &str = "test.log";
/// How the names of files end that hold what the shims' programs print: `endpoints-controller-01.log`.
const PROGRAM_LOG: &str = ".log";
/// Logs of others beside them.
const OTHER_LOGS: [&str; 2] = [LOG, "etcd.log"];

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
    /// How many programs it started in place of controllers.
    pub(crate) programs: usize,
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
        let output = process::output(command, Stdio::piped())
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
        let child = process::tied(command).with_context(|| format!("starting the tests of {package}"))?;
        let watched = watch(child, &log, tell)?;
        let output = String::from_utf8_lossy(&watched.output);
        let (verdict, reason) = judge(&output, test, watched.end);
        Ok(Outcome {
            verdict,
            took: watched.took,
            parts: events::parts(&output, test),
            programs: programs(&etcd.logs())?,
            reason,
            logs: keep(verdict).then(|| etcd.copy_logs()).transpose()?,
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

/// How many programs the shims started, by the logs in this folder.
fn programs(logs: &Path) -> Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(logs).with_context(|| logs.display().to_string())? {
        let name = entry
            .with_context(|| logs.display().to_string())?
            .file_name()
            .to_string_lossy()
            .into_owned();
        if name.ends_with(PROGRAM_LOG) && !OTHER_LOGS.contains(&name.as_str()) {
            count += 1;
        }
    }
    Ok(count)
}

/// A process that has ended.
struct Watched {
    end: End,
    took: Duration,
    /// All that it printed.
    output: Vec<u8>,
}

/// Waits until a test program has said how its tests ended, or has ended.
///
/// One that has said so is killed: it would look for goroutines that are left, which are upstream's, and of those that keep
/// a connection open there are some for 90 seconds more.
fn watch(mut child: Child, log: &Path, tell: impl Fn(Duration)) -> Result<Watched> {
    let mut reader = File::open(log).with_context(|| log.display().to_string())?;
    let mut output = Vec::new();
    // Where the first line begins that was not whole yet.
    let mut unread = 0;
    let begun = Instant::now();
    let mut told = begun;
    let end = loop {
        // Asked before the rest is read, so that nothing is printed in between.
        let status = child.try_wait().context("waiting for a test")?;
        reader
            .read_to_end(&mut output)
            .with_context(|| log.display().to_string())?;
        if events::all_ended(&String::from_utf8_lossy(&output[unread..])) {
            break End::Said;
        }
        unread = output
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        if let Some(status) = status {
            break End::Exited(status);
        }
        if begun.elapsed() >= PROCESS_LIMIT {
            break End::Late(PROCESS_LIMIT);
        }
        if told.elapsed() >= STILL_RUNNING {
            told = Instant::now();
            tell(begun.elapsed());
        }
        std::thread::sleep(POLL);
    };
    // Does nothing where it has ended.
    child.kill().context("ending a test")?;
    child.wait().context("waiting for a test")?;
    Ok(Watched {
        end,
        took: begun.elapsed(),
        output,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(script: &str) -> Watched {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join(LOG);
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdout(File::create(&log).unwrap());
        watch(process::tied(command).unwrap(), &log, |_| {}).unwrap()
    }

    #[test]
    fn programs_of_the_shims_are_counted_by_their_logs() {
        let folder = tempfile::tempdir().unwrap();
        for name in [LOG, "etcd.log", "etcd.pid"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(programs(folder.path()).unwrap(), 0);
        for name in ["endpoints-controller-01.log", "endpointslice-controller-02.log"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(programs(folder.path()).unwrap(), 2);
    }

    #[test]
    fn a_program_that_has_said_how_its_tests_ended_is_not_waited_for() {
        let watched = watched(
            "printf '\\026--- PASS: TestA (0.1s)\\n\\026PA'; sleep 0.2; printf 'SS\\n'; exec sleep 600",
        );
        assert_eq!(watched.end, End::Said);
        assert!(watched.took < Duration::from_mins(1), "{:?}", watched.took);
        assert!(watched.output.ends_with(b"PASS\n"));
    }

    #[test]
    fn of_a_program_that_ends_without_a_word_the_end_and_all_that_it_printed_are_told() {
        let watched = watched("echo first; sleep 0.2; echo last; exit 7");
        assert!(
            matches!(watched.end, End::Exited(status) if status.code() == Some(7)),
            "{:?}",
            watched.end
        );
        assert_eq!(watched.output, b"first\nlast\n");
    }
}
