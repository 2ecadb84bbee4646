//! The BTF of a whole kernel: vmlinux and, read when first needed, its modules.
//!
//! A module is known by its number: 0 is vmlinux, the others follow in the order of [`ModuleSource::names`].
//! Names are looked for in vmlinux first, then in the modules in their order.

use super::kind;
use super::query::Section;
use super::read::Btf;
use crate::ty::{EnumId, StructId, StructKind, StructOrigin, Ty, TypeTable};
use btf_rs::{BtfType, Type};
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Where the BTF of modules comes from.
pub trait ModuleSource {
    /// Names of all modules that have BTF, in a fixed order.
    fn names(&self) -> Vec<String>;
    fn read(&self, name: &str) -> Option<Vec<u8>>;
}

/// A kernel without modules.
pub struct NoModules;

impl ModuleSource for NoModules {
    fn names(&self) -> Vec<String> {
        Vec::new()
    }
    fn read(&self, _name: &str) -> Option<Vec<u8>> {
        None
    }
}

/// The signature of a function or raw tracepoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Proto {
    /// Empty for vmlinux.
    pub module: String,
    pub params: Vec<(String, Ty)>,
    pub ret: Ty,
    /// Id of the FUNC, or of the tracepoint's typedef, in its module's BTF.
    pub id: u32,
}

/// vmlinux and modules.
pub struct Kernel {
    vmlinux: Rc<Btf>,
    source: Box<dyn ModuleSource>,
    names: OnceCell<Vec<String>>,
    /// By number; `None` for a module whose BTF cannot be read.
    loaded: RefCell<BTreeMap<u32, Option<Rc<Btf>>>>,
}

const STRUCTS: [u8; 2] = [kind::STRUCT, kind::UNION];
const ENUMS: [u8; 2] = [kind::ENUM, kind::ENUM64];

impl Kernel {
    pub fn new(vmlinux: Rc<Btf>, source: Box<dyn ModuleSource>) -> Kernel {
        Kernel { vmlinux, source, names: OnceCell::new(), loaded: RefCell::default() }
    }

    pub fn vmlinux(&self) -> &Rc<Btf> {
        &self.vmlinux
    }

    /// Names of the modules; number `i + 1` is the `i`th.
    pub fn modules(&self) -> &[String] {
        self.names.get_or_init(|| self.source.names())
    }

    /// The name of a module; empty for vmlinux.
    pub fn module_name(&self, module: u32) -> &str {
        let i = (module as usize).checked_sub(1);
        i.and_then(|i| self.modules().get(i)).map_or("", String::as_str)
    }

    /// The number of a module; `vmlinux` and the empty name are 0.
    pub fn module_number(&self, name: &str) -> Option<u32> {
        if name.is_empty() || name == "vmlinux" {
            return Some(0);
        }
        self.modules().iter().position(|m| m == name).map(|i| i as u32 + 1)
    }

    /// The BTF of a module by its number.
    pub fn btf(&self, module: u32) -> Option<Rc<Btf>> {
        if module == 0 {
            return Some(self.vmlinux.clone());
        }
        if let Some(known) = self.loaded.borrow().get(&module) {
            return known.clone();
        }
        let bytes = self.source.read(self.module_name(module));
        let btf = bytes.and_then(|b| Btf::from_split_bytes(b, &self.vmlinux).ok());
        self.loaded.borrow_mut().insert(module, btf.clone());
        btf
    }

    /// Runs `f` on one BTF.
    fn section<T>(&self, module: u32, f: impl FnOnce(&Section) -> T) -> Option<T> {
        let btf = self.btf(module)?;
        let full = |name: &str, kind: StructKind| {
            let id = self.vmlinux.find(name, &[struct_kind(kind)])?;
            Some((StructOrigin::Btf { module: 0, id }, struct_size(&self.vmlinux, id)))
        };
        Some(f(&Section { btf: &btf, module, full: &full }))
    }

