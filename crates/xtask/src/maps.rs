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

pub(crate) fn generate() -> Result<Vec<Output>, String> {
    let mut so = Vec::new();
    let mut ffi = Vec::new();
    for function in FUNCTIONS {
        if let Node::V(node) = function.so {
            so.push((function.name.to_owned(), node));
        }
        match function.ffi {
            Node::V(node) => ffi.push((function.name.to_owned(), node)),
            // What the reference left out of its ffi library.
            Node::Archive => ffi.push((function.name.to_owned(), ADDITIONS_NODE)),
            Node::Local => {}
        }
    }
    for (_, row) in rows() {
        match row.node {
            Node::V(node) => ffi.push((row.c_name().to_string(), node)),
            Node::Archive => ffi.push((row.c_name().to_string(), ADDITIONS_NODE)),
            Node::Local => {}
        }
    }
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
