//! What was lost: the counters of a clause, and the runs that the kernel skipped.
//!
//! Always holds: what was told once is not told again.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::ClauseId;
use super::event::{Loss, LossCause};
use super::load::Loaded;
use super::shared::Memory;
use crate::attach::Link;
use crate::base::Idx;
use crate::image::{Image, LossKind, MapId};
use crate::sys::bpf;

/// The counters of one clause.
pub struct Counters {
    /// `None` where the image counts nothing.
    memory: Option<Memory>,
    told: RefCell<Vec<u64>>,
    told_skips: RefCell<Vec<u64>>,
}

impl Counters {
    /// `bytes`: of the losses map, 0 if the image has none.
    pub fn new(image: &Image, bytes: usize) -> io::Result<Counters> {
        let bytes = if bytes == 0 { 0 } else { bytes.max(image.losses.len() * 8) };
        let memory = if bytes == 0 { None } else { Some(Memory::new("losses", bytes)?) };
        Ok(Counters { memory, told: vec![0; image.losses.len()].into(), told_skips: RefCell::default() })
    }

    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.memory.as_ref().map(|m| m.map.as_fd())
    }

    /// Whether any counter has moved since the last report; costs a few loads.
    pub fn has_news(&self) -> bool {
        let Some(memory) = &self.memory else { return false };
        self.told.borrow().iter().enumerate().any(|(i, told)| memory.mem.load_u64(i * 8) != *told)
    }

    /// What was lost since the last report, in the order of the counters.
    pub fn take(&self, clause: ClauseId, image: &Image) -> Vec<Loss> {
        let Some(memory) = &self.memory else { return Vec::new() };
        let mut told = self.told.borrow_mut();
        let mut losses: Vec<Loss> = Vec::new();
        for (id, site) in image.losses.iter_enumerated() {
            let now = memory.mem.load_u64(id.index() * 8);
            let count = now.wrapping_sub(std::mem::replace(&mut told[id.index()], now));
            if count > 0 {
                losses.push(Loss {
                    cause: cause(&site.kind, image),
                    probe: image.programs[site.program].title.clone(),
                    count,
                    span: Some(site.span),
                    clause,
                });
            }
        }
        losses
    }

    /// Runs that the kernel skipped since the last report; a system call for each program, and a file to read for
    /// each event of tracefs.
    pub fn take_skips(
        &self,
        clause: ClauseId,
        image: &Image,
        programs: &[Loaded],
        links: &[Link],
    ) -> Vec<Loss> {
        let mut told = self.told_skips.borrow_mut();
        told.resize(programs.len() + links.len(), 0);
        let (told, told_of_links) = told.split_at_mut(programs.len());
        let mut losses = Vec::new();
        for (told, loaded) in told.iter_mut().zip(programs) {
            // A kernel that does not tell has nothing to tell.
            let now = bpf::recursion_misses(loaded.fd.as_fd()).unwrap_or(0);
            let count = now.wrapping_sub(std::mem::replace(told, now));
            if count > 0 {
                let probe = image.programs[loaded.program].title.clone();
                losses.push(Loss { cause: LossCause::Skipped, probe, count, span: None, clause });
            }
        }
        for (told, link) in told_of_links.iter_mut().zip(links) {
            let Some((probe, now)) = link.missed() else { continue };
            let count = now.wrapping_sub(std::mem::replace(told, now));
            if count > 0 {
                losses.push(Loss { cause: LossCause::Skipped, probe, count, span: None, clause });
            }
        }
        losses
    }
}

fn cause(kind: &LossKind, image: &Image) -> LossCause {
    let name = |map: &MapId| image.maps[*map].name.clone();
    match kind {
        LossKind::Event => LossCause::Event,
        LossKind::MapFull(map) => LossCause::MapFull(name(map)),
        LossKind::Scratch => LossCause::Scratch,
        LossKind::DivByZero => LossCause::DivByZero,
        LossKind::NoSuchKey(map) => LossCause::NoSuchKey(name(map)),
        LossKind::Stack => LossCause::Stack,
        LossKind::Cut(cut) => LossCause::Cut(*cut),
        LossKind::Rounds => LossCause::Rounds,
        LossKind::NoSuchTask => LossCause::NoSuchTask,
        LossKind::Index => LossCause::Index,
        LossKind::Read(helper) => LossCause::Read(helper.row().map_or("", |row| row.name)),
        LossKind::NoElement(map) => LossCause::NoElement(name(map)),
    }
}
