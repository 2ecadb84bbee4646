//! Both ends of an image say the same: what awl prints of a script's `begin`, and what its ELF object, opened and
//! loaded by libbpf, has put into its ring and maps.
//!
//! Always holds: nothing is attached; programs run once by a test run. Without the right to load programs every
//! case is skipped out loud.

use std::process::Command;
use std::time::Duration;

use awl::base::{Source, SourceMap};
use awl::image::maps::{Role, Schema, Storage};
use awl::image::{EventId, EventKind, Image, Map, elf};
use awl::lang::{Config, aggs};
use awl::output::text::Text;
use awl::output::{Keyed, MapText, Printer};
use awl::sys::world::{Adjusted, LinuxWorld};
use awl::ty::Ty;
use awl::value::Value;
use awl::value::decode::{Decoder, NoFrames};
use awl::value::format;
use libbpf_rs::{MapCore, MapFlags, ObjectBuilder, ProgramInput, RingBufferBuilder};

/// Scripts of one `begin` whose output does not depend on the process that runs it.
const SCRIPTS: &[&str] = &[
    r#"begin { printf("%d %s %x\n", 42, "text", 255); printf("%-5d|%5s|\n", -1, "ab"); }"#,
    "begin { @a = 1; @b[5] = -7; @b[6] = 8; @s = \"word\"; @t[1, \"k\"] = 3; }",
    "begin { @c = count(); @c = count(); @n[1] = sum(5); @n[1] = sum(6); @m[2] = max(9); }",
    "begin { @h = hist(100); @h = hist(3); @l = lhist(7, 0, 20, 5); @v[1] = avg(4); @v[1] = avg(6); }",
    // Fields of kernel structures, through pointers, arrays and bit fields.
    r#"begin { printf("%s %d\n", curtask.nsproxy.uts_ns.name.sysname, curtask.static_prio); }"#,
    r#"begin { printf("%d %d\n", curtask.in_execve, curtask.real_parent.pid > 0); }"#,
    r#"begin { @x = curtask.files.fdt.max_fds > 0; printf("%d\n", curtask.mm.mmap_base > 4096); }"#,
    // Loops, branches, functions of the object.
    "begin { $i = 0; while ($i < 10) { $i++; if ($i % 3 == 0) { continue; } @q[$i] = $i * $i; } }",
    "begin { unroll(3) { @u++; } @w = @u > 2 ? 1 : 2; delete(@u); }",
    r#"begin { @d[1] = 1; @d[2] = 2; delete(@d, 1); printf("%d\n", has_key(@d, 1)); print((1, "two")); }"#,
    // Members that a kernel may lack: libbpf decides at load.
    r#"begin { if (has_field(curtask.tgid)) { printf("%d\n", has_field(curtask.mm)); } else { @no = curtask.pid; } }"#,
    r#"begin { printf("%d\n", has_field(curtask.tgid) ? curtask.static_prio : curtask.no_such); }"#,
    // A member that this kernel lacks and another may have: its type is the script's.
    "struct task_struct___old { long state; int no_such[4]; char comm[16]; struct mm_struct *mm; int tgid; }; begin { \
     $t = (struct task_struct___old *)curtask; print(has_field($t.no_such)); print(($t.tgid > 0, $t.mm.map_count > 0)); \
     print(has_field($t.no_such) ? $t.no_such[2] : 7); if (has_field($t.no_such)) { print(1 + $t.no_such[1]); } }",
    "let @v = thread(); begin { @v = 4; @v++; @v += 10; printf(\"%d\\n\", @v); @n = delete(@v); @z = @v; }",
];

#[test]
fn both_ends_of_an_image_say_the_same() {
    let world = LinuxWorld::adjusted(Adjusted { for_object: true, ..Adjusted::default() });
    if !world.can_load() || world.btf().is_err() {
        eprintln!("skipped: programs cannot be loaded here, or the kernel has no BTF");
        return;
    }
    for script in SCRIPTS {
        let run = printed_by_awl(script);
        assert!(!run.is_empty(), "{script}: awl prints nothing");
        assert_eq!(printed_by_object(script, &world), run, "{script}");
    }
}

/// The lines that awl prints, sorted: the order of entries is not the image's.
fn printed_by_awl(script: &str) -> Vec<String> {
    let script = format!("{} exit(); }}", script.trim_end().trim_end_matches('}'));
    let out = Command::new(env!("CARGO_BIN_EXE_awl")).args(["-e", &script]).output().unwrap();
    assert!(out.status.success(), "{script}\n{}", String::from_utf8_lossy(&out.stderr));
    lines(&out.stdout)
}

fn lines(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let mut lines: Vec<String> = text.lines().filter(|l| !l.is_empty()).map(str::to_owned).collect();
    lines.sort();
    lines
}

fn compile(script: &str, world: &LinuxWorld) -> Image {
    let mut sources = SourceMap::new();
    let main = sources.add(Source::new("object", script));
    let config = Config { for_object: true, ..Config::default() };
    let compiled = awl::compile(sources, &[main], &config, world);
    compiled.image.unwrap_or_else(|| panic!("{script}: {:?}", compiled.diags))
}

