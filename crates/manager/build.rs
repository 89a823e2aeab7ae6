//! Puts the built console into the binary, or a page that says that it was not built.
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const NOT_BUILT: &str = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Sakimori</title>\n\
<h1>Sakimori</h1>\n<p>The manager is running. Its console was not built into this binary: run <code>npm ci</code> and \
<code>npm run build</code> in <code>console/</code> and build the manager again, or set \
<code>SAKIMORI_CONSOLE_DIST</code> to a built console.</p>\n\
<p lang=\"ja\">マネージャーは動作していますが、このバイナリにはコンソールが組み込まれていません。</p>\n";

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    let dist = if let Some(dir) = env::var_os("SAKIMORI_CONSOLE_DIST") {
        PathBuf::from(dir)
    } else {
        // Where it is not built it is an empty folder: a path that is not there makes every build start anew.
        let dist = root.join("../../console/dist");
        let _read_only_source = fs::create_dir_all(&dist);
        dist
    };
    println!("cargo:rerun-if-env-changed=SAKIMORI_CONSOLE_DIST");
    println!("cargo:rerun-if-changed={}", dist.display());
    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        collect(&dist, "", &mut files)?;
    } else {
        let page = out.join("not-built.html");
        fs::write(&page, NOT_BUILT)?;
        files.push(("index.html".to_owned(), page));
    }
    files.sort();
    // Copied, so that a console that is being built anew meanwhile does not pull files away from the compiler.
    let kept = out.join("console");
    if kept.is_dir() {
        fs::remove_dir_all(&kept)?;
    }
    fs::create_dir_all(&kept)?;
    let mut code = String::from("static FILES: &[(&str, &[u8])] = &[\n");
    for (number, (name, path)) in files.iter().enumerate() {
        let copy = kept.join(number.to_string());
        fs::copy(path, &copy)?;
        // Writing to a String never fails.
        let _never = writeln!(
            code,
            "    ({name:?}, include_bytes!(concat!(env!(\"OUT_DIR\"), \"/console/{number}\"))),"
        );
    }
    code.push_str("];\n");
    fs::write(out.join("console_files.rs"), code)
}

fn collect(dir: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.push((name, entry.path()));
        }
    }
    Ok(())
}
