//! Cuts the body of a watch into frames, whatever the sizes of the chunks it arrives in.

use quaymaster_wire::Framing;

/// One frame, or the news that one was too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut<'a> {
    /// A whole frame, without its line feed or length.
    Whole(&'a [u8]),
    /// A frame beyond the limit was dropped; the next frame is found again.
    TooLarge {
        /// Its size in bytes, as far as it was seen when it was given up.
        bytes: usize,
    },
}

/// Finds frames in chunks. Holds at most one unfinished frame of at most the limit's size.
#[derive(Debug)]
pub struct FrameSplitter {
    framing: Framing,
    limit: usize,
    /// The unfinished frame; with a length prefix, that prefix included.
    partial: Vec<u8>,
    skip: Skip,
}

#[derive(Debug, PartialEq, Eq)]
enum Skip {
    Nothing,
    /// Drop everything up to the next line feed.
    Line,
    /// Drop this many bytes.
    Bytes(usize),
}

const PREFIX: usize = 4;

/// A partial buffer larger than this is given back once its frame was handed on.
const KEPT_CAPACITY: usize = 64 * 1024;

impl FrameSplitter {
    /// A splitter for a new stream. Frames of more than `limit` bytes are dropped, not buffered.
    pub fn new(framing: Framing, limit: usize) -> Self {
        Self {
            framing,
            limit,
            partial: Vec::new(),
            skip: Skip::Nothing,
        }
    }

    /// Takes the next chunk and calls `each` for every frame that it completes, in order.
    pub fn push(&mut self, chunk: &[u8], each: impl FnMut(Cut<'_>)) {
        match self.framing {
            Framing::Lines => self.push_lines(chunk, each),
            Framing::LengthPrefixed => self.push_prefixed(chunk, each),
        }
    }

    /// Whether the stream would end inside a frame if it ended now.
    pub fn is_inside_frame(&self) -> bool {
        !self.partial.is_empty() || self.skip != Skip::Nothing
    }

    fn push_lines(&mut self, mut rest: &[u8], mut each: impl FnMut(Cut<'_>)) {
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            rest = after;
            if self.skip != Skip::Nothing {
                self.skip = Skip::Nothing;
                continue;
            }
            let bytes = self.partial.len() + line.len();
            if bytes > self.limit {
                each(Cut::TooLarge { bytes });
            } else if self.partial.is_empty() {
                whole_line(line, &mut each);
            } else {
                self.partial.extend_from_slice(line);
                whole_line(&self.partial, &mut each);
            }
            self.forget_partial();
        }
        if rest.is_empty() || self.skip != Skip::Nothing {
            return;
        }
        let bytes = self.partial.len() + rest.len();
        if bytes > self.limit {
            each(Cut::TooLarge { bytes });
            self.forget_partial();
            self.skip = Skip::Line;
        } else {
            self.partial.extend_from_slice(rest);
        }
    }

    fn push_prefixed(&mut self, mut rest: &[u8], mut each: impl FnMut(Cut<'_>)) {
        loop {
            if let Skip::Bytes(left) = self.skip {
                let dropped = left.min(rest.len());
                rest = &rest[dropped..];
                self.skip = if left == dropped {
                    Skip::Nothing
                } else {
                    Skip::Bytes(left - dropped)
                };
            }
            if rest.is_empty() {
                return;
            }
            if self.partial.len() < PREFIX {
                let wanted = (PREFIX - self.partial.len()).min(rest.len());
                self.partial.extend_from_slice(&rest[..wanted]);
                rest = &rest[wanted..];
            }
            let Some(prefix) = self.partial.first_chunk::<PREFIX>() else {
                return;
            };
            // A length beyond usize cannot occur on the 64-bit targets; saturating makes it too large anywhere.
            let length = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
            if length > self.limit {
                each(Cut::TooLarge { bytes: length });
                self.forget_partial();
                self.skip = Skip::Bytes(length);
                continue;
            }
            let have = self.partial.len() - PREFIX;
            let missing = length - have;
            if rest.len() < missing {
                self.partial.extend_from_slice(rest);
                return;
            }
            let (tail, after) = rest.split_at(missing);
            if have == 0 {
                each(Cut::Whole(tail));
            } else {
                self.partial.extend_from_slice(tail);
                each(Cut::Whole(&self.partial[PREFIX..]));
            }
            rest = after;
            self.forget_partial();
        }
    }

    fn forget_partial(&mut self) {
        if self.partial.capacity() > KEPT_CAPACITY {
            self.partial = Vec::new();
        } else {
            self.partial.clear();
        }
    }
}

fn whole_line(line: &[u8], each: &mut impl FnMut(Cut<'_>)) {
    let line = line.trim_ascii();
    if !line.is_empty() {
        each(Cut::Whole(line));
    }
}

#[cfg(test)]
mod tests;
