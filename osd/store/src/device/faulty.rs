//! A device that forgets, tears, reorders and fails: for crash tests.
