//! A tar archive with one way to write each content: ordinary tools read it, and two that hold the same are the same.

use std::collections::BTreeMap;

const BLOCK: usize = 512;
/// Time of every file, seconds since the Unix epoch: 2000-01-01. Not 0, which tools warn of.
const TIME: u64 = 946_684_800;
const MODE: u64 = 0o644;
/// Where fields of a header begin and end (POSIX ustar).
const NAME: std::ops::Range<usize> = 0..100;
const SIZE: std::ops::Range<usize> = 124..136;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const PREFIX: std::ops::Range<usize> = 345..500;
const MAGIC: std::ops::Range<usize> = 257..265;
const USTAR: &[u8; 8] = b"ustar\x0000";

/// Whether these bytes begin like an archive.
pub fn is_archive(bytes: &[u8]) -> bool {
    bytes.get(MAGIC).is_some_and(|magic| magic == USTAR)
}

/// Writes files in the order of their paths.
///
/// # Errors
/// The path that does not fit into a header: it has more than 255 bytes, or a name of more than 100.
pub fn write(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, String> {
    let mut archive = Vec::new();
    for (path, content) in files {
        archive.extend_from_slice(&header(path, content.len()).ok_or_else(|| path.clone())?);
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    Ok(archive)
}

/// Reads what [`write`] has written, and nothing else: any other archive is `None`, even one of the same files.
pub fn read(archive: &[u8]) -> Option<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut rest = archive;
    while rest.len() > 2 * BLOCK {
        let (header, after) = rest.split_at(BLOCK);
        let (name, prefix) = (text(&header[NAME])?, text(&header[PREFIX])?);
        let path = if prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{prefix}/{name}")
        };
        let size = usize::from_str_radix(text(&header[SIZE])?, 8).ok()?;
        files.insert(path, after.get(..size)?.to_vec());
        rest = after.get(size.checked_next_multiple_of(BLOCK)?..)?;
    }
    // Order, times, modes, padding: whatever else could differ does not.
    (write(&files).ok()? == archive).then_some(files)
}

/// A field up to its first zero.
fn text(field: &[u8]) -> Option<&str> {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    std::str::from_utf8(&field[..end]).ok()
}

fn header(path: &str, size: usize) -> Option<[u8; BLOCK]> {
    let (prefix, name) = split(path)?;
    let mut header = [0; BLOCK];
    header[NAME][..name.len()].copy_from_slice(name.as_bytes());
    header[PREFIX][..prefix.len()].copy_from_slice(prefix.as_bytes());
    octal(&mut header[100..108], MODE);
    octal(&mut header[108..116], 0);
    octal(&mut header[116..124], 0);
    octal(&mut header[SIZE], size as u64);
    octal(&mut header[136..148], TIME);
    header[156] = b'0';
    header[MAGIC].copy_from_slice(USTAR);
    // The sum is taken with blanks in its own place.
    header[CHECKSUM].fill(b' ');
    let sum = header.iter().map(|byte| u64::from(*byte)).sum();
    octal(&mut header[CHECKSUM][..7], sum);
    Some(header)
}

/// Digits, and a zero byte after them. Sizes are far below what eleven digits hold.
fn octal(field: &mut [u8], value: u64) {
    let digits = format!("{value:0width$o}", width = field.len() - 1);
    field[..digits.len()].copy_from_slice(digits.as_bytes());
    field[digits.len()] = 0;
}

/// Directories and name, where both fit.
fn split(path: &str) -> Option<(&str, &str)> {
    if path.is_empty() || path.bytes().any(|byte| byte == 0) {
        return None;
    }
    if path.len() <= NAME.len() {
        return Some(("", path));
    }
    let fits = |(at, _): &(usize, &str)| *at <= PREFIX.len() && path.len() - at - 1 <= NAME.len();
    let (at, _) = path.match_indices('/').find(fits)?;
    (at > 0 && at + 1 < path.len()).then(|| (&path[..at], &path[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str]) -> BTreeMap<String, Vec<u8>> {
        let content = |path: &str| path.as_bytes().repeat(40);
        paths
            .iter()
            .map(|path| ((*path).to_owned(), content(path)))
            .collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let long = format!("{}/{}", "d".repeat(150), "n".repeat(100));
        for paths in [&[][..], &["a"], &["a", "b/c", &long]] {
            let archive = write(&files(paths)).unwrap();
            assert_eq!(read(&archive).unwrap(), files(paths));
        }
        assert!(is_archive(&write(&files(&["a"])).unwrap()));
        assert_eq!(write(&files(&[&"n".repeat(101)])).unwrap_err(), "n".repeat(101));
    }

    #[test]
    fn no_other_bytes_are_read() {
        let archive = write(&files(&["a", "b"])).unwrap();
        for at in 0..archive.len() {
            let mut other = archive.clone();
            other[at] ^= 1;
            // The names and the contents may be others; nothing else may.
            if let Some(read) = read(&other) {
                assert_ne!(read, files(&["a", "b"]), "byte {at}");
                assert_eq!(write(&read).unwrap(), other, "byte {at}");
            }
        }
        for cut in 0..archive.len() {
            assert!(read(&archive[..cut]).is_none(), "cut at {cut}");
        }
        assert!(read(&[archive.as_slice(), &[0; BLOCK]].concat()).is_none());
    }
}
