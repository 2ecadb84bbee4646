//! The diagnostics of code generation: what is too big for the kernel.

use crate::base::{Diag, Diags, Span, codes};
use crate::isa::limits::{PERCPU_VALUE_BYTES_MAX, STACK_BYTES_MAX};

impl Diags {
    pub(super) fn stack_exhausted(&mut self, span: Span, name: &str, bytes: u32) {
        let message = format!("{name} needs {bytes} bytes of stack, the kernel allows {STACK_BYTES_MAX}");
        let hint = "use fewer variables at the same time, or call fewer functions within functions";
        self.push(Diag::error(&codes::STACK, span, message).hint(hint));
    }
    pub(super) fn calls_too_deep(&mut self, span: Span, name: &str) {
        let message = format!("calls nest more than {} deep in {name}", super::calls::DEPTH_MAX);
        self.push(Diag::error(&codes::CALL_DEPTH, span, message));
    }
    pub(super) fn scratch_too_big(&mut self, span: Span, name: &str, bytes: u32) {
        let message = format!(
            "{name} needs {bytes} bytes of scratch memory, the kernel allows {PERCPU_VALUE_BYTES_MAX}"
        );
        let hint = "lower `max_strlen`, or handle fewer big values at the same time";
        self.push(Diag::error(&codes::SCRATCH, span, message).hint(hint));
    }
    pub(super) fn function_too_long(&mut self, span: Span, name: &str) {
        let message = format!("{name} is too long: a jump in it passes over more than 32767 instructions");
        self.push(Diag::error(&codes::PROGRAM_LENGTH, span, message).hint("split it into several probes"));
    }
    pub(super) fn program_too_long(&mut self, span: Span, n_insns: usize) {
        let message = format!(
            "the program has {n_insns} instructions, the kernel takes {}",
            super::link::PROGRAM_INSNS_MAX
        );
        self.push(Diag::error(&codes::PROGRAM_LENGTH, span, message).hint("split it into several probes"));
    }
}

/// Scripts that are too big, as IR.
#[cfg(test)]
mod tests {
    use crate::base::{Diags, Span};
    use crate::codegen::generate;
    use crate::image::{Image, ProgType, Program, ProgramId};
    use crate::ir::{Entry, FuncId, Module, parse, verify};
    use crate::isa::Helper;
    use crate::world::{Feature, Features};

    struct Everything;
    impl Features for Everything {
        fn has(&self, _feature: Feature) -> bool {
            true
        }
        fn helper(&self, _helper: Helper) -> bool {
            true
        }
        fn direct_reads(&self, _ty: ProgType) -> bool {
            true
        }
        fn kfunc(&self, _name: &str, _ty: ProgType) -> bool {
            true
        }
    }

    /// Generates the functions of a text, the first of which is the program.
    fn generated(text: &str) -> (Image, Diags) {
        let funcs = parse::funcs(text).unwrap().into_iter().collect();
        let mut image = Image::default();
        image.programs.push(Program {
            name: "f".into(),
            title: "f".into(),
            clause: 0,
            span: Span::none(),
            ty: ProgType::Kprobe,
            attach: Vec::new(),
            insns: Vec::new(),
            relocs: Vec::new(),
            funcs: Vec::new(),
            lines: Vec::new(),
            stack_bytes: 0,
        });
        let module = Module { funcs, entries: vec![Entry { program: ProgramId(0), func: FuncId(0) }], image };
        assert_eq!(verify::verify(&module), Vec::<String>::new());
        generate(module, &Everything)
    }

    fn codes(text: &str) -> Vec<&'static str> {
        generated(text).1.list.iter().map(|d| d.code.id).collect()
    }

    /// `n` functions, each of which calls the next.
    fn chain(n: usize) -> String {
        let call = |i: usize| format!("func f{i}:\nb0(v0):\nv1 = callfn f{}(v0)\nret v1\n", i + 1);
        let last = format!("func f{}:\nb0(v0):\nret v0\n", n - 1);
        (0..n - 1).map(call).chain([last]).collect()
    }

    #[test]
    fn calls_nest_eight_deep() {
        assert_eq!(codes(&chain(8)), Vec::<&str>::new());
        assert_eq!(codes(&chain(9)), ["E0503"]);
    }

    #[test]
    fn scratch_memory_has_a_limit() {
        let slot = |bytes: u32| {
            format!(
                "func f:\nslot m0 {bytes} align 8 big\nb0(v0: ctx):\nv1: stack = slot m0\nv2 = const 0\n\
                 store.8 v1 + 0, v2\nret v2\n"
            )
        };
        assert_eq!(codes(&slot(32_000)), Vec::<&str>::new());
        assert_eq!(codes(&slot(33_000)), ["E0502"]);
    }

    #[test]
    fn the_stack_has_a_limit() {
        // So many numbers across a call that they alone fill the stack.
        let loads =
            |n: usize| -> String { (1..=n).map(|i| format!("v{i} = load.8 v0 + {}\n", i * 8)).collect() };
        let sum = |n: usize| -> String {
            (1..=n).map(|i| format!("v{} = xor v{}, v{i}\n", n + 1 + i, n + i)).collect()
        };
        let text = |n: usize| {
            let call = format!("v{} = call ktime_get_ns()\n", n + 1);
            format!("func f:\nb0(v0: ctx):\n{}{call}{}ret v{}\n", loads(n), sum(n), 2 * n + 1)
        };
        assert_eq!(codes(&text(60)), Vec::<&str>::new());
        assert_eq!(codes(&text(80)), ["E0501"]);
        assert_eq!(generated(&text(60)).0.programs[ProgramId(0)].stack_bytes % 32, 0);
    }

    #[test]
    fn jumps_have_a_limit() {
        let text = |n: usize| {
            let calls: String = (0..n).map(|i| format!("v{} = call send_signal(v1)\n", i + 2)).collect();
            format!(
                "func f:\nb0(v0: ctx):\nv1 = const 9\nbr.eq v0, v1, b1, b2\nb1:\n{calls}jump b3\nb2:\njump b3\nb3:\nret v1\n"
            )
        };
        assert_eq!(codes(&text(16_000)), Vec::<&str>::new());
        assert_eq!(codes(&text(17_000)), ["E0504"]);
    }
}
