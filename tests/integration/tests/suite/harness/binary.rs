//! The binary under test.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The path of the binary: `QUAYMASTER_BIN`, else built now, once, with the profile `fast`.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(given) = env::var_os("QUAYMASTER_BIN").filter(|given| !given.is_empty()) {
            // Tests run in the folder of their package; people give paths from the root of the work tree.
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
            let given = root.join(given);
            assert!(
                given.is_file(),
                "QUAYMASTER_BIN names {}, which is no file",
                given.display()
            );
            return given;
        }
        build()
    })
}

fn build() -> PathBuf {
    eprintln!(
        "QUAYMASTER_BIN is not set: building quaymaster with `cargo build --profile fast -p quaymaster-manager`"
    );
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "build",
            "--profile",
            "fast",
            "-p",
            "quaymaster-manager",
            "--message-format=json",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo can be run");
    assert!(
        output.status.success(),
        "building quaymaster failed: see cargo's output above"
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| {
            message["reason"] == "compiler-artifact" && message["target"]["name"] == "quaymaster"
        })
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .expect("cargo names the executable it built")
}
