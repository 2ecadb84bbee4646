//! Detaching in the background.
//!
//! Comes in: links whose programs do nothing any more. Always holds: nobody waits for the kernel's grace periods;
//! what is still being closed when the process ends, the kernel closes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};

use crate::attach::{Detach, Link};

/// Closes links one after the other, in a thread that starts with the first slow one.
#[derive(Default)]
pub struct Reaper {
    work: Option<Sender<Link>>,
    n_open: Arc<AtomicUsize>,
}

impl Reaper {
    /// Closes links: fast ones here and now, and those that must not be left to the end of the process.
    pub fn close(&mut self, links: Vec<Link>) {
        for link in links {
            match link.detach {
                Detach::Fast | Detach::Here => drop(link),
                Detach::Slow => self.close_slowly(link),
            }
        }
    }

    /// Whether something is being closed yet.
    pub fn is_busy(&self) -> bool {
        self.n_open.load(Ordering::Acquire) > 0
    }

    fn close_slowly(&mut self, link: Link) {
        if self.work.is_none() {
            let (work, todo) = mpsc::channel::<Link>();
            let n_open = self.n_open.clone();
            let thread = std::thread::Builder::new().name("reaper".into()).spawn(move || {
                for link in todo {
                    drop(link);
                    n_open.fetch_sub(1, Ordering::AcqRel);
                }
            });
            // Without a thread it takes its time here.
            let Ok(_) = thread else { return };
            self.work = Some(work);
        }
        if let Some(work) = &self.work {
            self.n_open.fetch_add(1, Ordering::AcqRel);
            // The thread lives as long as the sender.
            let _ = work.send(link);
        }
    }
}
