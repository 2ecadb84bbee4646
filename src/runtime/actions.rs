//! Records to events: fields decoded and looked up, actions of user space done.
//!
//! Comes in: the bytes of a record. Goes out: at most one event, to the taker. Always holds: a record that cannot
//! be made sense of (its clause is gone) is dropped.

use std::fs::File;
use std::io::{self, Read};
use std::process::{Command, Stdio};

use super::ClauseId;
use super::clause::Clause;
use super::error::errno_text;
use super::event::{Body, Event, MapView, Origin, TextKind};
use super::session::Session;
use super::stream::{Flow, Ring};
use crate::base::Idx;
use crate::image::wire::{EventSite, Format};
use crate::image::{EventId, EventKind, Image, MapId, Role};
use crate::sys::time;
use crate::ty::{Space, StackMode};
use crate::value::decode::Decoder;
use crate::value::{Stack, Value, format};

/// Decodes and looks up the values of one clause.
pub struct Values<'a> {
    pub session: &'a Session,
    pub image: &'a Image,
}

impl Values<'_> {
    pub fn decoder(&self) -> Decoder<'_> {
        Decoder {
            types: &self.image.types,
            frames: &self.session.stacks,
            max_strlen: self.image.config.max_strlen,
        }
    }

    /// Entries with their names looked up.
    pub fn resolved(&self, mut entries: Vec<(Value, Value)>) -> Vec<(Value, Value)> {
        for (key, value) in &mut entries {
            self.resolve(key);
            self.resolve(value);
        }
        entries
    }

    /// Puts names in the place of addresses, numbers and times.
    pub fn resolve(&self, value: &mut Value) {
        match value {
            Value::Ksym(addr) => *value = Value::Text(self.ksym(*addr)),
            Value::Usym { addr, pid } => *value = Value::Text(self.usym(*pid, *addr)),
            Value::Stack(stack) => self.symbolize(stack),
            Value::Timestamp { ns, format } => {
                let format = self.image.strings.get(*format as usize).map_or("", String::as_str);
                *value = Value::Text(self.session.names.borrow_mut().time(*ns, format));
            }
            Value::Series(series) => {
                let mut names = self.session.names.borrow_mut();
                series.name_times(&mut |ns, format| names.time(ns, format));
            }
            Value::CgroupPath(id) => *value = Value::Text(self.session.names.borrow_mut().cgroup(*id)),
            Value::Username(uid) => *value = Value::Text(self.session.names.borrow_mut().user(*uid)),
            Value::Array(parts) | Value::Tuple(parts) => parts.iter_mut().for_each(|v| self.resolve(v)),
            Value::Record(fields) => fields.iter_mut().for_each(|(_, v)| self.resolve(v)),
            Value::None
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Uint(_)
            | Value::Str { .. }
            | Value::Buf(_)
            | Value::Inet(_)
            | Value::Mac(_)
            | Value::Ptr(_)
            | Value::Enum { .. }
            | Value::Hist(_)
            | Value::Stats(_)
            | Value::Avg(_)
            | Value::Text(_) => {}
        }
    }

    fn ksym(&self, addr: u64) -> String {
        let frames = self.session.symbols.borrow_mut().kernel(&[addr], &self.image.config);
        frames.first().and_then(|f| f.symbol.clone()).map_or_else(|| format!("{addr:#x}"), |(name, _)| name)
    }

    fn usym(&self, pid: u32, addr: u64) -> String {
        let frames = self.session.symbols.borrow_mut().user(pid, &[addr], &self.image.config);
        frames.first().and_then(|f| f.symbol.clone()).map_or_else(|| format!("{addr:#x}"), |(name, _)| name)
    }

    fn symbolize(&self, stack: &mut Stack) {
        let mut symbols = self.session.symbols.borrow_mut();
        let config = &self.image.config;
        stack.symbols = match (stack.ty.mode, stack.ty.space) {
            (StackMode::Raw, _) => return,
            (StackMode::BuildId, _) => symbols.build_ids(stack.pid, &stack.frames),
            (_, Space::User) => symbols.user(stack.pid, &stack.frames, config),
            (_, Space::Kernel | Space::Any) => symbols.kernel(&stack.frames, config),
        };
    }
}

/// A record that is being handled.
struct Record<'a> {
    values: Values<'a>,
    id: ClauseId,
    clause: &'a Clause,
    site: &'a EventSite,
    args: Vec<Value>,
}

