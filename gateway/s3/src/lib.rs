//! gateway-s3.
