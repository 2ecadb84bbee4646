//! What the kernel is asked for: the script's maps by their storage, and awl's own by their use.
//!
//! Always holds: hash maps are preallocated while that takes little memory, for the kernel's allocator runs dry where a
//! program has no interrupts (a timer's adds some 30 keys at a time, one that holds a run queue's lock perhaps none);
//! large ones are not where the kernel is safe without. Sizes fit what the code of `map.rs` and the merging of
//! `lang::aggs` expect.

use crate::image::maps::{F_MMAPABLE, F_NO_PREALLOC};
use crate::image::unwind;
use crate::image::{Map, MapKind, Role, Schema, Storage, wire};
use crate::lang::aggs;
use crate::sema::hir;
use crate::ty::{Ty, TypeTable};
use crate::world::{Feature, World};

/// Bytes that a map may take from the start: 4096 keys with their counts on 60 processors.
const PREALLOCATED_BYTES_MAX: u64 = 4 << 20;
/// What the kernel needs for an element of a hash map besides key and value.
const ELEM_BYTES: u64 = 64;

/// Bytes of the control ring: some thousand actions that wait to be done.
const CONTROL_BYTES: u32 = 64 << 10;
/// Different stacks of a kind.
const STACKS_MAX: u32 = 16 << 10;
/// The same where they take memory from the start.
const STACKS_PREALLOCATED_MAX: u32 = 4 << 10;

/// Bytes of a part's number behind the key, for values that are kept in parts.
pub const PART_BYTES: u32 = 8;
/// Parts that a map holds at most, unless it may have more keys than that: 256 MiB on each CPU. The kernel takes 16 bytes
/// for each when the map is made.
const PARTS_MAX: u32 = 1 << 18;
/// The same where they take memory from the start: 16 MiB on each CPU.
const PARTS_PREALLOCATED_MAX: u32 = 1 << 14;

/// The map for a map of the script.
pub fn of_script(map: &hir::Map, types: &TypeTable, world: &dyn World) -> Map {
    let n_parts = aggs::n_parts(&map.value);
    let key_bytes = match &map.key {
        key if n_parts > 1 => part_at(key.as_ref(), types) + PART_BYTES,
        Some(key) => key.size(types),
        None => 8,
    };
    let (kind, key_size, value_size) = match map.storage {
        Storage::Global => (MapKind::Array, 4, set_flag_at(&map.value, types) + 8),
        Storage::PercpuArray => (MapKind::PercpuArray, 4, set_flag_at(&map.value, types) + 8),
        Storage::Hash => (MapKind::Hash, key_bytes, value_bytes(&map.value, types)),
        Storage::PercpuHash => (MapKind::PercpuHash, key_bytes, value_bytes(&map.value, types)),
        Storage::LruHash => (MapKind::LruHash, key_bytes, value_bytes(&map.value, types)),
        Storage::LruPercpuHash => (MapKind::LruPercpuHash, key_bytes, value_bytes(&map.value, types)),
        Storage::Thread => (MapKind::TaskStorage, 4, set_flag_at(&map.value, types) + 8),
        Storage::Swapped => (MapKind::ArrayOfMaps, key_bytes, value_bytes(&map.value, types)),
    };
    let is_sparse = matches!(map.storage, Storage::Hash | Storage::PercpuHash | Storage::Swapped);
    let schema = Schema {
        name: map.name.clone(),
        key: map.key.clone(),
        value: map.value.clone(),
        storage: map.storage,
        max_entries: map.max_entries,
    };
    let max_entries = match map.storage {
        Storage::Global | Storage::PercpuArray => 1,
        Storage::Thread => 0,
        Storage::Hash
        | Storage::PercpuHash
        | Storage::Swapped
        | Storage::LruHash
        | Storage::LruPercpuHash => {
            let grows = is_sparse && sparse_flag(world) == F_NO_PREALLOC;
            let parts_max = if grows { PARTS_MAX } else { PARTS_PREALLOCATED_MAX };
            map.max_entries.max(1).saturating_mul(n_parts).min(parts_max.max(map.max_entries))
        }
    };
    let flags = match map.storage {
        // The kernel takes task storage with nothing else.
        Storage::Thread => F_NO_PREALLOC,
        _ if is_sparse => {
            let n_values = if kind == MapKind::PercpuHash { world.n_cpus() } else { 1 };
            let elem_bytes = u64::from(key_size) + u64::from(value_size) * u64::from(n_values) + ELEM_BYTES;
            match kind {
                MapKind::Hash | MapKind::PercpuHash
                    if elem_bytes * u64::from(max_entries) <= PREALLOCATED_BYTES_MAX =>
                {
                    0
                }
                _ => sparse_flag(world),
            }
        }
        _ => 0,
    };
    let role = Role::User(schema);
    Map { name: map.name.clone(), kind, key_size, value_size, max_entries, flags, role }
}

