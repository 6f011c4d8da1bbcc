//! How upstream's source is changed, so that its tests look at another process.
//!
//! Each `Run` of the four controllers gets another name, and a file of ours beside it brings a new one. The two functions that
//! start an apiserver tell a package of ours of it. No file of a test is touched.

use std::path::PathBuf;

use quaymaster_testkit::assets::Edit;

use crate::workspace;

/// The package of ours, for both test servers.
const IMPORT: Piece = (
    "\t\"k8s.io/kubernetes/cmd/kube-apiserver/app\"\n",
    "\t\"k8s.io/kubernetes/cmd/kube-apiserver/app\"\n\t\"k8s.io/kubernetes/test/quaymaster\"\n",
);

/// What goes, and what comes.
type Piece = (&'static str, &'static str);

pub(crate) const EDITS: [Edit; 8] = [
    edit("cmd/kube-apiserver/app/testing/testserver.go", IMPORT),
    edit(
        "cmd/kube-apiserver/app/testing/testserver.go",
        (
            "\terrCh = make(chan error)\n",
            "\tquaymaster.Starting(server.GenericAPIServer)\n\terrCh = make(chan error)\n",
        ),
    ),
    edit("test/integration/framework/test_server.go", IMPORT),
    edit(
        "test/integration/framework/test_server.go",
        (
            "\terrCh = make(chan error)\n",
            "\tquaymaster.Starting(kubeAPIServer.ControlPlane.GenericAPIServer)\n\terrCh = make(chan error)\n",
        ),
    ),
    edit(
        "pkg/controller/endpoint/endpoints_controller.go",
        ("func (e *Controller) Run(", "func (e *Controller) runInProcess("),
    ),
    edit(
        "pkg/controller/endpointslice/endpointslice_controller.go",
        ("func (c *Controller) Run(", "func (c *Controller) runInProcess("),
    ),
    edit(
        "pkg/controller/endpointslicemirroring/endpointslicemirroring_controller.go",
        ("func (c *Controller) Run(", "func (c *Controller) runInProcess("),
    ),
    edit(
        "pkg/controller/servicecidrs/servicecidrs_controller.go",
        ("func (c *Controller) Run(", "func (c *Controller) runInProcess("),
    ),
];

/// Where our files are: a tree as upstream's.
pub(crate) fn added() -> PathBuf {
    workspace::root().join("tests/upstream/shims")
}

const fn edit(file: &'static str, (from, to): Piece) -> Edit {
    Edit { file, from, to }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_controller_that_loses_its_run_gets_one_of_ours_beside_it() {
        let renamed = EDITS.iter().filter(|edit| edit.to.contains("runInProcess"));
        let mut count = 0;
        for edit in renamed {
            count += 1;
            let ours = added().join(edit.file).with_file_name("quaymaster.go");
            let text = std::fs::read_to_string(&ours).unwrap();
            assert!(
                text.contains(&format!("\n{}ctx", edit.from)),
                "{}",
                ours.display()
            );
        }
        assert_eq!(count, 4);
    }
}
