//! What Endpoints say whose content the world does not hold: those with the label of the Endpoints controller, of which it
//! has a digest only. They are mirrored when the selector of their Service is removed.

use std::sync::Arc;

use quaymaster_model::EndpointsRecord;
use quaymaster_model::write::WriteId;

/// The content of such Endpoints.
#[derive(Debug, Default)]
pub(crate) enum Content {
    /// Not needed, or not asked for yet.
    #[default]
    Unknown,
    /// The apiserver was asked for it.
    Asked {
        request: WriteId,
        /// The world was told of the Endpoints since.
        overtaken: bool,
    },
    /// The answer.
    Held(Arc<EndpointsRecord>),
}

/// Whether it is known what Endpoints say.
#[derive(Debug)]
pub(crate) enum Known {
    /// They say this. What else there is of them may be out of date.
    Content(Arc<EndpointsRecord>),
    /// It is to be asked for.
    Ask,
    /// It is asked for, or the world does not know yet what was answered.
    Later,
}

impl Content {
    /// What Endpoints say that the world knows as `endpoints`.
    pub(crate) fn of(&mut self, endpoints: &Arc<EndpointsRecord>) -> Known {
        if endpoints.subsets.is_some() {
            *self = Self::Unknown;
            return Known::Content(Arc::clone(endpoints));
        }
        match self {
            Self::Held(held) if is_of(held, endpoints) => Known::Content(Arc::clone(held)),
            Self::Unknown => Known::Ask,
            Self::Asked { .. } | Self::Held(_) => Known::Later,
        }
    }

    /// It is asked for.
    pub(crate) fn ask(&mut self, request: WriteId) {
        *self = Self::Asked {
            request,
            overtaken: false,
        };
    }

    /// The world was told of the Endpoints; none where they are gone.
    pub(crate) fn told(&mut self, endpoints: Option<&EndpointsRecord>) {
        match self {
            Self::Asked { overtaken, .. } => *overtaken = true,
            // Two versions of which neither is known to be the later one: it is asked for once more.
            Self::Held(held) if !endpoints.is_some_and(|endpoints| is_of(held, endpoints)) => {
                *self = Self::Unknown;
            }
            Self::Held(_) | Self::Unknown => {}
        }
    }

    /// It was answered. Returns whether there is something to do before the world is told more.
    pub(crate) fn answered(
        &mut self,
        answered: WriteId,
        found: Option<Arc<EndpointsRecord>>,
        endpoints: Option<&Arc<EndpointsRecord>>,
    ) -> bool {
        let Self::Asked { request, overtaken } = self else {
            return false;
        };
        if *request != answered {
            return false;
        }
        let overtaken = *overtaken;
        match found {
            Some(found) if endpoints.is_some_and(|endpoints| is_of(&found, endpoints)) => {
                *self = Self::Held(found);
                true
            }
            // It is as of before what the world was told meanwhile, or as of after that.
            _ if overtaken => {
                *self = Self::Unknown;
                true
            }
            Some(found) => {
                *self = Self::Held(found);
                false
            }
            None => {
                *self = Self::Unknown;
                false
            }
        }
    }

    /// Whether an answer is awaited.
    pub(crate) fn is_asked(&self) -> bool {
        matches!(self, Self::Asked { .. })
    }
}

fn is_of(held: &EndpointsRecord, endpoints: &EndpointsRecord) -> bool {
    held.uid == endpoints.uid && held.digest == endpoints.digest
}

#[cfg(test)]
mod tests;
