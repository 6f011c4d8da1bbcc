//! What a user would type.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};
use quaymaster_testkit::assets::Program;
use quaymaster_testkit::{ControlPlane, process};

use crate::workspace;

/// kubectl, as built or found with the control plane's other programs.
#[derive(Debug)]
pub(crate) struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    pub(crate) fn new(plane: &ControlPlane) -> Result<Self> {
        Ok(Self {
            program: plane.assets().program(Program::Kubectl)?,
            kubeconfig: plane.kubeconfig().to_owned(),
        })
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Runs it in the root of the work tree, shows the command and what it prints.
    pub(crate) fn run<S: AsRef<str>>(&self, arguments: &[S]) -> Result<()> {
        let output = self.call(arguments)?;
        if !output.status.success() {
            bail!("kubectl failed: {}", text(&output.stderr));
        }
        Ok(())
    }

    /// Runs what the apiserver should refuse for this reason.
    pub(crate) fn refused<S: AsRef<str>>(&self, arguments: &[S], reason: &str) -> Result<()> {
        let output = self.call(arguments)?;
        if output.status.success() {
            bail!("the apiserver took it, and should have refused it: {reason}");
        }
        let said = text(&output.stderr);
        if !said.contains(reason) {
            bail!("refused for another reason than {reason:?}: {said}");
        }
        Ok(())
    }

    fn call<S: AsRef<str>>(&self, arguments: &[S]) -> Result<Output> {
        let typed: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        println!("  $ kubectl {}", typed.join(" "));
        let mut command = Command::new(&self.program);
        command
            .args(&typed)
            .current_dir(workspace::root())
            .env("KUBECONFIG", &self.kubeconfig)
            // Goes with the control plane, where ~/.kube/cache would stay.
            .env("KUBECACHEDIR", self.kubeconfig.with_file_name("kubectl-cache"));
        let output = process::output(command, Stdio::piped()).context("running kubectl")?;
        for line in text(&output.stdout).lines().chain(text(&output.stderr).lines()) {
            println!("    {line}");
        }
        Ok(output)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}
