use proptest::prelude::*;

use super::*;

#[derive(Debug, PartialEq)]
enum Got {
    Whole(Vec<u8>),
    TooLarge,
}

fn split<'a>(framing: Framing, limit: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Got>, bool) {
    let mut splitter = FrameSplitter::new(framing, limit);
    let mut got = Vec::new();
    for chunk in chunks {
        splitter.push(chunk, |frame| {
            got.push(match frame {
                Cut::Whole(bytes) => Got::Whole(bytes.to_vec()),
                Cut::TooLarge { .. } => Got::TooLarge,
            });
        });
        assert!(
            splitter.partial.len() <= limit + PREFIX,
            "more than one frame was buffered"
        );
    }
    (got, splitter.is_inside_frame())
}

fn prefixed(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame in frames {
        bytes.extend(u32::try_from(frame.len()).unwrap().to_be_bytes());
        bytes.extend(frame);
    }
    bytes
}

fn whole(text: &str) -> Got {
    Got::Whole(text.as_bytes().to_vec())
}

#[test]
fn a_frame_split_inside_a_multi_byte_character_is_put_together() {
    let text = "{\"a\":\"zürich→\"}\n".as_bytes();
    for cut in 0..=text.len() {
        let (got, inside) = split(Framing::Lines, 100, [&text[..cut], &text[cut..]]);
        assert_eq!(got, [whole("{\"a\":\"zürich→\"}")], "cut at {cut}");
        assert!(!inside);
    }
}

#[test]
fn blank_lines_and_carriage_returns_are_no_frames() {
    let (got, inside) = split(Framing::Lines, 100, [&b"\n\r\n a\r\n\n"[..]]);
    assert_eq!(got, [whole("a")]);
    assert!(!inside);
}

#[test]
fn a_line_beyond_the_limit_is_dropped_and_the_next_one_found() {
    let chunks: [&[u8]; 4] = [b"ok\n0123", b"456789", b"0123\nnext", b"\n"];
    let (got, inside) = split(Framing::Lines, 8, chunks);
    assert_eq!(got, [whole("ok"), Got::TooLarge, whole("next")]);
    assert!(!inside);
}

#[test]
fn a_line_of_exactly_the_limit_is_kept() {
    let (got, _) = split(Framing::Lines, 4, [&b"12"[..], b"34\n", b"12345\n"]);
    assert_eq!(got, [whole("1234"), Got::TooLarge]);
}

#[test]
fn half_a_frame_at_the_end_is_noticed() {
    assert!(split(Framing::Lines, 100, [&b"a\n{\"half"[..]]).1);
    assert!(split(Framing::LengthPrefixed, 100, [&[0, 0][..]]).1);
    assert!(split(Framing::LengthPrefixed, 100, [&[0, 0, 0, 3, 1][..]]).1);
}

#[test]
fn a_prefixed_frame_beyond_the_limit_is_dropped_and_the_next_one_found() {
    let bytes = prefixed(&[b"ok".to_vec(), vec![7; 50], b"next".to_vec(), Vec::new()]);
    let (got, inside) = split(Framing::LengthPrefixed, 8, bytes.chunks(5));
    assert_eq!(got, [whole("ok"), Got::TooLarge, whole("next"), whole("")]);
    assert!(!inside);
}

/// Cuts `bytes` at the given places.
fn cut<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn lines_do_not_depend_on_where_the_chunks_end(
        bytes in prop::collection::vec(prop_oneof![3 => any::<u8>(), 1 => Just(b'\n')], 0..300),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        limit in 1_usize..40,
    ) {
        let (got, inside) = split(Framing::Lines, limit, cut(&bytes, &cuts));
        // Said once more, without a buffer: lines but the last, which is unfinished.
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        let last = lines.pop().unwrap();
        let mut expected: Vec<Got> = lines
            .into_iter()
            .map(|line| if line.len() > limit { Got::TooLarge } else { Got::Whole(line.trim_ascii().to_vec()) })
            .filter(|got| *got != Got::Whole(Vec::new()))
            .collect();
        if last.len() > limit {
            expected.push(Got::TooLarge);
        }
        prop_assert_eq!(got, expected);
        prop_assert_eq!(inside, !last.is_empty());
    }

    #[test]
    fn prefixed_frames_do_not_depend_on_where_the_chunks_end(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..20),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
        limit in 1_usize..80,
    ) {
        let bytes = prefixed(&frames);
        let (got, inside) = split(Framing::LengthPrefixed, limit, cut(&bytes, &cuts));
        let expected: Vec<Got> = frames
            .into_iter()
            .map(|frame| if frame.len() > limit { Got::TooLarge } else { Got::Whole(frame) })
            .collect();
        prop_assert_eq!(got, expected);
        prop_assert!(!inside);
    }
}
