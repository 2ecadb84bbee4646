//! `uprobe:` and `uretprobe:`: a multi link for each file where the kernel has them, else a perf event each.

use std::os::fd::{AsFd, BorrowedFd};

use super::{AttachError, Cx, Link, Method, slow};
use crate::image::{Attach, When};
use crate::sys::bpf::{self, Edge};
use crate::sys::perf::{self, Scope, Source};
use crate::world::{Feature, World};

/// One place is worth a multi link already: it goes away in 36 to 80 ms, a perf event in 100 to 140, and many
/// places take no longer than one.
pub fn method(world: &dyn World) -> Method {
    if world.features().has(Feature::UprobeMulti) { Method::UprobeMulti } else { Method::Each }
}

/// Where a program goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place<'a> {
    pub path: &'a str,
    pub offset: u64,
    pub when: When,
    /// 0: none.
    pub ref_ctr_offset: u64,
}

/// The points by file and edge, each group one link.
pub fn files(points: &[Attach]) -> Vec<Vec<&Attach>> {
    let key = |p: &Attach| place(p).map(|p| (p.path.to_owned(), p.when));
    let mut groups: Vec<(_, Vec<&Attach>)> = Vec::new();
    for point in points {
        let key = key(point);
        match groups.iter_mut().find(|(k, _)| *k == key) {
            Some((_, group)) => group.push(point),
            None => groups.push((key, vec![point])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

fn place(point: &Attach) -> Option<Place<'_>> {
    match point {
        Attach::Uprobe { path, offset, when, .. } => {
            Some(Place { path, offset: *offset, when: *when, ref_ctr_offset: 0 })
        }
        Attach::Usdt { path, offset, ref_ctr_offset, .. } => {
            Some(Place { path, offset: *offset, when: When::Entry, ref_ctr_offset: *ref_ctr_offset })
        }
        _ => None,
    }
}

/// Attaches to all points of one group.
pub fn attach_multi(program: BorrowedFd, points: &[&Attach], cx: &Cx) -> Result<Vec<Link>, AttachError> {
    let places: Vec<Place> = points.iter().filter_map(|p| place(p)).collect();
    let Some(&Place { path, when, .. }) = places.first() else {
        crate::bug!("{} is no uprobe", points[0].name())
    };
    let offsets: Vec<u64> = places.iter().map(|p| p.offset).collect();
    let mut ref_ctrs: Vec<u64> = places.iter().map(|p| p.ref_ctr_offset).collect();
    if ref_ctrs.iter().all(|&r| r == 0) {
        ref_ctrs.clear();
    }
    let edge = match when {
        When::Entry => Edge::Entry,
        When::Return => Edge::Return,
    };
    let link = bpf::link_uprobe_multi(program, path, &offsets, &ref_ctrs, cx.pid, edge);
    Ok(vec![slow(link.map_err(|e| AttachError::of(&e, reason(&e)))?)])
}

pub fn attach(program: BorrowedFd, place: Place, cx: &Cx) -> Result<Vec<Link>, AttachError> {
    /// `PERF_UPROBE_REF_CTR_OFFSET_SHIFT`
    const REF_CTR_SHIFT: u32 = 32;
    let pmu = perf::pmu("uprobe")
        .map_err(|_| AttachError::says("this kernel has no uprobes (CONFIG_UPROBE_EVENTS)"))?;
    let mut config = place.ref_ctr_offset << REF_CTR_SHIFT;
    if place.when == When::Return {
        config |= pmu.return_bit;
    }
    let scope = match cx.pid {
        Some(pid) => Scope::Task(pid),
        None => Scope::Cpu(perf::online_cpus().ok().and_then(|c| c.first().copied()).unwrap_or(0)),
    };
    let source = Source::Dynamic { pmu: pmu.ty, config, name: place.path, offset: place.offset };
    let event = perf::open(&source, scope).map_err(|e| AttachError::of(&e, reason(&e)))?;
    perf::start(event.as_fd(), program).map_err(|e| AttachError::of(&e, reason(&e)))?;
    Ok(vec![slow(event)])
}

fn reason(e: &std::io::Error) -> Option<&'static str> {
    match e.raw_os_error() {
        Some(libc::ENOENT) => Some("there is no such file"),
        Some(libc::EINVAL) => Some("the file has no code at this place"),
        Some(libc::EIO) => Some("the kernel cannot read the file there"),
        Some(libc::ESRCH) => Some("there is no such process"),
        _ => None,
    }
}
