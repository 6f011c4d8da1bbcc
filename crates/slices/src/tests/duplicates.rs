//! Slices that repeat what another slice holds.

use std::sync::Arc;

use super::fixture::{Fixture, counts};

/// A slice with two Pods, to which somebody adds a second one with the same Pods.
fn repeated_as(name: &str) -> Fixture {
    let mut fixture = Fixture::new().with_pods(2);
    fixture.store_pods("svc-m", 0..2);
    fixture.restart();
    assert!(fixture.settle().is_empty());
    fixture.store_pods(name, 0..2);
    let copy = Arc::clone(&fixture.world.slices[name]);
    fixture.see(copy);
    fixture
}

#[test]
fn of_two_slices_with_the_same_pods_one_goes_whatever_the_name_of_the_later_one() {
    for name in ["svc-a", "svc-z"] {
        let mut fixture = repeated_as(name);
        assert!(fixture.state.has_work(), "{name}");
        let writes = fixture.settle();
        assert_eq!(counts(&writes), (0, 0, 1), "{name}: {writes:#?}");
        assert_eq!(fixture.sizes(), [2]);
    }
}