fn printed_by_object(script: &str, world: &LinuxWorld) -> Vec<String> {
    let image = compile(script, world);
    let bytes = elf::write(&image).unwrap();
    let object = ObjectBuilder::default().open_memory(&bytes).unwrap().load().expect(script);
    for prog in object.progs_mut() {
        let mut context = [0u8; 16];
        prog.test_run(ProgramInput { context_in: Some(&mut context), ..Default::default() }).unwrap();
    }
    let decoder = Decoder { types: &image.types, frames: &NoFrames, max_strlen: image.config.max_strlen };
    let mut out = Vec::new();
    print_records(&object, &image, &decoder, &mut out);
    for map in image.maps.iter() {
        if let Role::User(schema) = &map.role {
            print_map(&object, map, schema, &decoder, &mut out);
        }
    }
    lines(&out)
}

/// The records of the output ring.
fn print_records(object: &libbpf_rs::Object, image: &Image, decoder: &Decoder, out: &mut Vec<u8>) {
    let Some(ring) = object.maps().find(|m| m.name() == "awl_output") else { return };
    let mut records: Vec<Vec<u8>> = Vec::new();
    let mut builder = RingBufferBuilder::new();
    let keep = |record: &[u8]| {
        records.push(record.to_vec());
        0
    };
    builder.add(&ring, keep).unwrap();
    let buffer = builder.build().unwrap();
    buffer.poll(Duration::ZERO).unwrap();
    drop(buffer);
    let printer = Text::plain(&image.config.str_trunc_trailer);
    for record in records {
        let id = u32::from_ne_bytes(record[..4].try_into().unwrap());
        let site = &image.events[EventId(id)];
        let values = site.fields.iter().map(|f| decoder.decode(&f.ty, &record[f.offset as usize..]));
        let values: Vec<Value> = values.collect();
        match &site.kind {
            EventKind::Printf(f) => format::write(out, f, &values, &image.config.str_trunc_trailer),
            EventKind::PrintValue => printer.value(out, &values[0]),
            other => panic!("{other:?} is for no script here"),
        }
    }
}

fn print_map(object: &libbpf_rs::Object, map: &Map, schema: &Schema, decoder: &Decoder, out: &mut Vec<u8>) {
    let name = map.name.replace('@', "AT_");
    let entries = match schema.storage {
        Storage::Global => {
            let section = format!(".data.{name}");
            let data = object.maps().find(|m| m.name() == section.as_str()).expect(&section);
            keyless(&data.lookup(&[0; 4], MapFlags::ANY).unwrap().unwrap(), schema, decoder)
        }
        Storage::PercpuArray => {
            let found = object.maps().find(|m| m.name() == name.as_str()).expect(&name);
            let cpus = found.lookup_percpu(&[0; 4], MapFlags::ANY).unwrap().unwrap();
            let set: Vec<&[u8]> = cpus.iter().map(Vec::as_slice).filter(|c| is_set(c)).collect();
            if set.is_empty() { vec![] } else { vec![(Value::None, merged(schema, &set))] }
        }
        Storage::Hash | Storage::PercpuHash => {
            let found = object.maps().find(|m| m.name() == name.as_str()).expect(&name);
            found.keys().map(|key| entry(&found, &key, schema, decoder)).collect()
        }
        // Neither end can list it.
        Storage::Thread => return,
        Storage::Swapped | Storage::LruHash | Storage::LruPercpuHash => {
            panic!("{name}: no script here has such a map")
        }
    };
    let keyed = if schema.key.is_some() { Keyed::Yes } else { Keyed::No };
    let text = MapText { name: &schema.name, keyed, value: &schema.value, entries: &entries, div: 1 };
    Text::plain("..").map(out, &text);
}

fn entry(map: &impl MapCore, key: &[u8], schema: &Schema, decoder: &Decoder) -> (Value, Value) {
    let value = match schema.storage {
        Storage::PercpuHash => {
            let cpus = map.lookup_percpu(key, MapFlags::ANY).unwrap().unwrap();
            merged(schema, &cpus.iter().map(Vec::as_slice).collect::<Vec<_>>())
        }
        _ => decoder.decode(&schema.value, &map.lookup(key, MapFlags::ANY).unwrap().unwrap()),
    };
    (decoder.decode(schema.key.as_ref().unwrap(), key), value)
}

fn keyless(bytes: &[u8], schema: &Schema, decoder: &Decoder) -> Vec<(Value, Value)> {
    if is_set(bytes) { vec![(Value::None, decoder.decode(&schema.value, bytes))] } else { vec![] }
}

/// The last word of a keyless value says whether it was set.
fn is_set(value: &[u8]) -> bool {
    value[value.len() - 8..].iter().any(|b| *b != 0)
}

fn merged(schema: &Schema, cpus: &[&[u8]]) -> Value {
    let Ty::Agg { kind, signed } = &schema.value else { panic!("{:?}", schema.value) };
    (aggs::row(*kind).merge)(*kind, *signed, cpus).unwrap()
}
