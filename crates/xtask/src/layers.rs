//! Checks the direction of imports: between the engine's layers, and between crates.
//!
//! A layer may import itself and those below it. Modules that stand in one layer may
//! import each other. A module or crate that no layer names is an error: whoever adds one
//! has to say where it belongs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The engine's modules, from the lowest layer up. A request, what it does and the ring
/// that it belongs to depend on each other, which is inherent; nothing else does.
const ENGINE: &[&[&str]] = &[
    &["os"],
    &["chaos"],
    &["ring", "request", "ops"],
    &["wait"],
    &["pool"],
    &["setup"],
    &["register"],
    &["api"],
    &["select"],
];

/// The crates, from the lowest layer up.
const CRATES: &[&[&str]] = &[
    &["anyring-abi"],
    &["anyring", "anyring-spec"],
    &["anyring-engine"],
    &[
        "anyring-bench",
        "anyring-capi",
        "anyring-observe",
        "anyring-py",
    ],
    &["anyring-cli", "xtask"],
];

/// The layer of a name.
fn layer(layers: &[&[&str]], name: &str) -> Option<usize> {
    layers.iter().position(|layer| layer.contains(&name))
}

/// Source text without comments. Names inside string literals stay, which no import has.
fn without_comments(source: &str) -> String {
    source
        .lines()
        .map(|line| line.split("//").next().unwrap_or(""))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The first names of what follows a `crate::`: one, or those of a group in braces.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let Some(group) = rest.trim_start().strip_prefix('{') else {
        return vec![name(rest)];
    };
    let (mut names, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                names.push(name(&group[start..at]));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names
}

/// The top-level modules that a file of a crate names. `module` is its path: `ring::sq`.
fn imports(module: &[&str], source: &str) -> BTreeSet<String> {
    let source = without_comments(source);
    let mut found = BTreeSet::new();
    for (at, word) in source.match_indices("crate::") {
        if !source[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            found.extend(first_names(&source[at + word.len()..]));
        }
    }
    // What leads up to the crate's root by `super` names top-level modules, too.
    let up = "super::".repeat(module.len());
    for (at, word) in source.match_indices(&up) {
        let before = &source[..at];
        if !before.ends_with("super::") && !before.ends_with("::") {
            found.extend(first_names(&source[at + word.len()..]));
        }
    }
    found.retain(|name| !name.is_empty() && name != "super");
    found
}

/// What is wrong with the imports of the files given by path below `src` and content.
fn check_modules(layers: &[&[&str]], files: &[(String, String)]) -> Vec<String> {
    let tops: BTreeSet<&str> = files
        .iter()
        .map(|(path, _)| top_of(path))
        .filter(|top| *top != "lib")
        .collect();
    let mut wrong: Vec<String> = tops
        .iter()
        .filter(|top| layer(layers, top).is_none())
        .map(|top| format!("the module `{top}` is in no layer"))
        .collect();
    for (path, source) in files {
        let module: Vec<&str> = path
            .trim_end_matches(".rs")
            .trim_end_matches("/mod")
            .split('/')
            .collect();
        let Some(own) = layer(layers, module[0]) else {
            continue;
        };
        for name in imports(&module, source) {
            if tops.contains(name.as_str()) && layer(layers, &name).is_some_and(|at| at > own) {
                wrong.push(format!("{path} imports `{name}`, which is above it"));
            }
        }
    }
    wrong
}

fn top_of(path: &str) -> &str {
    path.split('/')
        .next()
        .unwrap_or(path)
        .trim_end_matches(".rs")
}

/// The crates of this workspace that a manifest depends on, but for its tests.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut of_interest = false;
    let mut found = Vec::new();
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            of_interest = section.ends_with("dependencies]") && !section.contains("dev-");
        } else if of_interest && line.starts_with("anyring") {
            let end = line.find(['.', ' ', '=']).unwrap_or(line.len());
            found.push(line[..end].to_owned());
        }
    }
    found
}

