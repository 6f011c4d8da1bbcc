//! Runs what `cargo xtask differential` asks for; its one argument is the options as JSON.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use quaymaster_differential::Options;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        // Why was printed; the last line is to be the last.
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool> {
    let text = std::env::args()
        .nth(1)
        .context("the options are missing; this is run by `cargo xtask differential`")?;
    let options: Options = serde_json::from_str(&text).context("reading the options")?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting threads")?
        .block_on(quaymaster_differential::run(&options))
}
