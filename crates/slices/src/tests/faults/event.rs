//! What may happen.

use crate::Failure;
use crate::tests::random::Random;

/// Pods that come and go.
pub(super) const PODS: usize = 14;

/// A Pod as an event describes it.
#[derive(Debug, Clone, Copy)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent facts, each read by name"
)]
pub(super) struct PodShape {
    pub(super) n: usize,
    pub(super) ready: bool,
    pub(super) terminating: bool,
    pub(super) finished: bool,
    /// Which number its named port has; none has no such port.
    pub(super) port: Option<u8>,
    pub(super) address: u8,
    pub(super) dual: bool,
    pub(super) hostname: bool,
    /// On the Node that may be missing.
    pub(super) shaky_node: bool,
}

impl PodShape {
    /// A ready Pod without anything special about it.
    pub(super) fn plain(n: usize, dual: bool) -> Self {
        Self {
            n,
            ready: true,
            terminating: false,
            finished: false,
            port: Some(0),
            address: 0,
            dual,
            hostname: false,
            shaky_node: false,
        }
    }
}

/// What another writer does to a slice.
#[derive(Debug, Clone, Copy)]
pub(super) enum Edit {
    Delete,
    /// Deleted and made again.
    Replace,
    DropEndpoint,
    DropAll,
    RepeatEndpoint,
    StripHostnames,
    Label,
    DropOwner,
    TakeFromService,
    Finalizer,
}

/// One thing that happens. Numbers are taken modulo what there is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    Pod(PodShape),
    RemovePod(usize),
    /// The Service's target port: the named one, or a number.
    Target(Option<u8>),
    Families(u8),
    ServiceLabel(u8),
    NearHints(bool),
    ShakyNode(bool),
    /// The apiserver carries a write out; the answer is under way.
    Carry(usize),
    /// A write is answered, once it is carried out.
    Answer(usize),
    /// A write fails without having been carried out.
    Refuse(usize, Failure),
    /// A write is carried out, but the answer is lost.
    Lose(usize),
    /// The watch tells this many changes.
    Tell(usize),
    Plan(usize),
    Other(usize, Edit),
    /// The Service loses its selector and gets it back.
    Restate,
    /// All is answered, told and written, and then nothing happens for a while.
    Wait,
}

impl Event {
    pub(super) fn random(random: &mut Random, others_write: bool) -> Self {
        let any = random.below(64);
        match random.below(100) {
            0..26 => Self::Pod(PodShape {
                n: random.below(PODS),
                ready: random.chance(80),
                terminating: random.chance(8),
                finished: random.chance(4),
                port: (!random.chance(10)).then(|| u8::try_from(random.below(3)).unwrap()),
                address: u8::from(random.chance(8)),
                dual: random.chance(60),
                hostname: random.chance(40),
                shaky_node: random.chance(25),
            }),
            26..30 => Self::RemovePod(random.below(PODS)),
            30..33 => Self::Target(random.chance(50).then(|| u8::try_from(random.below(2)).unwrap())),
            33..35 => Self::Families(u8::try_from(random.below(3)).unwrap()),
            35..36 => Self::ServiceLabel(u8::try_from(random.below(3)).unwrap()),
            36..37 => Self::NearHints(random.chance(50)),
            37..40 => Self::ShakyNode(random.chance(50)),
            40..50 => Self::Carry(any),
            50..62 => Self::Answer(any),
            62..66 => {
                let failure = match random.below(8) {
                    0 => Failure::NamespaceTerminating,
                    1 => Failure::NameTaken,
                    _ => Failure::Other,
                };
                Self::Refuse(any, failure)
            }
            66..69 => Self::Lose(any),
            69..81 => Self::Tell(1 + random.below(4)),
            81..95 => Self::Plan(1 + random.below(16)),
            99 if others_write && random.chance(30) => Self::Restate,
            _ if others_write => Self::Other(
                any,
                match random.below(10) {
                    0 => Edit::Delete,
                    1 => Edit::DropEndpoint,
                    2 => Edit::DropAll,
                    3 => Edit::RepeatEndpoint,
                    4 => Edit::StripHostnames,
                    5 => Edit::Label,
                    6 => Edit::DropOwner,
                    7 => Edit::TakeFromService,
                    8 => Edit::Replace,
                    _ => Edit::Finalizer,
                },
            ),
            _ => Self::Plan(16),
        }
    }
}
