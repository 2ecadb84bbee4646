//! The diagnostics of code generation: what is too big for the kernel.

use crate::base::{Diag, Diags, Span, codes};
use crate::isa::limits::{PERCPU_VALUE_BYTES_MAX, STACK_BYTES_MAX};

impl Diags {
    pub(super) fn stack_exhausted(&mut self, span: Span, name: &str, bytes: u32) {
        let message = format!("{name} needs {bytes} bytes of stack, the kernel allows {STACK_BYTES_MAX}");
        let hint = "use fewer variables at the same time, or call fewer functions within functions";
        self.push(Diag::error(&codes::STACK, span, message).hint(hint));
    }
    pub(super) fn calls_too_deep(&mut self, span: Span, name: &str) {
        let message = format!("calls nest more than {} deep in {name}", super::calls::DEPTH_MAX);
        self.push(Diag::error(&codes::CALL_DEPTH, span, message));
    }
    pub(super) fn scratch_too_big(&mut self, span: Span, name: &str, bytes: u32) {
        let message = format!(
            "{name} needs {bytes} bytes of scratch memory, the kernel allows {PERCPU_VALUE_BYTES_MAX}"
        );
        let hint = "lower `max_strlen`, or handle fewer big values at the same time";
        self.push(Diag::error(&codes::SCRATCH, span, message).hint(hint));
    }
    pub(super) fn function_too_long(&mut self, span: Span, name: &str) {
        let message = format!("{name} is too long: a jump in it passes over more than 32767 instructions");
        self.push(Diag::error(&codes::PROGRAM_LENGTH, span, message).hint("split it into several probes"));
    }
    pub(super) fn program_too_long(&mut self, span: Span, n_insns: usize) {
        let message = format!(
            "the program has {n_insns} instructions, the kernel takes {}",
            super::link::PROGRAM_INSNS_MAX
        );
        self.push(Diag::error(&codes::PROGRAM_LENGTH, span, message).hint("split it into several probes"));
    }
}
