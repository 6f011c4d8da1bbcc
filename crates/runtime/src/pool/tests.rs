use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::api::Remedy;
use crate::permit::Tenure;
use crate::scripted::{self, Step};

fn request(token: u32, body: Payload) -> WriteRequest<u32> {
    WriteRequest {
        verb: Verb::Create,
        resource: "endpointslices",
        path: "/x".to_owned(),
        body,
        token,
    }
}

fn ready(token: u32) -> WriteRequest<u32> {
    request(token, Payload::Ready(Bytes::from_static(b"{}")))
}

fn writer(script: impl IntoIterator<Item = Step>) -> Writer {
    Writer::new(scripted::client(script).0, Duration::from_secs(10))
}

#[tokio::test]
async fn each_token_comes_back_with_its_result() {
    let conflict = Step::Answer(409, vec![], String::new());
    let (pool, mut results) = WritePool::new(writer([Step::ok("one"), conflict]), 4);
    let permit = Permit::permanent();
    pool.submit(&permit, ready(1)).unwrap();
    let first = results.recv().await.unwrap();
    assert_eq!(
        (first.token, first.verb, first.resource),
        (1, Verb::Create, "endpointslices")
    );
    assert_eq!(first.result.unwrap(), "one");
    pool.submit(&permit, ready(2)).unwrap();
    let second = results.recv().await.unwrap();
    assert_eq!(
        (second.token, second.result.unwrap_err().label()),
        (2, "conflict")
    );
}

#[tokio::test]
async fn bodies_are_encoded_outside_the_caller() {
    static ENCODED: AtomicUsize = AtomicUsize::new(0);
    let (client, seen) = scripted::client([Step::ok("")]);
    let (pool, mut results) = WritePool::new(Writer::new(client, Duration::from_secs(10)), 1);
    let encode = || {
        ENCODED.fetch_add(1, Ordering::SeqCst);
        Bytes::from_static(b"late")
    };
    pool.submit(
        &Permit::permanent(),
        request(1, Payload::Encode(Box::new(encode))),
    )
    .unwrap();
    assert_eq!(ENCODED.load(Ordering::SeqCst), 0);
    results.recv().await.unwrap().result.unwrap();
    assert_eq!(seen.lock().unwrap()[0].body, "late");
}

#[tokio::test(start_paused = true)]
async fn the_bound_counts_what_is_in_flight_and_what_was_not_consumed() {
    let (pool, mut results) = WritePool::new(writer([Step::ok(""), Step::ok(""), Step::ok("")]), 2);
    let permit = Permit::permanent();
    pool.submit(&permit, ready(1)).unwrap();
    pool.submit(&permit, ready(2)).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let Err(SubmitError::Full(refused)) = pool.submit(&permit, ready(3)) else {
        panic!("no bound")
    };
    assert_eq!(refused.token, 3, "a refused write is handed back");
    let done = results.recv().await.unwrap();
    assert!(
        pool.submit(&permit, ready(3)).is_err(),
        "the result is still held"
    );
    drop(done);
    pool.submit(&permit, ready(3)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn losing_the_permit_aborts_all_writes_in_flight_at_once() {
    let (pool, mut results) = WritePool::new(writer([Step::Hang, Step::Hang, Step::Hang]), 3);
    let now = Instant::now();
    let tenure = Tenure::begin(1, now.into_std(), (now + Duration::from_secs(9)).into_std());
    for token in 0..3 {
        pool.submit(tenure.permit(), ready(token)).unwrap();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    tenure.end();
    for _ in 0..3 {
        assert_eq!(
            results.recv().await.unwrap().result.unwrap_err().label(),
            "permit_lost"
        );
    }
    assert!(now.elapsed() < Duration::from_secs(1), "took {:?}", now.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_hanging_write_does_not_hold_up_the_others() {
    let (pool, mut results) = WritePool::new(writer([Step::Hang, Step::ok("")]), 2);
    let permit = Permit::permanent();
    pool.submit(&permit, ready(1)).unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    pool.submit(&permit, ready(2)).unwrap();
    assert_eq!(results.recv().await.unwrap().token, 2);
    let late = results.recv().await.unwrap();
    assert_eq!((late.token, late.result.unwrap_err().label()), (1, "timeout"));
    assert!(late.latency >= Duration::from_secs(10));
}

#[tokio::test]
async fn a_panic_while_encoding_gives_the_token_back() {
    let (pool, mut results) = WritePool::new(writer([]), 1);
    pool.submit(
        &Permit::permanent(),
        request(7, Payload::Encode(Box::new(|| panic!("on purpose")))),
    )
    .unwrap();
    let done = results.recv().await.unwrap();
    assert_eq!(done.token, 7);
    let error = done.result.unwrap_err();
    assert_eq!((error.label(), error.remedy()), ("aborted", Remedy::Retry));
}
