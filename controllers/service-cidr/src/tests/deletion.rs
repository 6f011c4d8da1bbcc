//! ServiceCIDRs that are being deleted.

use std::time::Duration;

use quaymaster_runtime::api::WriteError;
use serde_json::json;

use super::cluster::Cluster;

fn cluster(ranges: &[(&str, &str)]) -> Cluster {
    let mut cluster = Cluster::new();
    for (name, range) in ranges {
        cluster.create(name, &[range]);
    }
    cluster.work();
    cluster
}

fn pass(cluster: &mut Cluster, seconds: u64) {
    cluster.passed += Duration::from_secs(seconds);
}

#[test]
fn a_range_without_addresses_goes_after_ten_seconds() {
    let mut cluster = cluster(&[("a", "10.0.0.0/24")]);
    pass(&mut cluster, 3_600);
    cluster.delete("a");
    assert!(cluster.work().is_empty(), "every apiserver is to know first");
    assert_eq!(cluster.looks_again("a"), Some(Duration::from_secs(10)));
    pass(&mut cluster, 9);
    assert!(cluster.wake("a").is_empty());
    pass(&mut cluster, 1);
    assert_eq!(cluster.wake("a"), ["a finalizers +0 -1"]);
    assert_eq!(cluster.state("a"), "gone");
}

#[test]
fn a_range_with_an_address_says_that_it_is_held_and_goes_when_the_address_goes() {
    let mut cluster = cluster(&[("a", "10.0.0.0/24")]);
    cluster.address_made("10.0.0.5");
    cluster.delete("a");
    assert_eq!(cluster.work(), ["a ready=False"]);
    pass(&mut cluster, 60);
    assert!(cluster.wake("a").is_empty());
    cluster.address_gone("10.0.0.5");
    assert_eq!(cluster.work(), ["a finalizers +0 -1"]);
}

#[test]
fn an_address_of_which_nothing_changes_but_finalizers_and_annotations_marks_nothing() {
    let mut cluster = cluster(&[("a", "10.0.0.0/24")]);
    cluster.address_made("10.0.0.5");
    cluster.delete("a");
    assert_eq!(cluster.work(), ["a ready=False"]);
    cluster.address_edited("10.0.0.5", |address| {
        address.finalizers.push("quaymaster.io/hold".into());
        address.released_at = Some("2026-01-01T00:00:00Z".into());
    });
    assert_eq!(cluster.marked(), 0);
    cluster.address_edited("10.0.0.5", |address| {
        address.labels = super::cluster::foreign_address("10.0.0.5").labels;
    });
    assert_eq!(cluster.marked(), 1, "it has another owner");
    pass(&mut cluster, 60);
    assert_eq!(cluster.work(), ["a finalizers +0 -1"]);
}

#[test]
fn an_address_that_comes_while_a_range_waits_holds_it() {
    let mut cluster = cluster(&[("a", "10.0.0.0/24")]);
    cluster.delete("a");
    cluster.work();
    pass(&mut cluster, 5);
    cluster.address_made("10.0.0.5");
    assert_eq!(cluster.work(), ["a ready=False"]);
    pass(&mut cluster, 10);
    assert!(cluster.wake("a").is_empty());
}

#[test]
fn an_address_of_another_range_changes_nothing() {
    let mut cluster = cluster(&[("a", "10.0.0.0/24"), ("b", "10.1.0.0/24")]);
    cluster.delete("a");
    cluster.work();
    cluster.address_made("10.1.0.5");
    assert!(cluster.work().is_empty());
    pass(&mut cluster, 10);
    assert_eq!(cluster.wake("a"), ["a finalizers +0 -1"]);
}

#[test]
fn a_range_that_comes_frees_one_that_is_held() {
    let mut cluster = cluster(&[("a", "10.0.0.0/24")]);
    cluster.address_made("10.0.0.5");
    cluster.delete("a");
    cluster.work();
    pass(&mut cluster, 60);
    cluster.create("b", &["10.0.0.0/16"]);
    let writes = cluster.work();
    assert!(writes.contains(&"a finalizers +0 -1".to_owned()), "{writes:?}");
}

