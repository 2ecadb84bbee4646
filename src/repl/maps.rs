//! What is done with maps: shown, watched, dropped.

use std::time::{Duration, Instant};

use super::Repl;
use super::list::cut;
use crate::image::Storage;
use crate::output::text::Text;
use crate::output::{Keyed, MapText, Printer};
use crate::runtime::MapView;
use crate::sys::term;
use crate::ty::print;
use crate::value::Value;

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

/// How a map is kept, for people.
fn kind(storage: Storage) -> &'static str {
    match storage {
        Storage::Global => "one value",
        Storage::Hash => "hash",
        Storage::PercpuArray => "one value per CPU",
        Storage::PercpuHash => "hash per CPU",
        Storage::Swapped => "hash per CPU, swapped",
        Storage::LruHash => "LRU hash",
        Storage::LruPercpuHash => "LRU hash per CPU",
        Storage::Thread => "one value per thread, not listed",
    }
}

/// `:maps`
pub fn list(repl: &mut Repl, _: &str) {
    if repl.base.maps.is_empty() {
        return repl.screen.say("no map lives here yet; a clause that assigns @name makes one");
    }
    let facts = match repl.session.as_ref().map(|s| s.map_facts()) {
        Some(Ok(facts)) => facts,
        None => Default::default(),
        Some(Err(e)) => return repl.complain(format!("the maps cannot be read: {e}"), None),
    };
    let types = &repl.base.types;
    let mut text = String::new();
    for map in &repl.base.maps {
        let key = map.key.as_ref().map_or(String::new(), |k| format!("[{}]", print::name(k, types)));
        let value = print::name(&map.value, types);
        text.push_str(&format!("{}{key}: {value}\n    {}", map.name, kind(map.storage)));
        if let Some(f) = facts.get(&map.name) {
            let s = if f.n_entries == 1 { "y" } else { "ies" };
            text.push_str(&format!(", {} entr{s} of {} at most", f.n_entries, map.max_entries));
            text.push_str(&f.memory_bytes.map_or(String::new(), |n| format!(", {} KiB", n.div_ceil(1024))));
        }
        let users: Vec<String> = (repl.clauses.iter())
            .filter(|(_, c)| c.image.uses(&map.name))
            .map(|(n, _)| n.to_string())
            .collect();
        let used = if users.is_empty() {
            "used by no clause".into()
        } else {
            format!("used by {}", users.join(", "))
        };
        text.push_str(&format!(", {used}\n"));
    }
    repl.screen.say(&text);
}

impl Repl {
    /// The text of a map; `None` if there is none of that name, or it cannot be read, which is said.
    pub fn map_text(&mut self, name: &str) -> Option<String> {
        let result = match &self.session {
            Some(session) => session.read_map(name),
            None => return None,
        };
        match result {
            Ok(Some(view)) => {
                let mut out = Vec::new();
                write(&mut out, &Text::plain(".."), &view);
                Some(super::screen::harmless(&String::from_utf8_lossy(&out)).into_owned())
            }
            Ok(None) => None,
            Err(e) => {
                self.complain(format!("{name} cannot be read: {e}"), None);
                None
            }
        }
    }

    /// Prints the maps that clauses use, as at the end of a script.
    pub fn print_maps_of(&mut self, numbers: &[u32]) {
        let used = |name: &str| numbers.iter().any(|n| self.clauses[n].image.uses(name));
        let names: Vec<String> =
            self.base.maps.iter().filter(|m| used(&m.name)).map(|m| m.name.clone()).collect();
        for name in names {
            let text = self.map_text(&name).unwrap_or_default();
            self.screen.say(&text);
        }
    }

    /// Lets maps go: what is entered next finds none of these names.
    pub fn forget_maps(&mut self, names: &[String]) {
        for name in names {
            let gone = self.session.as_mut().and_then(|s| s.forget_map(name));
            gone.into_iter().for_each(|map| self.remember_map(map));
            self.base.maps.retain(|m| &m.name != name);
        }
    }

    /// The maps that words name; says what is none.
    fn named_maps(&mut self, words: &[&str]) -> Option<Vec<String>> {
        for word in words {
            if !self.base.maps.iter().any(|m| m.name == *word) {
                let near = crate::base::diag::nearest(word, self.base.maps.iter().map(|m| m.name.as_str()));
                let hint = near.map_or(":maps lists them".to_owned(), |n| format!("did you mean {n}?"));
                self.complain(format!("there is no map {word}"), Some(hint));
                return None;
            }
        }
        Some(words.iter().map(|w| (*w).to_owned()).collect())
    }
}