/// What is wrong with the dependencies of the crates given by name and manifest.
fn check_crates(layers: &[&[&str]], crates: &[(String, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, manifest) in crates {
        let Some(own) = layer(layers, name) else {
            wrong.push(format!("the crate `{name}` is in no layer"));
            continue;
        };
        for other in dependencies(manifest) {
            if layer(layers, &other).is_none_or(|at| at >= own) {
                wrong.push(format!(
                    "`{name}` depends on `{other}`, which is not below it"
                ));
            }
        }
    }
    wrong
}

/// Every Rust file below a folder, by its path from there.
fn files(folder: &Path, below: &str, all: &mut Vec<(String, String)>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|e| e.to_string())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{below}{name}");
        if path.is_dir() {
            files(&path, &format!("{name}/"), all)?;
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).map_err(|e| format!("{name}: {e}"))?;
            all.push((name, text));
        }
    }
    Ok(())
}

/// Checks the project.
pub(crate) fn check(root: &Path) -> Result<(), String> {
    let mut engine = Vec::new();
    files(&root.join("crates/anyring-engine/src"), "", &mut engine)?;
    engine.sort();
    let mut crates = Vec::new();
    let folder = root.join("crates");
    let entries = fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|e| e.to_string())?.path();
        if let Ok(manifest) = fs::read_to_string(path.join("Cargo.toml")) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            crates.push((name.into_owned(), manifest));
        }
    }
    crates.sort();
    let mut wrong = check_modules(ENGINE, &engine);
    wrong.extend(check_crates(CRATES, &crates));
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "imports against the layers (crates/xtask/src/layers.rs):\n  {}",
            wrong.join("\n  ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::{check, check_crates, check_modules};

    const LAYERS: &[&[&str]] = &[&["os"], &["ring", "ops"], &["api"]];

    fn modules(files: &[(&str, &str)]) -> Vec<String> {
        let mut all = vec![("lib".to_owned() + ".rs", String::new())];
        for top in ["os/mod.rs", "ring/mod.rs", "ops/mod.rs", "api.rs"] {
            all.push((top.to_owned(), String::new()));
        }
        for (path, source) in files {
            all.push(((*path).to_owned(), (*source).to_owned()));
        }
        check_modules(LAYERS, &all)
    }

    #[test]
    fn the_project_keeps_to_its_layers() {
        check(&crate::root()).unwrap();
    }

    #[test]
    fn imports_down_and_inside_a_layer_are_right() {
        let found = modules(&[
            (
                "api.rs",
                "use crate::ring::Ring;\nuse crate::os::{self, sys};",
            ),
            ("ring/sq.rs", "use crate::ops;\nuse super::sync;"),
            (
                "os/sys.rs",
                "// crate::ring is not imported\nuse crate::os::lock;",
            ),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn every_way_up_is_found() {
        for source in [
            "use crate::api;",
            "use crate::{os, api::Api};",
            "use crate::{\n    os::{self, lock},\n    api,\n};",
            "fn f() { crate::api::f(); }",
            "use super::super::api::Api;",
        ] {
            let found = modules(&[("os/sys.rs", source)]);
            assert_eq!(
                found,
                ["os/sys.rs imports `api`, which is above it"],
                "{source}"
            );
        }
    }

    #[test]
    fn a_module_without_a_layer_is_found() {
        let found = modules(&[("more/mod.rs", "")]);
        assert_eq!(found, ["the module `more` is in no layer"]);
    }

    #[test]
    fn crates_depend_downwards() {
        let layers: &[&[&str]] = &[&["anyring-abi"], &["anyring"]];
        let check = |name: &str, manifest: &str| {
            check_crates(layers, &[(name.to_owned(), manifest.to_owned())])
        };
        assert_eq!(
            check("anyring", "[dependencies]\nanyring-abi.workspace = true"),
            Vec::<String>::new()
        );
        assert_eq!(
            check(
                "anyring-abi",
                "[dependencies]\nanyring = { path = \"../anyring\" }"
            ),
            ["`anyring-abi` depends on `anyring`, which is not below it"]
        );
        assert_eq!(
            check(
                "anyring-abi",
                "[dev-dependencies]\nanyring.workspace = true"
            ),
            Vec::<String>::new()
        );
        assert_eq!(check("other", ""), ["the crate `other` is in no layer"]);
    }
}
