//! gateway-admin.
