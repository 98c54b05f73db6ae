//! Frames: one per group commit, with length, number and checksum.
//!
//! Since a group is one write that is synced before the next begins, only the last frame can be torn. A bad
//! frame with a good one behind it is damage, whatever its length field says.

use e2l_ledger::Domain;

/// Starts every frame.
const MAGIC: [u8; 4] = *b"E2Lf";
/// Bytes before the payload: magic, length, number, checksum.
pub const HEADER: usize = 4 + 4 + 8 + 16;
/// Random bytes of a segment, part of every checksum: no event can look like a frame.
pub type Salt = [u8; 16];

/// A frame that is whole.
pub struct Frame<'a> {
    /// Number of the group commit.
    pub group: u64,
    /// What it holds.
    pub payload: &'a [u8],
    /// Bytes in all.
    pub size: usize,
}

/// Puts a frame's header before a payload that was written behind `HEADER` free bytes.
pub fn seal(buffer: &mut [u8], group: u64, salt: &Salt) {
    let (header, payload) = buffer.split_at_mut(HEADER);
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    header[..4].copy_from_slice(&MAGIC);
    header[4..8].copy_from_slice(&length.to_le_bytes());
    header[8..16].copy_from_slice(&group.to_le_bytes());
    let sum = checksum(salt, &header[4..16], payload);
    header[16..].copy_from_slice(&sum);
}

/// Reads the frame at the start of `bytes`.
pub fn read<'a>(bytes: &'a [u8], salt: &Salt) -> Option<Frame<'a>> {
    let header = bytes.get(..HEADER)?;
    if header[..4] != MAGIC {
        return None;
    }
    let length = u32::from_le_bytes(header[4..8].try_into().ok()?) as usize;
    let payload = bytes.get(HEADER..HEADER.checked_add(length)?)?;
    (checksum(salt, &header[4..16], payload) == header[16..]).then_some(Frame {
        group: u64::from_le_bytes(header[8..16].try_into().ok()?),
        payload,
        size: HEADER + length,
    })
}

/// Whether a whole frame begins anywhere in `bytes`.
pub fn any_in(bytes: &[u8], salt: &Salt) -> bool {
    let starts = bytes
        .windows(MAGIC.len())
        .enumerate()
        .filter(|(_, window)| *window == MAGIC);
    starts
        .into_iter()
        .any(|(at, _)| read(&bytes[at..], salt).is_some())
}

fn checksum(salt: &Salt, head: &[u8], payload: &[u8]) -> [u8; 16] {
    let digest = Domain::Value
        .hasher()
        .bytes(salt)
        .bytes(head)
        .bytes(payload)
        .finish();
    let mut short = [0; 16];
    short.copy_from_slice(&digest.as_bytes()[..16]);
    short
}
