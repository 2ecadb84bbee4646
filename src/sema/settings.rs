//! The `config = { … }` block.

use super::Checker;
use crate::base::{Diag, codes};
use crate::lang::config::{self, Outcome, SetBy};
use crate::syntax::ast::{self, Expr, ExprKind};

impl Checker<'_> {
    /// Applies the script's settings.
    pub fn settings(&mut self, script: &ast::Script) {
        for item in &script.items {
            if let ast::Item::Config(block) = item {
                block.entries.iter().for_each(|e| self.setting(e));
            }
        }
    }

    fn setting(&mut self, entry: &ast::ConfigEntry) {
        let Some(value) = text_of(&entry.value) else {
            let message = "a setting is a number, true, false, a word or a string";
            self.diags.push(Diag::error(&codes::BAD_SETTING, entry.value.span, message));
            return;
        };
        let key = &entry.key;
        match config::set(&mut self.config, &key.name, &value, SetBy::Script) {
            Outcome::Done => {}
            Outcome::Warn(message) => self.diags.push(Diag::warning(&codes::NO_EFFECT, key.span, message)),
            Outcome::Bad(values) => {
                let message = format!("{} cannot be {value}: it is {values}", key.name);
                self.diags.push(Diag::error(&codes::BAD_SETTING, entry.value.span, message));
            }
            Outcome::Unknown(near) => {
                let message = format!("unknown setting {}", key.name);
                let d = Diag::error(&codes::UNKNOWN_SETTING, key.span, message);
                self.diags.push(match near {
                    Some(near) => d.hint(format!("did you mean {near}?")),
                    None => d,
                });
            }
        }
    }
}

/// The value as the environment would have it. `None` also for what the parser has reported.
fn text_of(value: &Expr) -> Option<String> {
    match &value.kind {
        ExprKind::Int(n) => Some(n.to_string()),
        ExprKind::Bool(b) => Some(b.to_string()),
        ExprKind::Str(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        ExprKind::Ident(word) => Some(word.clone()),
        _ => None,
    }
}
