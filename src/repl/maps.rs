//! What is done with maps.

use super::Repl;
use crate::output::{Keyed, MapText, Printer};
use crate::runtime::MapView;
use crate::ty::print;
use crate::value::Value;

/// `:maps`
pub fn list(repl: &mut Repl, _: &str) {
    let types = &repl.base.types;
    let mut text = String::new();
    for map in &repl.base.maps {
        let key = map.key.as_ref().map_or(String::new(), |k| format!("[{}]", print::name(k, types)));
        let value = print::name(&map.value, types);
        text.push_str(&format!("{}{key}: {value}, {:?}\n", map.name, map.storage));
    }
    if text.is_empty() {
        text = "no map lives here yet\n".to_owned();
    }
    repl.screen.say(&text);
}

/// Prints a map as the language prints it.
pub fn write(out: &mut Vec<u8>, printer: &dyn Printer, view: &MapView) {
    let unset: Vec<_> = view.unset.iter().map(|v| (Value::None, v.clone())).collect();
    let is_keyed = view.schema.key.is_some();
    let entries = if view.entries.is_empty() && !is_keyed { &unset } else { &view.entries };
    printer.map(
        out,
        &MapText {
            name: &view.schema.name,
            keyed: if is_keyed { Keyed::Yes } else { Keyed::No },
            value: &view.schema.value,
            entries,
            div: view.div,
        },
    );
}
