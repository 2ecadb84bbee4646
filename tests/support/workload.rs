//! Builds the workload program, unless `AWL_WORKLOAD` names one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// The path of the workload, built if it is older than its source.
pub fn path() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("AWL_WORKLOAD") {
        return Ok(PathBuf::from(path));
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/workload");
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("awl-workload");
    let newest = std::fs::read_dir(&source)
        .map_err(|e| format!("{}: {e}", source.display()))?
        .flatten()
        .map(|entry| modified(&entry.path()))
        .max()
        .flatten();
    if modified(&built) < newest {
        build(&source.join("workload.rs"), &built)?;
    }
    Ok(built)
}

/// One call of rustc: dynamically linked and with frame pointers, so that libc and stacks can be probed;
/// with debug information, so that arguments have names and types.
fn build(source: &Path, built: &Path) -> Result<(), String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    command.args(["--edition", "2024", "--crate-name", "awl_workload", "-D", "warnings"]);
    command.args(["-C", "opt-level=1", "-C", "force-frame-pointers=yes", "-C", "panic=abort", "-g"]);
    let output = command.arg(source).arg("-o").arg(built).output().map_err(|e| format!("rustc: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("the workload does not compile\n{}", String::from_utf8_lossy(&output.stderr)))
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|data| data.modified()).ok()
}