impl Session {
    /// Hands on what a record says; stops the stream after `exit()`.
    pub(super) fn deliver(&self, _ring: Ring, bytes: &[u8], take: &mut dyn FnMut(Event)) -> Flow {
        let Some((id, clause, site)) = self.site_of(bytes) else { return Flow::Go };
        let values = Values { session: self, image: &clause.image };
        let decoder = values.decoder();
        let mut args = self.args.take();
        args.clear();
        for field in &site.fields {
            let at = bytes.get(field.offset as usize..).unwrap_or(&[]);
            let mut value = decoder.decode(&field.ty, at);
            values.resolve(&mut value);
            args.push(value);
        }
        let record = Record { values, id, clause, site, args };
        let flow = record.handle(take);
        self.args.set(record.args);
        flow
    }

    /// The statement that emitted a record, by the record's first word.
    pub(super) fn site_of(&self, bytes: &[u8]) -> Option<(ClauseId, &Clause, &EventSite)> {
        let number = u32::from_ne_bytes(*bytes.first_chunk::<4>()?);
        let live = self.clauses.iter().map(|(id, c)| (*id, c));
        let (id, clause) = live.chain(self.retired.iter().map(|r| (r.id, &r.clause))).find(|(_, c)| {
            let base = c.image.event_base;
            (base..base + c.image.events.len() as u32).contains(&number)
        })?;
        let site = clause.image.events.get(EventId::new((number - clause.image.event_base) as usize))?;
        Some((id, clause, site))
    }
}

impl Record<'_> {
    fn handle(&self, take: &mut dyn FnMut(Event)) -> Flow {
        let args = self.args.as_slice();
        match &self.site.kind {
            EventKind::Printf(format) => self.tell(take, Body::Printf { format, args }),
            EventKind::Errorf(format) => self.tell(take, Body::Errorf { format, args }),
            EventKind::Warnf(format) => self.tell(take, Body::Warnf { format, args }),
            EventKind::PrintValue => self.tell(take, Body::Value(args.first().unwrap_or(&Value::None))),
            EventKind::Time { format } => {
                self.text(take, TextKind::Time, time::format_local(format, time::wall_ns()).as_bytes());
            }
            EventKind::Join { separator } => {
                self.text(take, TextKind::Join, &joined(args, separator.as_bytes()));
            }
            EventKind::Cat(format) => self.cat(take, format),
            EventKind::System(format) => self.system(take, format),
            EventKind::Message { text } => self.tell(take, Body::Warning { text }),
            EventKind::Exit => {
                let code = exit_code(args);
                self.tell(take, Body::Exit { code });
                return self.values.session.exit(code);
            }
            EventKind::PrintMap { map, top, div } => {
                let live = self.clause.maps[*map].as_ref();
                self.map(take, *map, (*top, *div), |schema, decoder| match live {
                    Some(live) => live.read(schema, decoder),
                    None => Ok(Vec::new()),
                });
            }
            EventKind::PrintElement { map } => self.element(take, *map),
            EventKind::PrintClear { map, top, div } => {
                let live = self.clause.maps[*map].as_ref();
                self.map(take, *map, (*top, *div), |schema, decoder| match live {
                    Some(live) => live.take(schema, decoder),
                    None => Ok(Vec::new()),
                });
            }
            // It does not come through a ring.
            EventKind::Packet { .. } => {}
            EventKind::Unwatch => self.unwatch(take),
            EventKind::Unwind(want) => {
                if let (Some(unwind), [Value::Uint(pid), Value::Uint(exec)]) =
                    (self.values.session.shared.unwind(), args)
                {
                    unwind.borrow_mut().ask(*want, *pid as u32, *exec);
                }
            }
            EventKind::Clear { map } => self.change(take, *map, "cleared", |live, schema| live.clear(schema)),
            EventKind::Zero { map } => {
                self.change(take, *map, "set to zero", |live, schema| live.zero(schema))
            }
        }
        Flow::Go
    }

    fn tell(&self, take: &mut dyn FnMut(Event), body: Body) {
        let origin = Origin { clause: self.id, image: self.values.image, span: self.site.span };
        take(Event { seq: self.values.session.next_seq(), origin: Some(origin), body });
    }

    fn text(&self, take: &mut dyn FnMut(Event), kind: TextKind, text: &[u8]) {
        self.tell(take, Body::Text { kind, text });
    }

    fn warn(&self, take: &mut dyn FnMut(Event), text: &str) {
        self.tell(take, Body::Warning { text });
    }

    /// `print(@m)` in its shades; `read` yields the entries, sorted.
    fn map(
        &self,
        take: &mut dyn FnMut(Event),
        map: MapId,
        (top, div): (u32, u32),
        read: impl FnOnce(&crate::image::Schema, &Decoder) -> io::Result<Vec<(Value, Value)>>,
    ) {
        let spec = &self.values.image.maps[map];
        let Role::User(schema) = &spec.role else { crate::bug!("{} is printed", spec.name) };
        let decoder = self.values.decoder();
        match read(schema, &decoder) {
            Ok(mut entries) => {
                if top > 0 && entries.len() > top as usize {
                    entries.drain(..entries.len() - top as usize);
                }
                let entries = self.values.resolved(entries);
                let unset = super::maps::zero_value(&schema.value, &decoder);
                let view = MapView { schema, entries, div: div.max(1), unset: Some(unset) };
                self.tell(take, Body::Map(view));
            }
            Err(e) => self.warn(take, &format!("{} cannot be read: {}", spec.name, text_of(&e))),
        }
    }

    /// `print(@m[k])`, for the key that the record holds.
    fn element(&self, take: &mut dyn FnMut(Event), map: MapId) {
        let key = self.args.first().unwrap_or(&Value::None);
        let live = self.clause.maps[map].as_ref();
        self.map(take, map, (0, 1), |schema, decoder| {
            let entries = live.map_or(Ok(Vec::new()), |live| live.read(schema, decoder))?;
            // The key of the record has its names already.
            let found = self.values.resolved(entries).into_iter().find(|(k, _)| k == key);
            Ok(vec![found.unwrap_or_else(|| (key.clone(), super::maps::zero_value(&schema.value, decoder)))])
        });
    }

    /// `unwatch(addr)`: done once the records that lie there are handled.
    fn unwatch(&self, take: &mut dyn FnMut(Event)) {
        let Some(&Value::Uint(addr)) = self.args.first() else { return };
        let session = self.values.session;
        if session.clauses.values().any(|c| c.watches(addr)) {
            session.unwatched.borrow_mut().insert(addr);
        } else {
            self.warn(take, &format!("unwatch: nothing is watched at {addr:#x}"));
        }
    }

    /// `clear(@m)`, `zero(@m)`.
    fn change(
        &self,
        take: &mut dyn FnMut(Event),
        map: MapId,
        done: &str,
        change: impl FnOnce(&super::maps::LiveMap, &crate::image::Schema) -> io::Result<()>,
    ) {
        let spec = &self.values.image.maps[map];
        if let (Role::User(schema), Some(live)) = (&spec.role, &self.clause.maps[map])
            && let Err(e) = change(live, schema)
        {
            self.warn(take, &format!("{} cannot be {done}: {}", spec.name, text_of(&e)));
        }
    }

    /// The text of a format with the record's arguments; strings are not marked where they were cut.
    fn formatted(&self, format: &Format) -> Vec<u8> {
        let mut text = Vec::new();
        format::write(&mut text, format, &self.args, "");
        text
    }

    /// `cat(path)`: a file's first bytes.
    fn cat(&self, take: &mut dyn FnMut(Event), format: &Format) {
        let path = String::from_utf8_lossy(&self.formatted(format)).into_owned();
        let limit = self.values.image.config.max_cat_bytes;
        let mut text = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(limit).read_to_end(&mut text));
        match read {
            Ok(_) => self.text(take, TextKind::Cat, &text),
            Err(e) => self.warn(take, &format!("cat: {path} cannot be read: {}", text_of(&e))),
        }
    }

    /// `system(command)`: what the command writes to its standard output.
    fn system(&self, take: &mut dyn FnMut(Event), format: &Format) {
        use std::os::unix::ffi::OsStringExt;
        let command = std::ffi::OsString::from_vec(self.formatted(format));
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(&command).stdin(Stdio::null()).stderr(Stdio::inherit());
        match shell.output() {
            Ok(output) => self.text(take, TextKind::System, &output.stdout),
            Err(e) => self.warn(take, &format!("system: sh cannot be run: {}", text_of(&e))),
        }
    }
}

