//! Stacks by their hash: programs store the frames once in a side map, values hold the 128-bit hash alone.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::maps::LiveMap;
use crate::ty::{Space, StackTy};
use crate::value::decode::Frames;

/// Frames by space and hash.
type Known = HashMap<(Space, [u8; 16]), Rc<[u64]>>;

/// The side maps of a session.
#[derive(Default)]
pub struct StackMaps {
    maps: Vec<(StackTy, Rc<LiveMap>)>,
    /// What was read already. A stack never changes under its hash.
    known: RefCell<Known>,
}

impl StackMaps {
    /// The map for stacks of this type, if there is one.
    pub fn find(&self, ty: StackTy) -> Option<&Rc<LiveMap>> {
        self.maps.iter().find(|(t, _)| *t == ty).map(|(_, map)| map)
    }

    pub fn add(&mut self, ty: StackTy, map: Rc<LiveMap>) {
        self.maps.push((ty, map));
    }

    fn read(&self, ty: StackTy, hash: [u8; 16]) -> Option<Rc<[u64]>> {
        if let Some(known) = self.known.borrow().get(&(ty.space, hash)) {
            return Some(known.clone());
        }
        // The type's own map first; then those of its space, of which a longer limit may hold it.
        let own = self.maps.iter().filter(|(t, _)| *t == ty);
        let others = self.maps.iter().filter(|(t, _)| *t != ty && t.space == ty.space);
        let value = own.chain(others).find_map(|(_, map)| map.lookup(&hash).ok()?)?;
        let mut words = value.chunks_exact(8).map(|w| u64::from_ne_bytes(w.try_into().unwrap_or_default()));
        let n = words.next().unwrap_or(0) as usize;
        let frames: Rc<[u64]> = words.take(n).collect();
        self.known.borrow_mut().insert((ty.space, hash), frames.clone());
        Some(frames)
    }
}

impl Frames for StackMaps {
    fn frames(&self, ty: StackTy, hash: [u8; 16]) -> Vec<u64> {
        // All zeros: the walk failed.
        if hash == [0; 16] {
            return Vec::new();
        }
        self.read(ty, hash).map(|f| f.iter().copied().take(ty.limit.into()).collect()).unwrap_or_default()
    }
}
