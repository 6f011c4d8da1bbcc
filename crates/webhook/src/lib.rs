//! The transport of admission webhooks. What is decided, is decided by an [`Admission`] of the caller's.
//!
//! - [`review`] and [`response`]: admission reviews, as little of them as is needed.
//! - [`server`]: HTTP/1.1 over TLS, as the apiserver speaks it.
//! - [`tls`]: the certificate that is served; it can be exchanged while requests come.
//! - [`authority`] and [`rotation`]: certificates of our own, and when the next ones are due.
//! - [`metrics`]: what an operator sees.

pub mod admission;
pub mod authority;
pub mod metrics;
pub mod response;
pub mod review;
pub mod rotation;
pub mod server;
pub mod tls;

pub use admission::{Admission, Outcome};
pub use response::{Denial, Patch, Reason, Response};
pub use review::{Operation, Request};
pub use server::{Server, Settings};
pub use tls::{Certificates, Identity};