/// The system's words for an error, lower case.
fn text_of(e: &io::Error) -> String {
    e.raw_os_error().map_or_else(|| e.to_string(), errno_text)
}

fn exit_code(args: &[Value]) -> u32 {
    match args.first() {
        Some(Value::Uint(code)) => *code as u32,
        Some(Value::Int(code)) => *code as u32,
        _ => 0,
    }
}

/// The strings of a buffer, in which each ends with a NUL, and a line break.
fn joined(args: &[Value], separator: &[u8]) -> Vec<u8> {
    let mut line = match args.first() {
        Some(Value::Buf(bytes)) => match bytes.split_last() {
            Some((0, texts)) => texts.split(|b| *b == 0).collect::<Vec<_>>().join(separator),
            _ => bytes.clone(),
        },
        _ => Vec::new(),
    };
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn join_puts_a_separator_between_strings() {
        let line = |bytes: &[u8]| joined(&[Value::Buf(bytes.to_vec())], b", ");
        assert_eq!(line(b"sh\0\0-c\0"), b"sh, , -c\n");
        assert_eq!(line(b"sh\0"), b"sh\n");
        assert_eq!(line(b""), b"\n");
    }

    #[test]
    fn exit_codes() {
        assert_eq!(exit_code(&[Value::Uint(3)]), 3);
        assert_eq!(exit_code(&[]), 0);
    }
}
