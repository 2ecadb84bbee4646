//! What all clauses of a session share: the two rings, and the mapped globals, of which a prompt's clauses have
//! their own.
//!
//! Always holds: a ring exists once an image needs it, and every program of the session has the same one.

use std::cell::{OnceCell, RefCell};
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;

use super::packets::Packets;
use super::unwind::Unwind;
use crate::image::MapKind;
use crate::image::maps::F_MMAPABLE;
use crate::image::wire::globals;
use crate::sys::bpfmap::{Map, MapSpec};
use crate::sys::mem::{Access, Mapping, page_bytes};
use crate::sys::ringbuf::RingReader;
use crate::sys::time;

/// An array of one value that this process sees as memory.
pub struct Memory {
    pub map: Map,
    pub mem: Mapping,
}

impl Memory {
    pub fn new(name: &str, bytes: usize) -> io::Result<Memory> {
        let bytes = bytes.next_multiple_of(8).max(8);
        let spec = MapSpec {
            name,
            kind: MapKind::Array,
            key_size: 4,
            value_size: bytes as u32,
            max_entries: 1,
            flags: F_MMAPABLE,
        };
        let map = Map::create(&spec, None)?;
        let mem = Mapping::new(map.as_fd(), 0, bytes.next_multiple_of(page_bytes()), Access::ReadWrite)?;
        Ok(Memory { map, mem })
    }
}

/// A ring buffer with its reader.
pub struct Ring {
    pub map: Map,
    pub reader: std::cell::RefCell<RingReader>,
}

impl Ring {
    /// `bytes` is rounded up to what the kernel takes: a power of two, whole pages.
    pub fn new(name: &str, bytes: u32) -> io::Result<Ring> {
        let bytes = (bytes as usize).max(page_bytes()).next_power_of_two();
        let spec = MapSpec {
            name,
            kind: MapKind::Ringbuf,
            key_size: 0,
            value_size: 0,
            max_entries: bytes as u32,
            flags: 0,
        };
        let map = Map::create(&spec, None)?;
        let reader = RingReader::new(map.as_fd(), bytes)?;
        Ok(Ring { map, reader: reader.into() })
    }
}

/// Holds 1-2 ms of the fastest producer; creation takes 0.3 ms.
const OUTPUT_BYTES: u32 = 1 << 20;
/// Control actions are rare, and a script that floods them must not lose `exit()` soon.
const CONTROL_BYTES: u32 = 256 << 10;

/// See the module.
pub struct Shared {
    pub globals: Rc<Memory>,
    output: OnceCell<Ring>,
    control: OnceCell<Ring>,
    unwind: OnceCell<RefCell<Unwind>>,
    packets: OnceCell<RefCell<Packets>>,
}

impl Shared {
    pub fn new() -> io::Result<Shared> {
        let globals = Rc::new(Memory::new("globals", globals::BYTES as usize)?);
        let (output, control, unwind, packets) = Default::default();
        Ok(Shared { globals, output, control, unwind, packets })
    }

    /// Globals for one clause alone, with the same contents; its gate is shut.
    pub fn own_globals(&self) -> io::Result<Rc<Memory>> {
        let own = Memory::new("globals", globals::BYTES as usize)?;
        for at in (0..globals::BYTES as usize).step_by(8) {
            own.mem.store_u64(at, self.globals.mem.load_u64(at));
        }
        own.mem.store_u64(globals::GATE as usize, 0);
        own.mem.store_u64(globals::START_NS as usize, time::boot_ns());
        Ok(Rc::new(own))
    }

    pub fn output(&self) -> Option<&Ring> {
        self.output.get()
    }
    pub fn control(&self) -> Option<&Ring> {
        self.control.get()
    }

    /// Makes the output ring if there is none; says whether it is new. 0 bytes: we choose.
    pub fn need_output(&self, bytes: u32) -> io::Result<Fresh> {
        need(&self.output, "output", if bytes == 0 { OUTPUT_BYTES } else { bytes })
    }
    /// Makes the control ring if there is none.
    pub fn need_control(&self) -> io::Result<Fresh> {
        need(&self.control, "control", CONTROL_BYTES)
    }

    /// The unwind tables, where a clause searches them.
    pub fn unwind(&self) -> Option<&RefCell<Unwind>> {
        self.unwind.get()
    }
    /// Keeps the unwind tables.
    pub fn keep_unwind(&self, unwind: Unwind) {
        // Nobody else sets it: a cell of one thread.
        let _ = self.unwind.set(RefCell::new(unwind));
    }

    /// The events for packets, where a clause takes some.
    pub fn packets(&self) -> Option<&RefCell<Packets>> {
        self.packets.get()
    }
    /// Keeps the events for packets.
    pub fn keep_packets(&self, packets: Packets) {
        // Nobody else sets it: a cell of one thread.
        let _ = self.packets.set(RefCell::new(packets));
    }

    pub fn set(&self, field: u32, value: u32) {
        self.globals.mem.store_u32(field as usize, value);
    }
    pub fn set_u64(&self, field: u32, value: u64) {
        self.globals.mem.store_u64(field as usize, value);
    }
}

/// Whether something was made by this call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fresh {
    Yes,
    No,
}

fn need(cell: &OnceCell<Ring>, name: &str, bytes: u32) -> io::Result<Fresh> {
    if cell.get().is_some() {
        return Ok(Fresh::No);
    }
    // Nobody else sets it: a cell of one thread, looked at just now.
    let _ = cell.set(Ring::new(name, bytes)?);
    Ok(Fresh::Yes)
}
