//! Compiles the protos: message and service code, validation, and the lossless descriptor set.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use prost_types::FileDescriptorSet;

const ROOT: &str = "proto";
/// Folders of our packages.
const PACKAGES: [&str; 2] = ["gad/v1", "gad/legacy/v1"];

/// Wrong items of a list that are told of.
const PROBLEMS: usize = 16;

#[expect(clippy::disallowed_methods, reason = "so cargo tells a build script where to write")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={ROOT}");
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let mut files: Vec<PathBuf> = Vec::new();
    for package in PACKAGES {
        for entry in fs::read_dir(format!("{ROOT}/{package}"))? {
            files.push(entry?.path());
        }
    }
    files.sort();

    // The struct form loses options such as `google.api.http`; the encoded form keeps them.
    let mut compiler = protox::Compiler::new([ROOT])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(&files)?;
    compiler.open_files(["google/rpc/error_details.proto", "google/rpc/status.proto"])?;
    fs::write(out.join("gad.bin"), compiler.encode_file_descriptor_set())?;

    let set = compiler.file_descriptor_set();
    fs::write(out.join("inbound.rs"), inbound(&set))?;
    prost_protovalidate_build::Builder::new()
        .file_descriptor_set_path(out.join("gad.bin"))?
        .extern_path(".google", "::prost_types")
        .extern_path(".buf", "::prost_protovalidate::types")
        .compile()?;
    bound_validation(&out.join("validate_impl.rs"))?;
    let mut named = tonic_prost_build::Config::new();
    named.enable_type_names();
    tonic_prost_build::configure()
        .codec_path("crate::codec::ValidatingCodec")
        .compile_fds_with_config(set, named)?;
    Ok(())
}

/// The generator tells of every wrong item of a list. Of a list of a million nobody needs to hear that, and it would cost
/// a gigabyte: the check of a list ends after a few.
fn bound_validation(file: &Path) -> Result<(), Box<dyn Error>> {
    const LOOP: &str = "in self.";
    let mut code = String::new();
    let mut bounded = 0;
    for line in fs::read_to_string(file)?.lines() {
        writeln!(code, "{line}")?;
        let text = line.trim();
        if text.starts_with("for ") && text.contains(LOOP) {
            if !text.ends_with('{') {
                return Err(format!("{}: a loop in an unknown form: {text}", file.display()).into());
            }
            writeln!(code, "if violations.len() >= {PROBLEMS} {{ break; }}")?;
            bounded += 1;
        }
    }
    if bounded == 0 {
        return Err(format!("{}: no list is checked", file.display()).into());
    }
    Ok(fs::write(file, code)?)
}

/// A table of all requests, for those who know types at run time only.
fn requests<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let rows = names.map(|name| format!("    (\"{name}\", crate::codec::reread::<{}>),\n", rust(name)));
    format!(
        "/// How the bytes of each request are read, by the full name of its message.
pub const REQUESTS: &[(&str, crate::codec::Reread)] = &[\n{}];\n",
        rows.collect::<String>()
    )
}

/// Says of every message an RPC takes or gives whether its rules are checked when it arrives:
/// requests are, answers are not (an older client must survive a newer server's words). A request whose rules the
/// generator cannot compile has no `Validate`, and the build fails here.
fn inbound(set: &FileDescriptorSet) -> String {
    let methods = || {
        set.file
            .iter()
            .flat_map(|file| &file.service)
            .flat_map(|service| &service.method)
    };
    let name = |full: &str| full.trim_start_matches('.').to_owned();
    let mut inputs: Vec<String> = methods().map(|m| name(m.input_type())).collect();
    let mut outputs: Vec<String> = methods().map(|m| name(m.output_type())).collect();
    inputs.sort();
    inputs.dedup();
    outputs.sort();
    outputs.dedup();
    outputs.retain(|output| !inputs.contains(output));
    // The generator leaves out messages that have nothing to check.
    let empty = |name: &String| {
        set.file.iter().any(|file| {
            let inside = name.strip_prefix(file.package()).and_then(|rest| rest.strip_prefix('.'));
            let message = file.message_type.iter().find(|message| Some(message.name()) == inside);
            message.is_some_and(|message| message.field.is_empty())
        })
    };
    let (unchecked, inputs): (Vec<_>, Vec<_>) = inputs.into_iter().partition(empty);
    let mut code = requests(inputs.iter().chain(&unchecked));
    for input in &inputs {
        let _ = writeln!(
            code,
            "impl crate::codec::Inbound for {} {{
    fn check(&self) -> Result<(), prost_protovalidate::ValidationError> {{
        prost_protovalidate::Validate::validate(self)
    }}
}}",
            rust(input)
        );
    }
    for output in outputs.iter().chain(&unchecked) {
        let _ = writeln!(code, "impl crate::codec::Inbound for {} {{}}", rust(output));
    }
    code
}

/// The Rust type of a message: `gad.v1.Task` is `gad::v1::Task`.
fn rust(name: &str) -> String {
    name.replace('.', "::")
}
