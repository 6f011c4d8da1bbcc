//! Whose turn it is: controllers among each other, and the core's own duties.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use quaymaster_queue::Priority;
use tokio::sync::mpsc;

use super::rig::*;
use crate::controller::Planned;
use crate::fixtures::*;

/// Writes a slice of this name for each Service.
fn writes(name: &'static str, priority: Priority, truncated: bool) -> Fake {
    Fake {
        priority,
        ..Fake::new(move |_, _, _| Planned {
            truncated,
            ..planned([create(name)])
        })
    }
}

/// Lets two controllers write one object at a time, and returns whose were the first so many.
async fn turns(first: Fake, mut second: Fake, count: usize) -> Vec<String> {
    second.log = Arc::clone(&first.log);
    let setup = Setup {
        others: vec![second],
        limit: 1,
        ..Setup::new(first)
    };
    let mut rig = Rig::synced(setup, &["web"], &[]).await;
    for _ in 0..count {
        // The answer is the same each time, and so nothing changes.
        rig.call().await.answer(201, slice_json("made", "u-made", 10));
    }
    let log = rig.log().await;
    log.iter()
        .filter_map(|line| line.strip_prefix("create ")?.strip_suffix(": stored at 10"))
        .map(str::to_owned)
        .take(count)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_urgent_key_goes_first_whichever_controller_was_registered_first() {
    let low = || writes("low", Priority::Low, false);
    let urgent = || writes("urgent", Priority::Urgent, false);
    assert_eq!(turns(low(), urgent(), 2).await, ["urgent", "low"]);
    assert_eq!(turns(urgent(), low(), 2).await, ["urgent", "low"]);
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_always_has_more_leaves_the_others_their_turns() {
    for priority in [Priority::Low, Priority::Normal] {
        let turns = turns(
            writes("urgent", Priority::Urgent, true),
            writes("other", priority, true),
            100,
        )
        .await;
        let others = turns.iter().filter(|name| *name == "other").count();
        let fair = 100 / (usize::try_from(priority.patience()).unwrap() + 1);
        assert_eq!((turns.len(), others), (100, fair), "{priority:?}: {turns:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_controllers_that_are_as_urgent_none_has_to_wait_for_the_end_of_the_other() {
    let turns = turns(
        writes("first", Priority::Normal, true),
        writes("second", Priority::Normal, true),
        20,
    )
    .await;
    let second = turns.iter().filter(|name| *name == "second").count();
    assert!((8..=12).contains(&second), "{turns:?}");
}

/// In real time: a clock that only goes on when nothing is to be done would never show it.
#[tokio::test]
async fn a_flood_of_changes_holds_up_neither_heartbeat_nor_gauges() {
    const BATCHES: u64 = 1100;
    let seen = Arc::new(AtomicUsize::new(0));
    let fake = Fake::new(|_, _, _| Planned::default());
    let (measured, during) = (Arc::clone(&fake.measured), Arc::clone(&seen));
    let fake = Fake {
        plan: Box::new(move |_, _, _, _| {
            // Two milliseconds for each batch, so that the flood lasts longer than two seconds.
            std::thread::sleep(Duration::from_millis(2));
            during.store(measured.load(Ordering::Relaxed), Ordering::Relaxed);
            Planned::default()
        }),
        ..fake
    };
    let parts = Setup::new(fake).build();
    let (told, receiver) = mpsc::channel(usize::try_from(BATCHES).unwrap() + 2);
    told.try_send(listed_slices(&[])).unwrap();
    told.try_send(listed_services(&["web"])).unwrap();
    for at in 0..BATCHES {
        told.try_send(services(vec![service("web", 10 + at)])).unwrap();
    }
    let task = tokio::spawn(parts.core.run(receiver, parts.answers, parts.cancel.clone()));
    while told.capacity() < told.max_capacity() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    parts.cancel.cancel();
    task.await.unwrap();
    let seen = seen.load(Ordering::Relaxed);
    // Timers fire when the task has used up its share of the runtime, so a tick may be late by a part of a second.
    assert!(
        seen >= 2,
        "at the start and at least once in two seconds, but {seen} times"
    );
}

#[tokio::test(start_paused = true)]
async fn what_one_controller_writes_is_own_to_itself_and_somebody_elses_doing_to_the_others() {
    let mut once = Some(create("made"));
    let writer = Fake::new(move |_, _, _| planned(once.take()));
    let other = Fake::new(|_, _, _| Planned::default());
    let others_log = Arc::clone(&other.log);
    let setup = Setup {
        others: vec![other],
        ..Setup::new(writer)
    };
    let mut rig = Rig::synced(setup, &["web"], &[]).await;
    let call = rig.call().await;
    rig.log().await;
    others_log.lock().unwrap().clear();
    call.answer(201, slice_json("made", "u-made", 10));
    assert_eq!(
        rig.log().await,
        ["slice made added by own write", "create made: stored at 10"]
    );
    assert_eq!(*others_log.lock().unwrap(), ["slice made added by watch"]);
}
