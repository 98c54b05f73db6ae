//! Reading a spool after a start.

use super::directory::Directory;
use super::error::SpoolError;
use super::record::{Checkpoint, EVENT_PREFIX, Record};
use super::reserve::Reserve;
use super::segment::{self, Content, Segment};
use super::stored::StoredBatch;
use super::{Owner, Spool, reopening};
use borsh::BorshDeserialize;
use e2l_ledger::event::Event;

/// See [`Spool::open`].
pub fn open(directory: Directory, owner: &Owner) -> Result<Result<Spool, Directory>, SpoolError> {
    reopening::complete(directory.path())?;
    let numbers = segment::list(directory.path())?;
    let mut spool: Option<Spool> = None;
    let mut holder = Some(directory);
    for (index, number) in numbers.iter().enumerate() {
        let last = index + 1 == numbers.len();
        let path = spool.as_ref().map(|spool| &spool.directory).or(holder.as_ref());
        let Some(path) = path.map(|directory| directory.path().to_owned()) else {
            break;
        };
        let Some((segment, bytes)) = Segment::open(&path, *number)? else {
            drop_torn(&path, *number, last)?;
            continue;
        };
        read_segment(&mut spool, &mut holder, segment, &bytes, last)?;
    }
    match (spool, holder) {
        (Some(mut spool), _) => {
            check_owner(&spool, owner)?;
            // With the disk full, what is final could not be noted where it belongs, and segments were deleted all the same.
            if let Some(full) = spool.was_full
                && full.final_batch > spool.head.final_batch
            {
                spool.note_final(full.final_batch);
            }
            check_complete(&spool)?;
            Ok(Ok(spool))
        }
        (None, Some(directory)) => Ok(Err(directory)),
        // `holder` is emptied only to make a spool.
        (None, None) => no_checkpoint(),
    }
}

fn no_checkpoint<T>() -> Result<T, SpoolError> {
    Err(SpoolError::Corrupt {
        path: "spool".into(),
        offset: 0,
        why: "it has no first segment".to_owned(),
    })
}

/// A segment without a whole header was being made when the collector died; nothing was in it.
fn drop_torn(directory: &std::path::Path, number: u64, last: bool) -> Result<(), SpoolError> {
    let path = directory.join(format!("{number:020}.seg"));
    if !last {
        return Err(SpoolError::Corrupt {
            path,
            offset: 0,
            why: "its header is cut off".to_owned(),
        });
    }
    std::fs::remove_file(&path).map_err(SpoolError::io("delete", &path))?;
    segment::sync_directory(directory)
}

fn read_segment(
    spool: &mut Option<Spool>,
    holder: &mut Option<Directory>,
    segment: Segment,
    bytes: &[u8],
    last: bool,
) -> Result<(), SpoolError> {
    let mut groups = Vec::new();
    let content = segment.walk(bytes, |group, payload, offset| {
        groups.push((group, payload, offset));
        Ok(())
    })?;
    let good = match content {
        Content::Good(good) if good == bytes.len() || last => good,
        Content::Good(at) | Content::Damaged(at) => {
            return Err(segment.corrupt(
                at as u64,
                "a frame's checksum does not match, and it is not the last",
            ));
        }
    };
    if groups.is_empty() {
        // Its checkpoint was never durable: the segment was being made.
        if !last {
            return Err(segment.corrupt(segment::HEADER as u64, "it is empty, and it is not the last"));
        }
        return segment.delete();
    }
    let first_group = segment.first_group;
    let mut waiting = Some(segment);
    for (group, payload, offset) in groups {
        read_group(spool, holder, &mut waiting, (group, payload, offset, first_group))?;
    }
    let Some(spool) = spool else {
        return no_checkpoint();
    };
    if good < bytes.len()
        && let Some(segment) = spool.segments.back_mut()
    {
        let torn = bytes.len() - good;
        tracing::warn!(segment = %segment.path.display(), bytes = torn, "cut off a torn write at the spool's end");
        segment.truncate(good as u64)?;
    }
    Ok(())
}

fn read_group(
    spool: &mut Option<Spool>,
    holder: &mut Option<Directory>,
    waiting: &mut Option<Segment>,
    (group, mut payload, offset, segment): (u64, &[u8], u64, u64),
) -> Result<(), SpoolError> {
    let length = payload.len();
    while !payload.is_empty() {
        let at = offset + (length - payload.len()) as u64;
        let record = Record::deserialize(&mut payload);
        let corrupt = |why: String| match (spool.as_ref().and_then(|s| s.segments.back()), waiting.as_ref()) {
            (_, Some(segment)) | (Some(segment), None) => segment.corrupt(at, why),
            (None, None) => SpoolError::Corrupt {
                path: "spool".into(),
                offset: at,
                why,
            },
        };
        let record = record.map_err(|error| corrupt(format!("a record is not readable: {error}")))?;
        if let Some(opened) = waiting.as_ref() {
            let Record::Checkpoint(checkpoint) = &record else {
                return Err(corrupt("the segment does not start with a checkpoint".to_owned()));
            };
            if group != opened.first_group {
                return Err(corrupt(format!(
                    "its first group is {group}, its name says another"
                )));
            }
            if let Some(why) = spool
                .as_ref()
                .and_then(|spool| contradiction(spool, checkpoint, group))
            {
                return Err(corrupt(why));
            }
            begin_segment(spool, holder, waiting, checkpoint, group)?;
            continue;
        }
        let why = match spool.as_mut() {
            Some(spool) => apply(spool, record, group, segment, at),
            None => Err("there is no checkpoint before it".to_owned()),
        };
        if let Err(why) = why {
            let path = spool
                .as_ref()
                .and_then(|s| s.segments.back())
                .map(|s| s.path.clone());
            return Err(SpoolError::Corrupt {
                path: path.unwrap_or_default(),
                offset: at,
                why,
            });
        }
    }
    if let Some(spool) = spool {
        spool.next_group = group + 1;
    }
    Ok(())
}

