//! The version scripts of the two shared libraries.

use std::fmt::Write as _;

use anyring_spec::{ADDITIONS_NODE, FFI_NODES, FUNCTIONS, Node, SO_NODES, rows};

use crate::{Output, banner};

/// Symbols of one library, with their nodes.
fn script(nodes: &[&str], symbols: &[(String, &str)]) -> Result<String, String> {
    let mut text = banner("/*", " */");
    let mut parent = None;
    let mut written = 0;
    for (position, node) in nodes.iter().enumerate() {
        let _ = writeln!(text, "\n{node} {{");
        let members: Vec<&str> = symbols
            .iter()
            .filter(|(_, at)| at == node)
            .map(|(name, _)| name.as_str())
            .collect();
        if !members.is_empty() {
            text.push_str("\tglobal:\n");
        }
        written += members.len();
        for name in members {
            let _ = writeln!(text, "\t\t{name};");
        }
        if position == 0 {
            text.push_str("\tlocal:\n\t\t*;\n");
        }
        match parent {
            None => text.push_str("};\n"),
            Some(parent) => {
                let _ = writeln!(text, "}} {parent};");
            }
        }
        parent = Some(*node);
    }
    if written == symbols.len() {
        Ok(text)
    } else {
        Err("a symbol has a version node that does not exist".to_owned())
    }
}

/// The names alone, for the symbols that stay global in a static archive.
fn list(symbols: &[(String, &str)]) -> String {
    let mut text = String::new();
    for (name, _) in symbols {
        let _ = writeln!(text, "{name}");
    }
    text
}

/// The functions of `liburing-ffi.so.2` with their nodes.
pub(crate) fn ffi_symbols() -> Vec<(String, &'static str)> {
    let functions = FUNCTIONS
        .iter()
        .map(|function| (function.name.to_owned(), function.ffi));
    let preps = rows().map(|(_, row)| (row.c_name().to_string(), row.node));
    functions
        .chain(preps)
        .filter_map(|(name, node)| match node {
            Node::V(node) => Some((name, node)),
            // What the reference left out of its ffi library.
            Node::Archive => Some((name, ADDITIONS_NODE)),
            Node::Local => None,
        })
        .collect()
}

pub(crate) fn generate() -> Result<Vec<Output>, String> {
    let mut so = Vec::new();
    for function in FUNCTIONS {
        if let Node::V(node) = function.so {
            so.push((function.name.to_owned(), node));
        }
    }
    let ffi = ffi_symbols();
    let folder = "crates/anyring-capi/maps";
    Ok(vec![
        (
            format!("{folder}/liburing.map").into(),
            script(SO_NODES, &so)?,
        ),
        (
            format!("{folder}/liburing-ffi.map").into(),
            script(&[FFI_NODES, &[ADDITIONS_NODE]].concat(), &ffi)?,
        ),
        (format!("{folder}/liburing.symbols").into(), list(&so)),
        (format!("{folder}/liburing-ffi.symbols").into(), list(&ffi)),
    ])
}
