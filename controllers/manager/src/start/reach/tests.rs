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

fn forbidden() -> ConnectError {
    ConnectError::Forbidden {
        server: "https://api.example".to_owned(),
        path: "/version".to_owned(),
        user: None,
        origin: String::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_bounds_pauses_and_attempts() {
    for seconds in [1, 2, 7, 30] {
        let begun = Instant::now();
        let limit = Duration::from_secs(seconds);
        let failed = attempt(silence, Some(limit), |_| {}).await.unwrap_err();
        assert_eq!(begun.elapsed().as_secs(), seconds);
        assert_eq!(failed.gave_up_after, Some(limit));
        let error = failed.error;
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
    let limit = Some(Duration::from_secs(3));
    let error = attempt(ask, limit, |_| {}).await.unwrap_err().error;
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
    let failed = attempt(ask, None, |_| {}).await.unwrap_err();
    assert_eq!(failed.gave_up_after, None);
    assert!(begun.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn an_apiserver_that_has_not_made_its_roles_yet_is_waited_for() {
    let count = Cell::new(0);
    let ask = async |_| {
        count.set(count.get() + 1);
        if count.get() < 4 { Err(forbidden()) } else { Ok(()) }
    };
    attempt(ask, None, |_| {}).await.unwrap();
    assert_eq!(count.get(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_lasting_403_ends_it_after_a_minute_of_403_whatever_came_before() {
    for before in [0_u32, 12] {
        let count = Cell::new(0);
        let first = Cell::new(None);
        let ask = async |_| {
            count.set(count.get() + 1);
            if count.get() <= before {
                return Err::<(), _>(refused());
            }
            first.set(first.get().or(Some(Instant::now())));
            Err(forbidden())
        };
        let failed = attempt(ask, None, |_| {}).await.unwrap_err();
        assert!(
            matches!(failed.error, ConnectError::Forbidden { .. }),
            "{failed:?}"
        );
        assert_eq!(failed.gave_up_after, Some(FORBIDDEN));
        assert_eq!(first.get().unwrap().elapsed().as_secs(), 60);
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_below_a_minute_bounds_403_as_well() {
    let limit = Duration::from_secs(10);
    let ask = async |_| Err::<(), _>(forbidden());
    let failed = attempt(ask, Some(limit), |_| {}).await.unwrap_err();
    assert_eq!(failed.gave_up_after, Some(limit));
}
