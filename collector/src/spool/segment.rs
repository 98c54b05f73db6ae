//! One file of a spool: `<first group>.seg`, a header with its salt, then frames.

use super::error::SpoolError;
use super::frame::{self, Salt};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Starts every segment.
const MAGIC: [u8; 8] = *b"E2Lspl04";
/// Bytes before the first frame.
pub const HEADER: usize = 8 + 16;

/// A segment that exists.
#[derive(Debug)]
pub struct Segment {
    /// Number of its first group.
    pub first_group: u64,
    /// Where it is.
    pub path: PathBuf,
    /// Its salt.
    pub salt: Salt,
    /// Bytes that are good.
    pub size: u64,
    /// Last event in it; 0 for none.
    pub last_event: u64,
    /// Last batch in it; 0 for none.
    pub last_batch: u64,
    file: File,
}

/// What the bytes of a segment are.
pub enum Content {
    /// The frames are good up to this byte, and nothing is behind it but a torn write.
    Good(usize),
    /// A frame at this byte is damaged.
    Damaged(usize),
}

impl Segment {
    /// Makes an empty one. It is durable only with the first group.
    pub fn create(directory: &Path, first_group: u64) -> Result<Self, SpoolError> {
        let path = path_of(directory, first_group);
        let salt: Salt = rand::random();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(SpoolError::writing("create", &path))?;
        let written = file
            .write_all(&[MAGIC.as_slice(), &salt].concat())
            .map_err(SpoolError::writing("write", &path))
            .and_then(|()| file.sync_all().map_err(SpoolError::writing("sync", &path)))
            .and_then(|()| sync_directory(directory));
        if let Err(error) = written {
            // What is left of it would be cut off by the next start; the name is wanted before.
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        Ok(Self {
            first_group,
            path,
            salt,
            size: HEADER as u64,
            last_event: 0,
            last_batch: 0,
            file,
        })
    }

    /// Opens one; `None` if its own creation was torn. Returns its bytes too.
    pub fn open(directory: &Path, first_group: u64) -> Result<Option<(Self, Vec<u8>)>, SpoolError> {
        let path = path_of(directory, first_group);
        let opened = OpenOptions::new().read(true).write(true).open(&path);
        let file = opened.map_err(SpoolError::io("open", &path))?;
        let bytes = std::fs::read(&path).map_err(SpoolError::io("read", &path))?;
        if bytes.len() < HEADER {
            return Ok(None);
        }
        if bytes[..8] != MAGIC {
            let why = "it does not start as a segment of a spool does".to_owned();
            return Err(SpoolError::Corrupt { path, offset: 0, why });
        }
        let mut salt = Salt::default();
        salt.copy_from_slice(&bytes[8..HEADER]);
        let size = bytes.len() as u64;
        Ok(Some((
            Self {
                first_group,
                path,
                salt,
                size,
                last_event: 0,
                last_batch: 0,
                file,
            },
            bytes,
        )))
    }

    /// Walks over the frames; `each` gets a payload and the byte at which it starts.
    pub fn walk<'a>(
        &self,
        bytes: &'a [u8],
        mut each: impl FnMut(u64, &'a [u8], u64) -> Result<(), SpoolError>,
    ) -> Result<Content, SpoolError> {
        let mut at = HEADER;
        while at < bytes.len() {
            let Some(found) = frame::read(&bytes[at..], &self.salt) else {
                let damaged = frame::any_in(&bytes[at + 1..], &self.salt);
                return Ok(if damaged {
                    Content::Damaged(at)
                } else {
                    Content::Good(at)
                });
            };
            each(found.group, found.payload, (at + frame::HEADER) as u64)?;
            at += found.size;
        }
        Ok(Content::Good(at))
    }

    /// Cuts off a torn tail.
    pub fn truncate(&mut self, size: u64) -> Result<(), SpoolError> {
        self.file
            .set_len(size)
            .map_err(SpoolError::io("truncate", &self.path))?;
        self.file.sync_all().map_err(SpoolError::io("sync", &self.path))?;
        self.size = size;
        Ok(())
    }

    /// Appends one sealed frame: one write, one sync. If the disk is full nothing of it stays, and it can be tried again.
    pub fn append(&mut self, frame: &[u8]) -> Result<(), SpoolError> {
        if let Err(source) = self.file.write_all_at(frame, self.size) {
            let error = SpoolError::writing("write", &self.path)(source);
            if matches!(error, SpoolError::Full { .. }) {
                self.truncate(self.size)?;
            }
            return Err(error);
        }
        self.file
            .sync_data()
            .map_err(SpoolError::io("sync", &self.path))?;
        self.size += frame.len() as u64;
        Ok(())
    }

    /// Reads bytes.
    pub fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, SpoolError> {
        let mut bytes = vec![0; length as usize];
        self.file
            .read_exact_at(&mut bytes, offset)
            .map_err(SpoolError::io("read", &self.path))?;
        Ok(bytes)
    }

    /// Deletes the file.
    pub fn delete(self) -> Result<(), SpoolError> {
        std::fs::remove_file(&self.path).map_err(SpoolError::io("delete", &self.path))
    }

    /// The error for a damaged place.
    pub fn corrupt(&self, offset: u64, why: impl Into<String>) -> SpoolError {
        SpoolError::Corrupt {
            path: self.path.clone(),
            offset,
            why: why.into(),
        }
    }
}

/// Where the segment of this number is.
pub fn path_of(directory: &Path, first_group: u64) -> PathBuf {
    directory.join(format!("{first_group:020}.seg"))
}

/// First groups of the segments in a directory, ascending.
pub fn list(directory: &Path) -> Result<Vec<u64>, SpoolError> {
    let entries = std::fs::read_dir(directory).map_err(SpoolError::io("read", directory))?;
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(SpoolError::io("read", directory))?.file_name();
        if let Some(number) = name
            .to_str()
            .and_then(|name| name.strip_suffix(".seg")?.parse().ok())
        {
            found.push(number);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Makes creations and deletions in a directory durable.
pub fn sync_directory(directory: &Path) -> Result<(), SpoolError> {
    File::open(directory)
        .and_then(|file| file.sync_all())
        .map_err(SpoolError::io("sync", directory))
}
