//! Bytes that arrive in awkward pieces, or are not what they should be.

use std::sync::Arc;
use std::time::Duration;

use quaymaster_model::Interner;
use quaymaster_watch::{
    Config, DecodeError, Frame, Framing, Item, Page, Reader, ResourceVersion, Source, StreamingSupport, Watch,
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::ours::{Ours, client, paged, streaming};
use crate::records::*;
use crate::server::{Call, Part, Reply, Server, watch};

#[tokio::test]
async fn frames_split_across_chunks_and_inside_a_character_are_put_together() {
    let text = [
        added("a", "11"),
        event("ADDED", &config_map("b", "12").replace("b at", "zürich → b at")),
    ]
    .concat();
    let pieces = text
        .as_bytes()
        .chunks(7)
        .flat_map(|piece| [Part::Bytes(piece.to_vec()), Part::Pause(Duration::from_millis(1))])
        .chain([Part::Hold]);
    let server = Server::strict(vec![
        (Call::List, list("10", &[])),
        (watch("10"), Reply::Stream(pieces.collect())),
    ])
    .await;
    let mut ours = Ours::start(&server, paged());
    ours.until_held(&["a", "b"]).await;
    assert_eq!(ours.mirror.get("b").unwrap().text, "zürich → b at 12");
    assert_eq!(ours.stats.decode_errors(), 0);
    server.finish().await;
}

#[tokio::test]
async fn events_of_one_chunk_are_delivered_together_and_at_once() {
    let chunk: String = (0..50)
        .map(|number| added(&format!("n{number}"), &(11 + number).to_string()))
        .collect();
    let server = Server::strict(vec![(Call::List, list("10", &[])), (watch("10"), held(&[chunk]))]).await;
    let mut ours = Ours::start(&server, paged());
    ours.until_synced().await;
    let batch = ours.batches.recv().await.unwrap();
    assert_eq!(batch.items.len(), 50);
    server.finish().await;
}

#[tokio::test]
async fn half_a_frame_before_the_end_is_dropped_and_fetched_again() {
    let whole = added("b", "12");
    let half = &whole[..whole.len() / 2];
    for end in [None, Some(Part::Cut)] {
        let mut parts = vec![bytes(&added("a", "11")), bytes(half)];
        parts.extend(end);
        let server = Server::strict(vec![
            (Call::List, list("10", &[])),
            (watch("10"), Reply::Stream(parts)),
            (watch("11"), held(std::slice::from_ref(&whole))),
        ])
        .await;
        let mut ours = Ours::start(&server, paged());
        ours.until_held(&["a", "b"]).await;
        assert_eq!(ours.changes, ["+a", "+b"]);
        assert_eq!(ours.failures("broken"), 1);
        server.finish().await;
    }
}

#[tokio::test]
async fn garbage_is_skipped_and_counted_and_the_stream_goes_on() {
    let server = Server::strict(vec![
        (Call::List, list("10", &[])),
        (
            watch("10"),
            held(&[
                "<html>oops\u{0}\n".to_owned(),
                "{}\n".to_owned(),
                event("RENAMED", &config_map("b", "11")),
                added("a", "11"),
            ]),
        ),
    ])
    .await;
    let mut ours = Ours::start(&server, paged());
    ours.until_held(&["a"]).await;
    assert_eq!(ours.stats.decode_errors(), 3);
    server.finish().await;
}

/// Objects of another encoding: a name each, and nothing else.
struct Letters;

impl Reader for Letters {
    type Record = String;

    const ACCEPT: &'static str = "text/x-letters";

    const FRAMING: Framing = Framing::LengthPrefixed;

    fn new(_: Arc<Interner>) -> Self {
        Self
    }

    fn object(&self, _: &[u8]) -> Result<String, DecodeError> {
        unreachable!("a watch reads pages and frames")
    }

    fn page(&self, bytes: &[u8]) -> Result<Page<String>, DecodeError> {
        Ok(Page {
            records: bytes.iter().map(|letter| char::from(*letter).into()).collect(),
            unreadable: Vec::new(),
            next: None,
            version: ResourceVersion::parse("10"),
        })
    }

    fn frame(&self, bytes: &[u8]) -> Result<Frame<String>, DecodeError> {
        Ok(Frame::Object {
            record: String::from_utf8_lossy(bytes).into_owned(),
            version: ResourceVersion::parse("11"),
        })
    }
}

#[tokio::test]
async fn a_watch_asks_for_the_encoding_of_its_reader_and_cuts_frames_as_that_has_them() {
    let page = Reply::Whole {
        code: 200,
        headers: String::new(),
        body: "ab".to_owned(),
    };
    let server = Server::strict(vec![
        (Call::List, page),
        (watch("10"), held(&["\0\0\0\u{2}c\n\0\0\0\u{1}d".to_owned()])),
    ])
    .await;
    let source = Source::new("configmaps", PATH);
    let watch = Watch::new(
        client(&server),
        source,
        Letters,
        paged(),
        StreamingSupport::default(),
    );
    let (sender, mut batches) = tokio::sync::mpsc::channel(16);
    let cancel = CancellationToken::new();
    let _cancelled = cancel.clone().drop_guard();
    tokio::spawn(watch.run(sender, |batch| batch, cancel));
    let mut names = Vec::new();
    while names.len() < 4 {
        let batch = timeout(Duration::from_secs(10), batches.recv()).await;
        names.extend(
            batch
                .unwrap()
                .unwrap()
                .items
                .into_iter()
                .filter_map(|item| match item {
                    Item::Apply(name) => Some(name),
                    _ => None,
                }),
        );
    }
    assert_eq!(names, ["a", "b", "c\n", "d"]);
    let accepted: Vec<String> = server.seen().into_iter().map(|seen| seen.accept).collect();
    assert_eq!(accepted, ["text/x-letters", "text/x-letters"]);
    server.finish().await;
}

#[tokio::test]
async fn an_undecodable_event_still_moves_the_position_and_keeps_the_record() {
    let server = Server::strict(vec![
        (
            Call::WatchList,
            ended(&[
                added("a", "7"),
                initial_end("10"),
                event("MODIFIED", &poisoned("a", "11")),
            ]),
        ),
        (watch("11"), held(&[error_event(410, "Expired")])),
        (
            Call::WatchList,
            held(&[
                event("ADDED", &poisoned("a", "11")),
                initial_end("20"),
                added("b", "21"),
            ]),
        ),
    ])
    .await;
    let mut ours = Ours::start(&server, streaming());
    ours.until_held(&["a", "b"]).await;
    assert_eq!(
        ours.mirror.get("a").unwrap().text,
        "a at 7",
        "its last readable state"
    );
    assert!(!ours.changes.contains(&"-a".to_owned()), "it still exists");
    server.finish().await;
}

#[tokio::test]
async fn a_frame_beyond_the_limit_is_skipped() {
    let huge = added(&"x".repeat(3000), "11");
    let server = Server::strict(vec![
        (Call::List, list("10", &[])),
        (watch("10"), held(&[huge, added("a", "12")])),
    ])
    .await;
    let mut ours = Ours::start(
        &server,
        Config {
            max_frame_bytes: 1000,
            ..paged()
        },
    );
    ours.until_held(&["a"]).await;
    assert_eq!(ours.stats.decode_errors(), 1);
    server.finish().await;
}

#[tokio::test]
async fn a_page_beyond_the_limit_is_asked_for_in_halves() {
    let many: Vec<String> = (0..40)
        .map(|number| config_map(&format!("n{number}"), "9"))
        .collect();
    let server = Server::strict(vec![
        (Call::List, list_of("10", "", &many)),
        (Call::List, list("10", &["a"])),
        (watch("10"), silent()),
    ])
    .await;
    let mut ours = Ours::start(
        &server,
        Config {
            max_page_bytes: 3000,
            ..paged()
        },
    );
    ours.until_held(&["a"]).await;
    let limits: Vec<String> = server.seen()[..2]
        .iter()
        .map(|seen| seen.query["limit"].clone())
        .collect();
    assert_eq!(limits, ["500", "250"]);
    server.finish().await;
}

#[tokio::test]
async fn a_page_that_is_no_list_is_asked_for_again() {
    let nonsense = Reply::Whole {
        code: 200,
        headers: String::new(),
        body: "<html>login</html>".to_owned(),
    };
    let server = Server::strict(vec![
        (Call::List, nonsense),
        (Call::List, list("", &["x"])),
        (Call::List, list("10", &["a"])),
        (watch("10"), silent()),
    ])
    .await;
    let mut ours = Ours::start(&server, paged());
    ours.until_held(&["a"]).await;
    assert_eq!(ours.failures("decode"), 2, "no list, and a list without version");
    server.finish().await;
}
