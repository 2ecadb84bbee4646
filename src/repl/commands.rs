//! The commands: a row each, from which `:help`, completion and the manual are made.

use super::{Repl, clauses, edit, find, inspect, lessons, list, maps, meta, store, undo};

/// A command's row.
pub struct Command {
    /// Without its colon.
    pub name: &'static str,
    /// `N`, `[PATTERN]`; empty if it takes none.
    pub args: &'static str,
    /// What completion offers for them.
    pub takes: Takes,
    /// One sentence, then what else there is to know.
    pub doc: &'static str,
    pub example: &'static str,
    /// Gets what follows the name.
    pub run: fn(&mut Repl, &str),
}

/// What can stand after a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takes {
    Nothing,
    File,
    /// Numbers of clauses.
    Clause,
    /// What `:help` explains.
    Topic,
    /// An attach point.
    Probe,
    /// A struct, union or enum of the kernel.
    Struct,
    Expression,
    /// One of these words.
    Words(&'static [&'static str]),
    Map,
}

/// All commands, in the order in which they are shown.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "help",
        args: "[TOPIC]",
        takes: Takes::Topic,
        doc: "Explains a command, builtin, function, probe type, setting or error code.",
        example: ":help rm",
        run: inspect::help,
    },
    Command {
        name: "probes",
        args: "PATTERN",
        takes: Takes::Probe,
        doc: "Lists probes by a pattern with * and ?, or by a word that they contain.",
        example: ":probes openat",
        run: find::probes,
    },
    Command {
        name: "args",
        args: "PROBE",
        takes: Takes::Probe,
        doc: "Shows what a probe offers: the fields of args, or its arguments, and their types.",
        example: ":args tracepoint:syscalls:sys_enter_openat",
        run: find::args,
    },
    Command {
        name: "struct",
        args: "NAME",
        takes: Takes::Struct,
        doc: "Shows a struct, union or enum of this kernel, with offsets and sizes in bytes.",
        example: ":struct task_struct",
        run: find::strukt,
    },
    Command {
        name: "type",
        args: "EXPRESSION",
        takes: Takes::Expression,
        doc: "Says the type of an expression, its size and its fields, without computing it.",
        example: ":type curtask.mm",
        run: find::type_of,
    },
    Command {
        name: "ls",
        args: "",
        takes: Takes::Nothing,
        doc: "Lists the clauses: hits, losses, and runs and ns per run while :cost is on. A hit is a run whose predicate held.",
        example: ":ls",
        run: list::ls,
    },
    Command {
        name: "rm",
        args: "N...",
        takes: Takes::Clause,
        doc: "Takes clauses out (`all`: every one). Their maps stay, until :drop.",
        example: ":rm 1",
        run: clauses::rm,
    },
    Command {
        name: "off",
        args: "N...",
        takes: Takes::Clause,
        doc: "Switches clauses off: they are detached and keep their number.",
        example: ":off 1",
        run: clauses::off,
    },
    Command {
        name: "on",
        args: "N...",
        takes: Takes::Clause,
        doc: "Switches clauses on again; `begin` probes run again.",
        example: ":on 1",
        run: clauses::on,
    },
    Command {
        name: "edit",
        args: "N",
        takes: Takes::Clause,
        doc: "Puts a clause on the prompt for editing. The new one takes over without a gap; its hits go on counting.",
        example: ":edit 1",
        run: edit::edit,
    },
    Command {
        name: "undo",
        args: "",
        takes: Takes::Nothing,
        doc: "Takes back the last change: what was entered, edited, switched, taken out or dropped.",
        example: ":undo",
        run: undo::undo,
    },
    Command {
        name: "maps",
        args: "",
        takes: Takes::Nothing,
        doc: "Lists the maps: types of keys and values, how they are kept, entries, memory, who uses them.",
        example: ":maps",
        run: maps::list,
    },
    Command {
        name: "ir",
        args: "N [raw]",
        takes: Takes::Clause,
        doc: "Shows the intermediate code of a clause, in SSA form: optimised, or raw.",
        example: ":ir 1",
        run: inspect::code::ir,
    },
    Command {
        name: "asm",
        args: "N",
        takes: Takes::Clause,
        doc: "Shows the BPF instructions of a clause beside the lines that they stand for.",
        example: ":asm 1",
        run: inspect::code::asm,
    },
    Command {
        name: "verifier",
        args: "N [all]",
        takes: Takes::Clause,
        doc: "Shows how the kernel's verifier went through a clause: each instruction, and what the registers can hold after it.",
        example: ":verifier 1",
        run: inspect::code::verifier,
    },
    Command {
        name: "learn",
        args: "[N|next|list|quit]",
        takes: Takes::Words(&["next", "list", "quit"]),
        doc: "Lists the lessons, or opens one. Each has a task, which is checked by what happens on the kernel.",
        example: ":learn 1",
        run: lessons::learn,
    },
    Command {
        name: "hint",
        args: "",
        takes: Takes::Nothing,
        doc: "Helps with the task of the open lesson, a little more each time.",
        example: ":hint",
        run: lessons::hint,
    },
    Command {
        name: "try",
        args: "INSTRUCTION",
        takes: Takes::Nothing,
        doc: "Puts an instruction into the program of the lesson about the verifier.",
        example: ":try r0 = 0",
        run: lessons::try_instruction,
    },
    Command {
        name: "watch",
        args: "@MAP... [TIME]",
        takes: Takes::Map,
        doc: "Shows maps in place, anew each second or TIME, until Ctrl-C.",
        example: ":watch @x 500ms",
        run: maps::watch,
    },
    Command {
        name: "drop",
        args: "@MAP...",
        takes: Takes::Map,
        doc: "Forgets maps and what is in them. A map that a clause uses cannot go.",
        example: ":drop @x",
        run: maps::drop_maps,
    },
    Command {
        name: "cost",
        args: "[on|off]",
        takes: Takes::Words(&["on", "off"]),
        doc: "Lets the kernel count runs and time of all BPF programs, or shows what it counted. It costs some 30 ns a run.",
        example: ":cost on",
        run: list::cost,
    },
    Command {
        name: "load",
        args: "FILE",
        takes: Takes::File,
        doc: "Enters a script, or a file of commands and clauses, as if it were typed.",
        example: ":load tool.bt",
        run: store::load,
    },
    Command {
        name: "save",
        args: "FILE",
        takes: Takes::File,
        doc: "Writes macros, settings and the clauses that are on as a script that runs by itself.",
        example: ":save tool.bt",
        run: store::save,
    },
    Command {
        name: "quit",
        args: "",
        takes: Takes::Nothing,
        doc: "Leaves, as Ctrl-D does: everything is detached, `end` probes run, maps are not printed.",
        example: ":quit",
        run: meta::quit,
    },
];

/// The row of a name, which may be shortened as long as one row alone starts so.
pub fn find(name: &str) -> Result<&'static Command, Vec<&'static str>> {
    if let Some(row) = COMMANDS.iter().find(|c| c.name == name) {
        return Ok(row);
    }
    let starting: Vec<&Command> =
        COMMANDS.iter().filter(|c| !name.is_empty() && c.name.starts_with(name)).collect();
    match starting.as_slice() {
        [row] => Ok(row),
        rows => Err(rows.iter().map(|c| c.name).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_complete() {
        for c in COMMANDS {
            assert!(c.doc.ends_with('.'), "{}", c.name);
            assert!(c.example.starts_with(&format!(":{}", c.name)), "{}", c.name);
            assert_eq!(COMMANDS.iter().filter(|o| o.name == c.name).count(), 1, "{}", c.name);
        }
        assert!(find("qui").is_ok_and(|c| c.name == "quit"));
        assert!(find("nothing").is_err());
    }
}
