//! Uids, which differ between two control planes, told by whether they are those of what is there.

use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

/// Tells the uid of a target by whether it is that of the Pod of its name. What is no uid of an API server stays, since
/// whoever made it up made it up on both sides.
pub fn tell(target: &mut ObjectReference, pod: Option<&Pod>) {
    let Some(uid) = target.uid.as_ref().filter(|uid| is_given(uid)) else {
        return;
    };
    let live = pod.is_some_and(|pod| pod.metadata.uid.as_ref() == Some(uid));
    // With the name: two Pods may have one address.
    let name = target.name.as_deref().unwrap_or_default();
    target.uid = Some(format!("{} {name}", liveness(live)));
}

/// Tells the uid of an owner by whether it is this one.
pub fn tell_owner(owner: &mut OwnerReference, uid: Option<&String>) {
    owner.uid = liveness(uid == Some(&owner.uid)).to_owned();
}

fn liveness(live: bool) -> &'static str {
    if live { "live" } else { "stale" }
}

/// Whether an API server may have given this uid.
fn is_given(uid: &str) -> bool {
    const LENGTH: usize = 36;
    uid.len() == LENGTH && uid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pod;

    #[test]
    fn a_uid_is_told_by_the_pod_of_its_name_and_what_is_made_up_stays() {
        let mut live = pod("a");
        let uid = "8d0d4a7c-1d0e-4ac5-b5a6-3ef0a7f4f0aa".to_owned();
        live.metadata.uid = Some(uid.clone());
        let told = |uid: &str, pod: Option<&Pod>| {
            let mut target = ObjectReference {
                name: Some("a".to_owned()),
                uid: Some(uid.to_owned()),
                ..ObjectReference::default()
            };
            tell(&mut target, pod);
            target.uid.unwrap()
        };
        assert_eq!(told(&uid, Some(&live)), "live a");
        assert_eq!(told(&uid, None), "stale a");
        assert_eq!(told(&uid.replace("8d", "9d"), Some(&live)), "stale a");
        assert_eq!(told("made-up", Some(&live)), "made-up");
    }
}
