use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use super::*;

/// Longer than anything here takes that does not hang.
const LONG: Duration = Duration::from_secs(30);

/// A reader that takes what is written only when it is allowed to, or refuses it.
struct Output {
    allowed: Receiver<bool>,
    lines: Sender<String>,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // When the test no longer says anything, everything is taken.
        if !self.allowed.recv().unwrap_or(true) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let _ = self.lines.send(String::from_utf8(bytes.to_vec()).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Reader {
    allow: Sender<bool>,
    lines: Receiver<String>,
}

impl Reader {
    fn next(&self) -> String {
        self.lines.recv_timeout(LONG).unwrap()
    }
}

/// A writer that logs how many lines were dropped, and its reader.
fn writer() -> (Writer, Reader) {
    let (allow, allowed) = channel();
    let (send, lines) = channel();
    let output = Output { allowed, lines: send };
    let own: Arc<OnceLock<Mutex<Writer>>> = Arc::default();
    let told = Arc::clone(&own);
    let tell = move |lines: u64| {
        let writer = told.get().unwrap().lock().unwrap();
        writer.line(format!("{lines} lost\n").into_bytes());
    };
    let writer = Writer::start(output, tell).unwrap();
    own.set(Mutex::new(writer.clone())).unwrap();
    (writer, Reader { allow, lines })
}

fn kilobyte() -> Vec<u8> {
    let mut line = vec![b'x'; 1023];
    line.push(b'\n');
    line
}

#[test]
fn with_a_reader_that_stands_still_no_line_waits_and_those_beyond_the_bound_are_counted() {
    let (writer, _reader) = writer();
    let begun = Instant::now();
    for _ in 0..10_000 {
        writer.line(kilobyte());
    }
    assert!(begun.elapsed() < LONG);
    let fitting = u64::try_from(BOUND / (1024 + OVERHEAD)).unwrap();
    assert_eq!(writer.dropped().get(), 10_000 - fitting);
    assert!(writer.shared.queued.load(Ordering::Relaxed) <= BOUND);
}

#[test]
fn once_it_is_read_again_all_that_fitted_comes_in_order_then_how_many_were_dropped_and_there_is_room() {
    let (writer, reader) = writer();
    writer.line(b"first\n".to_vec());
    writer.line(b"second\n".to_vec());
    writer.line(vec![b'x'; BOUND]);
    writer.line(vec![b'x'; BOUND]);
    drop(reader.allow);
    assert_eq!(reader.lines.recv_timeout(LONG).unwrap(), "first\n");
    assert_eq!(reader.lines.recv_timeout(LONG).unwrap(), "second\n");
    assert_eq!(reader.lines.recv_timeout(LONG).unwrap(), "2 lost\n");
    assert!(writer.flush(LONG));
    assert_eq!(writer.shared.queued.load(Ordering::Relaxed), 0);
    writer.line(b"third\n".to_vec());
    assert!(writer.flush(LONG));
    let rest: Vec<String> = reader.lines.try_iter().collect();
    assert_eq!(rest, ["third\n"], "they are told once");
}

#[test]
fn a_flush_ends_with_its_limit_when_nobody_reads() {
    let (writer, reader) = writer();
    assert!(writer.flush(LONG), "there is nothing to write");
    writer.line(b"line\n".to_vec());
    let begun = Instant::now();
    assert!(!writer.flush(Duration::from_millis(50)));
    assert!(begun.elapsed() < LONG);
    reader.allow.send(true).unwrap();
    assert!(writer.flush(LONG));
    assert_eq!(reader.next(), "line\n");
}

#[test]
fn last_words_have_room_behind_a_full_queue_and_nothing_follows_them() {
    let (writer, reader) = writer();
    writer.line(b"before\n".to_vec());
    while writer.dropped().get() == 0 {
        writer.line(kilobyte());
    }
    writer.ending();
    writer.line(b"last\n".to_vec());
    assert_eq!(writer.dropped().get(), 1);
    drop(reader.allow);
    assert!(writer.flush(LONG));
    let lines: Vec<String> = reader.lines.try_iter().collect();
    assert_eq!(lines.first().unwrap(), "before\n");
    assert_eq!(lines.last().unwrap(), "last\n");
    assert!(!lines.iter().any(|line| line.contains("lost")));
}

#[test]
fn lines_that_the_output_refuses_are_counted_and_told_only_when_it_takes_lines_again() {
    let (writer, reader) = writer();
    for _ in 0..3 {
        reader.allow.send(false).unwrap();
        writer.line(b"refused\n".to_vec());
        assert!(writer.flush(LONG));
    }
    assert_eq!(writer.dropped().get(), 3);
    reader.allow.send(true).unwrap();
    reader.allow.send(true).unwrap();
    writer.line(b"taken\n".to_vec());
    assert_eq!(reader.next(), "taken\n");
    assert_eq!(reader.next(), "3 lost\n");
    assert_eq!(writer.dropped().get(), 3);
}
