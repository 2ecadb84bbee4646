use super::*;
use crate::base::render::Color;
use crate::base::{FileId, Source};
use crate::cli::flags;
use crate::cli::say::Warnings;
use crate::image::maps::{Schema, Storage};
use crate::runtime::{ClauseId, event::Origin};
use crate::ty::Ty;
use crate::value::Value;
use crate::value::format::{Format as Printf, Piece};
use std::cell::RefCell;

struct Shared(Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Prints events as if under these options; what went to the output.
fn printed(words: &[&str], print: impl FnOnce(&mut Out, &Image)) -> String {
    let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
    let options = flags::parse(&words).expect("options");
    let mut image = Image::default();
    image.sources.add(Source::new("stdin", "begin { errorf(\"x\"); }"));
    let image = Rc::new(image);
    let seen = Rc::new(RefCell::new(Vec::new()));
    let say = Say { color: Color::Never, warnings: Warnings::Shown };
    let mut out = Out::new(&options, Box::new(Shared(seen.clone())), say, image.clone());
    print(&mut out, &image);
    assert_eq!(out.finish(), None);
    let bytes = seen.borrow().clone();
    String::from_utf8(bytes).expect("UTF-8")
}

fn event<'a>(image: &'a Image, body: Body<'a>) -> Event<'a> {
    let origin = Origin { clause: ClauseId(0), image, span: Span::new(FileId(0), 8, 19) };
    Event { seq: 0, origin: Some(origin), body }
}

fn text(s: &str) -> Printf {
    Printf { pieces: vec![Piece::Text(s.into())], gfp: Vec::new() }
}

fn map(key: Option<Ty>, entries: Vec<(Value, Value)>, unset: Option<Value>, f: impl FnOnce(MapView<'_>)) {
    let value = Ty::I64;
    let schema = Schema { name: "@x".into(), key, value, storage: Storage::Hash, max_entries: 8 };
    f(MapView { schema: &schema, entries, div: 1, unset });
}

#[test]
fn text_in_order() {
    let got = printed(&["-e", "x"], |out, image| {
        out.attached(2, true);
        out.event(event(image, Body::Printf { format: &text("a\n"), args: &[] }));
        out.event(event(image, Body::Value(&Value::Int(5))));
        out.event(event(image, Body::Text { kind: TextKind::Cat, text: b"cat\n" }));
        out.event(event(image, Body::Errorf { format: &text("bad"), args: &[] }));
        out.end_of_run();
        map(None, vec![(Value::None, Value::Int(7))], None, |m| out.event(event(image, Body::Map(m))));
    });
    assert_eq!(got, "a\n5\ncat\n\n\n@x: 7\n");
}

#[test]
fn maps_that_are_not_set() {
    let show = |key: Option<Ty>, unset: Option<Value>| {
        printed(&["-e", "x"], |out, image| {
            map(key, Vec::new(), unset, |m| out.event(event(image, Body::Map(m))));
        })
    };
    assert_eq!(show(None, Some(Value::Int(0))), "@x: 0\n");
    assert_eq!(show(None, None), "");
    assert_eq!(show(Some(Ty::I64), Some(Value::Int(0))), "");
}

#[test]
fn json_records() {
    let got = printed(&["-f", "json", "-e", "x"], |out, image| {
        out.attached(2, false);
        out.event(event(image, Body::Errorf { format: &text("bad\n"), args: &[] }));
        let loss = |cause| Loss { cause, probe: "begin".into(), count: 3, span: None, clause: ClauseId(0) };
        out.event(event(image, Body::Loss(&loss(LossCause::Event))));
        out.event(event(image, Body::Loss(&loss(LossCause::MapFull("@x".into())))));
        out.end_of_run();
    });
    let lines: Vec<&str> = got.lines().collect();
    assert_eq!(
        lines,
        [
            "{\"type\": \"attached_probes\", \"count\": 2, \"data\": {\"probes\": 2}}",
            "{\"type\": \"errorf\", \"msg\": \"bad\", \"filename\": \"stdin\", \"line\": 1, \"col\": 9}",
            "{\"type\": \"lost_events\", \"count\": 3, \"data\": {\"events\": 3}}",
            "{\"type\": \"helper_error\", \"msg\": \"3 updates lost in begin: @x was full, or busy\", \"helper\": \"map_update_elem\", \"retcode\": -7}",
        ]
    );
}
