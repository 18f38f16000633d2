//! The class against a model, over a store in memory.
