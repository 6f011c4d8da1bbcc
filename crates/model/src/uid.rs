//! Object UIDs.

use std::fmt;

use crate::Text;

/// A UID. The apiserver writes version 4 UUIDs, which take 16 bytes here; anything else is kept as it came.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(Form);

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Form {
    Uuid([u8; 16]),
    Other(Text),
}

/// Where the dashes of a UUID stand.
const DASHES: [usize; 4] = [8, 13, 18, 23];

impl Uid {
    /// Parses a UID; never fails, and [`fmt::Display`] gives back exactly what was parsed.
    pub fn new(value: &str) -> Self {
        Self(parse_uuid(value).map_or_else(|| Form::Other(Text::new(value)), Form::Uuid))
    }

    /// Whether it is the empty text, as an absent UID is read.
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Form::Other(text) if text.is_empty())
    }
}

/// Only the canonical lower-case form is compacted, so that printing gives back the input.
fn parse_uuid(value: &str) -> Option<[u8; 16]> {
    let text = value.as_bytes();
    if text.len() != 36 || DASHES.iter().any(|at| text[*at] != b'-') {
        return None;
    }
    let mut out = [0u8; 16];
    let mut digits = text
        .iter()
        .enumerate()
        .filter(|(at, _)| !DASHES.contains(at))
        .map(|(_, digit)| *digit);
    for byte in &mut out {
        let (high, low) = (hex(digits.next()?)?, hex(digits.next()?)?);
        *byte = high << 4 | low;
    }
    Some(out)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Uuid(bytes) => {
                for (index, byte) in bytes.iter().enumerate() {
                    if matches!(index, 4 | 6 | 8 | 10) {
                        f.write_str("-")?;
                    }
                    write!(f, "{byte:02x}")?;
                }
                Ok(())
            }
            Form::Other(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_uid_prints_as_it_was_parsed() {
        for text in [
            "3f2a8d1c-0b4e-4c1a-9d3e-0123456789ab",
            "3F2A8D1C-0b4e-4c1a-9d3e-0123456789ab",
            "",
            "u-1",
            "3f2a8d1c-0b4e-4c1a-9d3e-0123456789aé",
            "3f2a8d1c00b4e-4c1a-9d3e-0123456789ab",
        ] {
            assert_eq!(Uid::new(text).to_string(), text);
        }
    }

    #[test]
    fn a_uuid_is_held_without_an_allocation() {
        assert!(matches!(
            Uid::new("3f2a8d1c-0b4e-4c1a-9d3e-0123456789ab").0,
            Form::Uuid(_)
        ));
        assert!(size_of::<Uid>() <= 24);
    }
}