/// Bytes of a value of that type in a map (of one CPU's, for aggregations).
pub fn value_bytes(ty: &Ty, types: &TypeTable) -> u32 {
    let bytes = match ty {
        Ty::Agg { kind, .. } => (aggs::row(*kind).bytes)(*kind),
        _ => ty.size(types),
    };
    bytes.max(1)
}

/// Where a key has the number of a value's part.
pub fn part_at(key: Option<&Ty>, types: &TypeTable) -> u32 {
    key.map_or(0, |k| k.size(types).next_multiple_of(8))
}

/// Where the word lies that says whether a value without key is set.
pub fn set_flag_at(ty: &Ty, types: &TypeTable) -> u32 {
    value_bytes(ty, types).next_multiple_of(8)
}

/// A map of awl's own.
pub fn own(role: Role, hir: &hir::Program, world: &dyn World) -> Map {
    let (name, kind, key_size, value_size, max_entries, flags) = match &role {
        Role::Output => (".output".into(), MapKind::Ringbuf, 0, 0, hir.config.run.ring_bytes, 0),
        Role::Control => (".control".into(), MapKind::Ringbuf, 0, 0, CONTROL_BYTES, 0),
        Role::Globals => (".globals".into(), MapKind::Array, 4, wire::globals::BYTES, 1, F_MMAPABLE),
        Role::Losses => (".losses".into(), MapKind::Array, 4, 0, 1, F_MMAPABLE),
        Role::RoData(_) => (".rodata".into(), MapKind::Array, 4, 0, 1, 0),
        Role::Stacks(ty) => {
            let flags = sparse_flag(world);
            let n = if flags == 0 { STACKS_PREALLOCATED_MAX } else { STACKS_MAX };
            let name = format!(".stacks_{}", crate::ty::print::name(&Ty::Stack(*ty), &hir.types));
            (name, MapKind::Hash, 16, 8 + 8 * u32::from(ty.limit), n, flags)
        }
        Role::UnwindProcesses => {
            let flags = sparse_flag(world);
            let n = if flags == 0 { unwind::PROCESSES_PREALLOCATED_MAX } else { unwind::PROCESSES_MAX };
            (".unwind_processes".into(), MapKind::Hash, 4, unwind::process::BYTES, n, flags)
        }
        Role::Packets => (".packets".into(), MapKind::PerfEventArray, 4, 4, world.n_cpus(), 0),
        Role::UnwindRows => (".unwind_rows".into(), MapKind::Array, 4, unwind::row::BYTES, 0, F_MMAPABLE),
        Role::User(_) | Role::Scratch => crate::bug!("{role:?} is not made here"),
    };
    Map { name, kind, key_size, value_size, max_entries, flags, role }
}

fn sparse_flag(world: &dyn World) -> u32 {
    if world.features().has(Feature::MapNoPrealloc) { F_NO_PREALLOC } else { 0 }
}
