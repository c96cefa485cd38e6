//! The reference tables in `docs/`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyring_spec::{
    ADDITIONS_NODE, FUNCTIONS, Node, Prep, REGISTER_CALLS, Value, operations, rows,
};

use crate::{Output, banner};

fn kernel(version: (u8, u8)) -> String {
    match version {
        (6, 19) => "newer than 6.18".to_owned(),
        (major, minor) => format!("{major}.{minor}"),
    }
}

fn node(node: Node) -> &'static str {
    match node {
        Node::V(name) => name.strip_prefix("LIBURING_").unwrap_or(name),
        Node::Archive => ADDITIONS_NODE,
        Node::Local => "header only",
    }
}

/// `field = value` for each write of a row.
fn writes(row: &Prep) -> String {
    let pieces: Vec<String> = row
        .set
        .iter()
        .filter(|set| set.value != Value::Const("0"))
        .map(|set| {
            let (field, _, _) = set.field.place();
            match set.value {
                Value::Const(name) => format!("{field} = {name}"),
                Value::Arg(arg) if arg == field => field.to_owned(),
                Value::Arg(arg) | Value::Unsigned(arg) => format!("{field} = {arg}"),
                Value::ArgOr(arg, bits) => format!("{field} = {arg} or {bits}"),
                Value::OrInto(bits) => format!("{field} gets {bits}"),
                Value::PlusOne(arg) => format!("{field} = {arg} + 1"),
                Value::Target(arg) => format!("{field} = slot {arg}"),
            }
        })
        .collect();
    pieces.join(", ")
}

fn operations_page() -> String {
    let mut text = banner("<!--", " -->");
    text.push_str(
        "# Operations\n\n\
         Every operation, and every function that prepares one. What a function does not\n\
         name is set to zero or left as `io_uring_get_sqe` initialised it; `user_data` is\n\
         never touched. Kernel: the first Linux that has it. Node: the version node of the\n\
         symbol in `liburing-ffi.so.2`.\n\n\
         | opcode | operation | what it does |\n|---|---|---|\n",
    );
    for operation in operations() {
        let name = operation.name.trim_start_matches("IORING_OP_");
        let _ = writeln!(text, "| {} | {name} | {} |", operation.value, operation.doc);
    }
    text.push_str("\n## Functions\n\n| function | what it does | kernel | node | writes |\n|---|---|---|---|---|\n");
    for (_, row) in rows() {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} |",
            row.c_name(),
            row.doc,
            kernel(row.kernel),
            node(row.node),
            writes(row)
        );
    }
    text
}

fn functions_page() -> String {
    let mut text = banner("<!--", " -->");
    text.push_str(
        "# Functions and their versions\n\n\
         Everything that does not prepare an operation (those are in\n\
         [operations.md](operations.md)), with the version nodes of the symbols.\n\n\
         | function | liburing.so.2 | liburing-ffi.so.2 |\n|---|---|---|\n",
    );
    for function in FUNCTIONS {
        let so = match function.so {
            Node::V(_) => node(function.so),
            Node::Archive | Node::Local => "inline",
        };
        let ffi = node(function.ffi);
        let _ = writeln!(text, "| `{}` | {so} | {ffi} |", function.name);
    }
    text.push_str(
        "\n## Register calls\n\n| opcode | call | kernel | functions |\n|---|---|---|---|\n",
    );
    for call in REGISTER_CALLS {
        let functions: Vec<String> = call
            .functions
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        let since = call.kernel.map_or_else(|| kernel((6, 19)), kernel);
        let _ = writeln!(
            text,
            "| {} | {} | {since} | {} |",
            call.opcode,
            call.name.trim_start_matches("IORING_"),
            functions.join(", ")
        );
    }
    text
}

/// What came with which kernel.
fn kernels_page() -> String {
    let mut by_kernel: BTreeMap<(u8, u8), Vec<String>> = BTreeMap::new();
    for group in anyring_abi::GROUPS {
        for constant in group.constants {
            let Some((_, rest)) = constant.doc.rsplit_once("(Linux ") else {
                if constant.doc.ends_with("(newer than Linux 6.18).") {
                    by_kernel
                        .entry((6, 19))
                        .or_default()
                        .push(constant.name.to_owned());
                }
                continue;
            };
            let version: Vec<u8> = rest
                .trim_end_matches(").")
                .split('.')
                .filter_map(|number| number.parse().ok())
                .collect();
            if let [major, minor] = version.as_slice() {
                by_kernel
                    .entry((*major, *minor))
                    .or_default()
                    .push(constant.name.to_owned());
            }
        }
    }
    let mut text = banner("<!--", " -->");
    text.push_str(
        "# What came with which kernel\n\n\
         Nothing here is decided by the kernel's version number: setup flags are tried,\n\
         operations probed (`io_uring_get_probe`), features read from `ring.features`.\n\
         Without a feature, the calls that need it return the error that\n\
         [compatibility.md](compatibility.md) names.\n\n\
         | Linux | constants |\n|---|---|\n",
    );
    for (version, names) in by_kernel {
        let _ = writeln!(text, "| {} | {} |", kernel(version), names.join(", "));
    }
    text
}

pub(crate) fn generate() -> Vec<Output> {
    vec![
        ("docs/operations.md".into(), operations_page()),
        ("docs/functions.md".into(), functions_page()),
        ("docs/kernel-features.md".into(), kernels_page()),
    ]
}
