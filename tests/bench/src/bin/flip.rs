//! What a readiness flip costs on a real control plane. Run by `cargo xtask bench flip`.

use std::process::ExitCode;

use clap::Parser;
use quaymaster_bench::flip;

/// What a readiness flip costs on a real control plane
#[derive(Parser)]
#[command(bin_name = "cargo xtask bench flip")]
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
