//! Probe types: how an attach point is written, what it resolves to, what its context offers.
//!
//! Comes in: the parts of an attach point as text. Goes out: concrete [`Point`]s. Always holds: points are in a
//! fixed order without duplicates; an empty answer has been reported, unless the settings allow missing probes.

mod fentry;
pub mod fields;
pub mod iter;
mod kprobe;
mod perf;
mod raw;
mod special;
mod test;
mod timer;
mod tracepoint;
mod uprobe;
pub mod usdt;
mod watchpoint;

use crate::base::codes::{self, Code};
use crate::base::diag::nearest;
use crate::base::{Diag, Diags, Span};
use crate::image::{Attach, MissingProbes, When};
use crate::isa::usdt::UsdtArg;
use crate::ty::{StructId, Ty, TypeTable};
use crate::world::{Answer, Missing, World, is_glob};

/// A provider, one row of [`ProbeKind`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Provider {
    Begin,
    End,
    /// `self:signal:SIGUSR1`
    Own,
    Test,
    Bench,
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
    /// What the clause reads.
    pub uses: &'a Uses,
    /// What it means if there is nothing to attach to.
    pub absence: Absence,
}

/// Whether an attach point must exist.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Absence {
    /// It is reported, with the name that was perhaps meant.
    Told,
    /// There is an alternative, or none is needed.
    Allowed,
}

/// What a clause's predicate and body read of the context, found by their words alone: it decides what an
/// attach point must offer and so how it is attached.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Uses {
    /// `args`
    pub args: bool,
    /// The `x` of every `args.x`, or `None` if `args` stands alone somewhere.
    pub fields: Option<Vec<String>>,
    /// `arg0`, …
    pub argn: bool,
    /// Their numbers.
    pub arg_numbers: Vec<u32>,
    pub retval: bool,
    /// `probe`: each attach point becomes a probe of its own.
    pub probe: bool,
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
    /// `struct pt_regs`; of user code for uprobes. `args`: what debug information says of the function's arguments,
    /// a struct of origin `Args`.
    Regs { when: When, user: UserRegs, args: Option<StructId> },
    /// A tracepoint's record, with its fields as a struct of origin `Format`.
    Record(StructId),
    /// `u64` arguments. `args`: a struct of origin `Args`; `ret`: of fexit, its type and argument number.
    BtfArgs { args: StructId, ret: Option<(Ty, u32)> },
    /// `u64` arguments without types.
    RawArgs,
    /// `sys_enter`: R1 is `[pt_regs *, nr]`. Fields of origin `Format`: at 8 the number, at 16 + 8·i argument
    /// register i. Points that are `Attach::SyscallTp` want their numbers compared, others see every call; by
    /// `SyscallHook::Record` R1 is a record with just those fields.
    SysEnter(StructId),
    /// `sys_exit`: R1 is `[pt_regs *, ret]`, or a record in the same way. Fields of origin `Format`: at 8 the number (`orig_rax`), at 16
    /// what the call returns.
    SysExit(StructId),
    /// `struct pt_regs` of user code, with where the arguments lie; `None` for those that nobody reads.
    Usdt(Vec<Option<UsdtArg>>),
    /// `struct bpf_iter__KIND`: pointers to the iteration and to its object.
    Iter(StructId),
    /// `struct bpf_perf_event_data`, which starts with the registers.
    Perf,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum UserRegs {
    Kernel,
    User,
}

/// Whether pointers of no known space point to user memory in a probe on these points.
pub fn is_user_side(points: &[Point]) -> bool {
    match points.first().map(|p| &p.ctx) {
        Some(Ctx::Regs { user, .. }) => *user == UserRegs::User,
        Some(Ctx::SysEnter(_) | Ctx::SysExit(_) | Ctx::Usdt(_)) => true,
        Some(Ctx::Record(_)) => points.iter().all(|p| match &p.attach {
            Attach::Tracepoint { category, .. } => category == "syscalls",
            _ => false,
        }),
        Some(Ctx::None | Ctx::BtfArgs { .. } | Ctx::RawArgs | Ctx::Iter(_) | Ctx::Perf) | None => false,
    }
}

/// The probe around a call, for rows.
#[derive(Clone, Copy, Debug)]
pub struct ProbeView<'a> {
    pub provider: Provider,
    pub points: &'a [Point],
    pub ctx: &'a Ctx,
}

/// All rows.
pub static KINDS: &[&ProbeKind] = &[
    &special::BEGIN,
    &special::END,
    &special::OWN,
    &test::TEST,
    &test::BENCH,
    &tracepoint::ROW,
    &raw::ROW,
    &kprobe::KPROBE,
    &kprobe::KRETPROBE,
    &fentry::FENTRY,
    &fentry::FEXIT,
    &uprobe::UPROBE,
    &uprobe::URETPROBE,
    &usdt::ROW,
    &timer::PROFILE,
    &timer::INTERVAL,
    &perf::SOFTWARE,
    &perf::HARDWARE,
    &watchpoint::ROW,
    &iter::ROW,
];

/// The row of a provider. Providers without a row never leave `find`.
pub fn row(provider: Provider) -> &'static ProbeKind {
    match KINDS.iter().find(|k| k.provider == provider) {
        Some(row) => row,
        None => crate::bug!("{provider:?} has no row"),
    }
}

