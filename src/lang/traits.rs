//! What rows may ask of the checker and of the lowering.

use super::config::{Config, Use};
use super::probes::ProbeView;
use super::sig::{CallData, Const};
use crate::base::{Diag, Span, codes};
use crate::image::wire::EventKind;
use crate::image::{LossKind, MapId};
use crate::ir::{Builder, Value};
use crate::ty::{StructId, StructKind, StructOrigin, Ty, TypeTable};
use crate::world::World;
use std::sync::Arc;

/// An argument as the checker sees it.
#[derive(Clone, Debug)]
pub struct ArgView {
    pub ty: Ty,
    pub span: Span,
    /// A number known at compile time.
    pub int: Option<i64>,
    /// A string literal, a bare word or a member path.
    pub text: Option<String>,
    /// The bytes of a string literal.
    pub literal: Option<Arc<[u8]>>,
    /// `@m` or `@m[k]`.
    pub map: Option<MapId>,
    /// `map` is one of its elements.
    pub is_element: bool,
    /// `&$x`: the variable's own memory.
    pub is_variable: bool,
    /// A time, as far as it is known: whose.
    pub clock: Option<Clock>,
}

/// A clock of the kernel, for times in ns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clock {
    Boot,
    Monotonic,
    /// Wall time without leap seconds.
    Tai,
}

impl Clock {
    /// That of `nsecs(word)`.
    pub fn of_word(word: &str) -> Option<Clock> {
        match word {
            "boot" => Some(Clock::Boot),
            "monotonic" => Some(Clock::Monotonic),
            "tai" | "sw_tai" => Some(Clock::Tai),
            _ => None,
        }
    }
}

/// The named parameter that asks what others there are, unless the script takes one of that name itself.
pub const HELP_PARAMETER: &str = "help";

/// A named parameter that a script takes, by `getopt()`.
#[derive(Clone, Debug, PartialEq)]
pub struct ScriptOption {
    /// Without its dashes.
    pub name: String,
    pub default: Const,
    /// May be empty.
    pub doc: String,
    pub span: Span,
}

/// A call being checked.
pub trait CheckCx {
    fn span(&self) -> Span;
    fn n_args(&self) -> usize;
    fn arg(&self, i: usize) -> ArgView;
    /// Arranges that argument `i` is converted to `ty`.
    fn coerce(&mut self, i: usize, ty: Ty);
    /// Takes argument `i`, if it is an array of characters that reads as a string, as the array that it is.
    fn as_bytes(&mut self, i: usize);
    fn types(&mut self) -> &mut TypeTable;
    fn world(&self) -> &dyn World;
    fn config(&self) -> &Config;
    fn probe(&self) -> ProbeView<'_>;
    fn push(&mut self, d: Diag);
    /// The number of `ConstInt` argument `i` (`default` where it is absent); outside `min..=max` it is reported
    /// and `None`.
    fn arg_int_in(&mut self, i: usize, default: i64, min: i64, max: i64) -> Option<i64>;
    /// Reports an argument that cannot be.
    fn bad_argument(&mut self, span: Span, message: String);
    /// Warns of an argument that is not taken as it is.
    fn warn(&mut self, span: Span, message: String, hint: Option<String>);
    /// Key and value type of a map, as far as they are known in this round of inference.
    fn map_types(&self, map: MapId) -> (Option<Ty>, Ty);
    /// The kernel's struct or union of that name.
    fn kernel_struct(&mut self, kind: Option<StructKind>, name: &str) -> Option<StructId>;
    /// The kernel's flags of allocations and their names (`value::gfp`).
    fn gfp_names(&mut self) -> Vec<(u64, String)>;
    /// Whether the kernel's BTF has a function of that name.
    fn has_function(&mut self, name: &str) -> bool;
    /// Byte offset of a member path (`a.b.c`) in a struct; reports what is wrong with it.
    fn member_offset(&mut self, ty: &Ty, path: &str, span: Span) -> Option<i64>;
    /// Whether the library's own text calls.
    fn is_of_library(&self) -> bool;
    /// Whether what may still change can be used, as its setting says; warns of it or reports it. The library keeps
    /// up with what changes.
    fn may_use(&mut self, feature: &str, used: Use) -> bool {
        if self.is_of_library() {
            return true;
        }
        let message = format!("{feature}() is unstable: it may still change");
        let d = match used {
            Use::Allowed => return true,
            Use::Warned => Diag::warning(&codes::UNSTABLE_WARNING, self.span(), message),
            Use::Refused => Diag::error(&codes::UNSTABLE, self.span(), message),
        };
        self.push(d.hint(format!("set unstable_{feature} = enable in the config block")));
        used != Use::Refused
    }
    /// The id of a type in the kernel's BTF.
    fn btf_id(&mut self, ty: &Ty) -> Option<u32> {
        match *ty {
            Ty::Struct(id) => match self.types().structs[id].origin {
                StructOrigin::Btf { id, .. } => Some(id),
                StructOrigin::Script
                | StructOrigin::Flavor
                | StructOrigin::Dwarf { .. }
                | StructOrigin::Format
                | StructOrigin::Args => None,
            },
            _ => None,
        }
    }
    /// Takes note of a named parameter; where it has another default, the place of that.
    fn declare_option(&mut self, option: ScriptOption) -> Option<Span>;
}

