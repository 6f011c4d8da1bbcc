//! A real control plane on loopback: etcd, kube-apiserver and kube-controller-manager.

mod authority;
mod builder;
mod compact;
mod error;
mod etcd;
mod kcm;
mod servers;
mod start;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::config::Config;
use kube::{Api, Client};
use rustix::process::Signal;
use tokio::sync::Mutex;

use crate::assets::{Assets, Places, Program};
use crate::audit::AuditLog;
use crate::instance::InstanceFolder;
use crate::server::Server;

pub use authority::ADMIN;
pub use builder::Builder;
pub use error::ControlPlaneError;
pub use etcd::Etcd;
pub use kcm::Kcm;

use authority::Authority;
use servers::Ports;

/// Attempts to start, each with new ports.
const PORT_ATTEMPTS: u32 = 5;
/// How long the apiserver may take to end on SIGTERM before it is killed. It takes all of that while watches are open,
/// whoever's they are: it would let them go on for a minute.
const STOP_GRACE: Duration = Duration::from_secs(15);
/// Requests a second of the KCM that starts with the apiserver; at KCM's own 20 clean-up would slow tests.
const KCM_REQUESTS: [&str; 2] = ["--kube-api-qps=500", "--kube-api-burst=1000"];

/// A running control plane. Its servers end with the handle, and with this process however that ends.
///
/// When the handle drops while its thread panics, the logs are copied to a folder named on standard error, with
/// the end of each. The handle may be shared by threads and runtimes: it holds no connection and no task.
pub struct ControlPlane {
    settings: Builder,
    assets: Assets,
    authority: Authority,
    ports: Ports,
    kubeconfig: PathBuf,
    servers: Mutex<Servers>,
    kcm_log: AtomicU32,
    names: AtomicU32,
    // Last, so that servers are gone before their files are.
    folder: InstanceFolder,
}

/// The processes, and what the next start of the apiserver is given.
struct Servers {
    kcm: Option<Kcm>,
    apiserver: Option<Server>,
    etcd: Server,
    apiserver_args: Vec<String>,
}

impl fmt::Debug for ControlPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlPlane")
            .field("kubeconfig", &self.kubeconfig)
            .finish_non_exhaustive()
    }
}

impl ControlPlane {
    /// Settings to start from: the newest minor, IPv4 Services, no audit log, KCM with garbage collector and
    /// namespace controller.
    pub fn builder() -> Builder {
        Builder::default()
    }

    async fn start(settings: Builder) -> Result<Self, ControlPlaneError> {
        let minor = settings.parsed_minor()?;
        let find = move || Assets::find(minor, &Places::from_env()?);
        let assets = tokio::task::spawn_blocking(find)
            .await
            .map_err(|_| ControlPlaneError::Task)??;
        if settings.kcm.is_some() {
            // Known before minutes of test are spent.
            assets.program(Program::KubeControllerManager)?;
        }
        let folder = InstanceFolder::create()
            .map_err(ControlPlaneError::io("creating a folder for the control plane"))?;
        let authority = Authority::create(folder.path())?;
        if settings.audit_log {
            servers::write_audit_policy(&authority)?;
        }
        let started = start_servers(&settings, &assets, &authority, &folder).await;
        // The error shows the end of one log; the rest would go with the folder.
        let (ports, kubeconfig, servers) = started.inspect_err(|_| folder.keep_logs())?;
        let plane = Self {
            settings,
            assets,
            authority,
            ports,
            kubeconfig,
            servers: Mutex::new(servers),
            kcm_log: AtomicU32::new(0),
            names: AtomicU32::new(0),
            folder,
        };
        plane.start_own_kcm().await.inspect_err(|_| plane.keep_logs())?;
        Ok(plane)
    }

    /// A kubeconfig file of the administrator, who is in `system:masters`; for kubectl and our own binary.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The address of the apiserver, `https://127.0.0.1:PORT`; it stays the same over restarts.
    pub fn server_url(&self) -> String {
        self.ports.server()
    }

    /// The programs that run here, kubectl among them.
    pub fn assets(&self) -> &Assets {
        &self.assets
    }

    /// The folder of the servers' logs, which goes with the handle; our own binary's log may be put there too.
    pub fn logs(&self) -> PathBuf {
        self.folder.logs()
    }

    /// A kubeconfig file for any user, by a new client certificate; the user may do what RBAC grants, at first
    /// next to nothing.
    ///
    /// # Errors
    /// Without [`Builder::rbac`], since every user could do everything; and where the certificate cannot be made, as
    /// for a name that X.509 cannot hold.
    pub fn kubeconfig_for(&self, user: &str, group: Option<&str>) -> Result<PathBuf, ControlPlaneError> {
        if !self.settings.rbac {
            return Err(ControlPlaneError::NoRbac(user.to_owned()));
        }
        self.authority.write_user(&self.ports.server(), user, group)
    }

    /// The settings of the administrator's client: no retries, no proxy; change them and make a client.
    pub async fn config(&self) -> Result<Config, ControlPlaneError> {
        authority::client_config(&self.kubeconfig).await
    }

