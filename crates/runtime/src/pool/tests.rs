use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::api::Remedy;
use crate::permit::Tenure;
use crate::scripted::{self, Step};

fn request(token: u32, body: Payload) -> WriteRequest<u32, String> {
    WriteRequest {
        verb: Verb::Create,
        resource: "endpointslices",
        path: "/x".to_owned(),
        body,
        accept: "text/plain",
        read: Box::new(|body| Ok(std::str::from_utf8(body)?.to_owned())),
        token,
    }
}

fn ready(token: u32) -> WriteRequest<u32, String> {
    request(token, Payload::Ready(Bytes::from_static(b"{}")))
}

fn writer(script: impl IntoIterator<Item = Step>) -> Writer {
    Writer::new(scripted::client(script).0, Duration::from_secs(10))
}

#[tokio::test]
async fn each_token_comes_back_with_its_result() {
    let conflict = Step::Answer(409, vec![], String::new());
    let writer = writer([Step::ok("one"), conflict]);
    let (pool, mut results) = WritePool::new(4);
    let permit = Permit::permanent();
    pool.submit(&writer, &permit, ready(1)).unwrap();
    let first = results.recv().await.unwrap();
    assert_eq!(
        (first.token, first.verb, first.resource),
        (1, Verb::Create, "endpointslices")
    );
    assert_eq!(first.result.unwrap(), "one");
    pool.submit(&writer, &permit, ready(2)).unwrap();
    let second = results.recv().await.unwrap();
    assert_eq!(
        (second.token, second.result.unwrap_err().label()),
        (2, "conflict")
    );
}

#[tokio::test]
async fn an_answer_is_asked_for_in_the_encoding_that_it_is_read_in() {
    let (client, seen) = scripted::client([Step::ok("one")]);
    let writer = Writer::new(client, Duration::from_secs(10));
    let (pool, mut results) = WritePool::new(1);
    pool.submit(&writer, &Permit::permanent(), ready(1)).unwrap();
    results.recv().await.unwrap().result.unwrap();
    assert_eq!(seen.lock().unwrap()[0].accept, "text/plain");
}

#[tokio::test]
async fn bodies_are_encoded_outside_the_caller() {
    static ENCODED: AtomicUsize = AtomicUsize::new(0);
    let (client, seen) = scripted::client([Step::ok("")]);
    let writer = Writer::new(client, Duration::from_secs(10));
    let (pool, mut results) = WritePool::new(1);
    let encode = || {
        ENCODED.fetch_add(1, Ordering::SeqCst);
        Ok(Bytes::from_static(b"late"))
    };
    pool.submit(
        &writer,
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
    let writer = writer([Step::ok(""), Step::ok(""), Step::ok("")]);
    let (pool, mut results) = WritePool::new(2);
    let permit = Permit::permanent();
    pool.submit(&writer, &permit, ready(1)).unwrap();
    pool.submit(&writer, &permit, ready(2)).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let Err(SubmitError::Full(refused)) = pool.submit(&writer, &permit, ready(3)) else {
        panic!("no bound")
    };
    assert_eq!(refused.token, 3, "a refused write is handed back");
    let done = results.recv().await.unwrap();
    assert!(
        pool.submit(&writer, &permit, ready(3)).is_err(),
        "the result is still held"
    );
    drop(done);
    pool.submit(&writer, &permit, ready(3)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn losing_the_permit_aborts_all_writes_in_flight_at_once() {
    let writer = writer([Step::Hang, Step::Hang, Step::Hang]);
    let (pool, mut results) = WritePool::new(3);
    let now = Instant::now();
    let tenure = Tenure::begin(1, now.into_std(), (now + Duration::from_secs(9)).into_std());
    for token in 0..3 {
        pool.submit(&writer, tenure.permit(), ready(token)).unwrap();
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
    let writer = writer([Step::Hang, Step::ok("")]);
    let (pool, mut results) = WritePool::new(2);
    let permit = Permit::permanent();
    pool.submit(&writer, &permit, ready(1)).unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    pool.submit(&writer, &permit, ready(2)).unwrap();
    assert_eq!(results.recv().await.unwrap().token, 2);
    let late = results.recv().await.unwrap();
    assert_eq!((late.token, late.result.unwrap_err().label()), (1, "timeout"));
    assert!(late.latency >= Duration::from_secs(10));
}

#[tokio::test]
async fn a_panic_while_encoding_gives_the_token_back() {
    let writer = writer([]);
    let (pool, mut results) = WritePool::new(1);
    pool.submit(
        &writer,
        &Permit::permanent(),
        request(7, Payload::Encode(Box::new(|| panic!("on purpose")))),
    )
    .unwrap();
    let done = results.recv().await.unwrap();
    assert_eq!(done.token, 7);
    let error = done.result.unwrap_err();
    assert_eq!((error.label(), error.remedy()), ("aborted", Remedy::Retry));
}

#[tokio::test]
async fn what_cannot_be_encoded_is_not_sent_and_the_error_names_it() {
    let (client, seen) = scripted::client([]);
    let writer = Writer::new(client, Duration::from_secs(10));
    let (pool, mut results) = WritePool::new(1);
    let encode = || Err("no JSON object".into());
    pool.submit(
        &writer,
        &Permit::permanent(),
        request(7, Payload::Encode(Box::new(encode))),
    )
    .unwrap();
    let error = results.recv().await.unwrap().result.unwrap_err();
    assert_eq!(error.to_string(), "/x cannot be encoded: no JSON object");
    assert_eq!((error.label(), error.remedy()), ("unencodable", Remedy::Report));
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn answers_are_read_outside_the_receiver_and_one_that_cannot_be_is_told_so() {
    let writer = writer([Step::ok("12"), Step::ok("twelve")]);
    let (pool, mut results) = WritePool::new(2);
    for _ in 0..2 {
        pool.submit(
            &writer,
            &Permit::permanent(),
            WriteRequest {
                verb: Verb::Get,
                resource: "endpointslices",
                path: "/x".to_owned(),
                body: Payload::Ready(Bytes::new()),
                accept: "text/plain",
                // Only tasks that were spawned have an id, and this test is none.
                read: Box::new(|body| {
                    Ok((std::str::from_utf8(body)?.parse::<u32>()?, tokio::task::try_id()))
                }),
                token: (),
            },
        )
        .unwrap();
        let done = results.recv().await.unwrap();
        match done.result {
            Ok((number, task)) => assert!(number == 12 && task.is_some()),
            Err(error) => {
                assert_eq!(
                    error.to_string(),
                    "the answer about /x cannot be read: invalid digit found in string"
                );
                assert_eq!(error.remedy(), Remedy::Retry);
            }
        }
    }
    assert_eq!(tokio::task::try_id(), None);
}

#[tokio::test]
async fn each_write_goes_through_the_writer_it_is_given() {
    let (one, two) = (writer([Step::ok("one")]), writer([Step::ok("two")]));
    let (pool, mut results) = WritePool::new(1);
    let permit = Permit::permanent();
    pool.submit(&two, &permit, ready(2)).unwrap();
    assert!(pool.submit(&one, &permit, ready(1)).is_err(), "one bound for all");
    assert_eq!(results.recv().await.unwrap().result.unwrap(), "two");
    pool.submit(&one, &permit, ready(1)).unwrap();
    assert_eq!(results.recv().await.unwrap().result.unwrap(), "one");
}
