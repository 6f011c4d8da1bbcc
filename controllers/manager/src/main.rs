//! `quaymaster`: flags, wiring and signals; no logic of its own.

mod controllers;
mod duration;
mod flags;
mod logging;
mod permissions;
mod start;

use std::process::ExitCode;

use flags::Flags;

fn main() -> ExitCode {
    let flags = Flags::of_process();
    if let Err(error) = logging::start(&flags.logging) {
        eprintln!("quaymaster: {error}");
        return ExitCode::from(start::EXIT_USAGE);
    }
    let code = run(flags);
    logging::flush();
    code
}

fn run(flags: Flags) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("quaymaster")
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            logging::fatal(
                flags.logging.log_format,
                &format!("cannot start threads: {error}"),
            );
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(start::run(flags));
    // Writes in flight are given up rather than waited for: what they did is found at the next start.
    runtime.shutdown_background();
    code
}
