//! What the C definitions of a script say.
//!
//! Always holds: structs have members, in C's layout; the types of all entries live in `types`.

use crate::base::Span;
use crate::ty::{EnumId, StructId, StructKind, Ty, TypeTable};
use std::collections::{BTreeMap, BTreeSet};

/// Structs, unions, enums, typedefs and enumerators of a script and its headers.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    /// What a check starts with.
    pub types: TypeTable,
    /// Structs, unions and enums, which share their names.
    pub tags: BTreeMap<String, Tag>,
    pub typedefs: BTreeMap<String, Ty>,
    pub enumerators: BTreeMap<String, (i64, Ty)>,
    /// What headers of the system define and awl could not read, by its name.
    pub skipped: BTreeMap<String, Skipped>,
    /// Fields that such headers rename: `st_mtime` is `st_mtim.tv_sec`.
    pub renamed: BTreeMap<String, Vec<String>>,
    /// `#define`s with parameters whose texts are no expressions, so that nothing can call them.
    pub uncallable: BTreeSet<String>,
}

/// A definition that could not be read.
#[derive(Clone, Debug)]
pub struct Skipped {
    /// Where it was not understood.
    pub span: Span,
    pub message: String,
}

/// What a name after `struct`, `union` or `enum` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    Struct(StructKind, StructId),
    Enum(EnumId),
}

impl Definitions {
    /// The struct or union of that name.
    pub fn strukt(&self, kind: StructKind, name: &str) -> Option<StructId> {
        match self.tags.get(name) {
            Some(Tag::Struct(k, id)) if *k == kind => Some(*id),
            Some(Tag::Struct(..) | Tag::Enum(_)) | None => None,
        }
    }

    /// The enum of that name.
    pub fn enumeration(&self, name: &str) -> Option<EnumId> {
        match self.tags.get(name) {
            Some(Tag::Enum(id)) => Some(*id),
            Some(Tag::Struct(..)) | None => None,
        }
    }
}
