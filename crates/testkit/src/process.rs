//! Our own binary as a child process.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io};

use kube::Client;
use kube::config::Config;

use rustix::process::Signal;

use crate::server::{Server, describe_exit};
use crate::{ports, spawn};

/// How often readiness is looked at.
const POLL: Duration = Duration::from_millis(25);
/// How long one request for readiness may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(2);
/// Variables that would lead a child past the loopback servers it is meant for, in both cases as they are read.
const PROXIES: [&str; 3] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
/// Lines of the log shown in errors.
const SHOWN_LINES: usize = 20;

/// Starts a command that the kernel kills when this process ends, however it ends. Its own children are not reached.
pub fn tied(command: Command) -> io::Result<Child> {
    spawn::spawn(command, Signal::KILL)
}

/// Runs such a command to its end without input, and gives what it said; on standard error, where that is
/// [`Stdio::piped`].
///
/// # Errors
/// Where it cannot be started.
pub fn output(command: Command, stderr: Stdio) -> io::Result<Output> {
    spawn::output(command, stderr, Signal::KILL)
}

/// What Quaymaster is started with.
#[derive(Debug, Clone)]
#[must_use]
pub struct Launch {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    log: PathBuf,
    port: Option<u16>,
}

/// Quaymaster running as a child; it ends with the handle, and with this process however that ends.
///
/// The methods of [`Server`] give its id, signals, memory, CPU time and log.
#[derive(Debug)]
pub struct Quaymaster {
    server: Server,
    port: Option<u16>,
}

/// Why Quaymaster did not start or did not become ready.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program could not be started.
    #[error("starting {} failed", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It ended while it was waited for.
    #[error("quaymaster ended with {status} while waiting for {what}; its log ends with\n{tail}")]
    Exited {
        /// What was waited for.
        what: String,
        /// Its exit code or signal.
        status: String,
        /// The log's last lines.
        tail: String,
    },
    /// What was waited for did not come.
    #[error("waited {limit:?} for {what}: {last}; quaymaster's log ends with\n{tail}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
        /// What was seen last.
        last: String,
        /// The log's last lines.
        tail: String,
    },
    /// The address to ask is none.
    #[error("{url} cannot be asked: {reason}")]
    Url {
        /// The address.
        url: String,
        /// Why.
        reason: String,
    },
}

