//! What cbindgen derives from the crates: prototypes and plain structs.

use std::fs;
use std::path::Path;

use cbindgen::{Builder, Config, DocumentationStyle, Language, Style};

/// Types whose names are the system's or the kernel's, as C spells them.
const SPELLINGS: &[(&str, &str)] = &[
    ("__kernel_timespec", "struct __kernel_timespec"),
    ("iovec", "struct iovec"),
];

/// Type aliases that exist in C already.
const ALIASES: &[&str] = &["__u8", "__u16", "__u32", "__u64", "__s32", "size_t"];

/// Structs that programs hold by pointer in prototypes.
fn struct_names(abi_source: &str) -> Vec<String> {
    abi_source
        .lines()
        .filter_map(|line| line.strip_prefix("pub struct "))
        .filter_map(|line| line.split([' ', '{', '(']).next())
        .map(str::to_owned)
        .collect()
}

fn config() -> Config {
    let mut config = Config {
        language: Language::C,
        style: Style::Tag,
        documentation: true,
        documentation_style: DocumentationStyle::C99,
        no_includes: true,
        tab_width: 8,
        line_length: 80,
        usize_is_size_t: true,
        ..Config::default()
    };
    config.layout.aligned_n = None;
    for (name, spelling) in SPELLINGS {
        config
            .export
            .rename
            .insert((*name).to_owned(), (*spelling).to_owned());
    }
    config
}

fn run(config: Config, source: &str) -> Result<String, String> {
    // cbindgen reads files; a private one for this text.
    let folder = std::env::temp_dir().join(format!("xtask-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let file = folder.join("source.rs");
    fs::write(&file, source).map_err(|error| error.to_string())?;
    let result = Builder::new()
        .with_config(config)
        .with_src(&file)
        .generate()
        .map_err(|error| format!("cbindgen: {error}"));
    let _ = fs::remove_dir_all(&folder);
    let mut text = Vec::new();
    result?.write(&mut text);
    let text = String::from_utf8(text).map_err(|error| error.to_string())?;
    Ok(c_comments(&text))
}

/// `///` comments as C89 knows them, and tabs.
fn c_comments(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut block: Vec<String> = Vec::new();
    let flush = |block: &mut Vec<String>, lines: &mut Vec<String>| {
        if block.is_empty() {
            return;
        }
        if let [one] = block.as_slice() {
            lines.push(format!("/* {one} */"));
        } else {
            lines.push("/*".to_owned());
            lines.extend(
                block
                    .iter()
                    .map(|line| format!(" * {line}").trim_end().to_owned()),
            );
            lines.push(" */".to_owned());
        }
        block.clear();
    };
    for line in text.lines() {
        if let Some(comment) = line.trim_start().strip_prefix("//") {
            block.push(comment.trim_start_matches('/').trim().replace('`', ""));
            continue;
        }
        flush(&mut block, &mut lines);
        match line.strip_prefix("        ") {
            Some(field) => lines.push(format!("\t{field}")),
            None => lines.push(line.to_owned()),
        }
    }
    flush(&mut block, &mut lines);
    lines.join("\n").trim().to_owned()
}

/// Definitions of these structs of `anyring-abi`, in order.
pub(crate) fn structs(root: &Path, names: &[&str]) -> Result<String, String> {
    let source = read(root, "crates/anyring-abi/src/structs.rs")?;
    let all = struct_names(&source);
    let mut text = Vec::new();
    for name in names {
        if !all.iter().any(|known| known == name) {
            return Err(format!("anyring-abi has no struct {name}"));
        }
        let mut config = config();
        config.export.include.push((*name).to_owned());
        for other in all.iter().filter(|other| other != name) {
            config.export.exclude.push(other.clone());
            config
                .export
                .rename
                .entry(other.clone())
                .or_insert_with(|| format!("struct {other}"));
        }
        config
            .export
            .exclude
            .extend(ALIASES.iter().map(|&alias| alias.to_owned()));
        text.push(run(config, &source)?);
    }
    Ok(text.join("\n\n"))
}

/// Prototypes of the exported functions.
pub(crate) fn prototypes(root: &Path) -> Result<String, String> {
    let mut source = String::new();
    for file in ["setup", "submit", "register"] {
        source.push_str(&read(root, &format!("crates/anyring-capi/src/{file}.rs"))?);
    }
    // The link step gives the functions their C names; cbindgen shall see them.
    let source: String = source
        .replace(
            "#[cfg_attr(anyring_staticlib, unsafe(no_mangle))]",
            "#[unsafe(no_mangle)]",
        )
        .lines()
        .filter(|line| !line.starts_with("//!"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut config = config();
    config.function.postfix = Some("LIBURING_NOEXCEPT".to_owned());
    for name in struct_names(&read(root, "crates/anyring-abi/src/structs.rs")?) {
        let spelling = format!("struct {name}");
        config.export.rename.entry(name).or_insert(spelling);
    }
    let text = run(config, &source)?;
    Ok(text
        .split("\n\n")
        .map(prototype)
        .collect::<Vec<_>>()
        .join("\n\n"))
}

/// One prototype behind its comment, laid out like the rest of the header.
fn prototype(block: &str) -> String {
    let (comment, declaration) = match block.rfind("*/\n") {
        Some(end) => block.split_at(end + 3),
        None => ("", block),
    };
    let words: Vec<&str> = declaration.split_whitespace().collect();
    let line = words.join(" ");
    let Some((head, rest)) = line.split_once('(') else {
        return block.to_owned();
    };
    let Some((parameters, end)) = rest.rsplit_once(") ") else {
        return block.to_owned();
    };
    let parameters: Vec<String> = parameters.split(", ").map(str::to_owned).collect();
    format!(
        "{comment}{}\n\t{end}",
        crate::prep_c::declaration(head, &parameters)
    )
}

fn read(root: &Path, path: &str) -> Result<String, String> {
    fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"))
}