    /// Module and id of the first type of that name.
    pub fn find(&self, name: &str, kinds: &[u8]) -> Option<(u32, u32)> {
        self.find_choice(name, &[kinds])
    }

    /// As `find`, by several choices of kinds: in each BTF the first that is there, so that no module is read for
    /// what vmlinux has as a second choice.
    fn find_choice(&self, name: &str, choices: &[&[u8]]) -> Option<(u32, u32)> {
        self.numbers().find_map(|module| {
            let btf = self.btf(module)?;
            choices.iter().find_map(|kinds| btf.find(name, kinds)).map(|id| (module, id))
        })
    }

    /// vmlinux's number, then the modules'; they are listed only if they are asked for.
    fn numbers(&self) -> impl Iterator<Item = u32> {
        std::iter::once(0).chain((1..).take_while(|n| *n <= self.modules().len() as u32))
    }

    // --- types -------------------------------------------------------------------------------------------

    /// The struct or union of that name, also through a typedef, entered without members.
    pub fn strukt(&self, types: &mut TypeTable, kind: Option<StructKind>, name: &str) -> Option<StructId> {
        let kinds: &[u8] = match kind {
            Some(StructKind::Struct) => &[kind::STRUCT],
            Some(StructKind::Union) => &[kind::UNION],
            None => &STRUCTS,
        };
        let (module, id) = self.find_choice(name, &[kinds, &[kind::TYPEDEF]])?;
        let found = self.section(module, |s| s.ty(types, id))?;
        match found {
            Ty::Struct(id) if kind.is_none_or(|k| types.structs[id].kind == k) => Some(id),
            _ => None,
        }
    }

    /// The enum of that name, also through a typedef.
    pub fn enumeration(&self, types: &mut TypeTable, name: &str) -> Option<EnumId> {
        let (module, id) = self.find_choice(name, &[&ENUMS, &[kind::TYPEDEF]])?;
        self.section(module, |s| s.enumeration(types, id))?
    }

    /// What a typedef, or an integer type's own name, stands for.
    pub fn typedef(&self, types: &mut TypeTable, name: &str) -> Option<Ty> {
        let (module, id) = self.find(name, &[kind::TYPEDEF, kind::INT])?;
        self.section(module, |s| s.ty(types, id))
    }

    /// The type of a variable; BTF has those of which each CPU has one.
    pub fn variable(&self, types: &mut TypeTable, name: &str) -> Option<Ty> {
        let (module, id) = self.find(name, &[kind::VAR])?;
        self.section(module, |s| s.ty(types, id)).filter(|ty| *ty != Ty::Void)
    }

    /// Value and enum of the first enumerator of that name.
    pub fn enumerator(&self, types: &mut TypeTable, name: &str) -> Option<(i64, EnumId)> {
        self.numbers().find_map(|module| {
            let btf = self.btf(module)?;
            let id = enum_with(&btf, name)?;
            let e = self.section(module, |s| s.enumeration(types, id))??;
            let value = types.enums[e].variants.iter().find(|(n, _)| n == name)?.1;
            Some((value, e))
        })
    }

    /// Loads the members of a struct that came from here.
    pub fn load_struct(&self, types: &mut TypeTable, id: StructId) {
        let def = &types.structs[id];
        let (None, StructOrigin::Btf { module, id: btf_id }) = (&def.members, def.origin) else { return };
        let members = self.section(module, |s| s.members(types, btf_id)).unwrap_or_default();
        types.structs[id].members = Some(members);
    }

    /// Names of the structs and unions of vmlinux and of the modules that are loaded.
    pub fn struct_names(&self) -> Vec<String> {
        let names = |kind| self.vmlinux.all(kind).map(|(_, n)| n.to_owned()).collect::<Vec<_>>();
        let mut names = [names(kind::STRUCT), names(kind::UNION)].concat();
        names.retain(|n| !n.is_empty());
        names.sort_unstable();
        names.dedup();
        names
    }

