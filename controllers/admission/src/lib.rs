//! Answers admission reviews of Services: fills in the addresses and node ports that the apiserver would choose.
//!
//! - [`Services`]: a review as a question to the index, and its decision as an answer;
//! - [`claims`]: which of several replicas gives a value that all of them may give;
//! - [`conditions`]: which requests are asked about;
//! - [`configuration`]: what of the `MutatingWebhookConfiguration` is ours;
//! - [`policies`]: what holds where the webhook is passed by;
//! - [`Keeper`]: the loop that keeps these, and the certificate.

pub mod claims;
mod cluster;
pub mod conditions;
pub mod configuration;
mod facts;
mod keeper;
pub mod policies;
mod secret;
mod services;
mod target;
mod told;

pub use keeper::{Authority, Clocks, Keep, Keeper, MayWrite, TURN};
pub use services::Services;

/// Name in flags, logs and metrics.
pub const NAME: &str = "admission";

/// Where reviews of Services come that may lack values.
pub const PATH: &str = "/allocate";

/// The label of what is made here, and its value.
const LABEL: &str = "app.kubernetes.io/managed-by";
const MANAGER: &str = "quaymaster";
