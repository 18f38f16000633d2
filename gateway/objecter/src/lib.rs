//! gateway-objecter.
