//! The fields that decoders cut out of a line.

use crate::limits;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A field's number within a rule set. The first ones are the language's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FieldId(pub(crate) u16);

/// The language's own fields, by number.
const OWN: [&str; 15] = [
    "srcip",
    "dstip",
    "srcport",
    "dstport",
    "protocol",
    "srcuser",
    "dstuser",
    "id",
    "url",
    "action",
    "status",
    "extra_data",
    "system_name",
    "data",
    "location",
];

pub(crate) const SRCIP: FieldId = FieldId(0);
pub(crate) const SRCUSER: FieldId = FieldId(5);
pub(crate) const DSTUSER: FieldId = FieldId(6);

/// Names and numbers of fields.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    by_name: BTreeMap<Arc<str>, FieldId>,
    by_id: Vec<Arc<str>>,
}

impl Names {
    pub(crate) fn new() -> Self {
        let mut names = Self { by_name: BTreeMap::new(), by_id: Vec::new() };
        for own in OWN {
            let _id = names.id(own);
        }
        for (alias, id) in [("user", DSTUSER), ("systemname", FieldId(12))] {
            let _none = names.by_name.insert(alias.into(), id);
        }
        names
    }

    /// The number of a name, new where there was none. `None` once there are too many.
    pub(crate) fn id(&mut self, name: &str) -> Option<FieldId> {
        if let Some(id) = self.find(name) {
            return Some(id);
        }
        let id = FieldId(u16::try_from(self.by_id.len()).ok()?);
        let name: Arc<str> = name.to_ascii_lowercase().into();
        self.by_id.push(Arc::clone(&name));
        let _none = self.by_name.insert(name, id);
        Some(id)
    }

    /// The number of a name in either case.
    pub(crate) fn find(&self, name: &str) -> Option<FieldId> {
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.by_name.get(name.to_ascii_lowercase().as_str()).copied();
        }
        self.by_name.get(name).copied()
    }

    pub(crate) fn name(&self, id: FieldId) -> &str {
        self.by_id.get(usize::from(id.0)).map_or("", |name| name)
    }
}

/// The fields of one line: numbers and where their bytes lie.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    entries: Vec<(FieldId, u32, u32)>,
    bytes: Vec<u8>,
}

impl Fields {
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
    }

    /// Sets a field; a field that is set again has the new value.
    pub(crate) fn set(&mut self, id: FieldId, value: &[u8]) {
        let begin = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        let Ok(length) = u32::try_from(value.len()) else { return };
        // Fields are parts of the line or of what was unescaped from it.
        if self.bytes.len().saturating_add(value.len()) > 8 * limits::LINE_BYTES {
            return;
        }
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.0 == id) {
            *entry = (id, begin, length);
        } else if self.entries.len() < limits::FIELDS {
            self.entries.push((id, begin, length));
        } else {
            return;
        }
        self.bytes.extend_from_slice(value);
    }

    pub(crate) fn value(&self, id: FieldId) -> Option<&[u8]> {
        let (_, begin, length) = self.entries.iter().find(|entry| entry.0 == id)?;
        let begin = usize::try_from(*begin).ok()?;
        self.bytes.get(begin..begin.checked_add(usize::try_from(*length).ok()?)?)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (FieldId, &[u8])> {
        self.entries.iter().filter_map(|entry| Some((entry.0, self.value(entry.0)?)))
    }
}
