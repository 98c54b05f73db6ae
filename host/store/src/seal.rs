//! Checksums of records: eight bytes of BLAKE3 over column, key and content, in front of the content. They
//! find a record that was altered, truncated or put under another key; they are no signatures.

use std::sync::LazyLock;

/// Bytes in front of every sealed record.
pub(crate) const SEAL: usize = 8;

static KEY: LazyLock<[u8; 32]> =
    LazyLock::new(|| blake3::derive_key("event2ledger v1 store record checksum", &[]));

/// What stands behind the content when it is hashed. Read from its end, it has one meaning only.
fn place(column: &str, key: &[u8], buffer: &mut Vec<u8>) {
    buffer.extend_from_slice(key);
    buffer.extend_from_slice(&(key.len() as u32).to_be_bytes());
    buffer.extend_from_slice(column.as_bytes());
    buffer.extend_from_slice(&(column.len() as u32).to_be_bytes());
}

fn first_bytes(hash: blake3::Hash) -> [u8; SEAL] {
    let mut seal = [0; SEAL];
    seal.copy_from_slice(&hash.as_bytes()[..SEAL]);
    seal
}

/// Seals content that `write` appends to the buffer; the buffer is cleared first, so that it can be reused.
pub(crate) fn seal_with(column: &str, key: &[u8], buffer: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    buffer.clear();
    buffer.extend_from_slice(&[0; SEAL]);
    write(buffer);
    // One contiguous piece is hashed faster than several: a hasher that takes pieces is 2 KB of state.
    let end = buffer.len();
    place(column, key, buffer);
    let seal = first_bytes(blake3::keyed_hash(&KEY, &buffer[SEAL..]));
    buffer.truncate(end);
    buffer[..SEAL].copy_from_slice(&seal);
}

/// Seals content.
pub(crate) fn seal(column: &str, key: &[u8], content: &[u8]) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(SEAL + content.len() + key.len() + 32);
    seal_with(column, key, &mut buffer, |buffer| {
        buffer.extend_from_slice(content)
    });
    buffer
}

/// The content of a sealed record; `None` if the checksum does not hold.
pub(crate) fn unseal<'a>(column: &str, key: &[u8], record: &'a [u8]) -> Option<&'a [u8]> {
    let (seal, content) = record.split_at_checked(SEAL)?;
    let mut behind = Vec::with_capacity(64 + key.len());
    place(column, key, &mut behind);
    let hash = blake3::Hasher::new_keyed(&KEY)
        .update(content)
        .update(&behind)
        .finalize();
    (first_bytes(hash) == seal).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_holds_only_where_and_as_it_was_written() {
        let record = seal("blocks", b"key", b"content");
        assert_eq!(unseal("blocks", b"key", &record), Some(b"content".as_slice()));
        assert_eq!(unseal("headers", b"key", &record), None, "another column");
        assert_eq!(unseal("blocks", b"kez", &record), None, "another key");
        for position in 0..record.len() {
            let mut flipped = record.clone();
            flipped[position] ^= 1;
            assert_eq!(
                unseal("blocks", b"key", &flipped),
                None,
                "byte {position} flipped"
            );
            assert_eq!(
                unseal("blocks", b"key", &record[..position]),
                None,
                "cut at {position}"
            );
        }
    }
}
