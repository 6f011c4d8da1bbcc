//! A way to the apiserver that can be cut.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes bytes between clients and one server; what is cut off misses what happens meanwhile. It ends with the runtime.
pub(crate) struct Proxy {
    server: String,
    port: u16,
    open: Arc<watch::Sender<bool>>,
}

impl Proxy {
    /// To a server such as `https://127.0.0.1:6443`.
    pub(crate) async fn to(server: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = server.trim_start_matches("https://").to_owned();
        let open = Arc::new(watch::Sender::new(true));
        let state = Arc::clone(&open);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut cut = state.subscribe();
                let target = target.clone();
                tokio::spawn(async move {
                    if !*cut.borrow() {
                        return;
                    }
                    let Ok(mut server) = TcpStream::connect(target).await else {
                        return;
                    };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        _ = cut.wait_for(|open| !open) => {}
                    }
                });
            }
        });
        Self {
            server: server.to_owned(),
            port,
            open,
        }
    }

    /// A copy of a kubeconfig that goes through here.
    pub(crate) fn kubeconfig(&self, original: &Path) -> PathBuf {
        let text = std::fs::read_to_string(original).unwrap();
        let through = text.replace(&self.server, &format!("https://127.0.0.1:{}", self.port));
        assert_ne!(through, text, "the kubeconfig names the server");
        let path = original.with_extension("proxied");
        std::fs::write(&path, through).unwrap();
        path
    }

    /// Breaks all connections, and new ones at once.
    pub(crate) fn cut(&self) {
        self.open.send_replace(false);
    }

    /// Lets connections through again.
    pub(crate) fn join(&self) {
        self.open.send_replace(true);
    }
}
