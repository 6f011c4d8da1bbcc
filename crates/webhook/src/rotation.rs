//! When the next certificates are due.
