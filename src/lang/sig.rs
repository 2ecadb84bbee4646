//! The shape of a builtin's row.

use super::probes::Provider;
use super::traits::{CheckCx, Clock, LowerCx, Operand};
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
    pub effect: Effect,
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

/// What a call does besides yielding its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Nothing, or what its `void` result says.
    Usual,
    /// Something for which it is called; its value may be ignored.
    Acts,
    /// Nothing after it is reached.
    Leaves,
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
    /// A whole map, or any other value: `len()`.
    MapOrAny,
    /// The same, and an element that is no value by itself, such as a histogram: `print()`.
    Printable,
    /// A map with its key: `@m[k]`.
    MapElem,
    /// A type, or an expression whose type is meant.
    Type,
    /// A bare word: `perf`, `monotonic`, a member path.
    Word,
    /// A bare word or an integer known at compile time: the first argument of `kstack()`.
    WordOrInt,
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

    /// Works only in probes of these providers.
    pub const fn probes(probes: &'static [Provider]) -> Needs {
        Needs { unsafe_: false, probes, helpers: &[] }
    }
    /// Works only where the kernel has these helpers.
    pub const fn helpers(helpers: &'static [Helper]) -> Needs {
        Needs { unsafe_: false, probes: &[], helpers }
    }
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
    /// A format for times of that clock.
    Time(String, Clock),
    Stack(StackTy),
    /// The call is known at compile time: checking puts this literal in its place, lowering never sees the call.
    Const(Const),
}

/// What a call that is known at compile time becomes.
#[derive(Clone, Debug, PartialEq)]
pub enum Const {
    Int(i64),
    Bool(bool),
    Str(String),
    /// Fields in order.
    Record(Vec<(String, Const)>),
}

impl Const {
    /// The type that goes without saying; integers have 64 bits.
    pub fn ty(&self) -> Ty {
        match self {
            Const::Int(_) => Ty::I64,
            Const::Bool(_) => Ty::Bool,
            Const::Str(s) => Ty::Str { n: s.len() as u32 + 1 },
            Const::Record(fields) => Ty::Record(fields.iter().map(|(n, c)| (n.clone(), c.ty())).collect()),
        }
    }
}

impl Builtin {
    /// A value without parameters that works everywhere.
    pub const fn value(
        name: &'static str,
        ret: Ret,
        lower: fn(&mut dyn LowerCx) -> Operand,
        doc: &'static str,
        example: &'static str,
    ) -> Builtin {
        let (aliases, params) = (&[], &[]);
        Builtin {
            name,
            aliases,
            form: Form::Value,
            params,
            ret,
            needs: Needs::NOTHING,
            effect: Effect::Usual,
            lower,
            doc,
            example,
        }
    }

    /// A function that works everywhere.
    pub const fn func(
        name: &'static str,
        params: &'static [Param],
        ret: Ret,
        lower: fn(&mut dyn LowerCx) -> Operand,
        doc: &'static str,
        example: &'static str,
    ) -> Builtin {
        let (aliases, needs, effect) = (&[], Needs::NOTHING, Effect::Usual);
        Builtin { name, aliases, form: Form::Func, params, ret, needs, effect, lower, doc, example }
    }
}

impl Param {
    pub const fn required(name: &'static str, kind: ParamKind) -> Param {
        Param { name, kind, need: Need::Required }
    }
    pub const fn optional(name: &'static str, kind: ParamKind) -> Param {
        Param { name, kind, need: Need::Optional }
    }
    /// The values of a format.
    pub const fn rest(name: &'static str) -> Param {
        Param { name, kind: ParamKind::Any, need: Need::Rest }
    }
}
