//! Lowering of `builtins/task.rs`. The current task and its identity.

use super::number;
use crate::image::LossKind;
use crate::image::wire::globals;
use crate::ir::{BinOp, Cc, Kind, Op, Size, UnOp, Value};
use crate::isa::Helper;
use crate::isa::limits::COMM_BYTES;
use crate::lang::sig::CallData;
use crate::lang::traits::{LowerCx, Operand};
use crate::ty::Ty;
use crate::world;

/// Kernel functions that find a task by its id, and give it back.
pub const TASK_FROM_PID: &str = "bpf_task_from_pid";
const TASK_RELEASE: &str = "bpf_task_release";
/// Bytes of what comm(pid) yields.
pub const NAME_BYTES: u32 = 64;

pub fn pid(cx: &mut dyn LowerCx) -> Operand {
    if in_own_namespace(cx) {
        return Operand::Val(cx.own_ids().1);
    }
    let ids = cx.b().call(Helper::GET_CURRENT_PID_TGID, &[]);
    Operand::Val(cx.b().bin_imm(BinOp::Lshr, ids, 32))
}

pub fn tid(cx: &mut dyn LowerCx) -> Operand {
    if in_own_namespace(cx) {
        return Operand::Val(cx.own_ids().0);
    }
    let ids = cx.b().call(Helper::GET_CURRENT_PID_TGID, &[]);
    Operand::Val(cx.b().un(UnOp::Zext32, ids))
}

/// Whether ids are those of awl's namespace and that is not the first one, which ids are of anyway.
fn in_own_namespace(cx: &mut dyn LowerCx) -> bool {
    let is_init = matches!(cx.data(), CallData::Text(ns) if ns == "init");
    !is_init && world::has_other_ids(cx.world())
}

pub fn uid(cx: &mut dyn LowerCx) -> Operand {
    let ids = cx.b().call(Helper::GET_CURRENT_UID_GID, &[]);
    Operand::Val(cx.b().un(UnOp::Zext32, ids))
}

pub fn gid(cx: &mut dyn LowerCx) -> Operand {
    let ids = cx.b().call(Helper::GET_CURRENT_UID_GID, &[]);
    Operand::Val(cx.b().bin_imm(BinOp::Lshr, ids, 32))
}

/// Two loads from the task where it can be read directly, which is fifteen times faster than the helper.
pub fn comm(cx: &mut dyn LowerCx) -> Operand {
    if cx.n_args() > 0 {
        return comm_of(cx);
    }
    if cx.world().features().helper(Helper::LOOP) && cx.reads_directly() {
        let task = cx.task();
        if let Some(v) = cx.kernel_field(task, "task_struct", "comm") {
            return v;
        }
    }
    let dst = cx.out(COMM_BYTES, "comm");
    let len = cx.b().iconst(COMM_BYTES.into());
    cx.b().call(Helper::GET_CURRENT_COMM, &[dst, len]);
    Operand::Mem { ptr: dst, off: 0 }
}

/// The name of the task with a given id.
fn comm_of(cx: &mut dyn LowerCx) -> Operand {
    let id = number(cx, 0);
    let dst = cx.out(NAME_BYTES, "comm");
    cx.b().zero(dst, 0, NAME_BYTES);
    with_task(
        cx,
        id,
        &mut |cx, task| {
            if let Some(name) = cx.kernel_field(task, "task_struct", "comm") {
                cx.store(&Ty::Str { n: COMM_BYTES }, name, dst, 0);
            }
        },
        &mut |cx| {
            let unknown = cx.literal(b"N/A");
            cx.store(&Ty::Str { n: 4 }, unknown, dst, 0);
            cx.lose(LossKind::NoSuchTask);
        },
    );
    Operand::Mem { ptr: dst, off: 0 }
}

/// The address of the task with a given id; 0 where there is none. It is given back at once: what is read through the
/// address is read as of any kernel memory, since copies of what was given back are numbers to the verifier.
pub fn task(cx: &mut dyn LowerCx) -> Operand {
    let id = number(cx, 0);
    let at = cx.b().var(Kind::Kernel);
    with_task(
        cx,
        id,
        &mut |cx, task| {
            let address = cx.b().retype(task, Kind::Kernel);
            cx.b().set(at, address);
        },
        &mut |cx| {
            let zero = cx.b().iconst(0);
            let nothing = cx.b().retype(zero, Kind::Kernel);
            cx.b().set(at, nothing);
        },
    );
    Operand::Val(cx.b().get(at))
}

/// Does `found` with the task of that id, which is held as long, or `absent` where there is none.
fn with_task(
    cx: &mut dyn LowerCx,
    id: Value,
    found: &mut dyn FnMut(&mut dyn LowerCx, Value),
    absent: &mut dyn FnMut(&mut dyn LowerCx),
) {
    let call = |name, args| Op::CallKfunc { name, args };
    let task = cx.b().ins(call(TASK_FROM_PID, vec![id]), Kind::BtfOrNull);
    let (some, none, join) = (cx.b().new_block(), cx.b().new_block(), cx.b().new_block());
    let zero = cx.b().iconst(0);
    cx.b().branch(Cc::Eq, task, zero, none, some);
    cx.b().enter(some);
    let task = cx.b().non_null(task);
    found(cx, task);
    // Verifier: what was acquired is given back on every way.
    cx.b().ins(call(TASK_RELEASE, vec![task]), Kind::Int);
    cx.b().jump(join, Vec::new());
    cx.b().enter(none);
    absent(cx);
    cx.b().jump(join, Vec::new());
    cx.b().enter(join);
}

pub fn curtask(cx: &mut dyn LowerCx) -> Operand {
    Operand::Val(cx.task())
}

pub fn cgroup(cx: &mut dyn LowerCx) -> Operand {
    Operand::Val(cx.b().call(Helper::GET_CURRENT_CGROUP_ID, &[]))
}

pub fn cpid(cx: &mut dyn LowerCx) -> Operand {
    if !cx.config().has_child {
        return Operand::Val(cx.b().iconst(0));
    }
    let at = cx.global(globals::TARGET_PID);
    Operand::Val(cx.b().load(Size::B4, at, 0))
}

/// The code segment's privilege level is 3 in user mode.
pub fn usermode(cx: &mut dyn LowerCx) -> Operand {
    let Some(off) = cx.world().arch().reg("cs") else { return Operand::Val(cx.b().iconst(0)) };
    let ctx = cx.ctx();
    let cs = cx.b().load(Size::B8, ctx, off as i32);
    let level = cx.b().bin_imm(BinOp::And, cs, 3);
    let three = cx.b().iconst(3);
    let v = cx.b().cmp(Cc::Eq, level, three);
    debug_assert_eq!(cx.b().kind(v), Kind::Int);
    Operand::Val(v)
}
