//! Headers of the kernel: BTF has their types, and only where it lacks what a script uses are they read.
//!
//! Always holds: nothing that BTF or the tables of awl know is taken from them.

use super::declare::Declarer;
use super::lex::Token;
use super::prep::{Cx, Prep};
use crate::base::{Diag, Diags, codes};
use crate::expand::words::Words;
use crate::lang::library;
use crate::lang::{aggs, builtins, constants};
use crate::ty::TypeTable;
use crate::world::World;

/// Types of the language whose names no header has to explain.
const OF_LANGUAGE: &[&str] = &["int", "uint", "string", "buffer", "inet", "bool", "void"];

/// Reads what headers of the kernel say to user space, where the script needs it; else says that they do nothing.
pub fn fill(prep: &mut Prep<'_>, d: &mut Declarer<'_>, tokens: &[Token], words: &Words, cx: &mut Cx) {
    let names = std::mem::take(&mut prep.headers.of_kernel);
    let is_filled = lacks(prep, d, tokens, words) && {
        let mut apart = Prep::new(prep.world);
        names.iter().for_each(|(name, span)| apart.include_of_kernel(name, *span, cx));
        let own = apart.take_tokens(cx.diags);
        d.foreign.extend(apart.headers.foreign.iter().copied());
        prep.headers.foreign.extend(apart.headers.foreign);
        prep.problems.append(apart.problems);
        d.declare(own, &mut Diags::default());
        d.keep_what_lacks();
        for (name, define) in apart.defines {
            if !is_value(&name, prep.world) {
                prep.defines.entry(name).or_insert(define);
            }
        }
        !lacks(prep, d, tokens, words)
    };
    if let (false, Some((_, span))) = (is_filled, names.first()) {
        let message = "#include of kernel headers has no effect: kernel types come from BTF";
        cx.diags.push(Diag::warning(&codes::NO_EFFECT, *span, message).hint("leave such lines out"));
    }
}

/// Whether the script uses what nothing defines yet.
fn lacks(prep: &Prep<'_>, d: &Declarer<'_>, tokens: &[Token], words: &Words) -> bool {
    let world = prep.world;
    let mut trial = d.clone();
    let mut said = Diags::default();
    trial.declare(tokens.to_vec(), &mut said);
    if said.has_errors() {
        return true;
    }
    let defs = &trial.defs;
    let has_tag = |name: &String| {
        let mut types = TypeTable::new();
        defs.tags.contains_key(name)
            || world.strukt(&mut types, None, name).is_some()
            || world.enumeration(&mut types, name).is_some()
    };
    let has_type = |name: &String| {
        let bare = name.trim_end_matches(|c: char| c.is_ascii_digit());
        OF_LANGUAGE.contains(&bare)
            || defs.typedefs.contains_key(name)
            || world.typedef(&mut TypeTable::new(), name).is_some()
            || has_tag(name)
    };
    let has_value = |name: &String| {
        prep.defines.contains_key(name) || defs.enumerators.contains_key(name) || is_value(name, world)
    };
    // Names of macros and functions are not written so.
    let shouts = |name: &&String| name.chars().all(|c| !c.is_ascii_lowercase());
    !words.tags.iter().all(has_tag)
        || !words.types.iter().all(has_type)
        || !words.values.iter().filter(shouts).all(has_value)
}

/// Whether BTF, the tables or the language know the value of a word.
fn is_value(name: &str, world: &dyn World) -> bool {
    builtins::find(name).is_some()
        || aggs::find(name).is_some()
        || constants::find(name).is_some()
        || library::names().any(|n| n == name)
        || world.enumerator(&mut TypeTable::new(), name).is_some()
}

impl Declarer<'_> {
    /// Forgets what BTF has, too.
    fn keep_what_lacks(&mut self) {
        let (world, mut types) = (self.world, TypeTable::new());
        self.defs.tags.retain(|name, _| {
            world.strukt(&mut types, None, name).is_none() && world.enumeration(&mut types, name).is_none()
        });
        self.defs.typedefs.retain(|name, _| world.typedef(&mut types, name).is_none());
        self.typedefs.retain(|name, _| world.typedef(&mut types, name).is_none());
        self.defs.enumerators.retain(|name, _| !is_value(name, world));
    }
}
