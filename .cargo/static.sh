# Sourced by the scripts that build what is tested or installed: one fully static program, the same for
# this machine and for a guest. An explicit target keeps the flags off build scripts and proc macros, and
# puts the results under target/TRIPLE.

triple=$(rustc -vV | sed -n 's/^host: //p')
export CARGO_BUILD_TARGET=$triple
export "CARGO_TARGET_$(printf %s "$triple" | tr 'a-z-' 'A-Z_')_RUSTFLAGS=-C target-feature=+crt-static"
built_dir=${CARGO_TARGET_DIR:-target}/$triple
