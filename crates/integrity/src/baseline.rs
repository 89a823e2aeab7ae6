//! What the entities of a set were like, and how that differs from what they are like.
use crate::attribute::Attribute;
use crate::entity::Entity;
use crate::set::CompiledSet;
use std::collections::BTreeMap;

/// What the entities of one set were like when last looked at, by path relative to the set's base.
///
/// # Bounds
/// As many entities as the caller allows ([`Baseline::found`]); 250 bytes each on average.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    entities: BTreeMap<Box<[u8]>, Kept>,
    scan: u32,
}

#[derive(Clone, Debug)]
struct Kept {
    entity: Entity,
    /// The scan that saw it last.
    seen: u32,
}

/// Names one pass over a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanId(u32);

/// What happened to an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// It came to be, or was moved here.
    Created,
    /// It is not what it was.
    Changed,
    /// It is gone, or was moved away.
    Deleted,
}

impl ChangeKind {
    /// The word used in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
        }
    }
}

/// A watched attribute before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeChange {
    /// Which.
    pub attribute: Attribute,
    /// As [`Entity::value`]; nothing where there was none.
    pub before: Option<String>,
    /// As [`Entity::value`]; nothing where there is none.
    pub after: Option<String>,
}

/// One change of one entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Relative to the set's base; empty for the base itself.
    pub path: Vec<u8>,
    /// What happened.
    pub kind: ChangeKind,
    /// Watched attributes that differ; of a created or deleted entity, all that it has.
    pub attributes: Vec<AttributeChange>,
}

/// What a look at an entity gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// As it was, or not watched, or changed in nothing that is watched.
    Same,
    /// Something to report.
    Changed(Change),
    /// New, and there is no room: it is not watched.
    NoRoom,
}

impl Found {
    /// The change, if there is one.
    pub fn change(self) -> Option<Change> {
        match self {
            Self::Changed(change) => Some(change),
            Self::Same | Self::NoRoom => None,
        }
    }
}

// === impl Baseline ===

impl Baseline {
    /// Entities kept.
    pub fn len(&self) -> usize {
        self.entities.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    /// What an entity was like.
    pub fn entity(&self, path: &[u8]) -> Option<&Entity> {
        self.entities.get(path).map(|kept| &kept.entity)
    }

    /// All entities in the order of their paths' bytes.
    pub fn entities(&self) -> impl Iterator<Item = (&[u8], &Entity)> {
        self.entities.iter().map(|(path, kept)| (&**path, &kept.entity))
    }

    /// Takes an entity as it is, without comparing: for building a baseline from a snapshot.
    pub fn keep(&mut self, path: &[u8], entity: Entity) {
        let _before = self.entities.insert(path.into(), Kept { entity, seen: self.scan });
    }

    /// Begins a pass over the whole set.
    pub fn begin(&mut self) -> ScanId {
        self.scan = self.scan.wrapping_add(1);
        ScanId(self.scan)
    }

    /// An entity was looked at, by a pass or because something happened to it (then `scan` is [`Self::current`]).
    /// It becomes the baseline; a new one only while there are fewer than `room`.
    pub fn found(
        &mut self,
        set: &CompiledSet,
        scan: ScanId,
        path: &[u8],
        entity: Entity,
        room: usize,
    ) -> Found {
        let full = self.entities.len() >= room;
        let Some(kept) = self.entities.get_mut(path) else {
            if full {
                return Found::NoRoom;
            }
            let change = one_sided(set, path, ChangeKind::Created, &entity);
            let _none = self.entities.insert(path.into(), Kept { entity, seen: scan.0 });
            return change.map_or(Found::Same, Found::Changed);
        };
        kept.seen = scan.0;
        let attributes: Vec<AttributeChange> = Attribute::ALL
            .into_iter()
            .filter(|attribute| {
                set.attributes().contains(*attribute) && !kept.entity.same(&entity, *attribute)
            })
            .map(|attribute| AttributeChange {
                attribute,
                before: kept.entity.value(attribute),
                after: entity.value(attribute),
            })
            .collect();
        kept.entity = entity;
        if attributes.is_empty() {
            return Found::Same;
        }
        Found::Changed(Change { path: path.to_vec(), kind: ChangeKind::Changed, attributes })
    }

    /// Names the pass that is under way or was last.
    pub fn current(&self) -> ScanId {
        ScanId(self.scan)
    }

    /// Nothing is at this path any more: it and everything below it is gone.
    pub fn missing(&mut self, set: &CompiledSet, path: &[u8]) -> Vec<Change> {
        let gone: Vec<Box<[u8]>> = self.below(path).map(|(path, _)| path.clone()).collect();
        self.remove(set, gone)
    }

    /// Ends a pass: what it did not see is gone, except below `unread`, the folders that could not be looked into.
    pub fn finish(&mut self, set: &CompiledSet, scan: ScanId, unread: &[Vec<u8>]) -> Vec<Change> {
        self.finish_below(set, scan, b"", unread)
    }

    /// As [`Self::finish`], for a pass over one path and what is below it.
    pub fn finish_below(
        &mut self,
        set: &CompiledSet,
        scan: ScanId,
        path: &[u8],
        unread: &[Vec<u8>],
    ) -> Vec<Change> {
        let unseen = self.below(path).filter(|(_, kept)| kept.seen != scan.0);
        let gone: Vec<Box<[u8]>> = unseen
            .filter(|(path, _)| !unread.iter().any(|folder| is_below(path, folder)))
            .map(|(path, _)| path.clone())
            .collect();
        self.remove(set, gone)
    }

    /// A path and everything below it.
    fn below<'a>(&'a self, path: &'a [u8]) -> impl Iterator<Item = (&'a Box<[u8]>, &'a Kept)> {
        let own = self.entities.get_key_value(path).filter(|_| !path.is_empty());
        let mut first = path.to_vec();
        if !path.is_empty() {
            first.push(b'/');
        }
        let rest = self
            .entities
            .range::<[u8], _>((std::ops::Bound::Included(&*first), std::ops::Bound::Unbounded))
            .take_while({
                let first = first.clone();
                move |(path, _)| path.starts_with(&first)
            });
        own.into_iter().chain(rest.collect::<Vec<_>>())
    }

    fn remove(&mut self, set: &CompiledSet, gone: Vec<Box<[u8]>>) -> Vec<Change> {
        gone.into_iter()
            .filter_map(|path| {
                let kept = self.entities.remove(&path)?;
                one_sided(set, &path, ChangeKind::Deleted, &kept.entity)
            })
            .collect()
    }
}

/// Whether a path is a folder or lies in it.
fn is_below(path: &[u8], folder: &[u8]) -> bool {
    folder.is_empty()
        || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// A creation or deletion, where the set watches it.
fn one_sided(set: &CompiledSet, path: &[u8], kind: ChangeKind, entity: &Entity) -> Option<Change> {
    let watched = match kind {
        ChangeKind::Created => Attribute::Created,
        ChangeKind::Deleted => Attribute::Deleted,
        ChangeKind::Changed => return None,
    };
    if !set.attributes().contains(watched) {
        return None;
    }
    let attributes = Attribute::ALL
        .into_iter()
        .filter(|attribute| set.attributes().contains(*attribute))
        .filter_map(|attribute| {
            let value = entity.value(attribute)?;
            let (before, after) =
                if kind == ChangeKind::Created { (None, Some(value)) } else { (Some(value), None) };
            Some(AttributeChange { attribute, before, after })
        })
        .collect();
    Some(Change { path: path.to_vec(), kind, attributes })
}
