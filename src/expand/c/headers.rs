//! Headers: where they are looked for, and how their texts are read.
//!
//! Comes in: `#include` lines. Goes out: the tokens and definitions of what they name. Always holds: a header that
//! stands beside the script is read once; others as often as they are included, within bounds; of those of the
//! kernel the names are kept, for BTF has their types, and their user-space text is read only where it has not.

use super::input::without_comments;
use super::lex::Token;
use super::prep::{Cx, Prep, bad, first_word};
use crate::base::{Diag, Diags, FileId, Origin, Source, Span, codes};
use crate::expand::files;
use crate::world::{Missing, World};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Headers inside one another, inclusions, and bytes that they have in all, at most.
const NESTED_MAX: usize = 64;
const READ_MAX: usize = 5000;
const BYTES_MAX: usize = 64 << 20;

/// Headers of C itself, which belong to compilers and not to the C library.
const OF_COMPILER: &[(&str, &str)] = &[
    ("stddef.h", include_str!("../../../stdlib/c/stddef.h")),
    ("stdarg.h", include_str!("../../../stdlib/c/stdarg.h")),
    ("stdbool.h", include_str!("../../../stdlib/c/stdbool.h")),
    ("stdalign.h", include_str!("../../../stdlib/c/stdalign.h")),
    ("stdnoreturn.h", include_str!("../../../stdlib/c/stdnoreturn.h")),
    ("iso646.h", include_str!("../../../stdlib/c/iso646.h")),
    ("limits.h", include_str!("../../../stdlib/c/limits.h")),
    ("stdint.h", include_str!("../../../stdlib/c/stdint.h")),
];
/// Where they seem to be.
const COMPILER_DIR: &str = "awl/include";
/// Where GCC keeps its own.
const GCC_DIR: &str = "/usr/lib/gcc";

/// Folders whose headers a script includes for the sake of the kernel's types, wherever it finds them.
const OF_KERNEL: &[&str] = &["linux", "asm", "asm-generic", "uapi"];
/// Folders that the kernel has, too.
const ALSO_OF_KERNEL: &[&str] = &[
    "acpi",
    "bpf",
    "crypto",
    "drm",
    "generated",
    "keys",
    "kvm",
    "media",
    "misc",
    "mtd",
    "net",
    "ras",
    "rdma",
    "scsi",
    "soc",
    "sound",
    "target",
    "trace",
    "video",
    "xen",
];

/// How far the mistakes of a file count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The script's own.
    Own,
    /// The system's: only where the script needs what is spoilt.
    Foreign,
}

/// What has been read.
#[derive(Debug, Default)]
pub struct Headers {
    /// Own ones, which are read once.
    seen: BTreeSet<String>,
    /// Texts that were looked at, and the files of those that were read.
    texts: BTreeMap<String, Option<Rc<str>>>,
    ids: BTreeMap<String, FileId>,
    pub foreign: BTreeSet<FileId>,
    /// Those with `#pragma once`.
    once: BTreeSet<FileId>,
    dirs: Option<Rc<[String]>>,
    /// Which of the folders a file was found in.
    dir_of: BTreeMap<FileId, usize>,
    n_open: usize,
    n_read: usize,
    n_bytes: usize,
    knows_compiler: bool,
    /// Headers of the kernel that the script names.
    pub of_kernel: Vec<(String, Span)>,
}

impl Headers {
    pub fn read_once(&mut self, file: FileId) {
        self.once.insert(file);
    }
}

