//! kube-apiserver's range of node ports, which it does not tell unless it refuses a port for it.
//!
//! A Service is sent that can never be stored, and whose refusal says the range. Nothing is taken for it and nobody else is asked:
//! the node port is judged when ports are allocated, which is before the object is validated and before validating admission
//! (`pkg/registry/core/service/storage/alloc.go`, `allocateCreate`; `k8s.io/apiserver/pkg/registry/generic/registry/store.go`,
//! `create`). It is headless, so that no ClusterIP is taken; it says its node port, so that our webhook has nothing to fill in;
//! and where the apiserver has that very port, validation still refuses it, as headless and for its name.

use quaymaster_model::{ObjectKey, Text};
use serde_json::{Value, json};

/// From its first port to its last.
pub type Bounds = (u16, u16);

/// What no Service can be called: names have no underscores, whatever the version.
pub const NAME: &str = "quaymaster_asks_for_the_node_port_range";

/// The ports that are asked for, one after the other as long as the answer is that the range has them: it has all between.
const ASKED: [u16; 2] = [1, u16::MAX];

/// What is known of the range, and whether it is to be asked for.
#[derive(Debug)]
pub struct Asker {
    known: Option<Bounds>,
    /// It was given, and nobody is asked.
    fixed: bool,
    /// Which of the ports is asked for next; none if nothing is to be asked.
    next: Option<usize>,
    /// The last time there was no answer that says the range.
    failed: bool,
}

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The range.
    Bounds(Bounds),
    /// There is one more to be asked.
    More,
    /// Nothing about the range.
    Nothing,
}

impl Asker {
    /// With a range that is given, or none.
    pub fn new(given: Option<Bounds>) -> Self {
        Self {
            known: given,
            fixed: given.is_some(),
            next: None,
            failed: false,
        }
    }

    /// The range as far as it is known.
    pub fn known(&self) -> Option<Bounds> {
        self.known
    }

    /// It is to be asked for, unless it was given. Whether that is so.
    pub fn ask(&mut self) -> bool {
        if !self.fixed && self.next.is_none() {
            self.next = Some(0);
        }
        self.next.is_some()
    }

    /// It is to be asked for, and no answer has been waited for in vain: who can should wait.
    pub fn is_awaited(&self) -> bool {
        self.next.is_some() && !self.failed
    }

    /// Whether it may be other than what is known.
    pub fn is_unsure(&self) -> bool {
        self.next.is_some() || (self.known.is_none() && !self.fixed)
    }

    /// The port that is asked for now.
    pub fn port(&self) -> Option<u16> {
        self.next.map(|next| ASKED[next])
    }

    /// The apiserver refused the object.
    pub fn refused(&mut self, message: &str) -> Told {
        let told = match (bounds(message), self.next) {
            (Some(bounds), _) => Told::Bounds(bounds),
            (None, Some(0)) if is_had(message) => Told::More,
            (None, Some(_)) if is_had(message) => Told::Bounds((ASKED[0], ASKED[1])),
            (None, _) => Told::Nothing,
        };
        self.next = match told {
            Told::Bounds(bounds) => {
                self.known = Some(bounds);
                None
            }
            Told::More => Some(1),
            Told::Nothing => self.next,
        };
        self.failed = told == Told::Nothing;
        told
    }

    /// There was no answer that says anything about it.
    pub fn failed(&mut self) {
        self.failed = true;
    }

    /// Somebody else says that this is the range. Whether that was not known.
    pub fn learned(&mut self, bounds: Bounds) -> bool {
        let new = !self.fixed && self.known != Some(bounds);
        if new {
            self.known = Some(bounds);
        }
        new
    }
}

/// The range, where a message has it (`pkg/registry/core/service/portallocator/allocator.go`, `ErrNotInRange`).
pub fn bounds(message: &str) -> Option<Bounds> {
    let (_, range) = message.split_once("The range of valid ports is ")?;
    let (first, rest) = range.split_once('-')?;
    let last: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let bounds: Bounds = (first.parse().ok()?, last.parse().ok()?);
    (bounds.0 != 0 && bounds.0 <= bounds.1).then_some(bounds)
}

/// The port was no reason to refuse it, or only since somebody has it.
fn is_had(message: &str) -> bool {
    message.contains("may not be set to 'None' for NodePort services")
        || message.contains("provided port is already allocated")
}

/// The key under which the question is planned: the object that is sent.
pub fn key(namespace: &Text) -> ObjectKey {
    ObjectKey::new(namespace.clone(), Text::new(NAME))
}

/// The object.
pub fn body(namespace: &str, port: u16) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": NAME, "namespace": namespace },
        "spec": {
            "type": "NodePort",
            "clusterIP": "None",
            "ports": [{ "port": 1, "nodePort": port }],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: &str = "Service \"x\" is invalid: spec.ports[0].nodePort: Invalid value: 1: provided port is not in the valid \
                           range. The range of valid ports is 30000-32767";
    const HEADLESS: &str = "Service \"x\" is invalid: [metadata.name: Invalid value: \"x\": no, spec.clusterIPs[0]: Invalid value: \
                            \"None\": may not be set to 'None' for NodePort services]";

    #[test]
    fn the_range_is_read_out_of_the_refusal() {
        assert_eq!(bounds(REFUSED), Some((30_000, 32_767)));
        assert_eq!(bounds(&format!("{REFUSED}, and more")), Some((30_000, 32_767)));
        for other in [
            HEADLESS,
            "",
            "The range of valid ports is ",
            "The range of valid ports is 9-1",
            "The range of valid ports is 0-1",
            "The range of valid ports is 1-70000",
        ] {
            assert_eq!(bounds(other), None, "{other}");
        }
    }

    #[test]
    fn where_the_range_has_the_first_port_the_last_one_is_asked_for() {
        let mut asker = Asker::new(None);
        assert!(asker.ask() && asker.port() == Some(1));
        assert_eq!(asker.refused(HEADLESS), Told::More);
        assert_eq!(asker.port(), Some(u16::MAX));
        assert_eq!(
            asker.refused("The range of valid ports is 1-40000"),
            Told::Bounds((1, 40_000))
        );
        assert!(asker.port().is_none() && !asker.is_unsure());
        asker.ask();
        asker.refused("provided port is already allocated");
        assert_eq!(asker.refused(HEADLESS), Told::Bounds((1, u16::MAX)));
    }

    #[test]
    fn a_range_that_is_given_is_never_asked_for_nor_taken_from_others() {
        let mut asker = Asker::new(Some((30_000, 32_767)));
        assert!(!asker.ask() && asker.port().is_none() && !asker.is_unsure());
        assert!(!asker.learned((1, 2)));
        assert_eq!(asker.known(), Some((30_000, 32_767)));
    }

    #[test]
    fn a_refusal_for_another_reason_leaves_the_question_open_and_nobody_waits_for_it() {
        let mut asker = Asker::new(None);
        asker.ask();
        assert!(asker.is_awaited());
        assert_eq!(asker.refused("a policy does not want it"), Told::Nothing);
        assert!(!asker.is_awaited() && asker.is_unsure() && asker.port() == Some(1));
        assert!(asker.learned((30_000, 32_767)) && !asker.learned((30_000, 32_767)));
    }
}
