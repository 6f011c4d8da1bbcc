//! Answers admission reviews of Services: fills in the addresses and node ports that the apiserver would choose.
//!
//! - [`Services`]: a review as a question to the index, and its decision as an answer;
//! - [`conditions`]: which requests are asked about;
//! - [`configuration`]: what of the `MutatingWebhookConfiguration` is ours.

pub mod conditions;
pub mod configuration;
mod services;

pub use services::Services;

/// Name in flags, logs and metrics.
pub const NAME: &str = "admission";

/// Where reviews of Services come that may lack values.
pub const PATH: &str = "/allocate";
