//! What a readiness flip costs on a real control plane. Run by `cargo xtask bench flip`.

use std::process::ExitCode;

use clap::Parser;
use quaymaster_bench::flip;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: flip::Options,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match flip::run(&Arguments::parse().options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
