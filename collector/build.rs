//! Compiles the part of containerd's interface that is read, with protox, so that nobody needs protoc.

use std::error::Error;

const DIRECTORY: &str = "proto/containerd";
const FILES: [&str; 7] = [
    "event.proto",
    "happened.proto",
    "containers.proto",
    "tasks.proto",
    "images.proto",
    "namespaces.proto",
    "version.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={DIRECTORY}");
    let descriptors = protox::compile(FILES, [DIRECTORY])?;
    tonic_prost_build::configure()
        .build_client(true)
        .build_server(false)
        .compile_fds(descriptors)?;
    Ok(())
}