    // --- functions ---------------------------------------------------------------------------------------

    /// `(module, name)` of functions that match, in order; `module` decides by a module's name (empty for
    /// vmlinux) whether it is looked into.
    pub fn functions(
        &self,
        module: &dyn Fn(&str) -> bool,
        name: &dyn Fn(&str) -> bool,
    ) -> Vec<(String, String)> {
        self.names_of(kind::FUNC, module, &|n| name(n).then(|| n.to_owned()))
    }

    /// `(module, name)` of the functions of that very name.
    pub fn functions_named(&self, module: &dyn Fn(&str) -> bool, name: &str) -> Vec<(String, String)> {
        let number_has = |number: &u32| {
            module(self.module_name(*number))
                && self.btf(*number).is_some_and(|b| b.find(name, &[kind::FUNC]).is_some())
        };
        // Reading the BTF of all modules is for names that vmlinux does not have.
        let numbers = 0..=self.modules().len() as u32;
        let found: Vec<u32> = match number_has(&0) {
            true => vec![0],
            false => numbers.filter(number_has).collect(),
        };
        found.into_iter().map(|n| (self.module_name(n).to_owned(), name.to_owned())).collect()
    }

    /// The signature of a function; the empty module looks everywhere, vmlinux first.
    pub fn function(&self, types: &mut TypeTable, module: &str, name: &str) -> Option<Proto> {
        let (module, id) = match module {
            "" => self.find(name, &[kind::FUNC])?,
            module => {
                let module = self.module_number(module)?;
                (module, self.btf(module)?.find(name, &[kind::FUNC])?)
            }
        };
        let (params, ret) = self.section(module, |s| s.proto(types, id))??;
        Some(Proto { module: self.module_name(module).to_owned(), params, ret, id })
    }

    /// `(module, name)` of the raw tracepoints that match by `glob`; a plain name is looked up.
    pub fn raw_tracepoints(&self, pattern: &str, glob: &dyn Fn(&str, &str) -> bool) -> Vec<(String, String)> {
        const PREFIX: &str = "btf_trace_";
        if !pattern.contains(['*', '?', '[']) {
            let found = self.find(&format!("{PREFIX}{pattern}"), &[kind::TYPEDEF]);
            let named = |(module, _)| (self.module_name(module).to_owned(), pattern.to_owned());
            return found.map(named).into_iter().collect();
        }
        let pick = |n: &str| n.strip_prefix(PREFIX).filter(|n| glob(pattern, n)).map(str::to_owned);
        self.names_of(kind::TYPEDEF, &|_| true, &pick)
    }

    /// The arguments of a raw tracepoint, `void *__data` left out, with the id of its typedef. The typedef has
    /// the types; names are those of `__traceiter_NAME`, which exists for each event, else of the function of
    /// its class.
    pub fn raw_tracepoint_args(&self, types: &mut TypeTable, name: &str) -> Option<Proto> {
        let (module, id) = self.find(&format!("btf_trace_{name}"), &[kind::TYPEDEF])?;
        let (mut params, ret) = self.section(module, |s| s.proto(types, id))??;
        let btf = self.btf(module)?;
        let named = ["__traceiter_", "__probestub_", "__bpf_trace_"].iter().find_map(|prefix| {
            let func = btf.find(&format!("{prefix}{name}"), &[kind::FUNC])?;
            let names = self.section(module, |s| s.func_proto(func))??;
            let names: Vec<String> = names.parameters.iter().map(|p| btf.name(p).to_owned()).collect();
            (names.len() == params.len() && names.iter().all(|n| !n.is_empty())).then_some(names)
        });
        for (param, name) in params.iter_mut().zip(named.unwrap_or_default()) {
            param.0 = name;
        }
        params.drain(..1.min(params.len()));
        for (i, (name, _)) in params.iter_mut().enumerate().filter(|(_, (name, _))| name.is_empty()) {
            *name = format!("arg{i}");
        }
        Some(Proto { module: self.module_name(module).to_owned(), params, ret, id })
    }

