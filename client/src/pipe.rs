//! How blocks travel through a pipe: a kind, a length (big-endian), the bytes.

use std::io::{self, Read, Write};

/// Longest content, bytes.
const MAX: u32 = 256 << 20;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Height of the newest block that follows.
    Height(u64),
    /// Canonical bytes of a block.
    Block(Vec<u8>),
    /// Canonical bytes of the proof that the block before is final.
    Proof(Vec<u8>),
    /// Canonical bytes of the proof that the block before changed the configuration.
    ConfigChange(Vec<u8>),
    /// What does not hold, in words; nothing follows.
    Finding(String),
    /// Everything was read, and holds as far as the sender can tell.
    End,
}

/// Why a message cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The pipe.
    #[error("the pipe ended early: {0}")]
    Io(#[from] io::Error),
    /// Not a message.
    #[error("a message of kind {0:#04x} and {1} bytes is none: are both programs of one release?")]
    Unknown(u8, u32),
}

/// Writes a message.
///
/// # Errors
/// The pipe cannot be written.
pub fn write_frame(pipe: &mut impl Write, frame: &Frame) -> io::Result<()> {
    let height;
    let (kind, bytes): (u8, &[u8]) = match frame {
        Frame::Height(value) => {
            height = value.to_be_bytes();
            (b'h', &height)
        }
        Frame::Block(bytes) => (b'b', bytes),
        Frame::Proof(bytes) => (b'p', bytes),
        Frame::ConfigChange(bytes) => (b'c', bytes),
        Frame::Finding(text) => (b'f', text.as_bytes()),
        Frame::End => (b'e', &[]),
    };
    let length = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    pipe.write_all(&[kind])?;
    pipe.write_all(&length.to_be_bytes())?;
    pipe.write_all(bytes)
}

/// Reads a message; `None` at the end of the pipe.
///
/// # Errors
/// The pipe broke, or holds something else.
pub fn read_frame(pipe: &mut impl Read) -> Result<Option<Frame>, FrameError> {
    let mut head = [0; 5];
    if pipe.read(&mut head[..1])? == 0 {
        return Ok(None);
    }
    pipe.read_exact(&mut head[1..])?;
    let [kind, length @ ..] = head;
    let length = u32::from_be_bytes(length);
    if length > MAX {
        return Err(FrameError::Unknown(kind, length));
    }
    let mut bytes = vec![0; length as usize];
    pipe.read_exact(&mut bytes)?;
    let unknown = || FrameError::Unknown(kind, length);
    Ok(Some(match kind {
        b'h' => Frame::Height(u64::from_be_bytes(bytes.try_into().map_err(|_| unknown())?)),
        b'b' => Frame::Block(bytes),
        b'p' => Frame::Proof(bytes),
        b'c' => Frame::ConfigChange(bytes),
        b'f' => Frame::Finding(String::from_utf8_lossy(&bytes).into_owned()),
        b'e' if bytes.is_empty() => Frame::End,
        _ => return Err(unknown()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_a_pipe_and_nothing_else_does() {
        let frames = [
            Frame::Height(7),
            Frame::Block(vec![1, 2, 3]),
            Frame::Proof(Vec::new()),
            Frame::ConfigChange(vec![4]),
            Frame::Finding("why".to_owned()),
            Frame::End,
        ];
        let mut pipe = Vec::new();
        for frame in &frames {
            write_frame(&mut pipe, frame).unwrap();
        }
        let mut rest = pipe.as_slice();
        for frame in &frames {
            assert_eq!(read_frame(&mut rest).unwrap().as_ref(), Some(frame));
        }
        assert_eq!(read_frame(&mut rest).unwrap(), None);
        assert!(read_frame(&mut &pipe[..3]).is_err(), "cut");
        assert!(read_frame(&mut &b"x\0\0\0\0"[..]).is_err(), "unknown");
        assert!(read_frame(&mut &b"b\xff\xff\xff\xff"[..]).is_err(), "too long");
    }
}
