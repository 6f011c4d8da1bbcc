//! The name under which requests are made.

use std::fmt;

use http::HeaderValue;

/// Who a client says it is: `quaymaster/<version> (<controller>; holder=<id>)`.
///
/// Audit logs and managed fields are read by it: the apiserver takes what stands before the slash as field
/// manager, and the holder tells replicas apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAgent {
    /// Version of this program.
    pub version: String,
    /// Controller on whose behalf requests are made.
    pub controller: String,
    /// Identity of this process, as in the lease.
    pub holder: String,
}

impl fmt::Display for UserAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            version,
            controller,
            holder,
        } = self;
        write!(f, "quaymaster/{version} ({controller}; holder={holder})")
    }
}

impl UserAgent {
    /// The header, with whatever may not stand in one replaced.
    pub(super) fn header(&self) -> HeaderValue {
        let visible: String = self
            .to_string()
            .chars()
            .map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '_' })
            .collect();
        HeaderValue::try_from(visible).unwrap_or_else(|_| HeaderValue::from_static("quaymaster"))
    }
}
