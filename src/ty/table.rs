//! Structs, unions and enums of one compilation, by id.
//!
//! A struct from BTF enters as a name and a size; its members are loaded when the first of them is looked
//! up (`World::load_struct`), for vmlinux has 10,000 structs and a script touches five.

use super::Ty;
use crate::base::IndexVec;
use crate::newtype_index;

newtype_index!(
    /// A struct or union of a `TypeTable`.
    StructId, "struct"
);
newtype_index!(
    /// An enum of a `TypeTable`.
    EnumId, "enum"
);

#[derive(Clone, Debug, Default)]
pub struct TypeTable {
    pub structs: IndexVec<StructId, StructDef>,
    pub enums: IndexVec<EnumId, EnumDef>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StructKind {
    Struct,
    Union,
}

/// Where a definition comes from, which decides whether its offsets are relocated at load.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum StructOrigin {
    /// BTF of vmlinux (`module` 0) or of a module (index in `World`'s list), with the type's id there.
    Btf { module: u32, id: u32 },
    /// Written in the script, or from a header: offsets are as written.
    Script,
    /// Written in the script under a kernel struct's name with a flavour, `task_struct___old`: a view of that struct.
    /// Offsets are those of the kernel's members of the same names, and relocated.
    Flavor,
    /// Debug information of a binary (index in `World`'s list), at an offset of `.debug_info`: offsets are as there.
    Dwarf { file: u32, die: u64 },
    /// The fields of a tracepoint's format (an `args` type): offsets are those of this kernel's format.
    Format,
    /// The arguments of a function or BTF tracepoint: member `i` is argument `i` (offset 64·i bits in the context).
    /// Of user functions: the offset is 64 times the number of the register, or beyond them of the word on the stack.
    Args,
}

impl StructOrigin {
    /// Whether offsets are the kernel's, which may differ from one to the next.
    pub fn is_relocated(self) -> bool {
        matches!(self, StructOrigin::Btf { .. } | StructOrigin::Flavor)
    }
}

/// A name without its flavour: `task_struct___old` is `task_struct`. libbpf's rule (tools/lib/bpf/relo_core.c).
pub fn essential(name: &str) -> &str {
    match name.find("___") {
        Some(at) if at > 0 => &name[..at],
        Some(_) | None => name,
    }
}

#[derive(Clone, Debug)]
pub struct StructDef {
    /// Empty for anonymous ones.
    pub name: String,
    pub kind: StructKind,
    /// Bytes.
    pub size: u32,
    pub origin: StructOrigin,
    /// `None` until loaded.
    pub members: Option<Vec<Member>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Empty for an anonymous struct or union, whose members count as the outer one's.
    pub name: String,
    pub ty: Ty,
    /// From the start of the struct.
    pub offset_bits: u32,
    /// Bits of a bit field, else `None`.
    pub bitfield_bits: Option<u8>,
    /// `__data_loc` and `__rel_loc` fields of tracepoints: the u32 there holds offset and length.
    pub data_loc: DataLoc,
    /// The BTF type tag of a pointer member: `rcu`, `user`, `percpu`, …
    pub tag: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DataLoc {
    #[default]
    No,
    /// Offset from the start of the record.
    Absolute,
    /// Offset from the end of the field.
    Relative,
}

#[derive(Clone, Debug)]
pub struct EnumDef {
    pub name: String,
    /// Bytes.
    pub size: u32,
    pub signed: bool,
    pub variants: Vec<(String, i64)>,
}

impl TypeTable {
    pub fn new() -> TypeTable {
        TypeTable::default()
    }
    /// The struct of that origin, if it is here already.
    pub fn find_origin(&self, origin: StructOrigin) -> Option<StructId> {
        self.structs.iter_enumerated().find(|(_, s)| s.origin == origin).map(|(i, _)| i)
    }
}
