//! The maps of a session: made from an image's, read as values, cleared.
//!
//! Always holds: what `take` returns and what programs add afterwards are disjoint for `Storage::Swapped`, and
//! together complete.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use super::order;
use crate::btf::write::Writer;
use crate::image::maps::{F_RDONLY_PROG, Role, Storage};
use crate::image::{self, MapKind, Schema};
use crate::lang::aggs;
use crate::sys::bpf::load_btf;
use crate::sys::bpfmap::{Elements, Map, MapSpec, Take, Types};
use crate::ty::Ty;
use crate::value::Value;
use crate::value::decode::Decoder;

/// One map in the kernel.
pub struct LiveMap {
    pub spec: image::Map,
    map: Map,
    /// Of an array of maps: the map that programs use now.
    inner: RefCell<Option<Map>>,
}

impl LiveMap {
    /// Makes the map, with its contents if it has any.
    pub fn create(spec: &image::Map) -> io::Result<LiveMap> {
        let live = match spec.kind {
            MapKind::ArrayOfMaps => {
                let inner = Map::create(&inner_spec(spec), None)?;
                let outer = MapSpec {
                    name: &spec.name,
                    kind: MapKind::ArrayOfMaps,
                    key_size: 4,
                    value_size: 4,
                    max_entries: 1,
                    flags: 0,
                };
                let map = Map::create(&outer, Some(&inner))?;
                map.set_inner(0, &inner)?;
                LiveMap { spec: spec.clone(), map, inner: RefCell::new(Some(inner)) }
            }
            MapKind::TaskStorage => {
                let map = per_thread(spec)?;
                LiveMap { spec: spec.clone(), map, inner: RefCell::new(None) }
            }
            _ => {
                let map = Map::create(&map_spec(spec), None)?;
                LiveMap { spec: spec.clone(), map, inner: RefCell::new(None) }
            }
        };
        if let Role::RoData(bytes) = &spec.role {
            let mut value = bytes.clone();
            value.resize(live.map.value_bytes(), 0);
            live.map.update(&0u32.to_ne_bytes(), &value)?;
            if spec.flags & F_RDONLY_PROG != 0 {
                live.map.freeze()?;
            }
        }
        Ok(live)
    }

    pub fn raw_fd(&self) -> RawFd {
        self.map.as_fd().as_raw_fd()
    }

    /// Bytes of memory that the kernel counts for it; `None` where it does not tell.
    pub fn memory_bytes(&self) -> Option<u64> {
        let of = |map: &Map| {
            let path = format!("/proc/self/fdinfo/{}", map.as_fd().as_raw_fd());
            let text = std::fs::read_to_string(path).ok()?;
            text.lines().find_map(|l| l.strip_prefix("memlock:")?.trim().parse::<u64>().ok())
        };
        let inner = self.inner.borrow().as_ref().map_or(Some(0), of)?;
        Some(of(&self.map)? + inner)
    }

    /// The value of an element by its bytes, for maps that are no script's.
    pub fn lookup(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.map.lookup(key)
    }

    /// All entries, in the order of the language.
    pub fn read(&self, schema: &Schema, decoder: &Decoder) -> io::Result<Vec<(Value, Value)>> {
        let entries = match schema.storage {
            Storage::Global => self.read_global(schema, decoder)?,
            Storage::PercpuArray => self.read_percpu_array(schema, decoder)?,
            Storage::Thread => Vec::new(),
            Storage::Hash | Storage::LruHash | Storage::PercpuHash | Storage::LruPercpuHash => {
                entries(&self.spec, schema, decoder, &self.map.read_all(Take::Keep)?)
            }
            Storage::Swapped => match &*self.inner.borrow() {
                Some(inner) => entries(&self.spec, schema, decoder, &inner.read_all(Take::Keep)?),
                None => Vec::new(),
            },
        };
        Ok(order::sorted(entries, &schema.value))
    }

