//! Certificates of our own.
