//! What the kernel made of a clause: the verifier's log, the size of the code.
//!
//! Always holds: asking changes nothing; a program that is loaded again for its log is never attached.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use super::clause::{Clause, ClauseId};
use super::error::LoadError;
use super::load::{self, Debug, Loader};
use super::session::Session;
use super::shared::Shared;
use crate::base::IndexVec;
use crate::image::{MapId, ProgramId, Role};
use crate::sys::bpf;
pub use crate::sys::bpf::Translation;
use crate::world::World;

/// One program of a clause, as the kernel sees it.
#[derive(Clone, Debug)]
pub struct Explained {
    /// In the clause's image.
    pub program: ProgramId,
    /// What `:verifier` shows; the verifier's words with the registers after each instruction.
    pub log: String,
}

impl Session {
    /// The verifier's log for each program of a clause; none where there is no such clause.
    pub fn verifier_logs(&self, id: ClauseId, world: &dyn World) -> Result<Vec<Explained>, LoadError> {
        let Some(clause) = self.clauses.get(&id) else { return Ok(Vec::new()) };
        let image = &clause.image;
        let maps = clause.descriptors(&self.shared);
        let loader = Loader { image, maps, world, debug: Debug::load(image) };
        let mut out: Vec<Explained> = Vec::new();
        for loaded in &clause.programs {
            // Units of one program have the same code.
            if out.iter().any(|e| e.program == loaded.program) {
                continue;
            }
            let log = load::states(&loader, loaded.program, &loaded.unit)?;
            out.push(Explained { program: loaded.program, log });
        }
        Ok(out)
    }

    /// What the kernel made of the programs of a clause.
    pub fn translations(&self, id: ClauseId) -> io::Result<Vec<(ProgramId, Translation)>> {
        let programs = self.clauses.get(&id).map_or(&[][..], |c| &c.programs);
        programs.iter().map(|p| Ok((p.program, bpf::translation(p.fd.as_fd())?))).collect()
    }
}

impl Clause {
    /// The descriptors of the maps that its programs use.
    fn descriptors(&self, shared: &Shared) -> IndexVec<MapId, RawFd> {
        let mut out = IndexVec::new();
        for (spec, live) in self.image.maps.iter().zip(self.maps.iter()) {
            let of_session = match &spec.role {
                Role::Globals => Some(shared.globals.map.as_fd().as_raw_fd()),
                Role::Output => shared.output().map(|r| r.map.as_fd().as_raw_fd()),
                Role::Control => shared.control().map(|r| r.map.as_fd().as_raw_fd()),
                Role::Losses => self.counters.fd().map(|fd| fd.as_raw_fd()),
                Role::UnwindProcesses => shared.unwind().map(|u| u.borrow().processes_fd()),
                Role::Packets => shared.packets().map(|p| p.borrow().map_fd()),
                Role::UnwindRows => shared.unwind().map(|u| u.borrow().rows_fd()),
                Role::User(_) | Role::Stacks(_) | Role::Scratch | Role::RoData(_) => None,
            };
            let fd = live.as_ref().map(|m| m.raw_fd()).or(of_session);
            out.push(fd.unwrap_or_else(|| crate::bug!("{} is not there", spec.name)));
        }
        out
    }
}