impl Prep<'_> {
    /// What compilers define for this machine.
    pub fn define_compiler(&mut self, cx: &mut Cx) {
        if !std::mem::replace(&mut self.headers.knows_compiler, true) {
            let text = self.world.arch().c_macros;
            let file = cx.sources.add(Source::new(format!("{COMPILER_DIR}/predefined.h"), text));
            self.headers.foreign.insert(file);
            self.feed(text, Span::new(file, 0, text.len()), cx);
        }
    }

    pub fn include(&mut self, directive: &str, rest: &str, span: Span, cx: &mut Cx) {
        let what = self.named_by(rest);
        let quoted = what.strip_prefix('"').and_then(|w| w.split_once('"'));
        let angled = what.strip_prefix('<').and_then(|w| w.split_once('>'));
        let is_own = self.trust(span.file) == Trust::Own;
        let from = match directive {
            "include_next" => self.headers.dir_of.get(&span.file).map_or(0, |d| d + 1),
            _ => 0,
        };
        match (quoted, angled) {
            (Some((name, _)), _) if from == 0 => {
                let path = files::beside(&cx.sources.files[span.file].name, name);
                let is_there = self.world.read_file(&path) != Err(Missing::No);
                match self.find(name, 0).filter(|_| !is_there) {
                    Some((dir, path)) => self.foreign(&path, Some(dir), span, cx),
                    None if is_own => self.header(&path, span, cx),
                    None => self.foreign(&path, self.headers.dir_of.get(&span.file).copied(), span, cx),
                }
            }
            (Some((name, _)), _) | (None, Some((name, _))) => {
                let n_given = self.world.include_dirs().len();
                let is_of_kernel = is_own && is_in(name, OF_KERNEL);
                match self.find(name, from) {
                    Some((dir, path)) if !is_of_kernel || dir < n_given => {
                        self.foreign(&path, Some(dir), span, cx);
                    }
                    _ if is_own && (is_of_kernel || is_in(name, ALSO_OF_KERNEL)) => {
                        self.headers.of_kernel.push((name.to_owned(), span));
                    }
                    _ => {
                        let d =
                            Diag::warning(&codes::HEADER, span, format!("there is no header {name} here"));
                        cx.diags
                            .push(d.hint("install the package that has it, or give its folder with -I DIR"));
                    }
                }
            }
            (None, None) => bad(cx.diags, span, "#include wants \"file.h\" or <file.h>"),
        }
    }

    /// Reads what a header of the kernel says to user space, if it is here.
    pub fn include_of_kernel(&mut self, name: &str, span: Span, cx: &mut Cx) {
        if let Some((dir, path)) = self.find(name, 0) {
            self.foreign(&path, Some(dir), span, cx);
        }
    }

    /// `#include NAME` as `#include <file.h>`.
    fn named_by(&self, rest: &str) -> String {
        let mut what = without_comments(rest).trim().to_owned();
        for _ in 0..8 {
            match self
                .defines
                .get(first_word(&what))
                .filter(|d| !d.has_params && !what.starts_with(['<', '"']))
            {
                Some(define) => what = define.text.clone(),
                None => break,
            }
        }
        what
    }

    /// What `__has_include(…)` asks.
    pub fn has_include(&mut self, inner: &[Token], is_next: bool, cx: &Cx) -> bool {
        let (Some(first), Some(last)) = (inner.first(), inner.last()) else { return false };
        let text = cx.sources.text(first.span.to(last.span)).to_owned();
        let name = text.trim_matches(['"', '<', '>', ' ']);
        let from = match is_next {
            true => self.headers.dir_of.get(&first.span.file).map_or(0, |d| d + 1),
            false => 0,
        };
        let beside = files::beside(&cx.sources.files[first.span.file].name, name);
        text.starts_with('"') && self.world.read_file(&beside).is_ok() || self.find(name, from).is_some()
    }

    /// The folders for headers: those that are given, the C library's, the compiler's.
    fn dirs(&mut self) -> Rc<[String]> {
        let world = self.world;
        let make = || {
            let arch = world.arch().name;
            let mut dirs = world.include_dirs().to_vec();
            dirs.push("/usr/local/include".to_owned());
            dirs.push(format!("/usr/include/{arch}-linux-gnu"));
            dirs.push("/usr/include".to_owned());
            dirs.push(COMPILER_DIR.to_owned());
            dirs.extend(gcc_dir(world, arch));
            dirs.into()
        };
        self.headers.dirs.get_or_insert_with(make).clone()
    }

    /// The first of the folders from `from` on that has a header of that name, and its path.
    fn find(&mut self, name: &str, from: usize) -> Option<(usize, String)> {
        let dirs = self.dirs();
        (from..dirs.len()).find_map(|i| {
            let path = files::beside(&format!("{}/x", dirs[i]), name);
            self.text(&path).map(|_| (i, path))
        })
    }

    fn text(&mut self, path: &str) -> Option<Rc<str>> {
        if let Some(known) = self.headers.texts.get(path) {
            return known.clone();
        }
        let text: Option<Rc<str>> = match path.strip_prefix(COMPILER_DIR).and_then(|n| n.strip_prefix('/')) {
            Some(name) => OF_COMPILER.iter().find(|(n, _)| *n == name).map(|(_, text)| (*text).into()),
            None => self.world.read_file(path).ok().map(Rc::from),
        };
        self.headers.texts.insert(path.to_owned(), text.clone());
        text
    }

    /// Reads a header of the script's own, unless it has been.
    pub fn header(&mut self, path: &str, span: Span, cx: &mut Cx) {
        if !self.headers.seen.insert(path.to_owned()) || !self.may_read(span) {
            return;
        }
        let Some(text) = files::read(self.world, path, span, cx.diags) else { return };
        let file = cx.sources.add(Source::new(path, text.as_str()));
        self.read(file, &text, path, span, cx);
    }

    /// Reads a header of the system.
    fn foreign(&mut self, path: &str, dir: Option<usize>, span: Span, cx: &mut Cx) {
        if !self.may_read(span) {
            return;
        }
        self.define_compiler(cx);
        let Some(text) = self.text(path) else {
            // Says why not.
            drop(files::read(self.world, path, span, cx.diags));
            return;
        };
        let known = self.headers.ids.get(path).copied();
        let file = known.unwrap_or_else(|| cx.sources.add(Source::new(path, &*text)));
        self.headers.ids.insert(path.to_owned(), file);
        if self.headers.once.contains(&file) {
            return;
        }
        self.headers.foreign.insert(file);
        if let Some(dir) = dir {
            self.headers.dir_of.insert(file, dir);
        }
        let mut quiet = Diags::default();
        let mut apart = Cx { sources: cx.sources, diags: &mut quiet };
        self.read(file, &text, path, span, &mut apart);
        self.problems.append(quiet);
    }

    /// Whether another header may be read; says once that none may.
    fn may_read(&mut self, span: Span) -> bool {
        let h = &mut self.headers;
        h.n_read += 1;
        let fits = h.n_open < NESTED_MAX && h.n_read <= READ_MAX && h.n_bytes <= BYTES_MAX;
        if !fits && h.n_bytes != usize::MAX {
            h.n_bytes = usize::MAX;
            self.hard.push(Diag::error(&codes::IMPORT, span, "too many headers include one another"));
        }
        fits
    }

    fn read(&mut self, file: FileId, text: &str, path: &str, used_at: Span, cx: &mut Cx) {
        let origin = cx.sources.origins.push(Origin { name: path.to_owned(), used_at });
        let n_open = self.n_open();
        self.headers.n_open += 1;
        self.headers.n_bytes = self.headers.n_bytes.saturating_add(text.len());
        self.feed(text, Span { origin, ..Span::new(file, 0, text.len()) }, cx);
        self.headers.n_open -= 1;
        self.close(n_open, cx.diags);
    }
}

/// Whether a header lies in one of those folders.
fn is_in(name: &str, folders: &[&str]) -> bool {
    name.split_once('/').is_some_and(|(folder, _)| folders.contains(&folder))
}

/// Where the newest GCC for this machine has its headers.
fn gcc_dir(world: &dyn World, arch: &str) -> Option<String> {
    let machines = world.folder(GCC_DIR).ok()?.names;
    let machine = machines.iter().find(|m| m.starts_with(arch))?;
    let of_version = |name: &String| name.split('.').next().and_then(|n| n.parse::<u32>().ok());
    let versions = world.folder(&format!("{GCC_DIR}/{machine}")).ok()?.names;
    let newest = versions.iter().filter(|v| of_version(v).is_some()).max_by_key(|v| of_version(v))?;
    Some(format!("{GCC_DIR}/{machine}/{newest}/include"))
}
