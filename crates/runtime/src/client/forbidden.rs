//! 403 to what every user may read.

use serde_json::Value;

/// Whom an apiserver takes those for who show nothing (kubernetes/kubernetes
/// `staging/src/k8s.io/apiserver/pkg/authentication/user/user.go`).
const ANONYMOUS: &str = "system:anonymous";

/// A longer name is not shown.
const MAX_NAME: usize = 200;

/// Who was refused, by the `Status` of the answer: its message has `User "NAME" cannot get path "/version"` (kubernetes/kubernetes
/// `staging/src/k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go`, `forbiddenMessage`).
pub(super) fn user(body: &[u8]) -> Option<String> {
    let status: Value = serde_json::from_slice(body).ok()?;
    let (_, rest) = status.get("message")?.as_str()?.split_once("User \"")?;
    let (name, _) = rest.split_once("\" cannot ")?;
    let is_shown = !name.is_empty() && name.len() <= MAX_NAME && !name.contains(char::is_control);
    is_shown.then(|| name.to_owned())
}

/// The user as part of a sentence.
pub(super) fn to(user: Option<&str>) -> String {
    user.map(|user| format!(" to {user}")).unwrap_or_default()
}

/// What to do.
pub(super) fn hint(user: Option<&str>) -> &'static str {
    if user == Some(ANONYMOUS) {
        "no credentials were given: give the user a token, client certificate or exec command, and grant \
         system:anonymous nothing"
    } else {
        "where it lasts, bind the ClusterRole system:public-info-viewer to that user"
    }
}
