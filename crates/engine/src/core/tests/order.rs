//! What comes before what.

use std::sync::Arc;
use std::time::Duration;

use quaymaster_model::ObjectKey;
use quaymaster_runtime::health::Scope;
use quaymaster_runtime::permit::Terms;
use quaymaster_watch::Item;
use quaymaster_world::{Kind, World};
use tokio::time::{Instant, timeout};

use super::rig::*;
use crate::controller::Planned;
use crate::fixtures::*;

/// Wants one slice for each Service, named as it is.
fn one_slice_each(world: &World, service: &ObjectKey, _: usize) -> Planned {
    if world.slice(service).is_some() {
        Planned::default()
    } else {
        planned([create(&service.name)])
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_planned_before_all_kinds_are_read() {
    let mut rig = Setup::new(Fake::new(one_slice_each)).start();
    rig.tell(listed_services(&["db", "web"])).await;
    rig.tell(slices(vec![
        Item::Restart { history_lost: false },
        slice("web", 3),
    ]))
    .await;
    rig.quiet_for(Duration::from_secs(10)).await;
    assert_eq!(rig.log().await, [""; 0], "nor is anything told");
    assert!(!rig.health.report(Scope::Ready).passed());

    rig.tell(slices(vec![Item::Synced(version(5))])).await;
    let call = rig.call().await;
    assert_eq!(
        (&*call.method, &*call.path),
        ("POST", "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices")
    );
    assert_eq!(
        rig.log().await,
        ["start", "plan db within 16", "plan web within 15"],
        "the slice that was read before is not created again"
    );
    assert!(rig.health.report(Scope::Ready).passed());
    rig.quiet_for(Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn a_controller_is_told_of_the_kinds_that_it_reads_and_of_no_other() {
    let (slice_reader, services_alone) = (
        Fake::new(|_, _, _| Planned::default()),
        Fake {
            reads: &[Kind::Service],
            ..Fake::new(|_, _, _| Planned::default())
        },
    );
    let log = Arc::clone(&services_alone.log);
    let setup = Setup {
        others: vec![services_alone],
        ..Setup::new(slice_reader)
    };
    let rig = Rig::synced(setup, &[], &[]).await;
    rig.tell(slices(vec![slice("web-1", 6)])).await;
    rig.tell(services(vec![service("web", 7)])).await;
    assert_eq!(
        rig.log().await,
        [
            "start",
            "slice web-1 added by watch",
            "service web added",
            "plan web within 16"
        ]
    );
    assert_eq!(
        *log.lock().unwrap(),
        ["start", "service web added", "plan web within 16"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_is_planned_once_the_world_has_it() {
    let mut rig = Rig::synced(Setup::new(Fake::new(one_slice_each)), &[], &[]).await;
    assert_eq!(rig.log().await, ["start"]);
    rig.tell(services(vec![service("web", 6)])).await;
    drop(rig.call().await);
    assert_eq!(rig.log().await, ["service web added", "plan web within 16"]);
}

#[tokio::test(start_paused = true)]
async fn without_a_valid_permit_nothing_is_planned_and_the_loop_rests() {
    let now = Instant::now().into_std();
    let terms = Terms::new();
    let _term = terms.begin(1, now, now + Duration::from_secs(3));
    let setup = Setup {
        permits: terms.permits(),
        ..Setup::new(Fake::new(one_slice_each))
    };
    let mut rig = Rig::synced(setup, &["web"], &[]).await;
    let call = rig.call().await;
    call.answer(201, slice_json("web", "u-1", 6));
    tokio::time::sleep(Duration::from_secs(4)).await;
    rig.log().await;
    rig.tell(services(vec![service("db", 7)])).await;
    rig.quiet_for(Duration::from_secs(30)).await;
    assert_eq!(
        rig.log().await,
        ["service db added"],
        "seen, and left to whoever may write"
    );
}

#[tokio::test]
async fn what_is_due_does_not_wake_a_core_that_may_not_write() {
    let now = Instant::now().into_std();
    for (valid, due) in [(true, Some(now)), (false, None)] {
        let terms = Terms::new();
        let tenure = terms.begin(1, now, now + Duration::from_hours(1));
        let setup = Setup {
            permits: terms.permits(),
            ..Setup::new(Fake::new(one_slice_each))
        };
        let mut parts = setup.build();
        parts.core.tell(listed_slices(&[]));
        parts.core.tell(listed_services(&["web"]));
        let later = now + Duration::from_mins(1);
        if !valid {
            tenure.end();
        }
        assert_eq!(parts.core.next_due(later), due.map(|_| later));
    }
}

#[tokio::test(start_paused = true)]
async fn cancellation_ends_the_loop_at_once_whatever_is_in_flight() {
    let mut rig = Rig::synced(Setup::new(Fake::new(one_slice_each)), &["web"], &[]).await;
    let _hanging = rig.call().await;
    let begun = Instant::now();
    rig.cancel.cancel();
    timeout(Duration::from_secs(1), &mut rig.task)
        .await
        .expect("it must end")
        .unwrap();
    assert!(begun.elapsed() < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn the_heart_beats_while_there_is_nothing_to_do_and_only_while_the_loop_runs() {
    let rig = Rig::synced(Setup::new(Fake::new(one_slice_each)), &[], &[]).await;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(730)).await;
        assert!(rig.health.report(Scope::Live).passed());
    }
    rig.cancel.cancel();
    tokio::time::sleep(HEARTBEAT * 2).await;
    assert!(!rig.health.report(Scope::Live).passed());
}

#[tokio::test(start_paused = true)]
async fn a_standby_writes_nothing_and_begins_the_moment_its_term_does() {
    let terms = Terms::new();
    let setup = Setup {
        permits: terms.permits(),
        ..Setup::new(Fake::new(one_slice_each))
    };
    let mut rig = Rig::synced(setup, &["web"], &[]).await;
    rig.quiet_for(Duration::from_millis(10_300)).await;
    assert_eq!(rig.log().await, ["start"], "it has read everything");
    assert!(rig.health.report(Scope::Ready).passed());

    for (epoch, service) in [(1, "web"), (2, "db")] {
        let begun = Instant::now();
        let now = begun.into_std();
        let term = terms.begin(epoch, now, now + Duration::from_hours(1));
        let call = rig.call().await;
        assert!(begun.elapsed() < Duration::from_millis(2), "not at the next tick");
        call.answer(201, slice_json(service, &format!("u-{service}"), 7 + epoch));
        rig.settle().await;
        term.end();
        rig.tell(services(vec![crate::core::tests::rig::service("db", 8)]))
            .await;
        rig.quiet_for(Duration::from_millis(10_300)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_controller_learns_of_each_term_before_it_is_asked_for_writes_in_it() {
    let terms = Terms::new();
    let setup = Setup {
        permits: terms.permits(),
        ..Setup::new(Fake::new(one_slice_each))
    };
    let mut rig = Rig::synced(setup, &["web"], &[]).await;
    rig.log().await;
    let now = Instant::now().into_std();
    let first = terms.begin(1, now, now + Duration::from_hours(1));
    let call = rig.call().await;
    assert_eq!(rig.log().await, ["term began", "plan web within 16"]);
    call.answer(201, slice_json("web", "u-web", 8));
    rig.log().await;
    first.end();
    rig.settle().await;
    assert_eq!(rig.log().await, [""; 0]);
    let _second = terms.begin(2, now, now + Duration::from_hours(1));
    assert_eq!(rig.log().await, ["term began"]);
}
