//! gateway-client.
