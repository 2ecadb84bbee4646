//! The shape of a builtin's row.

use super::probes::Provider;
use super::traits::{CheckCx, LowerCx, Operand};
use crate::image::wire::Format;
use crate::isa::Helper;
use crate::ty::{StackTy, Ty};

/// A builtin value or function.
#[derive(Debug)]
pub struct Builtin {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub form: Form,
    /// In order; optional ones last.
    pub params: &'static [Param],
    pub ret: Ret,
    pub needs: Needs,
    pub lower: fn(&mut dyn LowerCx) -> Operand,
    /// One line: what it yields or does, units, sizes, limits.
    pub doc: &'static str,
    /// A script that runs.
    pub example: &'static str,
}

/// How it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// `pid`, also `pid()`
    Value,
    /// `str(x)`
    Func,
}

#[derive(Debug)]
pub struct Param {
    pub name: &'static str,
    pub kind: ParamKind,
    pub need: Need,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    Required,
    Optional,
    /// None or more, last.
    Rest,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParamKind {
    /// Any value.
    Any,
    /// Integer (bool and enum are taken too).
    Int,
    /// Integer known at compile time.
    ConstInt,
    /// Pointer or integer.
    Ptr,
    /// String.
    Str,
    /// String literal.
    Text,
    /// String literal that is a printf format for the `Rest` parameters.
    Format,
    /// A map without key: `@m`.
    Map,
    /// A map, with or without key, or any other value: `print()`.
    MapOrAny,
    /// A map with its key: `@m[k]`.
    MapElem,
    /// A type, or an expression whose type is meant.
    Type,
    /// A bare word: `perf`, `monotonic`, a member path.
    Word,
}

/// What it yields.
#[derive(Debug)]
pub enum Ret {
    /// Always this.
    Is(Ty),
    /// Depends on the arguments and the probe; reports what is wrong with them.
    Check(fn(&mut dyn CheckCx) -> (Ty, CallData)),
}

/// What must be given to use it.
#[derive(Debug)]
pub struct Needs {
    /// `--unsafe`
    pub unsafe_: bool,
    /// Only in probes of these providers; empty: anywhere.
    pub probes: &'static [Provider],
    /// Kernel helpers without which it cannot work.
    pub helpers: &'static [Helper],
}

impl Needs {
    pub const NOTHING: Needs = Needs { unsafe_: false, probes: &[], helpers: &[] };
}

/// What checking finds out for lowering.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum CallData {
    #[default]
    None,
    Format(Format),
    /// Literal numbers: `argN`'s N, `top` and `div`, the length that `str` may have, …
    Ints(Vec<i64>),
    Text(String),
    Stack(StackTy),
}