    /// A new client of the administrator, which does not retry. Its connections belong to the runtime it is made on.
    pub async fn client(&self) -> Result<Client, ControlPlaneError> {
        client(self.config().await?)
    }

    /// A new client with the credentials of a kubeconfig file, as [`Self::kubeconfig_for`] makes them.
    pub async fn client_for(&self, kubeconfig: &Path) -> Result<Client, ControlPlaneError> {
        client(authority::client_config(kubeconfig).await?)
    }

    /// Creates a namespace that no other test has, and gives its name, `PREFIX-...`.
    ///
    /// It is not deleted: it goes with the control plane.
    pub async fn namespace(&self, prefix: &str) -> Result<String, ControlPlaneError> {
        let client = self.client().await?;
        // One process alone writes here, so a count is unique.
        let name = format!("{prefix}-{}", self.names.fetch_add(1, Ordering::Relaxed));
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(name.clone());
        Api::<Namespace>::all(client)
            .create(&kube::api::PostParams::default(), &namespace)
            .await?;
        Ok(name)
    }

    /// The audit log.
    ///
    /// Without [`Builder::audit_log`] there is no file, and reading says so.
    pub fn audit(&self) -> AuditLog {
        AuditLog::new(self.folder.audit_log())
    }

    /// Ends the apiserver (SIGTERM, after 15 s SIGKILL); etcd keeps its data.
    pub async fn stop_apiserver(&self) -> Result<(), ControlPlaneError> {
        let apiserver = self.servers.lock().await.apiserver.take();
        if let Some(mut apiserver) = apiserver {
            apiserver
                .terminate(STOP_GRACE)
                .await
                .map_err(ControlPlaneError::io("stopping kube-apiserver"))?;
        }
        Ok(())
    }

    /// Kills the apiserver (SIGKILL): connections break without a word.
    pub async fn kill_apiserver(&self) -> Result<(), ControlPlaneError> {
        let apiserver = self.servers.lock().await.apiserver.take();
        if let Some(mut apiserver) = apiserver {
            apiserver
                .kill()
                .map_err(ControlPlaneError::io("killing kube-apiserver"))?;
        }
        Ok(())
    }

    /// Starts the apiserver again after a stop, on the same port and data, and waits until it is ready.
    ///
    /// Does nothing while it runs.
    pub async fn start_apiserver(&self) -> Result<(), ControlPlaneError> {
        let mut servers = self.servers.lock().await;
        if servers
            .apiserver
            .as_mut()
            .is_some_and(|apiserver| apiserver.exited().is_none())
        {
            return Ok(());
        }
        let settings = Builder {
            apiserver_args: servers.apiserver_args.clone(),
            ..self.settings.clone()
        };
        let mut apiserver =
            start_apiserver(&settings, &self.assets, &self.authority, self.ports, &self.folder)?;
        let config = self.config().await?;
        start::wait_ready(&config, &mut [&mut servers.etcd, &mut apiserver]).await?;
        servers.apiserver = Some(apiserver);
        Ok(())
    }

    /// Stops the apiserver and starts it again.
    pub async fn restart_apiserver(&self) -> Result<(), ControlPlaneError> {
        self.stop_apiserver().await?;
        self.start_apiserver().await
    }

    /// Restarts the apiserver with other extra arguments, which replace those given before and stay for later starts.
    pub async fn restart_apiserver_with<S: Into<String>>(
        &self,
        extra_args: impl IntoIterator<Item = S>,
    ) -> Result<(), ControlPlaneError> {
        let args = builder::strings(extra_args);
        self.stop_apiserver().await?;
        self.servers.lock().await.apiserver_args = args;
        self.start_apiserver().await
    }

    /// Freezes the apiserver (SIGSTOP): it accepts connections and answers nothing.
    pub async fn pause_apiserver(&self) -> Result<(), ControlPlaneError> {
        self.signal_apiserver(Signal::STOP).await
    }

    /// Lets a frozen apiserver go on (SIGCONT).
    pub async fn resume_apiserver(&self) -> Result<(), ControlPlaneError> {
        self.signal_apiserver(Signal::CONT).await
    }

    async fn signal_apiserver(&self, signal: Signal) -> Result<(), ControlPlaneError> {
        match &mut self.servers.lock().await.apiserver {
            Some(apiserver) => apiserver
                .signal(signal)
                .map_err(ControlPlaneError::io("sending a signal to kube-apiserver")),
            None => Ok(()),
        }
    }

    /// Stops the KCM that started with the apiserver; does nothing when there is none.
    pub async fn stop_own_kcm(&self) -> Result<(), ControlPlaneError> {
        let kcm = self.servers.lock().await.kcm.take();
        if let Some(kcm) = kcm {
            kcm.stop()
                .await
                .map_err(ControlPlaneError::io("stopping kube-controller-manager"))?;
        }
        Ok(())
    }