    /// All entries, which are gone from the map then.
    pub fn take(&self, schema: &Schema, decoder: &Decoder) -> io::Result<Vec<(Value, Value)>> {
        let entries = match schema.storage {
            Storage::Swapped => match self.swap()? {
                Some(old) => entries(&self.spec, schema, decoder, &old.read_all(Take::Keep)?),
                None => Vec::new(),
            },
            Storage::Hash | Storage::LruHash | Storage::PercpuHash | Storage::LruPercpuHash => {
                entries(&self.spec, schema, decoder, &self.map.read_all(Take::Delete)?)
            }
            Storage::Thread => Vec::new(),
            Storage::Global | Storage::PercpuArray => {
                let read = self.read(schema, decoder)?;
                self.clear(schema)?;
                read
            }
        };
        Ok(order::sorted(entries, &schema.value))
    }

    /// `clear(@m)`: no entry is left.
    pub fn clear(&self, schema: &Schema) -> io::Result<()> {
        match schema.storage {
            Storage::Swapped => self.swap().map(|_| ()),
            Storage::Hash | Storage::LruHash | Storage::PercpuHash | Storage::LruPercpuHash => {
                self.map.read_all(Take::Delete).map(|_| ())
            }
            // Nobody can list the threads that have one.
            Storage::Thread => Ok(()),
            Storage::Global | Storage::PercpuArray => {
                self.map.update(&0u32.to_ne_bytes(), &vec![0; self.map.value_bytes()])
            }
        }
    }

    /// `zero(@m)`: every key stays, its value becomes zero.
    pub fn zero(&self, schema: &Schema) -> io::Result<()> {
        match schema.storage {
            Storage::Swapped => match &*self.inner.borrow() {
                Some(inner) => zero_all(inner),
                None => Ok(()),
            },
            Storage::Hash | Storage::LruHash | Storage::PercpuHash | Storage::LruPercpuHash => {
                zero_all(&self.map)
            }
            Storage::Thread => Ok(()),
            Storage::Global | Storage::PercpuArray => {
                let mut value = vec![0; self.map.value_bytes()];
                let chunk = chunk_bytes(&self.spec);
                for cpu in value.chunks_mut(chunk) {
                    let set_flag = cpu.len() - 8;
                    cpu[set_flag..].copy_from_slice(&1u64.to_ne_bytes());
                }
                self.map.update(&0u32.to_ne_bytes(), &value)
            }
        }
    }

    /// Gives programs an empty map; yields the one that they used, which none uses any more.
    fn swap(&self) -> io::Result<Option<Map>> {
        let fresh = Map::create(&inner_spec(&self.spec), None)?;
        self.map.set_inner(0, &fresh)?;
        Ok(self.inner.replace(Some(fresh)))
    }

    fn read_global(&self, schema: &Schema, decoder: &Decoder) -> io::Result<Vec<(Value, Value)>> {
        let Some(bytes) = self.map.lookup(&0u32.to_ne_bytes())? else { return Ok(Vec::new()) };
        if !is_set(&bytes) {
            return Ok(Vec::new());
        }
        Ok(vec![(Value::None, decoder.decode(&schema.value, &bytes))])
    }

    fn read_percpu_array(&self, schema: &Schema, decoder: &Decoder) -> io::Result<Vec<(Value, Value)>> {
        let Some(bytes) = self.map.lookup(&0u32.to_ne_bytes())? else { return Ok(Vec::new()) };
        let cpus: Vec<&[u8]> = bytes.chunks(chunk_bytes(&self.spec)).filter(|c| is_set(c)).collect();
        if cpus.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![(Value::None, merge(&schema.value, &cpus, decoder))])
    }
}

/// The last word of a keyless value says whether it was set.
fn is_set(value: &[u8]) -> bool {
    value.last_chunk::<8>().is_some_and(|word| u64::from_ne_bytes(*word) != 0)
}

/// Bytes of one CPU's part of a value.
fn chunk_bytes(spec: &image::Map) -> usize {
    (spec.value_size as usize).next_multiple_of(8).max(8)
}

/// Task storage, which the kernel makes only for known types: a number and some bytes.
fn per_thread(spec: &image::Map) -> io::Result<Map> {
    let mut writer = Writer::new();
    let (byte, key) = (writer.int("u8", 1, false), writer.int("u32", 4, false));
    let value = writer.array(byte, key, spec.value_size);
    let btf = load_btf(&writer.finish())?;
    Map::create_typed(&map_spec(spec), &Types { btf: btf.as_fd(), key, value })
}

