//! What of an event's attributes is the collector's own.

/// Attributes of this beginning are the collector's own, and no component's.
pub const RESERVED: &str = "event2ledger.";
