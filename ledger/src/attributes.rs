//! Names of attributes that are a collector's own: no label can set them.

/// What an event's attributes claim and inspection denies.
pub const CONFLICT: &str = "event2ledger.conflict";