fn begin_segment(
    spool: &mut Option<Spool>,
    holder: &mut Option<Directory>,
    waiting: &mut Option<Segment>,
    checkpoint: &Checkpoint,
    group: u64,
) -> Result<(), SpoolError> {
    if spool.is_none()
        && let Some(directory) = holder.take()
    {
        let reserve = Reserve::open(directory.path())?;
        *spool = Some(Spool::empty(directory, checkpoint.clone(), reserve));
    }
    if let Some(spool) = spool {
        spool.next_group = group;
        spool.segments.extend(waiting.take());
    }
    Ok(())
}

/// What a checkpoint in the middle says that the records before it do not.
fn contradiction(spool: &Spool, checkpoint: &Checkpoint, group: u64) -> Option<String> {
    if group != spool.next_group {
        return Some(format!(
            "groups {} to {} before it are missing",
            spool.next_group,
            group - 1
        ));
    }
    let known = Checkpoint {
        recent: checkpoint.recent.clone(),
        ..spool.head.clone()
    };
    (known != *checkpoint).then(|| "its checkpoint contradicts the segments before it".to_owned())
}

fn apply(spool: &mut Spool, record: Record, group: u64, segment: u64, at: u64) -> Result<(), String> {
    if group != spool.next_group {
        return Err(format!("group {group} follows group {}", spool.next_group));
    }
    match record {
        Record::Checkpoint(_) => return Err("a checkpoint stands in the middle of a segment".to_owned()),
        Record::Event {
            sequence,
            bytes,
            fingerprint,
        } => {
            if sequence != spool.head.next_event {
                return Err(format!(
                    "event {sequence} stands where {} is expected",
                    spool.head.next_event
                ));
            }
            let event = Event::decode(&bytes).map_err(|error| error.to_string())?;
            spool.note_event(
                segment,
                at + EVENT_PREFIX,
                bytes,
                fingerprint,
                event.received_nano,
            );
            spool.known.note(&event);
        }
        Record::Batch {
            header,
            signature,
            first_event,
        } => {
            let expected = (
                spool.head.head_sequence + 1,
                spool.head.next_unbatched,
                spool.head.head_digest,
            );
            let end = first_event + u64::from(header.count);
            if (header.sequence, first_event, header.previous) != expected || end > spool.head.next_event {
                return Err(format!("batch {} does not follow", header.sequence));
            }
            let digest = header.digest();
            spool.note_batch(
                StoredBatch {
                    header,
                    signature,
                    first_event,
                },
                digest,
            );
        }
        Record::Final { batch } => spool.note_final(batch),
        Record::Position(position) => spool.head.position = Some(position),
        // Of a later segment it says what the events before it have said.
        Record::Known(known) if spool.segments.len() == 1 => spool.known = known,
        Record::Known(_) => {}
        Record::LeftOut { fingerprint } => {
            spool.recent.insert(fingerprint);
        }
        Record::Unrecorded { bytes, fingerprint } => {
            let event = Event::decode(&bytes).map_err(|error| error.to_string())?;
            spool.known.note(&event);
            fingerprint.map(|fingerprint| spool.recent.insert(fingerprint));
        }
        Record::Component(component) => spool.note_component(component),
        Record::Reopened(known) => spool.known = known,
    }
    Ok(())
}

/// Segments are deleted only when all in them is final: whatever is not final must be there.
fn check_complete(spool: &Spool) -> Result<(), SpoolError> {
    let batches = spool.batches.iter().map(|batch| batch.first_event);
    let needed = batches
        .chain([spool.head.next_unbatched])
        .min()
        .unwrap_or_default();
    let signed_and_final = spool
        .batches
        .front()
        .map_or(spool.head.head_sequence, |batch| batch.header.sequence - 1);
    if needed >= spool.first_stored && signed_and_final == spool.head.final_batch {
        return Ok(());
    }
    Err(SpoolError::Corrupt {
        path: spool.directory.path().to_owned(),
        offset: 0,
        why: format!("its first segments are missing: event {needed} is not final and not there"),
    })
}

fn check_owner(spool: &Spool, owner: &Owner) -> Result<(), SpoolError> {
    let head = &spool.head;
    if (head.network, &head.sender) == (owner.network, &owner.sender) {
        return Ok(());
    }
    Err(SpoolError::Foreign {
        path: spool.directory.path().to_owned(),
        found: format!("{} in network {}", head.sender, head.network.short()),
        expected: format!("{} in network {}", owner.sender, owner.network.short()),
    })
}