impl Launch {
    /// Starts building: `program` is the executable's path, `log` gets what it prints.
    pub fn new(program: impl Into<PathBuf>, log: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            log: log.into(),
            port: None,
        }
    }

    /// With the apiserver of a kubeconfig, and health and metrics on a port of its own, which was free a moment ago: if
    /// another process takes it first, Quaymaster says so and ends. A `--port=` among the arguments replaces it.
    ///
    /// # Errors
    /// Where no port is free.
    pub fn connect(mut self, kubeconfig: &Path) -> io::Result<Self> {
        self.port = Some(ports::free()?);
        let mut argument = OsString::from("--kubeconfig=");
        argument.push(kubeconfig);
        Ok(self.arg(argument))
    }

    /// One more argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// More arguments.
    pub fn args<S: Into<OsString>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// A variable of the child's environment, beside those of this process, of which those that name a proxy
    /// (`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, in capitals or not) are left out.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Starts the program; it is not waited for.
    ///
    /// # Errors
    /// Where the program or its log cannot be opened.
    pub fn start(&self) -> Result<Quaymaster, ProcessError> {
        let command = self.command();
        let server =
            Server::start("quaymaster", command, &self.log).map_err(|source| ProcessError::Start {
                program: self.program.clone(),
                source,
            })?;
        Ok(Quaymaster {
            server,
            port: self.port,
        })
    }

    /// Starts the program after [`Self::connect`], and waits until it has read everything.
    ///
    /// # Errors
    /// As of [`Self::start`]; when the program ends meanwhile, or is not ready after `limit`.
    pub async fn start_ready(&self, limit: Duration) -> Result<Quaymaster, ProcessError> {
        let mut quaymaster = self.start()?;
        let url = quaymaster.url("/readyz");
        quaymaster.wait_ready(&url, limit).await?;
        Ok(quaymaster)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        for name in PROXIES {
            command.env_remove(name).env_remove(name.to_ascii_lowercase());
        }
        let given = |arg: &OsString| arg.to_string_lossy().starts_with("--port=");
        let port = self.port.filter(|_| !self.args.iter().any(given));
        command
            .args(&self.args)
            .args(port.map(|port| format!("--port={port}")))
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Quaymaster {
    /// The process: id, signals, memory, CPU time, log.
    pub fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// The port of health and metrics; 0 where [`Launch::connect`] gave it none.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(0)
    }

    /// The address of a path of health and metrics, such as `/metrics`.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port())
    }

    /// The file that gets what it prints.
    pub fn log(&self) -> &Path {
        self.server.log()
    }

    /// Waits until GET of `url`, such as `http://127.0.0.1:10260/readyz`, answers 200. Any certificate will do.
    ///
    /// # Errors
    /// When the program ends meanwhile, or after `limit`.
    pub async fn wait_ready(&mut self, url: &str, limit: Duration) -> Result<(), ProcessError> {
        let (client, path) = client_of(url)?;
        self.wait(url, limit, async |_| {
            match tokio::time::timeout(REQUEST_LIMIT, get(&client, &path)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("no answer".to_owned()),
            }
        })
        .await
    }

    /// Waits until a line of the log contains `text`, and gives the line.
    ///
    /// # Errors
    /// When the program ends meanwhile, or after `limit`.
    pub async fn wait_for_log(&mut self, text: &str, limit: Duration) -> Result<String, ProcessError> {
        let what = format!("a log line with {text:?}");
        self.wait(&what, limit, async |log| {
            let log = fs::read(log).map_err(|error| error.to_string())?;
            let log = String::from_utf8_lossy(&log);
            log.lines()
                .find(|line| line.contains(text))
                .map(str::to_owned)
                .ok_or_else(|| "no such line".to_owned())
        })
        .await
    }

    async fn wait<T>(
        &mut self,
        what: &str,
        limit: Duration,
        look: impl AsyncFn(&Path) -> Result<T, String>,
    ) -> Result<T, ProcessError> {
        let begun = Instant::now();
        loop {
            // Looked at first, so that what a program did just before its end still counts.
            let exited = self.server.exited();
            let last = match look(self.server.log()).await {
                Ok(value) => return Ok(value),
                Err(last) => last,
            };
            let (what, tail) = (what.to_owned(), || self.server.log_tail(SHOWN_LINES));
            if let Some(status) = exited {
                return Err(ProcessError::Exited {
                    what,
                    status: describe_exit(status),
                    tail: tail(),
                });
            }
            if begun.elapsed() >= limit {
                return Err(ProcessError::TimedOut {
                    what,
                    limit,
                    last,
                    tail: tail(),
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// A client for the address's server, and the path to ask there.
fn client_of(url: &str) -> Result<(Client, String), ProcessError> {
    let failed = |reason: String| ProcessError::Url {
        url: url.to_owned(),
        reason,
    };
    let uri: http::Uri = url
        .parse()
        .map_err(|error: http::uri::InvalidUri| failed(error.to_string()))?;
    let path = uri
        .path_and_query()
        .map_or_else(|| "/".to_owned(), ToString::to_string);
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
    let base = http::Uri::from_parts(parts).map_err(|error| failed(error.to_string()))?;
    let mut config = Config::new(base);
    config.accept_invalid_certs = true;
    config.default_retry = false;
    config.proxy_url = None;
    let client = Client::try_from(config).map_err(|error| failed(error.to_string()))?;
    Ok((client, path))
}

/// The body of a GET request; an answer other than 2xx is an error.
async fn get(client: &Client, path: &str) -> kube::Result<String> {
    client
        .request_text(
            http::Request::get(path)
                .body(Vec::new())
                .map_err(kube::Error::HttpError)?,
        )
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> (tempfile::TempDir, Quaymaster) {
        let folder = tempfile::tempdir().unwrap();
        let launch = Launch::new("/bin/sh", folder.path().join("log"))
            .args(["-c", script])
            .env("GREETING", "hello");
        (folder, launch.start().unwrap())
    }

    #[tokio::test]
    async fn a_line_of_the_log_is_waited_for() {
        let (_folder, mut process) = shell("sleep 0.2; echo \"$GREETING there\"; sleep 60");
        let line = process
            .wait_for_log("hello", Duration::from_secs(30))
            .await
            .unwrap();
        assert_eq!(line, "hello there");
        assert!(process.server().memory().unwrap().rss > 0);
        let status = process.server().terminate(Duration::from_secs(30)).await.unwrap();
        assert_eq!(describe_exit(status), "signal 15");
    }

    #[tokio::test]
    async fn an_early_end_is_told_with_the_logs_end() {
        let (_folder, mut process) = shell("echo cannot work >&2; exit 3");
        let error = process
            .wait_for_log("ready", Duration::from_secs(30))
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("exit code 3") && error.contains("cannot work"),
            "{error}"
        );
    }

    #[test]
    fn a_proxy_of_this_process_is_not_the_childs_unless_it_is_given() {
        let launch = Launch::new("quaymaster", "log").env("https_proxy", "http://127.0.0.1:1");
        let command = launch.command();
        let of = |name: &str| command.get_envs().find(|(known, _)| *known == name);
        for name in [
            "HTTP_PROXY",
            "http_proxy",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "all_proxy",
        ] {
            assert!(matches!(of(name), Some((_, None))), "{name} is to be removed");
        }
        assert!(matches!(of("https_proxy"), Some((_, Some(_)))));
    }

    #[tokio::test]
    async fn what_a_wrapper_started_ends_with_it() {
        let (_folder, mut process) = shell("sleep 60 & echo child $!; wait");
        let line = process
            .wait_for_log("child", Duration::from_secs(30))
            .await
            .unwrap();
        let child = Path::new("/proc").join(line.replace("child ", ""));
        assert!(child.exists());
        process.server().terminate(Duration::from_secs(30)).await.unwrap();
        let ended = || {
            let stat = fs::read_to_string(child.join("stat"));
            // One that nobody has waited for yet has ended as well.
            stat.map_or(true, |stat| stat.contains(") Z "))
        };
        let begun = Instant::now();
        while !ended() && begun.elapsed() < Duration::from_secs(30) {
            tokio::time::sleep(POLL).await;
        }
        assert!(ended());
    }

    #[tokio::test]
    async fn a_program_that_ignores_the_request_to_end_is_killed() {
        let (_folder, mut process) = shell("trap '' TERM; echo up; while :; do sleep 0.1; done");
        process.wait_for_log("up", Duration::from_secs(30)).await.unwrap();
        let status = process
            .server()
            .terminate(Duration::from_millis(200))
            .await
            .unwrap();
        assert_eq!(describe_exit(status), "signal 9");
    }

    #[test]
    fn a_connected_program_is_told_its_apiserver_and_the_port_that_is_asked_later() {
        let folder = tempfile::tempdir().unwrap();
        let launch = Launch::new("/bin/true", folder.path().join("log")).connect(Path::new("/a config"));
        let launch = launch.unwrap();
        let process = launch.start().unwrap();
        let port = process.port();
        let command = launch.command();
        let arguments: Vec<_> = command.get_args().collect();
        assert_eq!(arguments, ["--kubeconfig=/a config", &format!("--port={port}")]);
        let command = launch.clone().arg("--port=0").command();
        assert!(command.get_args().eq(["--kubeconfig=/a config", "--port=0"]));
        assert_eq!(process.url("/readyz"), format!("http://127.0.0.1:{port}/readyz"));
    }

    #[tokio::test]
    async fn readiness_that_does_not_come_is_told_with_the_address() {
        let (_folder, mut process) = shell("sleep 60");
        let url = format!("http://127.0.0.1:{}/readyz", crate::ports::free().unwrap());
        let error = process
            .wait_ready(&url, Duration::from_millis(300))
            .await
            .unwrap_err();
        assert!(
            matches!(&error, ProcessError::TimedOut { what, .. } if *what == url),
            "{error:?}"
        );
    }
}
