//! Slices are written as well as read: what is held may be ahead of the watch.

use std::sync::Arc;

use quaymaster_model::SliceRecord;

use super::fixtures::*;
use crate::tombstones::HALF_LIMIT;
use crate::{Kind, World};

const NOTHING: [&str; 0] = [];

#[test]
fn an_own_write_counts_at_once_and_its_late_echo_changes_nothing() {
    let (mut world, mut shadow) = synced();
    world.observe_written(&Arc::new(slice("a", 1, 10, Some("web"))), &mut shadow);
    world.observe_written(&Arc::new(slice("a", 1, 12, Some("web"))), &mut shadow);
    assert_eq!(
        shadow.take(),
        ["slice a added by own write", "slice a updated by own write"]
    );
    world.apply(slice("a", 1, 10, Some("web")), &mut shadow);
    world.apply(slice("a", 1, 11, Some("web")), &mut shadow);
    world.apply(slice("a", 1, 12, Some("web")), &mut shadow);
    assert_eq!(shadow.take(), NOTHING);
    world.apply(slice("a", 1, 13, Some("web")), &mut shadow);
    assert_eq!(shadow.take(), ["slice a updated by watch"]);
}

#[test]
fn an_answer_that_comes_after_the_watch_told_more_is_old_news() {
    let (mut world, mut shadow) = synced();
    world.apply(slice("a", 1, 10, Some("web")), &mut shadow);
    world.apply(slice("a", 1, 11, Some("web")), &mut shadow);
    shadow.take();
    world.observe_written(&Arc::new(slice("a", 1, 10, Some("web"))), &mut shadow);
    assert_eq!(shadow.take(), NOTHING);
    world.delete::<SliceRecord>(&key("a"), &uid(1), &mut shadow);
    shadow.take();
    world.observe_written(&Arc::new(slice("a", 1, 11, Some("web"))), &mut shadow);
    assert_eq!(
        shadow.take(),
        NOTHING,
        "it would come back and nobody would ever remove it"
    );
}

#[test]
fn a_late_event_of_a_slice_that_was_deleted_by_an_own_call_does_not_bring_it_back() {
    let (mut world, mut shadow) = synced();
    world.apply(slice("a", 1, 10, Some("web")), &mut shadow);
    shadow.take();
    world.observe_deleted::<SliceRecord>(&key("a"), &uid(1), &mut shadow);
    assert_eq!(shadow.take(), ["slice a removed by own write"]);
    world.apply(slice("a", 1, 11, Some("web")), &mut shadow);
    assert_eq!(shadow.take(), NOTHING);
    assert_eq!(world.sizes().tombstones, 1);
    world.delete::<SliceRecord>(&key("a"), &uid(1), &mut shadow);
    assert_eq!(shadow.take(), NOTHING);
    assert_eq!(world.sizes().tombstones, 0);
}

#[test]
fn a_late_event_of_a_former_slice_of_that_name_does_not_bring_it_back_either() {
    let (mut world, mut shadow) = synced();
    world.observe_written(&Arc::new(slice("a", 2, 13, Some("web"))), &mut shadow);
    world.observe_deleted::<SliceRecord>(&key("a"), &uid(2), &mut shadow);
    shadow.take();
    world.apply(slice("a", 1, 11, Some("web")), &mut shadow);
    world.delete::<SliceRecord>(&key("a"), &uid(1), &mut shadow);
    world.apply(slice("a", 2, 13, Some("web")), &mut shadow);
    assert_eq!(shadow.take(), NOTHING);
    world.apply(slice("a", 3, 15, Some("web")), &mut shadow);
    assert_eq!(shadow.take(), ["slice a added by watch"]);
    assert_eq!(world.sizes().tombstones, 0);
}

