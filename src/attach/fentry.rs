//! `fentry:` and `fexit:`: trampolines at functions that BTF knows.

use super::{AttachError, Target};
use crate::ty::TypeTable;
use crate::world::World;

/// The function that the program is loaded for.
pub fn target(module: &str, func: &str, world: &dyn World) -> Result<Target, AttachError> {
    match world.function(&mut TypeTable::new(), module, func) {
        Some(sig) => Ok(Target { module: sig.module, btf_id: sig.btf_id, program: None }),
        None => Err(AttachError::says(format!("the kernel's BTF has no function {func}"))),
    }
}