    /// Starts the KCM with the controllers of the [`Builder`], as the start of the control plane does; does nothing
    /// while it runs, or when the builder wants none.
    pub async fn start_own_kcm(&self) -> Result<(), ControlPlaneError> {
        let mut servers = self.servers.lock().await;
        let Some(controllers) = &self.settings.kcm else {
            return Ok(());
        };
        if servers
            .kcm
            .as_mut()
            .is_some_and(|kcm| kcm.server().exited().is_none())
        {
            return Ok(());
        }
        let mut args = builder::strings(KCM_REQUESTS);
        args.extend(self.settings.kcm_args.iter().cloned());
        servers.kcm = Some(self.launch_kcm(controllers, &args, "kcm.log".to_owned()).await?);
        Ok(())
    }

    /// Starts one more KCM with these controllers alone, such as `endpointslice-controller`, with KCM's own defaults.
    ///
    /// Drop the handle, or use its methods, to end it; it must not outlive the control plane.
    pub async fn start_kcm<S: AsRef<str>>(&self, controllers: &[S]) -> Result<Kcm, ControlPlaneError> {
        self.start_kcm_with(controllers, &[] as &[&str]).await
    }

    /// As [`Self::start_kcm`], with further arguments.
    pub async fn start_kcm_with<S: AsRef<str>, A: AsRef<str>>(
        &self,
        controllers: &[S],
        args: &[A],
    ) -> Result<Kcm, ControlPlaneError> {
        let log = format!("kcm-{}.log", self.kcm_log.fetch_add(1, Ordering::Relaxed) + 1);
        let controllers = builder::strings(controllers.iter().map(AsRef::as_ref));
        let args = builder::strings(args.iter().map(AsRef::as_ref));
        self.launch_kcm(&controllers, &args, log).await
    }

    async fn launch_kcm(
        &self,
        controllers: &[String],
        args: &[String],
        log: String,
    ) -> Result<Kcm, ControlPlaneError> {
        let launch = kcm::Launch {
            program: &self.assets.program(Program::KubeControllerManager)?,
            kubeconfig: &self.kubeconfig,
            controllers,
            feature_gates: self.settings.feature_gates_flag(),
            args,
            log: self.folder.logs().join(log),
        };
        launch.start().await
    }

    /// Ids of the processes that run: etcd, kube-apiserver and the KCM that started with it.
    pub async fn pids(&self) -> Vec<u32> {
        let servers = self.servers.lock().await;
        let kcm = servers.kcm.as_ref().map(Kcm::pid);
        [
            Some(servers.etcd.pid()),
            servers.apiserver.as_ref().map(Server::pid),
            kcm,
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The folder of data, credentials and logs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Copies the logs, the audit log among them, to where they stay, and names the place and the end of each on standard error.
    pub fn keep_logs(&self) {
        self.folder.keep_logs();
    }

    /// Copies the logs as [`ControlPlane::keep_logs`] does, says nothing, and gives the place.
    ///
    /// # Errors
    /// Where they cannot be read or written.
    pub fn copy_logs(&self) -> std::io::Result<PathBuf> {
        self.folder.copy_logs()
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep_logs();
        }
    }
}

fn client(config: Config) -> Result<Client, ControlPlaneError> {
    Client::try_from(config).map_err(|error| ControlPlaneError::Client(error.into()))
}

/// Starts etcd and the apiserver together: the latter waits for the former by itself.
async fn start_servers(
    settings: &Builder,
    assets: &Assets,
    authority: &Authority,
    folder: &InstanceFolder,
) -> Result<(Ports, PathBuf, Servers), ControlPlaneError> {
    for _ in 0..PORT_ATTEMPTS {
        let ports = Ports::free()?;
        let data = folder.path().join("etcd");
        start::remove_data(&data);
        let kubeconfig = authority.write_admin(&ports.server())?;
        let command = servers::etcd(&assets.program(Program::Etcd)?, &data, ports);
        let mut etcd = Server::start("etcd", command, folder.logs().join("etcd.log"))
            .map_err(ControlPlaneError::io("starting etcd"))?;
        let mut apiserver = start_apiserver(settings, assets, authority, ports, folder)?;
        let config = authority::client_config(&kubeconfig).await?;
        match start::wait_ready(&config, &mut [&mut etcd, &mut apiserver]).await {
            Ok(()) => {
                let apiserver_args = settings.apiserver_args.clone();
                return Ok((
                    ports,
                    kubeconfig,
                    Servers {
                        kcm: None,
                        apiserver: Some(apiserver),
                        etcd,
                        apiserver_args,
                    },
                ));
            }
            Err(error) if start::lost_its_port(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Err(ControlPlaneError::Ports(PORT_ATTEMPTS))
}

fn start_apiserver(
    settings: &Builder,
    assets: &Assets,
    authority: &Authority,
    ports: Ports,
    folder: &InstanceFolder,
) -> Result<Server, ControlPlaneError> {
    let command = servers::apiserver(
        &assets.program(Program::KubeApiserver)?,
        settings,
        authority,
        ports,
        &folder.audit_log(),
    );
    Server::start(
        "kube-apiserver",
        command,
        folder.logs().join("kube-apiserver.log"),
    )
    .map_err(ControlPlaneError::io("starting kube-apiserver"))
}
