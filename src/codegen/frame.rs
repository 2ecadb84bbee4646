//! The frame of a function: which memory objects lie on the stack and where.
//!
//! Always holds: what lies on the stack starts at a multiple of 8 bytes; the smallest objects stay on the stack
//! as long as the budget lasts, bigger ones go to claimed scratch memory ([`super::scratch`]); spills lie below
//! the objects.

use crate::base::{Idx, IndexVec};
use crate::ir::{Room, Slot, SlotData};

/// Bytes of stack that the verifier counts for a frame of `bytes`.
pub fn counted(bytes: u32) -> u32 {
    bytes.max(1).next_multiple_of(32)
}

/// Where a slot is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// Distance below the frame pointer.
    Stack(u32),
    /// Not on the stack.
    Elsewhere,
}

/// The layout of a frame.
#[derive(Debug)]
pub struct Frame {
    places: IndexVec<Slot, Place>,
    slots_bytes: u32,
}

impl Frame {
    /// A frame that holds all slots but `big`.
    pub fn new(slots: &IndexVec<Slot, SlotData>, big: &[Slot]) -> Frame {
        let mut slots_bytes = 0;
        let places = slots
            .iter_enumerated()
            .map(|(slot, data)| {
                if big.contains(&slot) {
                    return Place::Elsewhere;
                }
                slots_bytes += padded(data);
                Place::Stack(slots_bytes)
            })
            .collect();
        Frame { places, slots_bytes }
    }

    /// Offset from R10 of byte `off` of a slot.
    pub fn slot_off(&self, slot: Slot, off: i16) -> i16 {
        match self.places[slot] {
            Place::Stack(below) => {
                let at = i64::from(off) - i64::from(below);
                match i16::try_from(at) {
                    Ok(at) => at,
                    Err(_) => crate::bug!("{slot} {off:+} is out of reach"),
                }
            }
            Place::Elsewhere => crate::bug!("{slot} is not on the stack"),
        }
    }

    /// Offset from R10 of a spill slot.
    pub fn spill_off(&self, n: usize) -> i16 {
        -((self.slots_bytes as usize + 8 * (n + 1)) as i16)
    }

    /// Bytes with the spills of `output`.
    pub fn bytes(&self, output: &regalloc2::Output) -> u32 {
        self.slots_bytes + 8 * output.num_spillslots as u32
    }
}

/// The slots that do not fit `budget` bytes of stack: the biggest, as few as possible, and none that must stay.
pub fn too_big(slots: &IndexVec<Slot, SlotData>, budget: u32) -> Vec<Slot> {
    let mut by_size: Vec<Slot> = slots.indices().collect();
    by_size.sort_by_key(|&s| (slots[s].room == Room::Any, slots[s].size, s.index()));
    let mut used = 0u32;
    let mut big: Vec<Slot> = by_size
        .into_iter()
        .filter(|&s| {
            used = used.saturating_add(padded(&slots[s]));
            used > budget && slots[s].room == Room::Any
        })
        .collect();
    big.sort_by_key(|s| s.index());
    big
}

/// Bytes that a slot takes; none if others have taken its place.
pub fn padded(slot: &SlotData) -> u32 {
    slot.size.saturating_add(7) / 8 * 8
}

/// Who stays on the stack.
#[cfg(test)]
mod tests {
    use super::*;

    fn slots(sizes: &[u32]) -> IndexVec<Slot, SlotData> {
        sizes.iter().map(|&size| SlotData { size, align: 1, room: Room::Any, name: "s" }).collect()
    }

    #[test]
    fn the_biggest_leave() {
        let s = slots(&[100, 4, 300, 16, 300]);
        assert_eq!(too_big(&s, 1000), []);
        assert_eq!(too_big(&s, 512), [Slot(4)]);
        assert_eq!(too_big(&s, 400), [Slot(2), Slot(4)]);
        assert_eq!(too_big(&s, 8), [Slot(0), Slot(2), Slot(3), Slot(4)]);
        let mut s = s;
        s[Slot(0)].room = Room::Stack;
        assert_eq!(too_big(&s, 8), [Slot(1), Slot(2), Slot(3), Slot(4)], "what must stay, stays");
    }

    #[test]
    fn offsets_are_multiples_of_8_and_apart() {
        let f = Frame::new(&slots(&[5, 100, 8]), &[Slot(1)]);
        assert_eq!((f.slot_off(Slot(0), 0), f.slot_off(Slot(0), 4), f.slot_off(Slot(2), 0)), (-8, -4, -16));
        assert_eq!((f.spill_off(0), f.spill_off(1)), (-24, -32));
        let output = regalloc2::Output { num_spillslots: 2, ..Default::default() };
        assert_eq!((f.bytes(&output), counted(f.bytes(&output)), counted(0)), (32, 32, 32));
    }
}
