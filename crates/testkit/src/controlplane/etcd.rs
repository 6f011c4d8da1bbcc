//! etcd alone, for programs that start an apiserver of their own.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::servers::{self, Ports};
use super::start::{self, READY_LIMIT, READY_POLL};
use super::{ControlPlaneError, PORT_ATTEMPTS};
use crate::assets::{Assets, Program};
use crate::instance::InstanceFolder;
use crate::server::Server;

/// A running etcd with a folder for data and logs. Both end with the handle, and with this process however that ends.
#[derive(Debug)]
pub struct Etcd {
    _server: Server,
    port: u16,
    // Last, so that the server is gone before its files are.
    folder: InstanceFolder,
}

impl Etcd {
    /// Starts etcd and waits until it answers, two minutes at most. Blocks; async callers use `spawn_blocking`.
    ///
    /// # Errors
    /// Where it cannot be started, or ends; the logs are kept then, and the error shows the end of its log.
    pub fn start(assets: &Assets) -> Result<Self, ControlPlaneError> {
        let folder = InstanceFolder::create().map_err(ControlPlaneError::io("creating a folder for etcd"))?;
        let (server, port) = serve(assets, &folder).inspect_err(|_| folder.keep_logs())?;
        Ok(Self {
            _server: server,
            port,
            folder,
        })
    }

    /// The address for clients, `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The folder of data and logs, which goes with the handle; files of the user's may be put there too.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of its log, which goes with the handle; logs of those who use it may be put there too.
    pub fn logs(&self) -> PathBuf {
        self.folder.logs()
    }

    /// Copies the logs to where they stay, of each the end, and gives the place.
    ///
    /// # Errors
    /// Where files cannot be written.
    pub fn copy_logs(&self) -> Result<PathBuf, ControlPlaneError> {
        self.folder
            .copy_logs()
            .map_err(ControlPlaneError::io("keeping logs"))
    }
}

fn serve(assets: &Assets, folder: &InstanceFolder) -> Result<(Server, u16), ControlPlaneError> {
    for _ in 0..PORT_ATTEMPTS {
        let ports = Ports::free()?;
        let data = folder.path().join("etcd");
        start::remove_data(&data);
        let command = servers::etcd(&assets.program(Program::Etcd)?, &data, ports);
        let mut server = Server::start("etcd", command, folder.logs().join("etcd.log"))
            .map_err(ControlPlaneError::io("starting etcd"))?;
        match wait_until_it_listens(&mut server, ports.etcd) {
            Ok(()) => return Ok((server, ports.etcd)),
            Err(error) if start::lost_its_port(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Err(ControlPlaneError::Ports(PORT_ATTEMPTS))
}

/// It listens for clients when it can serve them, and not before.
fn wait_until_it_listens(server: &mut Server, port: u16) -> Result<(), ControlPlaneError> {
    let deadline = Instant::now() + READY_LIMIT;
    loop {
        let last = match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            // Asked after the connection: another process may have taken the port, and etcd have ended for it.
            Ok(_) => match server.exited() {
                None => return Ok(()),
                Some(status) => return Err(start::exit_error(server, status)),
            },
            Err(error) => error.to_string(),
        };
        if let Some(status) = server.exited() {
            return Err(start::exit_error(server, status));
        }
        if Instant::now() >= deadline {
            return Err(start::not_ready(Some(server), last));
        }
        std::thread::sleep(READY_POLL);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::assets::Places;

    #[test]
    fn it_answers_when_it_has_started_and_is_gone_with_its_files_after() {
        let assets = Assets::find(None, &Places::from_env().unwrap()).unwrap();
        let etcd = Etcd::start(&assets).unwrap();
        let (port, folder) = (etcd.port, etcd.folder().to_owned());
        assert_eq!(etcd.url(), format!("http://127.0.0.1:{port}"));
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        fs::write(etcd.logs().join("user.log"), "of a user").unwrap();
        let kept = etcd.copy_logs().unwrap();
        assert_eq!(fs::read_to_string(kept.join("user.log")).unwrap(), "of a user");
        drop(etcd);
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
        assert!(!folder.exists());
        fs::remove_dir_all(kept).unwrap();
    }
}
