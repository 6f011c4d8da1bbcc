//! The server as the apiserver meets it: clients over TLS on loopback.