/// Upstream asks a child again only when a parent is added.
#[test]
fn a_range_that_grows_frees_one_that_is_held() {
    let mut cluster = cluster(&[("a", "fd00::/120"), ("b", "10.0.0.0/24")]);
    cluster.address_made("fd00::5");
    cluster.delete("a");
    cluster.work();
    pass(&mut cluster, 60);
    cluster.edit("b", |object| {
        object["spec"]["cidrs"] = json!(["10.0.0.0/24", "fd00::/112"]);
    });
    assert_eq!(cluster.work(), ["a finalizers +0 -1"]);
}

#[test]
fn of_two_equal_ranges_deleted_together_the_last_one_waits_for_the_addresses() {
    let mut cluster = cluster(&[("a", "10.0.0.0/24"), ("b", "10.0.0.0/24")]);
    cluster.address_made("10.0.0.5");
    cluster.delete("a");
    cluster.delete("b");
    cluster.work();
    pass(&mut cluster, 60);
    cluster.wake("a");
    cluster.wake("b");
    assert_eq!(cluster.state("b"), "gone");
    assert!(
        cluster.state("a").ends_with("ready=False"),
        "{}",
        cluster.state("a")
    );
    cluster.address_gone("10.0.0.5");
    cluster.work();
    assert_eq!(cluster.state("a"), "gone");
}

#[test]
fn a_parent_that_goes_leaves_a_child_that_is_being_deleted_held() {
    let mut cluster = cluster(&[("a", "10.0.0.0/24"), ("parent", "10.0.0.0/16")]);
    cluster.address_made("10.0.0.5");
    cluster.delete("a");
    cluster.work();
    pass(&mut cluster, 5);
    cluster.delete("parent");
    cluster.work();
    pass(&mut cluster, 60);
    cluster.wake("a");
    cluster.wake("parent");
    assert!(
        cluster.state("a").ends_with("ready=False"),
        "it has the address alone"
    );
    assert_eq!(cluster.state("parent"), "gone");
}

#[test]
fn a_restart_does_not_forget_how_long_a_range_has_been_waiting() {
    let mut cluster = cluster(&[("a", "10.0.0.0/24")]);
    cluster.delete("a");
    cluster.work();
    pass(&mut cluster, 30);
    cluster.restart();
    assert_eq!(cluster.work(), ["a finalizers +0 -1"]);
}

#[test]
fn one_of_the_same_name_that_was_made_anew_waits_its_own_ten_seconds() {
    let mut cluster = cluster(&[("a", "10.0.0.0/24")]);
    for _ in 0..2 {
        cluster.delete("a");
        cluster.work();
        assert_eq!(cluster.looks_again("a"), Some(Duration::from_secs(10)));
        pass(&mut cluster, 10);
        cluster.wake("a");
        assert_eq!(cluster.state("a"), "gone");
        cluster.create("a", &["10.0.0.0/24"]);
        cluster.work();
        pass(&mut cluster, 60);
    }
}

#[test]
fn a_finalizer_that_was_taken_out_is_not_taken_out_again_while_the_watch_is_behind() {
    let mut cluster = cluster(&[("a", "10.0.0.0/24")]);
    cluster.delete("a");
    cluster.work();
    pass(&mut cluster, 10);
    cluster.silent = true;
    assert_eq!(cluster.wake("a"), ["a finalizers +0 -1"]);
}

#[test]
fn a_refusal_is_not_told_on_a_range_that_is_being_deleted() {
    let mut cluster = cluster(&[("a", "10.0.0.0/24")]);
    cluster.address_made("10.0.0.5");
    cluster.delete("a");
    let forbidden = || WriteError::Forbidden {
        verb: "patch",
        resource: "servicecidrs".to_owned(),
        message: "no".to_owned(),
    };
    assert_eq!(cluster.work_with(|_| Some(forbidden())), ["failed false"]);
}

#[test]
fn nothing_is_held_of_a_range_that_has_gone() {
    let mut cluster = Cluster::new();
    cluster.policy = |object| {
        if let Some(ready) = object["status"]["conditions"].get_mut(0) {
            ready["message"] = json!("mine");
        }
    };
    cluster.create("a", &["10.0.0.0/24"]);
    assert_eq!(cluster.work().last().unwrap(), "ServiceCIDRAltered");
    cluster.delete("a");
    cluster.work();
    assert!(!cluster.holds_nothing());
    pass(&mut cluster, 10);
    cluster.wake("a");
    assert_eq!(cluster.state("a"), "gone");
    assert!(cluster.holds_nothing());
}
