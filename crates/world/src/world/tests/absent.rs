//! Kinds that the apiserver does not serve.

use std::sync::Arc;

use super::fixtures::*;
use crate::{Kind, World};

const NOTHING: [&str; 0] = [];

#[test]
fn a_kind_that_is_absent_counts_as_read_and_is_empty() {
    let (mut world, mut shadow) = (World::new(), Shadow::default());
    world.absent(Kind::Slice, &mut shadow);
    assert!(world.synced(Kind::Slice) && world.is_absent(Kind::Slice));
    assert!(!world.synced(Kind::Pod) && !world.is_absent(Kind::Pod));
    assert_eq!(shadow.take(), NOTHING);
    world.absent(Kind::Slice, &mut shadow);
    assert_eq!(shadow.take(), NOTHING, "told twice");
}

#[test]
fn what_is_known_of_a_kind_goes_when_it_turns_out_to_be_absent() {
    let (mut world, mut shadow) = synced();
    world.apply(slice("a", 1, 10, Some("web")), &mut shadow);
    world.observe_written(&Arc::new(slice("b", 2, 20, Some("web"))), &mut shadow);
    world.apply_namespace(namespace("shop", &[], false), &mut shadow);
    shadow.take();
    world.absent(Kind::Slice, &mut shadow);
    world.absent(Kind::Namespace, &mut shadow);
    let mut told = shadow.take();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "namespace shop removed",
            "slice a removed by watch",
            "slice b removed by watch"
        ]
    );
}

#[test]
fn a_list_that_breaks_off_since_the_kind_is_absent_leaves_nothing() {
    let (mut world, mut shadow) = synced();
    world.begin(Kind::Slice);
    world.apply(slice("a", 1, 10, Some("web")), &mut shadow);
    shadow.take();
    world.absent(Kind::Slice, &mut shadow);
    assert_eq!(shadow.take(), ["slice a removed by watch"]);
    world.end(Kind::Slice, &version(30), &mut shadow);
    assert!(world.is_absent(Kind::Slice), "no list was begun");
}

#[test]
fn a_kind_that_is_served_again_is_listed_as_ever_whatever_its_versions() {
    let (mut world, mut shadow) = synced();
    world.apply(slice("a", 1, 10, Some("web")), &mut shadow);
    world.observe_deleted::<quaymaster_model::SliceRecord>(&key("a"), &uid(1), &mut shadow);
    assert_eq!(world.sizes().tombstones, 1);
    let losses = world.losses(Kind::Slice);
    world.absent(Kind::Slice, &mut shadow);
    assert_eq!(world.sizes().tombstones, 0);
    assert_eq!(
        world.losses(Kind::Slice),
        losses + 1,
        "answers under way are of objects that are gone"
    );
    shadow.take();
    world.begin(Kind::Slice);
    assert!(!world.is_absent(Kind::Slice));
    world.apply(slice("a", 2, 5, Some("web")), &mut shadow);
    world.end(Kind::Slice, &version(6), &mut shadow);
    assert_eq!(shadow.take(), ["slice a added by watch"]);
    world.observe_written(&Arc::new(slice("b", 3, 7, Some("web"))), &mut shadow);
    assert_eq!(shadow.take(), ["slice b added by own write"]);
}
