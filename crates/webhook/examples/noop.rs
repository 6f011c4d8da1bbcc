//! A webhook that lets everything pass, for measuring what others cost over it.
//!
//! Listens on the address given, `127.0.0.1:0` by default, serves `/`, and tells in one line of JSON on its output where it
//! listens, under which name its certificate is, and who has to be trusted. Ends when its input does.

use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use quaymaster_runtime::metrics::Registry;
use quaymaster_webhook::authority::Names;
use quaymaster_webhook::metrics::WebhookMetrics;
use quaymaster_webhook::rotation::{self, Policy};
use quaymaster_webhook::{Admission, Certificates, Identity, Outcome, Request, Response, Server, Settings};
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// Lets everything pass.
struct Noop;

impl Admission for Noop {
    fn paths(&self) -> &'static [&'static str] {
        &["/"]
    }

    fn review(&self, _: &'static str, _: &Request<'_>) -> Outcome {
        Response::allow().into()
    }
}

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let address: SocketAddr = std::env::args()
        .nth(1)
        .as_deref()
        .unwrap_or("127.0.0.1:0")
        .parse()?;
    let names = Names::new().dns("localhost").address(address.ip());
    let (now, policy) = (Timestamp::now(), Policy::new(names));
    let step = rotation::next(now, &policy, None);
    let state = rotation::take(step, now, &policy, None)?.ok_or("no certificates")?;
    let certificates = Certificates::new();
    certificates.set(&Identity::from_data(&state.to_data())?)?;
    let metrics = WebhookMetrics::register(&Registry::new(), &certificates);
    let server = Server::bind(address, certificates, metrics, Settings::default()).await?;
    println!(
        "{}",
        json!({"address": server.address()?, "name": "localhost", "authorities": state.bundle()})
    );
    let shutdown = CancellationToken::new();
    let ended = shutdown.clone();
    std::thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        ended.cancel();
    });
    server.serve(Arc::new(Noop), shutdown).await;
    Ok(())
}