    fn names_of(
        &self,
        kind: u8,
        module: &dyn Fn(&str) -> bool,
        pick: &dyn Fn(&str) -> Option<String>,
    ) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for number in 0..=self.modules().len() as u32 {
            let name = self.module_name(number).to_owned();
            if !module(&name) {
                continue;
            }
            let Some(btf) = self.btf(number) else { continue };
            let mut of_module: Vec<String> = btf.all(kind).filter_map(|(_, n)| pick(n)).collect();
            of_module.sort_unstable();
            of_module.dedup();
            found.extend(of_module.into_iter().map(|n| (name.clone(), n)));
        }
        found
    }
}

/// The enum that has an enumerator of that name.
fn enum_with(btf: &Btf, name: &str) -> Option<u32> {
    let offsets = btf.string_offsets(name);
    if offsets == [None, None] {
        return None;
    }
    let is_it = |m: &dyn BtfType| m.get_name_offset().is_some() && offsets.contains(&m.get_name_offset());
    let ids = ENUMS.iter().flat_map(|kind| btf.all(*kind)).map(|(id, _)| id);
    ids.into_iter().find(|id| match btf.ty(*id) {
        Type::Enum(e) => e.members.iter().any(|m| is_it(m)),
        Type::Enum64(e) => e.members.iter().any(|m| is_it(m)),
        _ => false,
    })
}

fn struct_kind(kind: StructKind) -> u8 {
    match kind {
        StructKind::Struct => kind::STRUCT,
        StructKind::Union => kind::UNION,
    }
}

