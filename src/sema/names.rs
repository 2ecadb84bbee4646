//! Names of types and constants: what the script's C definitions say, then the kernel's BTF, then the ABI.
//!
//! Always holds: the script comes first, so that it can define what the kernel has otherwise.

use super::hir::Expr;
use super::{Checker, convert, kernel, types};
use crate::base::Span;
use crate::lang::constants;
use crate::ty::{EnumId, StructId, StructKind, Ty};

impl Checker<'_> {
    /// The struct or union of that name.
    pub fn struct_named(&mut self, kind: StructKind, name: &str) -> Option<StructId> {
        let of_script = self.defs.strukt(kind, name);
        of_script.or_else(|| self.world.strukt(&mut self.types, Some(kind), name))
    }

    /// The enum of that name.
    pub fn enum_named(&mut self, name: &str) -> Option<EnumId> {
        let of_script = self.defs.enumeration(name);
        of_script.or_else(|| self.world.enumeration(&mut self.types, name))
    }

    /// What a typedef stands for; a struct's bare name also means the struct.
    pub fn typedef_named(&mut self, name: &str) -> Option<Ty> {
        let of_script = self.defs.typedefs.get(name).cloned();
        of_script.or_else(|| self.world.typedef(&mut self.types, name))
    }

    /// Names of all structs, for hints.
    pub fn struct_names(&self) -> Vec<String> {
        let mut names = self.world.struct_names();
        names.extend(self.defs.tags.keys().cloned());
        names
    }

    /// An enumerator or a constant of the ABI.
    pub fn constant(&mut self, name: &str, span: Span) -> Option<Expr> {
        if let Some((v, ty)) = self.defs.enumerators.get(name) {
            return Some(convert::int(*v, ty.clone(), span));
        }
        if let Some((v, id)) = self.world.enumerator(&mut self.types, name) {
            return Some(convert::int(v, Ty::Enum(id), span));
        }
        let value =
            constants::find(name).or_else(|| self.of_machine(name)).or_else(|| self.of_kernel(name))?;
        Some(convert::int(value, types::of_literal(value), span))
    }

    /// Constants that the machine decides.
    fn of_machine(&self, name: &str) -> Option<i64> {
        let page_bytes = i64::from(self.world.arch().page_bytes);
        match name {
            "PAGE_SIZE" => Some(page_bytes),
            "PAGE_SHIFT" => Some(i64::from(page_bytes.trailing_zeros())),
            "PAGE_MASK" => Some(-page_bytes),
            _ => self.world.syscall_nr(name.strip_prefix("__NR_")?).map(i64::from),
        }
    }

    /// Says of a bare word that nothing knows it, or why it cannot.
    pub fn unknown_word(&mut self, name: &str, span: Span, known: impl Iterator<Item = &'static str>) {
        match kernel::differs(name) {
            true => self.diags.differs_by_kernel(span, name),
            false if self.struct_named(StructKind::Struct, name).is_some() => {
                self.diags.unknown_name_but(span, name, format!("the type is struct {name}"));
            }
            false => {
                let shouts = |n: &&str| n.len() > 3 && name.starts_with(|c: char| c.is_ascii_uppercase());
                self.diags.unknown_name(span, name, known.chain(constants::names().filter(shouts)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sema::tests::messages;

    #[test]
    fn constants_of_the_abi_are_numbers() {
        assert_eq!(messages("begin { @ = AF_INET6 + O_CREAT + PAGE_SIZE; }"), Vec::<String>::new());
        let said = messages("begin { @ = AF_INET66; }");
        assert!(said[0].contains("unknown name AF_INET66") && said[0].contains("AF_INET6"), "{said:?}");
        assert_eq!(messages("begin { @ = HZ + GFP_KERNEL + __GFP_ODD; }"), Vec::<String>::new());
        assert!(messages("begin { @ = GFP_NOFS; }")[0].starts_with("GFP_NOFS differs between kernels"));
        assert!(messages("begin { @ = CONFIG_NUMA; }")[0].starts_with("CONFIG_NUMA differs between kernels"));
    }
}