#[test]
fn a_slice_created_again_after_an_own_deletion_is_seen_whatever_comes_late() {
    let (mut world, mut shadow) = synced();
    world.apply(slice("a", 1, 10, Some("web")), &mut shadow);
    world.observe_deleted::<SliceRecord>(&key("a"), &uid(1), &mut shadow);
    world.observe_written(&Arc::new(slice("a", 2, 13, Some("web"))), &mut shadow);
    shadow.take();
    world.apply(slice("a", 1, 11, Some("web")), &mut shadow);
    world.delete::<SliceRecord>(&key("a"), &uid(1), &mut shadow);
    world.apply(slice("a", 2, 13, Some("web")), &mut shadow);
    assert_eq!(shadow.take(), NOTHING);
    assert_eq!(world.slice(&key("a")).map(|held| &held.uid), Some(&uid(2)));
}

#[test]
fn a_deletion_that_the_watch_told_first_leaves_no_tombstone() {
    let (mut world, mut shadow) = synced();
    world.apply(slice("a", 1, 10, Some("web")), &mut shadow);
    world.delete::<SliceRecord>(&key("a"), &uid(1), &mut shadow);
    world.observe_deleted::<SliceRecord>(&key("a"), &uid(1), &mut shadow);
    assert_eq!(world.sizes().tombstones, 0);
    world.apply(slice("a", 2, 12, Some("web")), &mut shadow);
    shadow.take();
    world.observe_deleted::<SliceRecord>(&key("a"), &uid(1), &mut shadow);
    assert_eq!(shadow.take(), NOTHING, "another slice has the name now");
}

#[test]
fn a_list_decides_by_its_version_whether_an_unlisted_slice_is_gone_or_newer() {
    let (mut world, mut shadow) = synced();
    world.begin(Kind::Slice);
    world.observe_written(&Arc::new(slice("before", 1, 20, Some("web"))), &mut shadow);
    world.observe_written(&Arc::new(slice("after", 2, 31, Some("web"))), &mut shadow);
    shadow.take();
    world.end(Kind::Slice, &version(30), &mut shadow);
    assert_eq!(
        shadow.take(),
        ["slice before removed by watch"],
        "deleted by someone before the list was taken"
    );
    assert!(world.slice(&key("after")).is_some());
    world.observe_written(&Arc::new(slice("before", 1, 20, Some("web"))), &mut shadow);
    assert_eq!(
        shadow.take(),
        NOTHING,
        "the list was past this version and did not have it"
    );
}

#[test]
fn an_answer_during_a_list_counts_although_the_list_has_told_newer_slices_already() {
    let (mut world, mut shadow) = synced();
    world.begin(Kind::Slice);
    world.apply(slice("b", 1, 50, Some("web")), &mut shadow);
    shadow.take();
    world.observe_written(&Arc::new(slice("a", 2, 40, Some("web"))), &mut shadow);
    assert_eq!(
        shadow.take(),
        ["slice a added by own write"],
        "or it would be created once more"
    );
    world.apply(slice("a", 2, 40, Some("web")), &mut shadow);
    world.end(Kind::Slice, &version(60), &mut shadow);
    assert_eq!(shadow.take(), NOTHING);
}

#[test]
fn an_older_copy_in_a_list_neither_replaces_nor_removes_an_own_write() {
    let (mut world, mut shadow) = synced();
    world.apply(slice("a", 1, 10, Some("web")), &mut shadow);
    world.observe_written(&Arc::new(slice("a", 1, 20, Some("web"))), &mut shadow);
    shadow.take();
    world.begin(Kind::Slice);
    world.apply(slice("a", 1, 10, Some("web")), &mut shadow);
    world.end(Kind::Slice, &version(15), &mut shadow);
    assert_eq!(shadow.take(), NOTHING);
    assert_eq!(world.slice(&key("a")).unwrap().resource_version, version(20));
}

#[test]
fn a_tombstone_goes_with_the_list_that_shows_the_slice_gone_and_stays_with_one_that_still_has_it() {
    for listed in [false, true] {
        let (mut world, mut shadow) = synced();
        world.apply(slice("a", 1, 10, Some("web")), &mut shadow);
        world.observe_deleted::<SliceRecord>(&key("a"), &uid(1), &mut shadow);
        shadow.take();
        world.begin(Kind::Slice);
        if listed {
            world.apply(slice("a", 1, 10, Some("web")), &mut shadow);
        }
        world.end(Kind::Slice, &version(15), &mut shadow);
        assert_eq!(shadow.take(), NOTHING);
        assert_eq!(world.sizes().tombstones, usize::from(listed));
    }
}

