//! The process that `-c` or `-p` names: started only when everything is attached, watched for its end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use crate::sys::process::{Child, Exit, Pidfd};

/// What the command line asks for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Target {
    #[default]
    None,
    /// `-p`
    Pid(u32),
    /// `-c`, in words
    Command(Vec<String>),
}

/// The process, if there is one.
pub enum Watched {
    None,
    Process(Pidfd, u32),
    Child(Child),
}

impl Watched {
    /// Finds the process, or forks the command, which waits.
    pub fn start(target: &Target) -> io::Result<Watched> {
        Ok(match target {
            Target::None => Watched::None,
            Target::Pid(pid) => Watched::Process(Pidfd::open(*pid)?, *pid),
            Target::Command(argv) => Watched::Child(Child::prepare(argv)?),
        })
    }

    pub fn pid(&self) -> Option<u32> {
        match self {
            Watched::None => None,
            Watched::Process(_, pid) => Some(*pid),
            Watched::Child(child) => Some(child.pid()),
        }
    }

    /// Becomes readable when the process ends.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Watched::None => None,
            Watched::Process(pidfd, _) => Some(pidfd.as_fd()),
            Watched::Child(child) => Some(child.as_fd()),
        }
    }

    /// Lets a waiting command go. With `look`, that is called first with its process, once all the code is mapped that
    /// the program starts with.
    pub fn release(&mut self, look: Option<&mut dyn FnMut(u32)>) -> io::Result<()> {
        match (self, look) {
            (Watched::None | Watched::Process(..), _) => Ok(()),
            (Watched::Child(child), None) => child.release(),
            (Watched::Child(child), Some(look)) => {
                let pid = child.pid();
                child.release_held(&mut || look(pid))
            }
        }
    }

    /// How it ended, once `fd` says that it did; `None` for a process that is not our child.
    pub fn exit(&mut self) -> io::Result<Option<Exit>> {
        match self {
            Watched::None | Watched::Process(..) => Ok(None),
            Watched::Child(child) => child.try_wait(),
        }
    }
}

/// Splits a command into words as a shell does: blanks part them, quotes and backslashes keep them together. No
/// expansion of any kind. The error says what is wrong.
pub fn split_command(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                read_quoted(&mut chars, c, word)?;
            }
            '\\' => match chars.next() {
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err("the command ends in a backslash".to_owned()),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if words.is_empty() { Err("the command is empty".to_owned()) } else { Ok(words) }
}

/// Appends what stands before the closing quote. In double quotes a backslash keeps `"`, `\` and `$` as they are.
fn read_quoted(chars: &mut std::str::Chars, quote: char, word: &mut String) -> Result<(), String> {
    while let Some(c) = chars.next() {
        if c == quote {
            return Ok(());
        }
        if c == '\\' && quote == '"' {
            match chars.next() {
                Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                Some(c) => word.extend(['\\', c]),
                None => break,
            }
        } else {
            word.push(c);
        }
    }
    Err(format!("the command lacks a closing {quote}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_split_as_in_a_shell() {
        let split = |text: &str| split_command(text).unwrap();
        assert_eq!(split("  ls  -l /tmp "), ["ls", "-l", "/tmp"]);
        assert_eq!(
            split(r#"sh -c 'exit 3; "x"' a\ b "q\"\n""#),
            ["sh", "-c", "exit 3; \"x\"", "a b", "q\"\\n"]
        );
        assert_eq!(split("a '' b"), ["a", "", "b"]);
        assert!(split_command("a 'b").is_err());
        assert!(split_command("   ").is_err());
        assert!(split_command("a\\").is_err());
    }
}