fn struct_size(btf: &Btf, id: u32) -> u32 {
    match btf.ty(id) {
        Type::Struct(s) | Type::Union(s) => s.size() as u32,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::write::{Linkage, NewMember, Writer};
    use crate::ty::Space;

    /// `int` 1, `struct s { int a; }` 2, `s *` 3, `int (s *s, int n)` 4, `int vm_fn(…)` 5
    fn base() -> Writer {
        let mut w = Writer::new();
        let int = w.int("int", 4, true);
        let a = NewMember { name: "a".into(), ty: int, offset_bits: 0, bitfield_bits: None };
        let s = w.strukt(kind::STRUCT, "s", 4, &[a]);
        let to = w.ptr(s);
        let proto = w.func_proto(int, &[("s", to), ("n", int)]);
        w.func("vm_fn", proto, Linkage::Static);
        w
    }

    /// Types 6 to 13, on top of `base`: `struct m { struct s s; struct fwd *f; }`, `mod_fn` with the prototype of
    /// `vm_fn`, and the tracepoint `ev`, whose class function has names for its arguments.
    fn module(base_string_bytes: u32) -> Vec<u8> {
        let mut strings = vec![0u8];
        let mut name = |text: &str| {
            let at = strings.len() as u32;
            strings.extend(text.as_bytes());
            strings.push(0);
            base_string_bytes + at
        };
        let (func, typedef, strukt) = (12 << 24, 8 << 24, 4 << 24);
        let types: Vec<u32> = [
            vec![name("fwd"), 7 << 24, 0],
            vec![0, 2 << 24, 6],
            vec![name("m"), strukt | 2, 16, name("s"), 2, 0, name("f"), 7, 64],
            vec![name("mod_fn"), func, 4],
            vec![0, 13 << 24 | 2, 0, 0, 3, 0, 3],
            vec![0, 2 << 24, 10],
            vec![name("btf_trace_ev"), typedef, 11],
            vec![0, 13 << 24 | 2, 0, name("__data"), 3, name("obj"), 3],
            vec![name("__bpf_trace_ev"), func, 13],
        ]
        .concat();
        let (n_types, n_strings) = (types.len() as u32 * 4, strings.len() as u32);
        let mut blob = vec![0x9f, 0xeb, 1, 0];
        let words = [24, 0, n_types, n_types, n_strings];
        blob.extend(words.iter().chain(&types).flat_map(|w| w.to_le_bytes()));
        blob.extend(strings);
        blob
    }

    struct Modules(Vec<u8>);

    impl ModuleSource for Modules {
        fn names(&self) -> Vec<String> {
            vec!["broken".into(), "mod".into()]
        }
        fn read(&self, name: &str) -> Option<Vec<u8>> {
            Some(if name == "mod" { self.0.clone() } else { b"no BTF".to_vec() })
        }
    }

    fn kernel() -> Kernel {
        let blob = base().finish();
        let string_bytes = u32::from_le_bytes([blob[20], blob[21], blob[22], blob[23]]);
        Kernel::new(Btf::from_bytes(blob).unwrap(), Box::new(Modules(module(string_bytes))))
    }

    fn pair(module: &str, name: &str) -> (String, String) {
        (module.to_owned(), name.to_owned())
    }

    #[test]
    fn structs_of_modules_stand_on_those_of_vmlinux() {
        let (kernel, mut types) = (kernel(), TypeTable::new());
        let m = kernel.strukt(&mut types, None, "m").unwrap();
        let StructOrigin::Btf { module, .. } = types.structs[m].origin else { panic!("no BTF") };
        assert_eq!(kernel.module_name(module), "mod");
        kernel.load_struct(&mut types, m);
        let members = types.structs[m].members.clone().unwrap();
        let Ty::Struct(inner) = members[0].ty else { panic!("{:?}", members[0]) };
        // The same struct by either way.
        assert_eq!(kernel.strukt(&mut types, Some(StructKind::Struct), "s"), Some(inner));
        assert_eq!(types.structs[inner].origin, StructOrigin::Btf { module: 0, id: 2 });
        // One that is only declared has no members, and no size.
        let Ty::Ptr { to, .. } = &members[1].ty else { panic!("{:?}", members[1]) };
        let Ty::Struct(fwd) = **to else { panic!("{to:?}") };
        kernel.load_struct(&mut types, fwd);
        let def = &types.structs[fwd];
        assert_eq!((def.name.as_str(), def.size, def.members.as_deref()), ("fwd", 0, Some(&[][..])));
    }

    #[test]
    fn functions_and_tracepoints_of_modules() {
        let (kernel, mut types) = (kernel(), TypeTable::new());
        let f = kernel.function(&mut types, "", "mod_fn").unwrap();
        assert_eq!((f.module.as_str(), f.params.len(), f.ret), ("mod", 2, Ty::int(32)));
        assert!(kernel.function(&mut types, "mod", "vm_fn").is_none());
        assert!(kernel.function(&mut types, "vmlinux", "mod_fn").is_none());
        assert!(kernel.function(&mut types, "no_such_module", "mod_fn").is_none());
        let all = kernel.functions(&|_| true, &|n| n.ends_with("_fn"));
        assert_eq!(all, [pair("", "vm_fn"), pair("mod", "mod_fn")]);
        assert_eq!(kernel.functions(&|m| m == "mod", &|n| n.ends_with("_fn")), [pair("mod", "mod_fn")]);
        assert_eq!(kernel.functions_named(&|_| true, "mod_fn"), [pair("mod", "mod_fn")]);
        assert_eq!(kernel.raw_tracepoints("e*", &|_, n| n.starts_with('e')), [pair("mod", "ev")]);
        let ev = kernel.raw_tracepoint_args(&mut types, "ev").unwrap();
        assert_eq!((ev.module.as_str(), ev.params.len()), ("mod", 1));
        assert_eq!(ev.params[0].0, "obj");
        assert!(matches!(ev.params[0].1, Ty::Ptr { space: Space::Any, .. }));
    }
}
