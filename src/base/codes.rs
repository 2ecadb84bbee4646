//! A row per diagnostic. `awl help CODE` prints the row.

/// One kind of diagnostic.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// `E` (error), `W` (warning) and four digits: 01xx syntax, 02xx names, 03xx types, 04xx probes,
    /// 05xx limits and kernel, 06xx run time, 07xx command line.
    pub id: &'static str,
    /// A few words.
    pub title: &'static str,
    /// What it means and what to do, in a sentence or two.
    pub help: &'static str,
}

macro_rules! codes {
    ($($name:ident $id:literal $title:literal $help:literal;)*) => {
        $(#[doc = $title] pub static $name: Code = Code { id: $id, title: $title, help: $help };)*
        /// All rows, in the order of their ids.
        pub static ALL: &[&Code] = &[$(&$name),*];
    };
}

codes! {
    SYNTAX "E0101" "syntax error" "The text is not a script at this place; the message says what was found and what can stand there.";
    UNTERMINATED "E0102" "unterminated string or comment" "A string ends on the line on which it starts, a /* comment at the next */. Write a line break inside a string as \\n.";
    UNCLOSED "E0103" "bracket without its partner" "A bracket or the slash of a predicate was opened and not closed, or closed and not opened.";
    NUMBER "E0104" "wrong number" "Numbers are decimal, octal (0755), hexadecimal (0xff), binary (0b101) or scientific (2e6), with _ between digits and one suffix: ns us ms s m h d for durations, u l ll ul ull as in C.";
    ESCAPE "E0105" "wrong escape in a string" "A backslash in a string starts one of \\n \\t \\r \\\" \\\\, an octal number up to \\377, or \\x and one or two hexadecimal digits.";
    TOO_DEEP "E0106" "nested too deeply" "Brackets, blocks and operators may enclose one another some hundreds of times at most. Split the expression into several statements.";
    ASSIGN_TARGET "E0107" "not assignable" "Only $variables, @maps and @maps[key] can be assigned, incremented and decremented.";
    ORDER "E0108" "parts in the wrong order" "A script consists of C definitions, then at most one config block and imports, then probes, macros, functions and map declarations.";
    BAD_TOKEN "E0109" "meaningless characters" "These characters mean nothing in a script outside strings and comments.";
    TOO_MANY "E0110" "too many errors" "After many syntax errors the rest of the text is not read. Correct the first ones; others often follow from them.";
    TOO_LONG "E0111" "script too long" "A script has at most 1 GiB of text.";
    STACK "E0501" "stack exhausted" "The kernel gives a program 512 bytes of stack for a whole chain of calls. Values that are needed at the same time share it.";
    SCRATCH "E0502" "scratch memory exhausted" "Values too big for the stack lie in per-CPU memory, of which the kernel gives 32 KiB at a time.";
    CALL_DEPTH "E0503" "calls nest too deep" "The kernel lets functions call each other 8 deep.";
    PROGRAM_LENGTH "E0504" "program too long" "The kernel takes a million instructions at most, and jumps over at most 32767.";
}