/// A value during lowering.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operand {
    /// `void`
    None,
    /// In a register, extended to 64 bits according to its type.
    Val(Value),
    /// In memory that the program can load directly (stack, map value, record), at `ptr + off`.
    Mem { ptr: Value, off: i32 },
}

/// Which memory is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadSpace {
    Kernel,
    User,
}

/// A call being lowered.
pub trait LowerCx {
    /// The function being built.
    fn b(&mut self) -> &mut Builder;
    fn span(&self) -> Span;
    fn world(&self) -> &dyn World;
    fn config(&self) -> &Config;
    fn types(&self) -> &TypeTable;
    fn probe(&self) -> ProbeView<'_>;

    fn n_args(&self) -> usize;
    fn arg_ty(&self, i: usize) -> Ty;
    /// Computes argument `i`; once per argument, in order.
    fn arg(&mut self, i: usize) -> Operand;
    fn arg_int(&self, i: usize) -> Option<i64>;
    fn arg_text(&self, i: usize) -> Option<String>;
    /// The bytes of argument `i`, if it is a string literal.
    fn arg_literal(&self, i: usize) -> Option<Arc<[u8]>>;
    fn arg_map(&self, i: usize) -> Option<MapId>;
    /// Whether argument `i` is an element of a map, not the whole.
    fn arg_is_element(&self, i: usize) -> bool;
    /// For `ParamKind::MapElem`: the key of argument `i` in memory, ready for a helper; `None` for a scalar map.
    fn arg_key(&mut self, i: usize) -> Option<Value>;
    fn data(&self) -> CallData;
    fn ret_ty(&self) -> Ty;

    /// Whether nobody looks at the result: the call is a statement.
    fn is_discarded(&self) -> bool;