/// `:drop @x...`
pub fn drop_maps(repl: &mut Repl, arg: &str) {
    let words: Vec<&str> = arg.split([' ', ',']).filter(|w| !w.is_empty()).collect();
    if words.is_empty() {
        return repl.complain("the name of a map is missing".into(), Some(":drop @x".into()));
    }
    let Some(names) = repl.named_maps(&words) else { return };
    let users: Vec<String> = (repl.clauses.iter())
        .filter(|(_, c)| names.iter().any(|m| c.image.uses(m)))
        .map(|(n, _)| n.to_string())
        .collect();
    if !users.is_empty() {
        let users = users.join(" ");
        return repl.complain(
            format!("{} is in use by clause {}", names.join(" and "), users.replace(' ', ", ")),
            Some(format!("`:rm {users}` first; or `clear(@x)` empties a map")),
        );
    }
    repl.remember(&format!(":drop {arg}"));
    repl.forget_maps(&names);
}

/// A map is drawn anew this often at most.
const EACH_MIN: Duration = Duration::from_millis(50);

/// `:watch @x... [1s]`
pub fn watch(repl: &mut Repl, arg: &str) {
    let mut words: Vec<&str> = arg.split([' ', ',']).filter(|w| !w.is_empty()).collect();
    let each = match words.last().filter(|w| !w.starts_with('@')) {
        Some(word) => match interval(word) {
            Some(each) => {
                words.pop();
                each
            }
            None => {
                let hint = Some(":watch @x 500ms".to_owned());
                return repl.complain(format!("{word} is neither a map nor an interval"), hint);
            }
        },
        None => Duration::from_secs(1),
    };
    if words.is_empty() {
        return repl.complain("the name of a map is missing".into(), Some(":watch @x 1s".into()));
    }
    let Some(names) = repl.named_maps(&words) else { return };
    if repl.session.is_none() {
        return repl.complain_obstacle();
    }
    let silent = Silent::new();
    repl.is_interrupted = false;
    while !repl.is_interrupted && !repl.is_leaving() {
        let text = draw(repl, &names, each);
        repl.screen.set_block(text);
        let next = Instant::now() + each;
        while !repl.is_interrupted && !repl.is_leaving() && Instant::now() < next {
            repl.pump(next.saturating_duration_since(Instant::now()).min(Duration::from_millis(500)));
        }
    }
    repl.screen.keep_block();
    drop(silent);
}

/// What stands in place while maps are watched: as much as the terminal holds.
fn draw(repl: &mut Repl, names: &[String], each: Duration) -> String {
    let (rows, columns) = repl.size();
    let mut lines = Vec::new();
    for name in names {
        let text = repl.map_text(name).unwrap_or_default();
        if text.trim().is_empty() {
            lines.push(format!("{name}: nothing yet"));
        }
        lines.extend(text.lines().map(|l| cut(l, columns)));
    }
    let room = rows.saturating_sub(3).max(1);
    // The largest values come last.
    let n_hidden = lines.len().saturating_sub(room);
    let hidden = if n_hidden > 0 { format!("{n_hidden} lines above, ") } else { String::new() };
    let head = format!("[{hidden}each {} ms, Ctrl-C ends]", each.as_millis());
    let shown = lines.split_off(n_hidden);
    format!("{}\n{}\n", cut(&head, columns), shown.join("\n"))
}

/// `1s`, `500ms`, `2` (seconds)
fn interval(word: &str) -> Option<Duration> {
    let (number, unit) = word.split_at(word.find(|c: char| c.is_alphabetic()).unwrap_or(word.len()));
    let n: f64 = number.parse().ok().filter(|n| (0.0..=86400.0).contains(n))?;
    let seconds = match unit {
        "" | "s" => n,
        "ms" => n / 1e3,
        "m" => n * 60.0,
        _ => return None,
    };
    Some(Duration::from_secs_f64(seconds).max(EACH_MIN))
}

/// While it lives, keys are not shown, and what was typed meanwhile is forgotten at its end.
struct Silent {
    before: Option<term::Mode>,
}

impl Silent {
    fn new() -> Silent {
        use std::os::fd::AsFd;
        let stdin = std::io::stdin();
        let before = term::Mode::of(stdin.as_fd()).ok();
        // Keys that are shown do no more than spoil the picture.
        let _ = before.as_ref().map(|m| m.silent().set(stdin.as_fd()));
        Silent { before }
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        use std::os::fd::AsFd;
        let stdin = std::io::stdin();
        term::forget_input(stdin.as_fd());
        // A terminal that is gone has no mode.
        let _ = self.before.as_ref().map(|m| m.set(stdin.as_fd()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals() {
        for (word, ms) in
            [("1s", 1000), ("500ms", 500), ("2", 2000), ("0.1", 100), ("1ms", 50), ("1m", 60000)]
        {
            assert_eq!(interval(word), Some(Duration::from_millis(ms)), "{word}");
        }
        for word in ["", "x", "1h", "-1s", "@x", "1e9"] {
            assert_eq!(interval(word), None, "{word}");
        }
    }
}
