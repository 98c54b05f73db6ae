//! Mutations of a component: of its bytes, of its numbers, and of its sections.

use crate::binary::{Binary, Section, leb, read_leb};
use fastrand::Rng;

/// Bytes that are often at an edge.
const EDGES: [u8; 8] = [0, 1, 0x40, 0x7f, 0x80, 0xc0, 0xfe, 0xff];

/// A component with one to four mutations. `donor` is another one, whose sections may come in.
pub fn mutant(component: &Binary, donor: &Binary, random: &mut Rng) -> Vec<u8> {
    let mut component = component.clone();
    for _ in 0..random.usize(1..=4) {
        match random.u8(..10) {
            0..4 => bytes(&mut component, random),
            4..6 => number(&mut component, random),
            _ => sections(&mut component, donor, random),
        }
    }
    let mut bytes = component.write();
    match random.u8(..32) {
        0 => bytes.truncate(random.usize(..bytes.len())),
        1 => bytes.extend((0..random.usize(1..64)).map(|_| random.u8(..))),
        2 => {
            let place = random.usize(..8);
            bytes[place] = random.u8(..);
        }
        _ => {}
    }
    bytes
}

/// One of the parts that can be changed, and is not empty; a long one is as likely as a short one.
fn body<'a>(component: &'a mut Binary, random: &mut Rng) -> Option<&'a mut Vec<u8>> {
    let mut bodies = component.bodies();
    bodies.retain(|body| !body.is_empty());
    if bodies.is_empty() {
        return None;
    }
    Some(bodies.swap_remove(random.usize(..bodies.len())))
}

fn bytes(component: &mut Binary, random: &mut Rng) {
    let Some(body) = body(component, random) else {
        return;
    };
    let place = random.usize(..body.len());
    let end = (place + random.usize(1..16)).min(body.len());
    match random.u8(..5) {
        0 => body[place] ^= 1 << random.u8(..8),
        1 => body[place] = EDGES[random.usize(..EDGES.len())],
        2 => body[place..end].iter_mut().for_each(|byte| *byte = random.u8(..)),
        3 => drop(body.drain(place..end)),
        _ => {
            let copy = body[place..end].to_vec();
            let to = random.usize(..=body.len());
            body.splice(to..to, copy);
        }
    }
}

/// Makes a number larger than it is, or longer than it need be. At the begin of a section it says how many things follow.
fn number(component: &mut Binary, random: &mut Rng) {
    let Some(body) = body(component, random) else {
        return;
    };
    let place = if random.bool() {
        0
    } else {
        random.usize(..body.len())
    };
    let Some((value, length)) = read_leb(&body[place..]) else {
        return;
    };
    let grown = grown(value, random);
    body.splice(place..place + length, grown);
}

fn grown(value: u64, random: &mut Rng) -> Vec<u8> {
    match random.u8(..6) {
        0 => leb(value.wrapping_add(1), 1),
        1 => leb(value << random.u8(1..32), 1),
        2 => leb(u64::from(u32::MAX) - u64::from(random.u8(..)), 1),
        3 => leb(u64::MAX >> random.u8(..32), 1),
        // As much, in more bytes: up to five are allowed.
        _ => leb(value, random.usize(2..12)),
    }
}

fn sections(component: &mut Binary, donor: &Binary, random: &mut Rng) {
    let number = random.usize(..component.lists());
    let list = component.list(number);
    if list.is_empty() {
        return;
    }
    let (one, other) = (random.usize(..list.len()), random.usize(..list.len()));
    match random.u8(..6) {
        0 => {
            let copy = list[one].clone();
            list.insert(other, copy);
        }
        1 => drop(list.remove(one)),
        2 => list.swap(one, other),
        3 => {
            let section = list.remove(one);
            list.insert(other.min(list.len()), section);
        }
        4 => lie(&mut list[one], random),
        _ => {
            let mut donor = donor.clone();
            let number = random.usize(..donor.lists());
            let from = donor.list(number);
            if !from.is_empty() {
                list.insert(other, from.swap_remove(random.usize(..from.len())));
            }
        }
    }
}

/// Says another size before a section, or the true one in more bytes.
fn lie(section: &mut Section, random: &mut Rng) {
    let size = match &section.body {
        crate::binary::Body::Bytes(body) => body.len(),
        crate::binary::Body::Module(module) => module.write().len(),
    };
    section.size = Some(grown(size as u64, random));
}
