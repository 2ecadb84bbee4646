//! Makes the parser from `grammar/script.lalrpop`; the code goes to cargo's output directory.

fn main() {
    println!("cargo::rerun-if-changed=grammar");
    let out = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    lalrpop::Configuration::new()
        .set_in_dir("grammar")
        .set_out_dir(out)
        .emit_rerun_directives(false)
        .process()
        .expect("grammar/script.lalrpop is a correct grammar");
}