#[test]
fn tombstones_are_bounded_and_the_latest_survive() {
    let (mut world, mut shadow) = synced();
    let total = 3 * HALF_LIMIT as u64;
    for number in 0..total {
        let name = format!("slice-{number}");
        world.apply(slice(&name, number, 10, None), &mut shadow);
        world.observe_deleted::<SliceRecord>(&key(&name), &uid(number), &mut shadow);
        assert!(world.sizes().tombstones <= 2 * HALF_LIMIT);
    }
    shadow.take();
    let last = total - 1;
    world.apply(slice(&format!("slice-{last}"), last, 11, None), &mut shadow);
    assert_eq!(shadow.take(), NOTHING);
}

#[test]
fn slices_of_all_managers_are_found_under_the_service_they_name_and_only_there() {
    let (mut world, mut shadow) = synced();
    let names = |world: &World, service: &str| {
        let mut names: Vec<String> = world
            .slices_of(&key(service))
            .map(|slice| slice.key.name.to_string())
            .collect();
        names.sort();
        names
    };
    world.apply(slice("a", 1, 10, Some("web")), &mut shadow);
    world.apply(slice("b", 2, 11, Some("web")), &mut shadow);
    world.apply(slice("c", 3, 12, None), &mut shadow);
    assert_eq!(names(&world, "web"), ["a", "b"]);
    assert!(world.slice(&key("c")).is_some());
    world.apply(slice("a", 1, 13, Some("db")), &mut shadow);
    world.apply(slice("c", 3, 14, Some("db")), &mut shadow);
    world.apply(slice("b", 2, 15, None), &mut shadow);
    assert_eq!(names(&world, "web"), NOTHING);
    assert_eq!(names(&world, "db"), ["a", "c"]);
    world.delete::<SliceRecord>(&key("a"), &uid(1), &mut shadow);
    world.delete::<SliceRecord>(&key("c"), &uid(3), &mut shadow);
    assert_eq!(world.sizes().services_with_slices, 0);
}

#[test]
fn the_number_of_endpoints_follows_every_change_of_a_slice() {
    let (mut world, mut shadow) = synced();
    // The fixture gives a slice as many endpoints as its version leaves by three.
    for (at, endpoints) in [(10, 1), (11, 2), (12, 0), (14, 2)] {
        world.apply(slice("a", 1, at, None), &mut shadow);
        assert_eq!(world.sizes().endpoints_in_slices, endpoints);
    }
    world.observe_written(&Arc::new(slice("a", 2, 16, None)), &mut shadow);
    assert_eq!(world.sizes().endpoints_in_slices, 1);
    world.observe_deleted::<SliceRecord>(&key("a"), &uid(2), &mut shadow);
    assert_eq!(world.sizes().endpoints_in_slices, 0);
}

#[test]
fn an_own_deletion_is_remembered_when_a_list_still_has_the_slice_but_it_cannot_be_read() {
    let (mut world, mut shadow) = synced();
    world.apply(slice("a", 1, 10, Some("web")), &mut shadow);
    world.observe_deleted::<SliceRecord>(&key("a"), &uid(1), &mut shadow);
    shadow.take();
    world.begin(Kind::Slice);
    world.keep(Kind::Slice, &key("a"));
    world.end(Kind::Slice, &version(15), &mut shadow);
    assert_eq!(world.sizes().tombstones, 1, "its deletion is still to be told");
    world.apply(slice("a", 1, 16, Some("web")), &mut shadow);
    assert_eq!(shadow.take(), NOTHING);
}