    /// Uninitialised memory of this function, 8-aligned.
    fn temp(&mut self, bytes: u32, name: &'static str) -> Value;
    /// Memory for the result: where it is wanted if that is known, else as `temp` gives it.
    fn out(&mut self, bytes: u32, name: &'static str) -> Value;
    /// The program's context.
    fn ctx(&mut self) -> Value;
    /// The address of byte `off` of `wire::globals`.
    fn global(&mut self, off: u32) -> Value;
    /// A constant string, with its NUL, in memory.
    fn literal(&mut self, text: &[u8]) -> Operand;
    /// Index of a text in `Image::strings`.
    fn string_index(&mut self, text: &str) -> u32;
    /// Argument `i` of a context of `u64` values, of the given type.
    fn context_arg(&mut self, i: u32, ty: &Ty) -> Operand;
    /// Whether BTF pointers that this program gets are read directly.
    fn reads_directly(&self) -> bool;
    /// The current task: a BTF pointer where programs of this type may read through it, else a kernel address.
    fn task(&mut self) -> Value;
    /// The ids of the current thread and its process in awl's namespace, 0 for tasks that it does not see.
    fn own_ids(&mut self) -> (Value, Value);
    /// Reads a member path of a kernel struct (`real_parent.tgid`) through a pointer as `task()` gives it, like
    /// an access in a script; `None` if this kernel has no such path.
    fn kernel_field(&mut self, base: Value, strukt: &str, path: &str) -> Option<Operand>;
    /// 1 if the kernel that loads the program has the member that argument `i` names, else 0.
    fn field_exists(&mut self, i: usize) -> Value;
    /// Reads `len` bytes (a value, bounded by `max`) into `dst`; a fault leaves zeros.
    fn read(&mut self, space: ReadSpace, dst: Value, src: Value, len: Value, max: u32);
    /// Reads a string of at most `n` bytes with its NUL into `dst`; a fault leaves zeros. Yields its length with
    /// the NUL, or what is below 0 after a fault.
    fn read_str(&mut self, space: ReadSpace, dst: Value, src: Value, n: u32) -> Value;
    /// The same of at most `len` bytes, `max` at most; what follows the string is zero.
    fn read_str_upto(&mut self, space: ReadSpace, dst: Value, src: Value, len: Value, max: u32) -> Value;
    /// Which space a pointer-like argument is in.
    fn space_of(&self, i: usize) -> ReadSpace;
    /// The address of the place that argument `i` is, or of what it points to. Goes to `gone` where a pointer on
    /// the way is null.
    fn arg_address(&mut self, i: usize, gone: crate::ir::Block) -> Value;
    /// Which space the result points to.
    fn space_of_ret(&self) -> ReadSpace;
    /// Emits a record with these values.
    fn emit(&mut self, kind: EventKind, fields: &[(Ty, Operand)]);
    /// Emits a record with the arguments from `from` on, computed where they will lie.
    fn emit_args(&mut self, kind: EventKind, from: usize);
    /// Emits a record of one buffer of `n` bytes, which `fill` writes, with its length, at the address that it is
    /// given.
    fn emit_buf(&mut self, kind: EventKind, n: u32, fill: &mut dyn FnMut(&mut dyn LowerCx, Value));
    /// A place from which packets go to a file: the perf events for them, and its number.
    fn packet_site(&mut self, path: &str) -> (Value, i64);
    /// Adds one to a loss counter.
    fn lose(&mut self, kind: LossKind);
    /// Copies a value of type `ty` to `dst + off`.
    fn store(&mut self, ty: &Ty, v: Operand, dst: Value, off: i32);
    /// The stack of the given type: walks, hashes and stores the frames, and yields the value in memory.
    fn stack(&mut self, ty: crate::ty::StackTy) -> Operand;
    /// The same of the user's code, by its call frame information.
    fn unwound_stack(&mut self, ty: crate::ty::StackTy) -> Operand;
    /// What is kept of the stack with that key: the number of frames, then the frames. Goes to `gone` if nothing is.
    fn stack_frames(&mut self, ty: crate::ty::StackTy, key: Value, gone: crate::ir::Block) -> Value;
    /// Ends the program (for `exit`).
    fn return_now(&mut self);
    /// The type of a map's keys.
    fn map_key_ty(&self, map: MapId) -> Option<Ty>;
    /// Deletes a map's element; yields 1 if it was there. `key` as from `arg_key`.
    fn map_delete(&mut self, map: MapId, key: Option<Value>) -> Value;
    /// 1 if the element is there.
    fn map_has(&mut self, map: MapId, key: Option<Value>) -> Value;
    /// Copies the element's value, for an aggregation that over all CPUs, to `dst`; 1 if the element is there.
    fn map_copy(&mut self, map: MapId, key: Option<Value>, dst: Value) -> Value;
    /// The number of elements.
    fn map_len(&mut self, map: MapId) -> Value;
}
