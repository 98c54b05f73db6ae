//! A component cut into its sections and those of its modules, so that a mutation reaches what is inside of them.

/// Id of a component's section that holds a core module.
const CORE_MODULE: u8 = 1;
/// Where a header says that it is a component's.
const LAYER: usize = 6;
const HEADER: usize = 8;

/// What is in a section.
#[derive(Clone)]
pub enum Body {
    Bytes(Vec<u8>),
    Module(Binary),
}

#[derive(Clone)]
pub struct Section {
    pub id: u8,
    pub body: Body,
    /// The size that is written before it, if it is not the true one.
    pub size: Option<Vec<u8>>,
}

/// A component or core module.
#[derive(Clone)]
pub struct Binary {
    pub header: Vec<u8>,
    pub sections: Vec<Section>,
}

impl Binary {
    /// Cuts what is well-formed.
    pub fn read(bytes: &[u8]) -> Self {
        let (header, mut rest) = bytes.split_at(HEADER);
        let mut sections = Vec::new();
        while let Some((id, after)) = rest.split_first() {
            let (size, length) = read_leb(after).unwrap();
            let (body, after) = after[length..].split_at(size as usize);
            let is_module = *id == CORE_MODULE && header[LAYER] == 1;
            sections.push(Section {
                id: *id,
                body: if is_module {
                    Body::Module(Self::read(body))
                } else {
                    Body::Bytes(body.to_vec())
                },
                size: None,
            });
            rest = after;
        }
        Self {
            header: header.to_vec(),
            sections,
        }
    }

    pub fn write(&self) -> Vec<u8> {
        let mut bytes = self.header.clone();
        for section in &self.sections {
            let module;
            let body = match &section.body {
                Body::Bytes(body) => body,
                Body::Module(inner) => {
                    module = inner.write();
                    &module
                }
            };
            bytes.push(section.id);
            match &section.size {
                Some(size) => bytes.extend_from_slice(size),
                None => bytes.extend(leb(body.len() as u64, 1)),
            }
            bytes.extend_from_slice(body);
        }
        bytes
    }

    /// Bytes that can be changed: those of its sections and of its modules' sections.
    pub fn bodies(&mut self) -> Vec<&mut Vec<u8>> {
        let bodies = self
            .sections
            .iter_mut()
            .flat_map(|section| match &mut section.body {
                Body::Bytes(body) => vec![body],
                Body::Module(module) => module.bodies(),
            });
        bodies.collect()
    }

    /// Its list of sections and those of its modules.
    pub fn lists(&self) -> usize {
        let modules = self.sections.iter();
        1 + modules
            .filter(|section| matches!(section.body, Body::Module(_)))
            .count()
    }

    /// One of these lists, its own for 0.
    pub fn list(&mut self, number: usize) -> &mut Vec<Section> {
        let place = (1..)
            .zip(&self.sections)
            .filter(|(_, section)| matches!(section.body, Body::Module(_)));
        let place = place.map(|(place, _)| place - 1).nth(number.wrapping_sub(1));
        match place {
            Some(place) => match &mut self.sections[place].body {
                Body::Module(module) => &mut module.sections,
                Body::Bytes(_) => panic!("section {place} is a module"),
            },
            None => &mut self.sections,
        }
    }
}

/// An unsigned number at the begin of these bytes, and how many of them it takes.
pub fn read_leb(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (place, byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value, place + 1));
        }
    }
    None
}

/// An unsigned number in `least` bytes or more.
pub fn leb(mut value: u64, least: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 && bytes.len() + 1 >= least {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}
