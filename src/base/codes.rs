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
}
