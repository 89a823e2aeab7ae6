//! Doubly linked lists through the slab's entries: O(1) to add, to move to the front and to take the oldest.
use crate::slab::{NONE, Slab};

/// An entry's neighbours in one list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Links {
    newer: u32,
    older: u32,
}

impl Default for Links {
    fn default() -> Self {
        Self { newer: NONE, older: NONE }
    }
}

/// Which of an entry's links a list runs through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// The list of the flow's state, ordered by last activity.
    State,
    /// The list of flows that hold buffers.
    Buffers,
}

/// A list from its newest to its oldest member.
#[derive(Debug)]
pub(crate) struct List {
    lane: Lane,
    newest: u32,
    oldest: u32,
    length: usize,
}

impl List {
    pub(crate) const fn new(lane: Lane) -> Self {
        Self { lane, newest: NONE, oldest: NONE, length: 0 }
    }

    pub(crate) const fn length(&self) -> usize {
        self.length
    }

    pub(crate) const fn oldest(&self) -> Option<u32> {
        if self.oldest == NONE { None } else { Some(self.oldest) }
    }

    /// Adds an entry that is in no list of this lane.
    pub(crate) fn push<T>(&mut self, slab: &mut Slab<T>, index: u32) {
        if let Some(links) = slab.links(index, self.lane) {
            *links = Links { newer: NONE, older: self.newest };
        }
        if let Some(links) = slab.links(self.newest, self.lane) {
            links.newer = index;
        } else {
            self.oldest = index;
        }
        self.newest = index;
        self.length += 1;
    }

    /// Takes out an entry that is in this list.
    pub(crate) fn remove<T>(&mut self, slab: &mut Slab<T>, index: u32) {
        let Some(links) = slab.links(index, self.lane).map(std::mem::take) else { return };
        match slab.links(links.newer, self.lane) {
            Some(newer) => newer.older = links.older,
            None => self.newest = links.older,
        }
        match slab.links(links.older, self.lane) {
            Some(older) => older.newer = links.newer,
            None => self.oldest = links.newer,
        }
        self.length -= 1;
    }

    /// Makes an entry of this list the newest.
    pub(crate) fn touch<T>(&mut self, slab: &mut Slab<T>, index: u32) {
        if self.newest != index {
            self.remove(slab, index);
            self.push(slab, index);
        }
    }

    /// The members from the oldest on. For checks.
    pub(crate) fn members<T>(&self, slab: &mut Slab<T>) -> Vec<u32> {
        let mut members = Vec::new();
        let mut at = self.oldest;
        while let Some(links) = slab.links(at, self.lane) {
            members.push(at);
            assert!(members.len() <= self.length, "L1: a list ends after its length");
            at = links.newer;
        }
        assert_eq!(members.len(), self.length, "L2: a list has as many members as it counts");
        assert_eq!(members.last().copied().unwrap_or(NONE), self.newest, "L3: the last member is the newest");
        members
    }
}
