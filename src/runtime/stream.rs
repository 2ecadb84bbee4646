//! Records of the two rings in the order in which they were emitted.
//!
//! A control record says how far the output ring was when it was emitted: output before that place comes first.
//! Always holds: no output is handed on before a control record that was emitted earlier by the same program.

use std::time::{Duration, Instant};

use super::shared::Shared;
use crate::image::wire::CONTROL_HEADER_BYTES;
use crate::sys::ringbuf::{Next, RingReader};

/// Which ring a record comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ring {
    Output,
    Control,
}

/// Whether to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    Go,
    Stop,
}

/// A record that is reserved is submitted within microseconds, but its program may be preempted meanwhile.
const BUSY_MAX: Duration = Duration::from_millis(10);

/// Hands on what stands in the rings now; yields how many records. After `Flow::Stop` the rest is dropped.
pub fn drain(shared: &Shared, take: &mut dyn FnMut(Ring, &[u8]) -> Flow) -> usize {
    let mut output = shared.output().map(|r| r.reader.borrow_mut());
    let mut control = shared.control().map(|r| r.reader.borrow_mut());
    // Output first, then control: what is emitted between the two snapshots waits for the next call, so that a
    // control record is never overtaken.
    let output_end = output.as_ref().map_or(0, |r| r.producer_position());
    let control_end = control.as_ref().map_or(0, |r| r.producer_position());
    let mut n = 0;
    if let Some(control) = &mut control {
        while let Next::Record(record) = control.peek(control_end) {
            if let Some(output) = &mut output {
                let before = output_position(record);
                if drain_output(output, before, Patience::Wait, take, &mut n) == Flow::Stop {
                    discard(Some(output), Some(control));
                    return n;
                }
            }
            n += 1;
            let flow = take(Ring::Control, record);
            control.advance();
            if flow == Flow::Stop {
                discard(output.as_deref_mut(), Some(control));
                return n;
            }
        }
    }
    if let Some(output) = &mut output {
        // Nothing stops in the middle of output.
        drain_output(output, output_end, Patience::Leave, take, &mut n);
    }
    n
}

/// Whether to wait for a record that is not submitted yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    Wait,
    Leave,
}

fn drain_output(
    output: &mut RingReader,
    end: u64,
    patience: Patience,
    take: &mut dyn FnMut(Ring, &[u8]) -> Flow,
    n: &mut usize,
) -> Flow {
    let mut busy_since: Option<Instant> = None;
    loop {
        match output.peek(end) {
            Next::Empty => return Flow::Go,
            Next::Busy if patience == Patience::Leave => return Flow::Go,
            Next::Busy => {
                if busy_since.get_or_insert_with(Instant::now).elapsed() > BUSY_MAX {
                    return Flow::Go;
                }
                std::thread::yield_now();
            }
            Next::Record(record) => {
                busy_since = None;
                *n += 1;
                let flow = take(Ring::Output, record);
                output.advance();
                if flow == Flow::Stop {
                    return Flow::Stop;
                }
            }
        }
    }
}

/// Drops what stands in the rings now.
pub fn drop_pending(shared: &Shared) {
    let mut output = shared.output().map(|r| r.reader.borrow_mut());
    let mut control = shared.control().map(|r| r.reader.borrow_mut());
    discard(output.as_deref_mut(), control.as_deref_mut());
}

fn discard(output: Option<&mut RingReader>, control: Option<&mut RingReader>) {
    for ring in [output, control].into_iter().flatten() {
        let end = ring.producer_position();
        while let Next::Record(_) = ring.peek(end) {
            ring.advance();
        }
    }
}

/// The last word of a control record's header.
fn output_position(record: &[u8]) -> u64 {
    let end = CONTROL_HEADER_BYTES as usize;
    record.get(end - 8..end).and_then(|b| b.try_into().ok()).map_or(0, u64::from_ne_bytes)
}
