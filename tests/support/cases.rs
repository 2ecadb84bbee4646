//! The file format that all cases share.
//!
//! Comes in: the text of a `.test` file. Goes out: its cases, each with its name, its line and its lines.
//! A case opens with `--- name: NAME` and ends where the next one opens. Before the first one stands only
//! comment (`#`). [`fields`] reads the lines of a case as `key: value`, where a value may go on in lines
//! indented by two blanks.

use std::fs;
use std::path::{Path, PathBuf};

/// One case as it stands in its file.
#[derive(Debug, Clone, PartialEq)]
pub struct RawCase {
    pub name: String,
    /// The line of its `---`, from 1.
    pub line: usize,
    /// The lines below it.
    pub lines: Vec<String>,
}

/// One `key: value` of a case.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub key: String,
    /// The text after the colon, or the lines below it without their indentation.
    pub value: String,
    /// The line of the key, from 1.
    pub line: usize,
}

/// Splits the text of a file into cases.
pub fn split(text: &str) -> Result<Vec<RawCase>, String> {
    let mut cases: Vec<RawCase> = Vec::new();
    for (i, line) in text.lines().enumerate() {
        if let Some(head) = line.strip_prefix("--- ") {
            let name = head.strip_prefix("name:").map(str::trim).filter(|name| is_name(name));
            let name = name.ok_or_else(|| format!("line {}: want `--- name: some-name`", i + 1))?;
            if cases.iter().any(|case| case.name == name) {
                return Err(format!("line {}: a second case named {name}", i + 1));
            }
            cases.push(RawCase { name: name.to_owned(), line: i + 1, lines: Vec::new() });
        } else if let Some(case) = cases.last_mut() {
            case.lines.push(line.to_owned());
        } else if !line.is_empty() && !line.starts_with('#') {
            return Err(format!("line {}: text before the first `--- name:`", i + 1));
        }
    }
    Ok(cases)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
}

/// Reads the lines of a case as fields; `#` opens a comment line between them.
pub fn fields(case: &RawCase) -> Result<Vec<Field>, String> {
    let mut fields: Vec<Field> = Vec::new();
    for (i, line) in case.lines.iter().enumerate() {
        let at = case.line + 1 + i;
        if line.starts_with('#') {
            continue;
        }
        if line.is_empty() || line.starts_with("  ") {
            match fields.last_mut() {
                Some(field) => {
                    field.value.push('\n');
                    field.value.push_str(line.strip_prefix("  ").unwrap_or(""));
                }
                None if line.is_empty() => {}
                None => return Err(format!("line {at}: an indented line before the first field")),
            }
            continue;
        }
        let (key, value) = line.split_once(':').ok_or_else(|| format!("line {at}: want `key: value`"))?;
        fields.push(Field { key: key.trim().to_owned(), value: value.trim().to_owned(), line: at });
    }
    for field in &mut fields {
        let kept = field.value.trim_start_matches('\n').trim_end().len();
        let skipped = field.value.len() - field.value.trim_start_matches('\n').len();
        field.value = field.value[skipped..skipped + kept].to_owned();
    }
    Ok(fields)
}

/// All `.test` files under `folder`, sorted.
pub fn test_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "test") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// Splits a line into words as a shell does: blanks part, quotes of both kinds keep together.
pub fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words: Vec<String> = Vec::new();
    let (mut is_open, mut quote) = (false, None);
    for c in line.chars() {
        match quote {
            Some(q) if c == q => quote = None,
            None if c.is_whitespace() => is_open = false,
            _ => {
                if !is_open {
                    words.push(String::new());
                    is_open = true;
                }
                if quote.is_none() && (c == '"' || c == '\'') {
                    quote = Some(c);
                } else if let Some(word) = words.last_mut() {
                    word.push(c);
                }
            }
        }
    }
    if quote.is_some() { Err(format!("an unclosed quote in {line}")) } else { Ok(words) }
}
