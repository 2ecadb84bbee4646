//! Makes modules by hand, generates their code, and runs it in the kernel.

use awl::base::{IndexVec, Span};
use awl::codegen;
use awl::image::{Attach, Image, Map, MapId, MapKind, ProgType, Program, ProgramId, Role};
use awl::ir::{Builder, Entry, Func, FuncId, Kind, Module, Size, Value};
use awl::isa::Helper;
use awl::world::{Feature, Features};

use crate::bpf::{self, Loaded};
use crate::interp::Interp;

/// Numbers go in and out through the value of this map: inputs first, outputs from `OUT` on.
pub const IO: MapId = MapId(0);
/// An empty hash map, for calls whose answer is known.
pub const EMPTY: MapId = MapId(1);
/// Byte offset of the first output.
pub const OUT: u32 = 512;
pub const IO_BYTES: u32 = 1024;

/// A kernel with or without atomic exchange.
pub struct Kernel {
    pub atomic_fetch: bool,
}

impl Features for Kernel {
    fn has(&self, feature: Feature) -> bool {
        feature != Feature::AtomicFetch || self.atomic_fetch
    }
    fn helper(&self, _helper: Helper) -> bool {
        true
    }
    fn direct_reads(&self, _ty: ProgType) -> bool {
        true
    }
    fn kfunc(&self, _name: &str, _ty: ProgType) -> bool {
        false
    }
}

impl Kernel {
    /// The one that this runs on.
    pub fn native() -> Kernel {
        Kernel { atomic_fetch: bpf::has_atomic_fetch() }
    }
    /// This one, and this one without its younger features.
    pub fn all() -> Vec<Kernel> {
        let mut list = vec![Kernel { atomic_fetch: false }];
        list.extend(bpf::has_atomic_fetch().then_some(Kernel { atomic_fetch: true }));
        list
    }
}

/// An entry function in the making.
pub fn entry() -> Builder {
    Builder::new("main", &[Kind::Ctx], Span::none())
}

/// Input number `n`.
pub fn input(b: &mut Builder, n: u32) -> Value {
    let io = b.map_value(IO, 0);
    b.load(Size::B8, io, n as i32 * 8)
}

/// Sets output number `n`.
pub fn output(b: &mut Builder, n: u32, v: Value) {
    let io = b.map_value(IO, OUT);
    b.store(Size::B8, io, n as i32 * 8, v);
}

/// A helper call that clobbers R0 to R5, cannot be removed, and answers -2.
pub fn clobber(b: &mut Builder) -> Value {
    let slot = b.slot(8, 8, "key");
    let key = b.slot_addr(slot);
    let zero = b.iconst(0);
    b.store(Size::B8, key, 0, zero);
    let map = b.map_ptr(EMPTY);
    b.call(Helper::MAP_DELETE_ELEM, &[map, key])
}

/// Ends the current block by returning a number.
pub fn ret(b: &mut Builder, c: i64) {
    let v = b.iconst(c);
    b.ret(v);
}

/// A module of these functions, the last of which is the program.
pub fn module(funcs: Vec<Func>) -> Module {
    let map = |name: &str, kind, key_size, value_size, max_entries, role| Map {
        name: name.into(),
        kind,
        key_size,
        value_size,
        max_entries,
        flags: 0,
        role,
    };
    let mut image = Image::default();
    image.maps.push(map("io", MapKind::Array, 4, IO_BYTES, 1, Role::Globals));
    image.maps.push(map("empty", MapKind::Hash, 8, 8, 8, Role::RoData(Vec::new())));
    image.programs.push(program());
    let func = FuncId(funcs.len() as u32 - 1);
    let funcs: IndexVec<FuncId, Func> = funcs.into_iter().collect();
    Module { funcs, entries: vec![Entry { program: ProgramId(0), func }], image }
}

fn program() -> Program {
    Program {
        name: "main".into(),
        title: "test".into(),
        clause: 0,
        span: Span::none(),
        ty: ProgType::RawTracepoint,
        attach: vec![Attach::RawTracepoint { category: "raw_syscalls".into(), name: "sys_enter".into() }],
        insns: Vec::new(),
        relocs: Vec::new(),
        funcs: Vec::new(),
        lines: Vec::new(),
        stack_bytes: 0,
    }
}

/// Code as it would be generated, without or with the optimiser before.
pub fn generate(module: &Module, optimise: Optimise, kernel: &Kernel) -> Image {
    let mut module = module.clone();
    let wrong = awl::ir::verify::verify(&module);
    assert!(wrong.is_empty(), "{wrong:#?}");
    if optimise == Optimise::Yes {
        awl::opt::run(&mut module);
    }
    let (image, diags) = codegen::generate(module, kernel);
    assert!(!diags.has_errors(), "{diags:#?}");
    image
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Optimise {
    Yes,
    No,
}

/// Loads the program; a refusal shows the code.
pub fn load(image: &Image) -> Loaded {
    Loaded::new(image, ProgramId(0)).unwrap_or_else(|log| {
        let tail = &log[log.len().saturating_sub(6000)..];
        panic!("refused:\n{}\n{tail}", codegen::disassemble(image, ProgramId(0)))
    })
}

/// Runs the module in the interpreter and, optimised and not, in the kernel; all must agree, on what is
/// returned and on the outputs, which are returned.
pub fn run(module: &Module, inputs: &[u64]) -> Vec<u64> {
    let mut io = vec![0u8; IO_BYTES as usize];
    for (i, v) in inputs.iter().enumerate() {
        io[i * 8..i * 8 + 8].copy_from_slice(&v.to_le_bytes());
    }
    let mut interp = Interp::new(module, &[(IO, io.clone())]);
    let returned = interp.call(module.entries[0].func, &[0]);
    let expected = words(&interp.map(IO)[OUT as usize..]);
    for optimise in [Optimise::No, Optimise::Yes] {
        let image = generate(module, optimise, &Kernel::native());
        let loaded = load(&image);
        loaded.write(IO, 0, &io);
        let ret = loaded.run();
        let got = words(&loaded.read(IO, 0)[OUT as usize..]);
        if ret != returned as u32 || got != expected {
            let first = got.iter().zip(&expected).position(|(g, e)| g != e);
            panic!(
                "optimise {optimise:?}: returned {ret:#x}, not {returned:#x}; output {first:?} differs\n\
                 got {got:x?}\nnot {expected:x?}\n{}",
                codegen::disassemble(&image, ProgramId(0))
            );
        }
    }
    expected
}

pub fn words(bytes: &[u8]) -> Vec<u64> {
    bytes.chunks_exact(8).map(|c| u64::from_le_bytes(c.try_into().expect("8 bytes"))).collect()
}