/// The row that a name means: full names in any case, short ones as they are (`U` is not `u`).
pub fn find(name: &str) -> Option<&'static ProbeKind> {
    let short = KINDS.iter().find(|k| k.aliases.contains(&name));
    short.or_else(|| KINDS.iter().find(|k| is_name(k, name))).copied()
}

fn is_name(kind: &ProbeKind, name: &str) -> bool {
    let long = kind.aliases.iter().filter(|a| a.len() > 2);
    kind.name.eq_ignore_ascii_case(name) || long.into_iter().any(|a| a.eq_ignore_ascii_case(name))
}

/// Finds the row of a provider's name, or reports it.
pub fn find_or_report(name: &str, span: Span, diags: &mut Diags) -> Option<&'static ProbeKind> {
    if let Some(kind) = find(name) {
        return Some(kind);
    }
    let mut d = Diag::error(&codes::PROBE_TYPE, span, format!("unknown probe type {name}"));
    if let Some(near) = nearest(name, KINDS.iter().map(|k| k.name)) {
        d = d.hint(format!("did you mean {near}?"));
    }
    diags.push(d);
    None
}

impl ApText {
    /// Whether wildcards in it count.
    pub fn is_pattern(&self) -> bool {
        !self.quoted && is_glob(&self.text)
    }
}

impl ResolveCx<'_> {
    /// Reports a mistake at a place of the attach point.
    pub fn error(&mut self, code: &'static Code, span: Span, message: impl Into<String>) {
        self.diags.push(Diag::error(code, span, message));
    }

    /// Reports an attach point that is not written as its row says.
    pub fn malformed(&mut self, kind: Provider, why: &str) -> Vec<Point> {
        let syntax = row(kind).syntax;
        let d = Diag::error(&codes::PROBE_SYNTAX, self.span, why.to_owned());
        self.diags.push(d.hint(format!("write {syntax}")));
        Vec::new()
    }

    /// The name that was perhaps meant, where anyone wants to know: among tens of thousands it takes its time.
    pub fn near(&self, find: impl FnOnce(&dyn World) -> Option<String>) -> Option<String> {
        let is_wanted =
            self.absence == Absence::Told && self.config.run.missing_probes != MissingProbes::Ignore;
        if is_wanted { find(self.world) } else { None }
    }

    /// Reports an attach point that matches nothing, as the setting `missing_probes` wants it.
    pub fn missing(&mut self, span: Span, message: String, near: Option<String>) -> Vec<Point> {
        let d = match self.config.run.missing_probes {
            MissingProbes::Ignore => return Vec::new(),
            MissingProbes::Warn => Diag::warning(&codes::PROBE_MISSING_WARNING, span, message),
            MissingProbes::Error => Diag::error(&codes::PROBE_MISSING, span, message),
        };
        self.diags.push(match near {
            Some(near) => d.hint(format!("did you mean {near}?")),
            None => d,
        });
        Vec::new()
    }

    /// The answer, or nothing after a report of why the machine gave none.
    pub fn answer<T: Default>(&mut self, what: &str, answer: Answer<T>) -> Option<T> {
        match answer {
            Ok(t) => Some(t),
            Err(Missing::No) => Some(T::default()),
            Err(Missing::Unreadable { why, hint }) => {
                let d = Diag::error(&codes::PROBE_UNREADABLE, self.span, format!("{what}: {why}"));
                self.diags.push(if hint.is_empty() { d } else { d.hint(hint) });
                None
            }
        }
    }

    /// Reports a probe type that this kernel does not have.
    pub fn unsupported(&mut self, message: impl Into<String>, hint: &str) -> Vec<Point> {
        let d = Diag::error(&codes::PROBE_UNSUPPORTED, self.span, message);
        self.diags.push(if hint.is_empty() { d } else { d.hint(hint) });
        Vec::new()
    }

    /// The struct of the `args` without any, shared by all points whose clause does not read them.
    pub fn no_fields(&mut self) -> StructId {
        fields::enter(self.types, Vec::new(), crate::ty::StructOrigin::Format)
    }
}

/// A number in an attach point, as in a script: `1000000`, `1_000_000`, `1e6`.
fn number(text: &str) -> Option<u64> {
    if let Some((digit @ ("1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9"), zeros)) = text.split_once('e')
    {
        return digit.parse::<u64>().ok()?.checked_mul(10u64.checked_pow(zeros.parse().ok()?)?);
    }
    match text.starts_with('_') || text.ends_with('_') {
        true => None,
        false => text.replace('_', "").parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_case_and_short_forms() {
        for (name, provider) in [
            ("BEGIN", Provider::Begin),
            ("Tracepoint", Provider::Tracepoint),
            ("t", Provider::Tracepoint),
            ("kfunc", Provider::Fentry),
            ("kr", Provider::Kretprobe),
            ("u", Provider::Uprobe),
            ("rt", Provider::Rawtracepoint),
        ] {
            assert_eq!(find(name).map(|k| k.provider), Some(provider), "{name}");
        }
        assert!(find("T").is_none());
    }

    #[test]
    fn unknown_types_are_told() {
        let mut diags = Diags::default();
        assert!(find_or_report("kprob", Span::none(), &mut diags).is_none());
        assert_eq!(diags.list[0].code, &codes::PROBE_TYPE);
        assert_eq!(diags.list[0].hint.as_deref(), Some("did you mean kprobe?"));
    }
}
