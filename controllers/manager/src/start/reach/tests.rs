use std::cell::{Cell, RefCell};

use super::*;

fn refused() -> ConnectError {
    ConnectError::Refused {
        server: "https://api.example".to_owned(),
        path: "/version".to_owned(),
        code: 503,
    }
}

async fn silence(within: Duration) -> Result<(), ConnectError> {
    tokio::time::sleep(within).await;
    Err(ConnectError::Timeout {
        server: "https://api.example".to_owned(),
        after: within,
    })
}

fn in_seconds(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn the_limit_bounds_pauses_and_attempts() {
    for seconds in [1, 2, 7, 30] {
        let begun = Instant::now();
        let error = attempt(silence, Some(in_seconds(seconds)), |_| {})
            .await
            .unwrap_err();
        assert_eq!(begun.elapsed().as_secs(), seconds);
        assert!(matches!(error, ConnectError::Timeout { .. }), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_last_attempt_that_was_cut_short_does_not_hide_the_cause() {
    let count = Cell::new(0);
    let ask = async |within| {
        count.set(count.get() + 1);
        if count.get() < 3 {
            Err(refused())
        } else {
            silence(within).await
        }
    };
    // Attempts begin after 0, 0.5 and 1.5 s.
    let error = attempt(ask, Some(in_seconds(3)), |_| {}).await.unwrap_err();
    assert_eq!(count.get(), 3);
    assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_it_asks_until_there_is_an_answer_and_tells_each_failure() {
    let count = Cell::new(0);
    let ask = async |_| {
        count.set(count.get() + 1);
        if count.get() < 20 {
            Err(refused())
        } else {
            Ok(count.get())
        }
    };
    let told = RefCell::new(Vec::new());
    let answer = attempt(ask, None, |error| told.borrow_mut().push(error.line())).await;
    assert_eq!(answer.unwrap(), 20);
    assert_eq!(told.borrow().len(), 19);
    assert!(told.borrow()[0].contains("status 503"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_heal_ends_it_at_once() {
    let ask = async |_| {
        Err::<(), _>(ConnectError::NotKubernetes {
            server: "https://api.example".to_owned(),
            origin: String::new(),
        })
    };
    let begun = Instant::now();
    assert!(attempt(ask, None, |_| {}).await.is_err());
    assert!(begun.elapsed().is_zero());
}
