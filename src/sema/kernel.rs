//! Constants that each kernel has otherwise: what it was built with, and flags that its tracepoints print.
//!
//! Comes in: a name. Goes out: its value in the kernel that is compiled for, or nothing where that kernel does not tell
//! it. Always holds: no value is guessed.

use super::Checker;
use crate::expand::{c_value_of, c_version_code};
use crate::value::gfp;

/// The event whose record is printed with the names of all flags for allocations.
const GFP_EVENT: (&str, &str) = ("kmem", "kmalloc");

impl Checker<'_> {
    /// The value of such a constant.
    pub fn of_kernel(&mut self, name: &str) -> Option<i64> {
        match name {
            "HZ" => self.built_with("CONFIG_HZ"),
            "LINUX_VERSION_CODE" => c_version_code(&self.world.kernel_release()?),
            _ if name.starts_with("CONFIG_") => self.built_with(name),
            _ if is_gfp(name) => self.gfp_flag(name),
            _ if has_bit(name) => self.bit(&format!("__{name}")),
            _ => None,
        }
    }

    /// A number, or 1 for what is built in or a module.
    fn built_with(&self, name: &str) -> Option<i64> {
        let text = self.world.kernel_setting(name)?;
        match text.as_str() {
            "y" | "m" => Some(1),
            text => c_value_of(text, &mut |_| None),
        }
    }

    /// `GFP_KERNEL`: as the event prints it, else of the enumerators of its bits.
    fn gfp_flag(&mut self, name: &str) -> Option<i64> {
        let (category, event) = GFP_EVENT;
        let printed = self.world.print_format(category, event);
        let mut enumerator = |word: &str| Some(self.world.enumerator(&mut self.types, word)?.0);
        if let Some(value) = printed.and_then(|text| printed_flag(&text, name, &mut enumerator)) {
            return Some(value);
        }
        self.bit(&format!("_{name}_BIT"))
    }

    /// A flag by the enumerator that is the number of its bit.
    fn bit(&mut self, enumerator: &str) -> Option<i64> {
        let bit = self.world.enumerator(&mut self.types, enumerator)?.0;
        1i64.checked_shl(u32::try_from(bit).ok()?)
    }
}

impl Checker<'_> {
    /// The kernel's flags of allocations and their names, in the order in which its own event prints them.
    pub fn gfp_names(&mut self) -> Vec<(u64, String)> {
        let (category, event) = GFP_EVENT;
        let mut enumerator = |word: &str| Some(self.world.enumerator(&mut self.types, word)?.0);
        let printed = self.world.print_format(category, event).unwrap_or_default();
        let value =
            |name: &str| Some((printed_flag(&printed, name, &mut enumerator)? as u64, name.to_owned()));
        let names: Vec<(u64, String)> = flag_names(&printed).filter_map(value).collect();
        if !names.is_empty() {
            return names;
        }
        let mut bit_of = |flag: &str| u32::try_from(enumerator(&format!("_{flag}_BIT"))?).ok();
        gfp::table(&mut bit_of)
    }
}

/// The names in `{(unsigned long)(VALUE), "NAME"}`.
fn flag_names(text: &str) -> impl Iterator<Item = &str> {
    text.split(", \"").filter_map(|part| part.split_once("\"}").map(|(name, _)| name)).filter(|n| is_gfp(n))
}

/// Whether it is one that differs, be it known or not.
pub fn differs(name: &str) -> bool {
    matches!(name, "HZ" | "LINUX_VERSION_CODE") || name.starts_with("CONFIG_") || is_gfp(name)
}

/// Flags of requests for blocks: `REQ_SYNC` is bit `__REQ_SYNC`.
fn has_bit(name: &str) -> bool {
    name.starts_with("REQ_") || name.starts_with("RQF_")
}

fn is_gfp(name: &str) -> bool {
    name.starts_with("GFP_") || name.starts_with("__GFP_")
}

/// The value of a flag in `{(unsigned long)(VALUE), "NAME"}`.
fn printed_flag(text: &str, name: &str, enumerator: &mut dyn FnMut(&str) -> Option<i64>) -> Option<i64> {
    let end = text.find(&format!(", \"{name}\"}}"))?;
    let from = text[..end].rfind('{')? + 1;
    let mut value = text[from..end].to_owned();
    for cast in ["( unsigned long)", "(unsigned long)", "( gfp_t)", "(gfp_t)"] {
        value = value.replace(cast, "");
    }
    c_value_of(&value, enumerator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_as_an_event_prints_them() {
        let text = r#"{( unsigned long)((( gfp_t)(((1UL)) << (A))) | (( gfp_t)0x40u)), "GFP_X"}, {(unsigned long)((gfp_t)1), "X"}"#;
        let mut word = |w: &str| (w == "A").then_some(3);
        assert_eq!(printed_flag(text, "GFP_X", &mut word), Some(0x48));
        assert_eq!(printed_flag(text, "X", &mut word), Some(1));
        assert_eq!(flag_names(text).collect::<Vec<_>>(), ["GFP_X"]);
        assert_eq!(printed_flag(text, "GFP", &mut word), None);
        assert_eq!(printed_flag(text, "GFP_X", &mut |_| None), None);
    }
}
