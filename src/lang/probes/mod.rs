//! Probe types: how an attach point is written, what it resolves to, what its context offers.

use crate::base::{Diags, Span};
use crate::image::{Attach, When};
use crate::ty::{StructId, Ty, TypeTable};
use crate::world::World;

/// A provider, one row of [`ProbeKind`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Provider {
    Begin,
    End,
    /// `self:signal:SIGUSR1`
    Own,
    Kprobe,
    Kretprobe,
    Fentry,
    Fexit,
    Tracepoint,
    Rawtracepoint,
    Uprobe,
    Uretprobe,
    Usdt,
    Profile,
    Interval,
    Software,
    Hardware,
    Watchpoint,
    Iter,
}

/// A probe type's row.
#[derive(Debug)]
pub struct ProbeKind {
    pub provider: Provider,
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    /// As in the manual: `tracepoint:CATEGORY:EVENT`.
    pub syntax: &'static str,
    pub doc: &'static str,
    /// A script that runs.
    pub example: &'static str,
    /// Turns the text after the provider into concrete points; reports what is wrong. Empty after an error, or
    /// when nothing matches and that is allowed.
    pub resolve: fn(&mut ResolveCx<'_>, &[ApText]) -> Vec<Point>,
    /// Points for `-l`: as users write them.
    pub list: fn(&dyn World, pattern: &[String]) -> Vec<String>,
}

/// A part of an attach point between colons.
#[derive(Clone, Debug)]
pub struct ApText {
    pub text: String,
    /// No wildcards in it.
    pub quoted: bool,
    pub span: Span,
}

/// What `resolve` works with.
pub struct ResolveCx<'a> {
    pub world: &'a dyn World,
    pub types: &'a mut TypeTable,
    pub diags: &'a mut Diags,
    pub config: &'a super::Config,
    /// The whole attach point.
    pub span: Span,
}

/// A concrete attach point and what its context offers.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub attach: Attach,
    pub ctx: Ctx,
}

/// What R1 points to, and what `args` and its friends mean there.
#[derive(Clone, Debug, PartialEq)]
pub enum Ctx {
    /// Nothing that scripts can use.
    None,
    /// `struct pt_regs`; of user code for uprobes.
    Regs { when: When, user: UserRegs },
    /// A tracepoint's record, with its fields as a struct of origin `Format`.
    Record(StructId),
    /// `u64` arguments. `args`: a struct of origin `Args`; `ret`: of fexit, its type and argument number.
    BtfArgs { args: StructId, ret: Option<(Ty, u32)> },
    /// `u64` arguments without types.
    RawArgs,
    /// `sys_enter`: R1 is `[pt_regs *, nr]`; fields of origin `Format` at 16 + 8·i are argument registers.
    SysEnter(StructId),
    /// `sys_exit`: R1 is `[pt_regs *, ret]`; the field `ret` is the second.
    SysExit(StructId),
    /// `struct bpf_perf_event_data`, which starts with the registers.
    Perf,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum UserRegs {
    Kernel,
    User,
}

/// The probe around a call, for rows.
#[derive(Clone, Copy, Debug)]
pub struct ProbeView<'a> {
    pub provider: Provider,
    pub points: &'a [Point],
    pub ctx: &'a Ctx,
}