/// What the kernel is told of a map.
pub(super) fn map_spec(spec: &image::Map) -> MapSpec<'_> {
    MapSpec {
        name: &spec.name,
        kind: spec.kind,
        key_size: spec.key_size,
        value_size: spec.value_size,
        max_entries: spec.max_entries,
        flags: spec.flags,
    }
}

fn inner_spec(spec: &image::Map) -> MapSpec<'_> {
    MapSpec { kind: MapKind::PercpuHash, ..map_spec(spec) }
}

fn zero_all(map: &Map) -> io::Result<()> {
    let all = map.read_all(Take::Keep)?;
    let value = vec![0; map.value_bytes()];
    all.keys.chunks(map.key_bytes().max(1)).try_for_each(|key| map.update(key, &value))
}

/// Elements of a hash map as values.
fn entries(
    spec: &image::Map,
    schema: &Schema,
    decoder: &Decoder,
    elements: &Elements,
) -> Vec<(Value, Value)> {
    if aggs::n_parts(&schema.value) > 1 {
        return joined_entries(spec, schema, decoder, elements);
    }
    let key_bytes = (spec.key_size as usize).max(1);
    let keys = elements.keys.chunks(key_bytes);
    let value_bytes = elements.values.len() / elements.n.max(1);
    let values = elements.values.chunks(value_bytes.max(1));
    let one = |(key, value): (&[u8], &[u8])| {
        let key = schema.key.as_ref().map_or(Value::None, |ty| decoder.decode(ty, key));
        let value = match schema.storage {
            Storage::Hash | Storage::LruHash => decoder.decode(&schema.value, value),
            Storage::PercpuHash
            | Storage::LruPercpuHash
            | Storage::Swapped
            | Storage::Thread
            | Storage::Global
            | Storage::PercpuArray => {
                let cpus: Vec<&[u8]> = value.chunks(chunk_bytes(spec)).collect();
                merge(&schema.value, &cpus, decoder)
            }
        };
        (key, value)
    };
    keys.zip(values).map(one).collect()
}

/// The same where values are kept in parts, whose keys have their numbers at the end.
fn joined_entries(
    spec: &image::Map,
    schema: &Schema,
    decoder: &Decoder,
    elements: &Elements,
) -> Vec<(Value, Value)> {
    const PART_BYTES: usize = 8;
    let key_bytes = spec.key_size as usize;
    let value_bytes = elements.values.len() / elements.n.max(1);
    let mut values: BTreeMap<&[u8], Vec<Vec<u8>>> = BTreeMap::new();
    let parts = elements.keys.chunks(key_bytes).zip(elements.values.chunks(value_bytes.max(1)));
    for (key, part) in parts {
        let cpus = values.entry(&key[..key_bytes - PART_BYTES]).or_default();
        cpus.resize_with(value_bytes / chunk_bytes(spec), Vec::new);
        for (cpu, bytes) in cpus.iter_mut().zip(part.chunks(chunk_bytes(spec))) {
            cpu.extend(bytes);
        }
    }
    let one = |(key, cpus): (&[u8], Vec<Vec<u8>>)| {
        let key = schema.key.as_ref().map_or(Value::None, |ty| decoder.decode(ty, key));
        let cpus: Vec<&[u8]> = cpus.iter().map(Vec::as_slice).collect();
        (key, merge(&schema.value, &cpus, decoder))
    };
    values.into_iter().map(one).collect()
}

/// What a map of values of this type shows for nothing.
pub fn zero_value(ty: &Ty, decoder: &Decoder) -> Value {
    merge(ty, &[], decoder)
}

/// The value over all CPUs. One that is there, but has had nothing added, is zero.
fn merge(ty: &Ty, cpus: &[&[u8]], decoder: &Decoder) -> Value {
    match ty {
        Ty::Agg { kind, signed } => {
            let merged = (aggs::row(*kind).merge)(*kind, *signed, cpus);
            merged.unwrap_or(if *signed { Value::Int(0) } else { Value::Uint(0) })
        }
        // What is no aggregation is set on one CPU alone.
        ty => {
            let set = cpus.iter().find(|c| c.iter().any(|&b| b != 0)).or(cpus.first());
            decoder.decode(ty, set.copied().unwrap_or(&[]))
        }
    }
}
