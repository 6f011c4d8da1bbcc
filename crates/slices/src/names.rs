//! Names of new slices.

use std::fmt::Write as _;

use quaymaster_model::digest::fnv128a;
use quaymaster_model::{EndpointPort, IpFamily, PortSet, Uid};

/// Length of the part that follows the owner's name. 27^8 is about 2.8 * 10^11: names of one owner do not collide by
/// chance, and if they do, the next ordinal is taken.
const SUFFIX_LENGTH: usize = 8;

/// Longest name the apiserver makes from `generateName` (`k8s.io/apiserver/pkg/storage/names/generate.go`); tools put
/// names of slices into labels and rely on it.
const NAME_LENGTH: usize = 63;

/// The letters and digits of generated names: no vowels and nothing that is easily misread
/// (`k8s.io/apimachinery/pkg/util/rand`).
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// So often a name is tried that the apiserver says is taken, before the next one is.
///
/// The watch will tell who has it: mostly an own slice, made by a write whose answer was lost or by another process, and a
/// second one would only be deleted again. Tried again after pauses from 50 ms on, each twice as long as the one before,
/// that takes two to three seconds, longer than watches lag behind as a rule.
pub const MOST_REFUSALS: u32 = 7;

/// The name of the `ordinal`-th new slice for these ports and this family of what owns it: a Service, or Endpoints.
///
/// A function of its arguments alone, so that two writers that decide the same create the same object, and the second
/// one is refused instead of making a duplicate.
pub fn slice_name(name: &str, uid: &Uid, family: IpFamily, ports: &PortSet, ordinal: u32) -> String {
    let mut text = format!("{uid}\n{family:?}\n{ordinal}\n");
    for port in ports.ports() {
        push_port(&mut text, port);
    }
    let mut rest = fnv128a(text.as_bytes());
    let base = ALPHABET.len() as u128;
    let prefix: String = name.chars().take(NAME_LENGTH - SUFFIX_LENGTH - 1).collect();
    let mut name = prefix;
    name.push('-');
    for _ in 0..SUFFIX_LENGTH {
        // The remainder is below 27, so the index is in bounds and the cast loses nothing.
        #[allow(clippy::cast_possible_truncation, reason = "below ALPHABET.len()")]
        name.push(char::from(ALPHABET[(rest % base) as usize]));
        rest /= base;
    }
    name
}

fn push_port(text: &mut String, port: &EndpointPort) {
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{:?} {:?} {:?} {:?}",
        port.name.as_deref(),
        port.protocol.as_ref().map(quaymaster_model::Protocol::as_str),
        port.port,
        port.app_protocol.as_deref(),
    );
}