#[test]
fn after_a_loss_of_history_the_list_holds_however_old_it_looks() {
    let (mut world, mut shadow) = synced();
    for (name, at) in [
        ("older", 1000),
        ("same", 400),
        ("reused", 401),
        ("created since", 1001),
    ] {
        world.apply(slice(name, at, at, Some("web")), &mut shadow);
    }
    shadow.take();
    world.begin_after_loss(Kind::Slice);
    world.apply(slice("older", 1000, 500, Some("web")), &mut shadow);
    assert_eq!(
        shadow.take(),
        ["slice older removed by watch", "slice older added by watch"],
        "a view that knows versions must not compare them"
    );
    world.apply(slice("same", 400, 400, Some("web")), &mut shadow);
    assert_eq!(shadow.take(), NOTHING);
    world.apply(slice("reused", 401, 401, Some("db")), &mut shadow);
    assert_eq!(
        shadow.take(),
        ["slice reused removed by watch", "slice reused added by watch"],
        "a version is given out again for another content"
    );
    world.end(Kind::Slice, &version(600), &mut shadow);
    assert_eq!(
        shadow.take(),
        ["slice created since removed by watch"],
        "its version says that it was made after the list"
    );
    // From here on versions compare again.
    for name in ["older", "same"] {
        let id = world.slice(&key(name)).unwrap().resource_version.clone();
        world.apply(
            slice(name, if name == "same" { 400 } else { 1000 }, 399, None),
            &mut shadow,
        );
        assert_eq!(world.slice(&key(name)).unwrap().resource_version, id);
    }
    world.apply(slice("older", 1000, 601, Some("web")), &mut shadow);
    assert_eq!(shadow.take(), ["slice older updated by watch"]);
}

#[test]
fn after_a_loss_of_history_no_deletion_and_no_position_of_before_is_remembered() {
    let (mut world, mut shadow) = synced();
    world.apply(slice("a", 1, 1000, Some("web")), &mut shadow);
    world.observe_deleted::<SliceRecord>(&key("a"), &uid(1), &mut shadow);
    world.apply(slice("b", 2, 1001, Some("web")), &mut shadow);
    shadow.take();
    world.begin_after_loss(Kind::Slice);
    assert_eq!(world.sizes().tombstones, 0);
    world.apply(slice("a", 1, 500, Some("web")), &mut shadow);
    assert_eq!(
        shadow.take(),
        ["slice a added by watch"],
        "the deletion is undone"
    );
    world.observe_deleted::<SliceRecord>(&key("b"), &uid(2), &mut shadow);
    assert_eq!(
        world.sizes().tombstones,
        0,
        "its version would hide what is created under that name"
    );
    shadow.take();
    world.end(Kind::Slice, &version(600), &mut shadow);
    world.observe_written(&Arc::new(slice("c", 3, 601, Some("web"))), &mut shadow);
    world.apply(slice("b", 4, 602, Some("web")), &mut shadow);
    assert_eq!(
        shadow.take(),
        ["slice c added by own write", "slice b added by watch"],
        "the watch had told up to 1001, but of another history"
    );
}

#[test]
fn a_write_of_the_new_history_outlives_the_list_that_follows_a_loss() {
    let (mut world, mut shadow) = synced();
    world.apply(slice("a", 1, 1000, Some("web")), &mut shadow);
    world.begin_after_loss(Kind::Slice);
    shadow.take();
    world.observe_written(&Arc::new(slice("a", 1, 602, Some("web"))), &mut shadow);
    world.observe_written(&Arc::new(slice("b", 2, 603, Some("web"))), &mut shadow);
    assert_eq!(
        shadow.take(),
        [
            "slice a removed by own write",
            "slice a added by own write",
            "slice b added by own write"
        ]
    );
    world.apply(slice("a", 1, 500, Some("web")), &mut shadow);
    world.end(Kind::Slice, &version(600), &mut shadow);
    assert_eq!(shadow.take(), NOTHING);
}

#[test]
fn a_slice_that_could_not_be_read_after_a_loss_is_taken_once_it_can() {
    let (mut world, mut shadow) = synced();
    world.apply(slice("a", 1, 1000, Some("web")), &mut shadow);
    shadow.take();
    world.begin_after_loss(Kind::Slice);
    world.keep(Kind::Slice, &key("a"));
    world.end(Kind::Slice, &version(600), &mut shadow);
    assert_eq!(shadow.take(), NOTHING);
    world.apply(slice("a", 1, 601, Some("web")), &mut shadow);
    assert_eq!(
        shadow.take(),
        ["slice a removed by watch", "slice a added by watch"]
    );
}
