//! Diagnostics of checking: a constructor each.

use crate::base::codes;
use crate::base::diag::{Diag, Diags, nearest};
use crate::base::{Severity, SourceMap, Span};
use crate::lang::config::Use;
use std::collections::BTreeSet;

impl Diags {
    pub fn unknown_name<'n>(&mut self, span: Span, name: &str, known: impl IntoIterator<Item = &'n str>) {
        let d = Diag::error(&codes::UNKNOWN_NAME, span, format!("unknown name {name}"));
        self.push(near(d, name, known, ""));
    }

    /// A name that is known as something else.
    pub fn unknown_name_but(&mut self, span: Span, name: &str, hint: String) {
        self.push(Diag::error(&codes::UNKNOWN_NAME, span, format!("unknown name {name}")).hint(hint));
    }

    /// A constant that no kernel keeps in its BTF and that is not the same everywhere.
    pub fn differs_by_kernel(&mut self, span: Span, name: &str) {
        let message = format!("{name} differs between kernels, and this one does not tell it");
        self.push(Diag::error(&codes::UNKNOWN_NAME, span, message).hint("write its value, or #define it"));
    }

    pub fn unknown_function<'n>(&mut self, span: Span, name: &str, known: impl IntoIterator<Item = &'n str>) {
        let d = Diag::error(&codes::UNKNOWN_FUNCTION, span, format!("there is no function {name}()"));
        self.push(near(d, name, known, "()"));
    }

    /// A `#define` with parameters that is no expression.
    pub fn uncallable(&mut self, span: Span, name: &str) {
        let message = format!("{name}() is a #define whose text is no expression of a script");
        let d = Diag::error(&codes::UNKNOWN_FUNCTION, span, message);
        self.push(d.hint(format!("write it as a macro: macro {name}(…) {{ … }}")));
    }

    /// `builtin`: the builtin of that name.
    pub fn unknown_variable<'n>(
        &mut self,
        span: Span,
        name: &str,
        known: impl IntoIterator<Item = &'n str>,
        builtin: Option<&str>,
    ) {
        let d = Diag::error(&codes::UNKNOWN_VARIABLE, span, format!("${name} is not known here"))
            .label("nothing was assigned to it before, in this block or around it");
        self.push(match (nearest(name, known), builtin) {
            (Some(n), _) => d.hint(format!("did you mean ${n}?")),
            (None, Some(n)) => d.hint(format!("did you mean {n}?")),
            (None, None) => d.hint(format!("declare it with let ${name} before the block that assigns it")),
        });
    }

    pub fn unknown_map<'n>(&mut self, span: Span, name: &str, known: impl IntoIterator<Item = &'n str>) {
        let d = Diag::error(&codes::UNKNOWN_MAP, span, format!("nothing is ever assigned to {name}"));
        self.push(near(d, name, known, ""));
    }

    pub fn unknown_type<'n>(&mut self, span: Span, name: &str, known: impl IntoIterator<Item = &'n str>) {
        let d = Diag::error(&codes::UNKNOWN_TYPE, span, format!("unknown type {name}"));
        let (kind, bare) = name.split_once(' ').map_or(("", name), |(kind, bare)| (kind, bare));
        self.push(match nearest(bare, known) {
            Some(n) => d.hint(format!("did you mean {}?", format!("{kind} {n}").trim_start())),
            None => d,
        });
    }

    /// A type that has another name.
    pub fn unknown_type_but(&mut self, span: Span, name: &str, hint: String) {
        self.push(Diag::error(&codes::UNKNOWN_TYPE, span, format!("unknown type {name}")).hint(hint));
    }

    pub fn unknown_field<'n>(
        &mut self,
        span: Span,
        of: &str,
        name: &str,
        known: impl IntoIterator<Item = &'n str> + Clone,
    ) {
        let d = Diag::error(&codes::UNKNOWN_FIELD, span, format!("{of} has no field {name}"));
        let names: Vec<&str> = known.into_iter().filter(|n| !n.is_empty()).collect();
        let d = match nearest(name, names.iter().copied()) {
            Some(n) => d.hint(format!("did you mean {n}?")),
            None if names.is_empty() => d,
            None if names.len() <= 12 => d.hint(format!("it has {}", names.join(", "))),
            None => d,
        };
        self.push(d);
    }

    pub fn import_statement(&mut self, span: Span, used: Use) {
        let message = "import as a statement is unstable: it may still change";
        let d = match used {
            Use::Allowed => return,
            Use::Warned => Diag::warning(&codes::UNSTABLE_WARNING, span, message),
            Use::Refused => Diag::error(&codes::UNSTABLE, span, message),
        };
        let hint = "move it to the start of the script, or set unstable_import_statement = enable in the config block";
        self.push(d.hint(hint));
    }

    pub fn redeclared(&mut self, span: Span, what: &str, before: Span) {
        let d = Diag::error(&codes::REDECLARED, span, format!("{what} is declared already"));
        self.push(d.note(before, "here"));
    }

    /// A construct of the language that awl does not have yet.
    pub fn unsupported(&mut self, span: Span, what: &str) {
        self.push(Diag::error(&codes::UNSUPPORTED, span, format!("{what} not in this version")));
    }

    pub fn type_mismatch(&mut self, span: Span, what: &str, found: &str, have: &str, first: Option<Span>) {
        let first = first.filter(|f| *f != span);
        if found == have {
            // They differ in what their name does not say.
            let message = format!("{what} is a {have} of other parameters");
            let d = Diag::error(&codes::TYPE_MISMATCH, span, message);
            let d = d.hint("give the same parameters everywhere, or use another map");
            return self.push(match first {
                Some(first) => d.note(first, "those since here"),
                None => d,
            });
        }
        let message = format!("{what} is {have}: it cannot take {found}");
        let d = Diag::error(&codes::TYPE_MISMATCH, span, message).label(format!("this is {found}"));
        self.push(match first {
            Some(first) => d.note(first, format!("{have} since here")),
            None => d,
        });
    }

    /// An aggregation behind `==`.
    pub fn compares(&mut self, span: Span) {
        let d = Diag::error(&codes::AGGREGATION, span, "an aggregation is assigned, not compared");
        self.push(d.hint("write = to assign"));
    }

    pub fn bad_operand(&mut self, span: Span, message: String) {
        self.push(Diag::error(&codes::BAD_OPERAND, span, message));
    }

    pub fn bad_cast(&mut self, span: Span, from: &str, to: &str) {
        self.push(Diag::error(&codes::BAD_CAST, span, format!("{from} cannot be cast to {to}")));
    }

    /// A cast that would be possible otherwise.
    pub fn bad_cast_but(&mut self, span: Span, from: &str, to: &str, hint: String) {
        self.push(Diag::error(&codes::BAD_CAST, span, format!("{from} cannot be cast to {to}")).hint(hint));
    }

    pub fn argument_count(&mut self, span: Span, name: &str, wanted: &str, found: usize) {
        let message = format!("{name} takes {wanted}, found {found}");
        self.push(Diag::error(&codes::ARGUMENT_COUNT, span, message));
    }

    pub fn bad_argument(&mut self, span: Span, message: String) {
        self.push(Diag::error(&codes::BAD_ARGUMENT, span, message));
    }

    pub fn map_key(&mut self, span: Span, message: String, first: Option<Span>) {
        let d = Diag::error(&codes::MAP_KEY, span, message);
        self.push(match first.filter(|f| *f != span) {
            Some(first) => d.note(first, "first used here"),
            None => d,
        });
    }

    pub fn aggregation(&mut self, span: Span, message: String, hint: Option<String>) {
        let d = Diag::error(&codes::AGGREGATION, span, message);
        self.push(if let Some(hint) = hint { d.hint(hint) } else { d });
    }

    pub fn not_a_place(&mut self, span: Span, message: &str) {
        self.push(Diag::error(&codes::NOT_A_PLACE, span, message));
    }

    pub fn not_constant(&mut self, span: Span, message: &str) {
        self.push(Diag::error(&codes::NOT_CONSTANT, span, message));
    }

    pub fn bad_jump(&mut self, span: Span, word: &str) {
        self.push(Diag::error(&codes::BAD_JUMP, span, format!("{word} outside a loop")));
    }

    pub fn bad_index(&mut self, span: Span, index: i64, n: u32, what: &str) {
        let message = format!("index {index} is out of bounds: {what} has {n} elements");
        self.push(Diag::error(&codes::BAD_INDEX, span, message));
    }

    pub fn needs_unsafe(&mut self, span: Span, name: &str) {
        let d = Diag::error(&codes::UNSAFE, span, format!("{name}() is unsafe"));
        self.push(d.hint("run awl with --unsafe to allow it"));
    }

    pub fn no_value(&mut self, span: Span, what: &str) {
        self.push(Diag::error(&codes::NO_VALUE, span, format!("{what} yields no value")));
    }

    pub fn not_in_this_probe(&mut self, span: Span, name: &str, probe: &str, only_in: &[&str]) {
        let message = format!("{name} cannot be used in {probe} probes");
        let d = Diag::error(&codes::PROBE_BUILTIN, span, message);
        self.push(if only_in.is_empty() { d } else { d.hint(format!("it works in {}", only_in.join(", "))) });
    }

    pub fn not_in_a_function(&mut self, span: Span, name: &str) {
        let message = format!("{name} belongs to a probe, and a function to none");
        let d = Diag::error(&codes::PROBE_BUILTIN, span, message);
        self.push(d.hint("hand it over as an argument"));
    }

    pub fn discarded(&mut self, span: Span, may_be_assignment: bool) {
        let d = Diag::warning(&codes::DISCARDED, span, "the value is not used");
        self.push(d.hint(match may_be_assignment {
            true => "== compares: write = to assign",
            false => "write _ = before it if that is meant",
        }));
    }

    pub fn unreachable(&mut self, span: Span) {
        self.push(Diag::warning(&codes::UNREACHABLE, span, "unreachable statement"));
    }

    pub fn unused_variable(&mut self, span: Span, name: &str) {
        self.push(Diag::warning(&codes::UNUSED_VARIABLE, span, format!("${name} is never read")));
    }

    pub fn unused_map(&mut self, span: Span, name: &str) {
        self.push(Diag::warning(&codes::UNUSED_VARIABLE, span, format!("{name} is never used")));
    }

    pub fn unassigned_variable(&mut self, span: Span, name: &str) {
        let d = Diag::warning(
            &codes::UNASSIGNED,
            span,
            format!("${name} is never assigned: it is always 0 or empty"),
        );
        self.push(d.hint(format!("give it a value: let ${name} = …")));
    }

    /// A comparison whose result is known.
    pub fn always(&mut self, span: Span, result: bool, why: String, hint: Option<String>) {
        let d = Diag::warning(&codes::ALWAYS, span, format!("this is always {result}")).label(why);
        self.push(if let Some(hint) = hint { d.hint(hint) } else { d });
    }

    pub fn odd_arithmetic(&mut self, span: Span, message: String) {
        self.push(Diag::warning(&codes::ODD_ARITHMETIC, span, message));
    }

    pub fn signs_mixed(&mut self, span: Span) {
        let message = "signed and unsigned 64-bit integers are mixed: both are taken as signed";
        self.push(Diag::warning(&codes::SIGN, span, message));
    }

    pub fn deprecated(&mut self, span: Span, old: &str, new: &str) {
        let d = Diag::warning(&codes::DEPRECATED, span, format!("{old} is an old spelling"));
        self.push(d.hint(format!("write {new}")));
    }

    /// Drops errors in the text of a macro or definition that another use of it has said already.
    pub fn once_a_macro(&mut self, sources: &SourceMap) {
        let mut seen = BTreeSet::new();
        self.list.retain(|d| {
            let bare = Span { origin: Span::none().origin, ..d.span };
            d.severity != Severity::Error
                || sources.is_library(d.span)
                || seen.insert((d.code.id, bare, d.message.clone()))
        });
    }

    /// Drops what was said before, the same code at the same place from another probe of the same clause, and
    /// what an error may be the reason of.
    pub fn dedup(&mut self) {
        if self.has_errors() {
            self.list.retain(|d| d.code != &codes::UNUSED_VARIABLE);
        }
        let mut seen = BTreeSet::new();
        self.list.retain(|d| seen.insert((d.code.id, d.span)));
        // Of an unstable feature it is enough to hear once.
        let mut unstable = BTreeSet::new();
        self.list.retain(|d| d.code != &codes::UNSTABLE_WARNING || unstable.insert(d.message.clone()));
        // Errors first, for they are what must be done; among equals, in the order of the text.
        self.list.sort_by_key(|d| (d.severity != Severity::Error, d.span.file, d.span.lo));
    }
}

fn near<'n>(d: Diag, name: &str, known: impl IntoIterator<Item = &'n str>, after: &str) -> Diag {
    match nearest(name, known) {
        Some(n) => d.hint(format!("did you mean {n}{after}?")),
        None => d,
    }
}
